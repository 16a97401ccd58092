#!/usr/bin/env python3
"""Kernels talk to their daemons and to each other: tests/cluster/link.py BUILD CASE [CPUS]

    shm, tcp    two nodes echo each other's messages, arenas mapped or UCX over TCP
    calls-shm, calls-tcp    three nodes call each other's global objects from all their CPUs
    restart     a daemon is killed again and again under a kernel that goes on talking through it
"""
import sys
import time

from fabric import Fabric

PASSED = 33


def peers(build, transport, cpus, count=2, test="link_echo_*", seconds=60):
    with Fabric(build, count, transport, cpus) as fabric:
        fabric.start(f"test={test} members={count}")
        statuses = fabric.wait(seconds)
        fine = all(status == PASSED for status in statuses.values())
        if not fine:
            fabric.tell()
        numbers = range(1, count + 1)
        for number in numbers:
            lines = fabric.console(number).splitlines()
            print("\n".join(line for line in lines if "bytes to" in line or "calls to" in line or "TEST" in line))
        wanted = "mapped" if transport == "shm" else "ucx"
        used = all(f"is reached by {wanted}" in fabric.log(number) for number in numbers)
        print(f"transport {wanted}: {'used' if used else 'NOT used'}")
        return fine and used


def restart(build, cpus):
    with Fabric(build, 1, cpus=cpus) as fabric:
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


def main(build, case, cpus="2"):
    cpus = int(cpus)
    if case == "restart":
        return restart(build, cpus)
    if case.startswith("calls-"):
        return peers(build, case.removeprefix("calls-"), cpus, 3, "global_calls", 120 + 10 * cpus)
    return peers(build, case, cpus)


if __name__ == "__main__":
    sys.exit(0 if main(*sys.argv[1:]) else 1)
