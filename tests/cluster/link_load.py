#!/usr/bin/env python3
"""All to all under faults: link_load.py BUILD TRANSPORT [--nodes N] [--seconds S] [--kills K] [--seed SEED]

Kernels put, get, add and compare-and-swap in each other's arenas (tests/guest/link_load_test.cc checks every
end and every byte) while daemons are killed and stopped, guests stand still, ways are cut and endpoints break under
some operations, drawn from the seed.
"""
import argparse
import asyncio
import pathlib
import random
import signal
import sys
import time

from fabric import Fabric

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "sim-fabric"))
from k42sim import noded  # noqa: E402

PASSED = 33
AFTER = 30  # seconds that guests have after their patience ended, to say so


class Faults:
    """One at a time, so that a seed repeats their order."""

    def __init__(self, fabric, draw):
        self.fabric, self.draw = fabric, draw
        self.count = {"kill": 0, "stop": 0, "stand still": 0, "cut": 0, "break": 0}
        self.lives = dict.fromkeys(fabric.guests, 1)

    def node(self):
        return self.draw.randint(1, self.fabric.count)

    def kill(self):
        """Not before the guest's QEMU has shown it its memory: QEMU 7.2 forgets a device whose other end dies in the
        first words of the handshake, and the next daemon ends that life of the node (deaf_test.py). Here every life
        has to see the load through."""
        node, delay = self.node(), self.draw.uniform(0, 0.2)
        until = time.monotonic() + 20
        while self.fabric.log(node).count("guest has an arena") < self.lives[node] and time.monotonic() < until:
            time.sleep(0.02)
        self.fabric.kill_daemon(node)
        time.sleep(delay)
        self.fabric.start_daemon(node)
        self.lives[node] += 1
        self.count["kill"] += 1

    def stop(self):
        self.pause(self.fabric.daemons[self.node()], "stop")

    def stand_still(self):
        self.pause(self.fabric.guests[self.node()], "stand still")

    def pause(self, process, kind):
        process.send_signal(signal.SIGSTOP)
        time.sleep(self.draw.uniform(0.05, 0.4))
        process.send_signal(signal.SIGCONT)
        self.count[kind] += 1

    def cut(self):
        """Asked of one end's daemon; one that is just starting cannot be asked, and then nothing is cut."""
        self.and_heal("cut")

    def break_one(self):
        """At one of the next operations, which were all done or none was; so many may not come before it is healed.
        Nothing breaks where there is no endpoint just now."""
        self.and_heal("break", value=self.draw.randint(0, 5), done=self.draw.random() < 0.5)

    def and_heal(self, kind, **words):
        node, peer = self.draw.sample(range(1, self.fabric.count + 1), 2)
        begun = self.ask(node, kind, peer, **words)
        time.sleep(self.draw.uniform(0.05, 0.3))
        until = time.monotonic() + 20
        while begun and not self.ask(node, "heal", peer) and time.monotonic() < until:
            time.sleep(0.1)
        self.count[kind] += begun

    def ask(self, node, kind, peer, **words):
        request = {"request": "fault", "kind": kind, "peer": f"n{peer}", **words}
        try:
            asyncio.run(noded.ask(self.fabric.node(node) / "noded.sock", request))
        except (OSError, noded.Refused):
            return False
        return True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("transport", choices=("shm", "tcp"))
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--patience", type=int, default=30,
                        help="seconds after the load: reports go out, the last daemons come back")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    draw = random.Random(options.seed)
    with Fabric(options.build, options.nodes, options.transport, cpus=1) as fabric:
        fabric.start(f"test=link_load members={options.nodes} load_seconds={options.seconds} "
                     f"load_patience={options.patience}")
        if not all(fabric.wait_for(number, "under load", 60) for number in fabric.guests):
            fabric.tell()
            return 1
        faults = Faults(fabric, draw)
        until = time.monotonic() + options.seconds
        kinds = [faults.kill] * 4 + [faults.stop, faults.stand_still, faults.cut, faults.break_one]
        # What comes when the load is over is no fault under it.
        while (time.monotonic() < until or faults.count["kill"] < options.kills) and \
                any(guest.poll() is None for guest in fabric.guests.values()):
            draw.choice(kinds)()
            fabric.restart_what_ucx_ended()
            time.sleep(draw.uniform(0, 0.2))
        statuses = fabric.wait(options.patience + AFTER)
        print(", ".join(f"{kind} {count}" for kind, count in faults.count.items()) +
              f"; {fabric.ucx_ended} daemons ended by UCX")
        for number in fabric.guests:
            print("\n".join(f"n{number} {line}" for line in fabric.console(number).splitlines()
                            if "operations came" in line or "TEST" in line))
        if faults.count["kill"] < options.kills:
            print(f"only {faults.count['kill']} daemons were killed while the load lasted")
            return 1
        if any(status != PASSED for status in statuses.values()):
            print(statuses)
            fabric.tell()
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
