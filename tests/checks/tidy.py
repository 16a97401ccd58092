#!/usr/bin/env python3
"""clang-tidy's allow-list (.clang-tidy) over every source of the Clang build.

A source whose preprocessed text was clean before is not looked at again (.cache/tidy).
"""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import subprocess
import sys

from compilers import command_of

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build-clang"
CACHE = ROOT / ".cache" / "tidy"


def preprocessed(entry):
    done = subprocess.run([*command_of(entry), "-E", "-P", entry["file"]], cwd=entry["directory"], capture_output=True)
    rules = (ROOT / ".clang-tidy").read_bytes()
    return hashlib.sha256(rules + done.stdout).hexdigest() if done.returncode == 0 else None


def check(entry):
    key = preprocessed(entry)
    if key and (CACHE / key).exists():
        return None
    done = subprocess.run(["clang-tidy", "--quiet", "-p", BUILD, entry["file"]], capture_output=True, text=True)
    if done.returncode == 0:
        if key:
            (CACHE / key).touch()
        return None
    return "\n".join(line for line in done.stdout.splitlines() if "error:" in line or "warning:" in line) \
        or done.stderr[-1000:]


def main():
    CACHE.mkdir(parents=True, exist_ok=True)
    entries = {}
    for entry in json.loads((BUILD / "compile_commands.json").read_text()):
        path = pathlib.Path(entry["file"])
        in_tree = path.suffix == ".cc" and ROOT in path.parents and BUILD not in path.parents
        # Tests too in the long form: they are many, and gtest is slow to parse.
        if in_tree and (os.environ.get("K42_LONG") == "1" or ROOT / "tests" not in path.parents):
            entries.setdefault(entry["file"], entry)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        faults = [fault for fault in pool.map(check, entries.values()) if fault]
    print("\n".join(faults))
    print(f"{len(entries)} sources, {len(faults)} with findings")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
