#!/usr/bin/env python3
"""A node destroys 10^5 objects while its daemon is stopped: stopped_daemon.py BUILD [SECONDS [CPUS]]

The daemon gets SIGSTOP, and SIGCONT after SECONDS (30); the guest must have done by then, and must talk to
the daemon again afterwards.
"""
import signal
import sys
import time

from fabric import Fabric

PASSED = 33


def main(build, seconds="30", cpus="2"):
    with Fabric(build, 1, cpus=int(cpus)) as fabric:
        fabric.start("test=link_stopped_daemon_and_destruction")
        if not fabric.wait_for(1, "stop the daemon", 60):
            fabric.tell()
            return False
        fabric.daemons[1].send_signal(signal.SIGSTOP)
        began = time.monotonic()
        done = fabric.wait_for(1, "  done", float(seconds))
        took = time.monotonic() - began
        if done:
            time.sleep(max(0.0, float(seconds) - took))
        fabric.daemons[1].send_signal(signal.SIGCONT)
        statuses = fabric.wait(90)
        print("\n".join(line for line in fabric.console(1).splitlines() if "destroyed" in line or "TEST" in line))
        print(f"daemon stopped for {time.monotonic() - began:.0f} s; the guest was done after {took:.1f} s"
              if done else f"not done within {seconds} s")
        if not done or statuses[1] != PASSED:
            fabric.tell()
            return False
        return True


if __name__ == "__main__":
    sys.exit(0 if main(*sys.argv[1:]) else 1)
