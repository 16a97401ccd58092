#!/usr/bin/env python3
"""Threads that are blocked take no memory of the kernel beyond their process's own: blocked_threads.py [COUNT]

What is left to the kernel: a number each, and what it knows of the pages of the process's memory.
"""
import pathlib
import re
import sys

from node_shell import NodeShell

HERE = pathlib.Path(__file__).resolve().parent
EACH = 256   # bytes a thread: number, page-table entries (72 for its stacks' pages), page maps
ONCE = 2048  # KiB: what the first process to do so makes the kernel's caches hold


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    with NodeShell(cpus=1, memory=1024 if count < 50_000 else 4096) as shell:
        shell.compile(HERE / "blocked_threads.c")
        status, text = shell.run(f"/cluster/blocked_threads {count}", 60 + count // 50)
    print(text)
    found = re.search(r"^(\d+) threads: (-?\d+) KiB of the node, (-?\d+) KiB the process's own$", text, re.M)
    if status != 0 or not found or int(found.group(1)) != count or "all ended" not in text:
        print(f"it did not run to the end: {status}")
        return 1
    beyond = int(found.group(2)) - int(found.group(3))
    print(f"{beyond} KiB are the kernel's")
    return 0 if beyond <= ONCE + count * EACH // 1024 and int(found.group(3)) >= count * 4 else 1


if __name__ == "__main__":
    sys.exit(main())
