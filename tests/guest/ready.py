#!/usr/bin/env python3
"""How long a node takes from QEMU's start to "ready": ready.py IMAGE CPUS:MOST_MS...

The median of ten starts; of three such medians the least counts, for others use this machine.
"""
import statistics
import sys
import time

import guest

STARTS, ROUNDS = 10, 3


def ready_ms(image, cpus):
    """Median of STARTS."""
    times = []
    for _ in range(STARTS):
        began = time.monotonic()
        with guest.Guest(image, cpus=cpus) as node:
            node.expect("k42: ready")
            times.append((time.monotonic() - began) * 1000)
    return statistics.median(times)


def main(image, *limits):
    good = bool(limits)
    for limit in limits:
        cpus, most = map(int, limit.split(":"))
        medians = []
        while len(medians) < ROUNDS and (not medians or min(medians) > most):
            medians.append(ready_ms(image, cpus))
        good = good and min(medians) <= most
        print(f"{cpus} CPUs: ready after {', '.join(f'{median:.0f}' for median in medians)} ms (at most {most})")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
