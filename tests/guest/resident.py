#!/usr/bin/env python3
"""How much of a node's memory is resident on the host once it is ready: resident.py IMAGE [--most MIB]

The guest has 256 MiB and an arena beside it, which does not count. Exit status 0: at most that much.
"""
import argparse
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from guest import Guest  # noqa: E402

MEMORY, ARENA = 256, 32  # MiB


def resident_mib(image, cpus=2):
    backends = [word for name, size in (("ram", MEMORY), ("arena", ARENA))
                for word in ("-object", f"memory-backend-memfd,id={name},size={size}M,share=on")]
    nodes = ["-numa", f"node,nodeid=0,memdev=ram,cpus=0-{cpus - 1}", "-numa", "node,nodeid=1,memdev=arena"]
    with Guest(image, cpus=cpus, memory=f"{MEMORY + ARENA}M", extra=backends + nodes) as guest:
        guest.expect("k42: ready")
        smaps = pathlib.Path(f"/proc/{guest.process.pid}/smaps").read_text()
    sizes = [int(resident) for size, resident in
             re.findall(r"^\S+ \S+ \S+ \S+ \S+ +/memfd:.*\nSize: +(\d+) kB\n(?:.*\n)*?Rss: +(\d+) kB", smaps, re.M)
             if int(size) == MEMORY << 10]
    if len(sizes) != 1:
        raise RuntimeError(f"{len(sizes)} mappings of {MEMORY} MiB in QEMU")
    return sizes[0] / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("image")
    parser.add_argument("--most", type=float, default=64, help="MiB")
    options = parser.parse_args()
    found = resident_mib(options.image)
    print(f"{found:.1f} MiB of {MEMORY} resident, at most {options.most:g} wanted")
    return 0 if found <= options.most else 1


if __name__ == "__main__":
    sys.exit(main())
