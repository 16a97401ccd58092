#!/usr/bin/env python3
"""Kernels talk to their daemons and to each other: tests/cluster/link.py BUILD CASE

    shm, tcp    two nodes echo each other's messages, arenas mapped or UCX over TCP
    restart     a daemon is killed again and again under a kernel that goes on talking through it
"""
import sys
import time

from fabric import Fabric

PASSED = 33


def peers(build, transport):
    with Fabric(build, 2, transport) as fabric:
        fabric.start("test=link_echo_* members=2")
        statuses = fabric.wait(60)
        fine = all(status == PASSED for status in statuses.values())
        if not fine:
            fabric.tell()
        for number in (1, 2):
            lines = fabric.console(number).splitlines()
            print("\n".join(line for line in lines if "bytes to" in line or "TEST" in line))
        wanted = "mapped" if transport == "shm" else "ucx"
        used = all(f"is reached by {wanted}" in fabric.log(number) for number in (1, 2))
        print(f"transport {wanted}: {'used' if used else 'NOT used'}")
        return fine and used


def restart(build):
    with Fabric(build, 1) as fabric:
        fabric.start("test=link_survives_daemons")
        kills = 0
        if fabric.wait_for(1, "pinging", 20):
            for kills in range(1, 6):
                fabric.kill_daemon(1)
                time.sleep(0.2)
                fabric.start_daemon(1)
                if not fabric.wait_for(1, f"generation {kills + 1}", 10):
                    break
        statuses = fabric.wait(30)
        print(f"{kills} daemons killed; guest ended with {statuses[1]}")
        if statuses[1] != PASSED or kills != 5:
            fabric.tell()
            return False
        return True


if __name__ == "__main__":
    build, case = sys.argv[1:]
    sys.exit(0 if (restart(build) if case == "restart" else peers(build, case)) else 1)
