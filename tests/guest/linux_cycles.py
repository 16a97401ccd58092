#!/usr/bin/env python3
"""Linux processes and threads made and ended over and over leave nothing behind: linux_cycles.py [COUNT]"""
import pathlib
import re
import sys

from node_shell import NodeShell

HERE = pathlib.Path(__file__).resolve().parent
MOST = 1024  # KiB: what caches keep


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with NodeShell(cpus=2, memory=256) as shell:
        shell.compile(HERE / "linux_cycles.c")
        status, text = shell.run(f"cp /cluster/linux_cycles /tmp/cycles; /tmp/cycles {count}", 60 + count // 4)
    print(text)
    lost = re.search(r"^(\d+) cycles, (-?\d+) KiB less free$", text, re.M)
    if status != 0 or not lost or int(lost.group(1)) != count:
        print(f"it did not run to the end: {status}")
        return 1
    if int(lost.group(2)) > MOST:
        print(f"more than {MOST} KiB are gone")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
