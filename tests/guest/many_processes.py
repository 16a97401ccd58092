#!/usr/bin/env python3
"""1,000 processes at once on a node with 1 GB: programs of their own, with the C library of the host."""
import pathlib
import re
import subprocess
import sys

from node_shell import NodeShell

HERE = pathlib.Path(__file__).resolve().parent
COUNT, MEMORY = 1000, 1024  # processes, MiB


def main():
    with NodeShell(cpus=2, memory=MEMORY) as shell:
        subprocess.run(["gcc", "-O1", "-o", shell.share / "many", HERE / "many_processes.c"], check=True)
        status, text = shell.run(f"/cluster/many {COUNT}; /cluster/many {COUNT}", 200)
    print(text)
    right = (text.count(f"{COUNT} at once, numbers right, all listed") == 2
             and text.count(f"ended as they should: {COUNT}") == 2)
    if status != 0 or not right:
        print(f"ended with {status}")
        return 1
    kib = [int(each) for each in re.findall(r"KiB of each: (-?\d+)", text)]
    if not all(0 < each < MEMORY * 1024 // COUNT for each in kib):
        print("each has more than its share of the memory")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
