#!/usr/bin/env python3
"""Clang takes every source of the node kernel, its modules and user images, too, with its thread-safety analysis.

What one compiler allows and the other does not is found the day it is written; the whole Clang build is the long
form's.
"""
import concurrent.futures
import os
import pathlib
import subprocess
import sys

from compilers import command_of, entries, for_compiler

ROOT = pathlib.Path(__file__).resolve().parents[2]


def check(entry):
    command = [*for_compiler("clang++", command_of(entry)[1:]), "-Wthread-safety", "-fsyntax-only", entry["file"]]
    done = subprocess.run(command, cwd=entry["directory"], capture_output=True, text=True)
    return None if done.returncode == 0 else done.stderr[:3000]


def main():
    sources = {}
    for entry in entries():  # the release kernel's come before the debug kernel's
        if "-nostdinc++" in entry["command"] and ROOT / "node-kernel" in pathlib.Path(entry["file"]).parents:
            sources.setdefault(entry["file"], entry)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        faults = [fault for fault in pool.map(check, sources.values()) if fault]
    print("\n".join(faults))
    print(f"{len(sources)} sources, {len(faults)} that Clang refuses")
    return 1 if faults or not sources else 0


if __name__ == "__main__":
    sys.exit(main())
