#!/usr/bin/env python3
"""Small and large machines start, and processes run on them: sizes.py IMAGE [--long]

And a start's cost does not grow with the memory, counted in instructions: descriptors of frames are made
when they are wanted (mem/frame_pool.h). Memory that the guest does not use is not the host's.
"""
import pathlib
import re
import subprocess
import sys

RUN = pathlib.Path(__file__).with_name("run.py")
SMALL = [(2, 64), (16, 256)]  # CPUs, MiB
LARGE = [(64, 256), (64, 64), (4, 65536)]
GROWTH_MS = 5  # of a million instructions each, for 255 times the memory


def run(image, cpus, memory, append, *more):
    """The kernel's own ms until it was ready, or None: it did not do well."""
    done = subprocess.run([RUN, image, "--cpus", str(cpus), "--memory", str(memory), "--timeout", "240",
                           "--append", append, *more], capture_output=True, text=True)
    found = re.search(rf"k42: ready, {cpus} CPUs, (\d+) MiB, (\d+) ms", done.stdout)
    good = done.returncode == 0 and found is not None and int(found[1]) in (memory - 1, memory)
    if not good:
        print(done.stdout, done.stderr)
    return int(found[2]) if good else None


def main():
    image = sys.argv[1]
    failed = 0
    for cpus, memory in SMALL + (LARGE if "--long" in sys.argv else []):
        ready = run(image, cpus, memory, "image=proc_test exit")
        failed += ready is None
        print(f"{cpus:3} CPUs, {memory:6} MiB: {'FAILED' if ready is None else f'ready after {ready} ms'}", flush=True)
    counted = [run(image, 1, memory, "exit", "--icount") for memory in (256, 65536)]
    print(f"instructions until ready, millions: {counted[0]} with 256 MiB, {counted[1]} with 64 GiB")
    if None in counted or counted[1] > counted[0] + GROWTH_MS:
        print("FAILED: it grows")
        failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
