#!/usr/bin/env python3
"""Random Linux calls on a node: linux_fuzz.py [--seconds S] [--seed N]

linux_fuzz.c, in a guest of its own: the node must stand and give back what was held.
"""
import argparse
import pathlib
import random
import sys

from node_shell import NodeShell

SOURCE = pathlib.Path(__file__).resolve().parent / "linux_fuzz.c"


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 31))
    options = parser.parse_args()
    with NodeShell(memory=1024) as node:
        node.compile(SOURCE, compiler="gcc")
        # Busybox is the first process, which no signal of the supervisor reaches.
        status, text = node.run(f"/cluster/linux_fuzz {options.seed} {options.seconds}", 90 + 3 * options.seconds)
        print(f"seed {options.seed}: exit {status}\n{text}")
        if status != 0 or "stood" not in text:
            print(node.log[-4000:])
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
