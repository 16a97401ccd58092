#!/usr/bin/env python3
"""Every header compiles alone, with the flags of a source of its room.

A header that a source of the build includes before anything else has been compiled alone by the
build: only the others are compiled here.
"""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

from compilers import command_of, entries

ROOT = pathlib.Path(__file__).resolve().parents[2]


def first_included(entry):
    """The header that a source includes before any other line of code, or None."""
    for line in pathlib.Path(entry["file"]).read_text().splitlines():
        if not line.strip() or line.startswith("//"):
            continue
        found = re.match(r'#include "([^"]+)"', line)
        if found is None:
            return None
        folders = [word[2:] for word in command_of(entry) if word.startswith("-I")]
        return next((path for path in (pathlib.Path(folder) / found[1] for folder in folders)
                     if path.exists()), None)
    return None


def main():
    sources = entries()
    built = {first_included(entry) for entry in sources}
    by_folder = {}
    for entry in sources:  # the kernel's own objects come first: the strictest flags
        by_folder.setdefault(pathlib.Path(entry["file"]).parent, entry)

    def entry_for(header):
        if "platform/hosted" in header.as_posix():
            return next((e for e in sources if "platform/hosted" in e["file"]), None)
        if "platform/x86_64/user" in header.as_posix():
            return next((e for e in sources if "node-kernel/user/runtime" in e["file"]), None)
        folder = header.parent
        while folder not in by_folder and folder != ROOT:
            folder = folder.parent
        return by_folder.get(folder) or next(e for e in sources if "/base/status.cc" in e["file"])

    def check(header):
        entry = entry_for(header)
        if entry is None:
            return f"{header.relative_to(ROOT)}: no source beside it tells the flags"
        command = [*command_of(entry), "-fsyntax-only", "-x", "c++", "-include", str(header),
                   "/dev/null"]
        done = subprocess.run(command, cwd=entry["directory"], capture_output=True, text=True)
        return None if done.returncode == 0 else f"{header.relative_to(ROOT)}:\n{done.stderr[:1500]}"

    # C programs' own, and what the unit tests share: no source beside them tells their flags.
    apart = ("tests/linux/", "tests/support/")
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.h"], cwd=ROOT,
                            capture_output=True, text=True, check=True).stdout.split()
    headers = [ROOT / name for name in listed if (ROOT / name).exists() and not name.startswith(apart)]
    alone = [header for header in headers if header not in built]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        faults = [fault for fault in pool.map(check, alone) if fault]
    print("\n".join(faults))
    print(f"{len(headers)} headers, {len(headers) - len(alone)} of them compiled alone by the build, "
          f"{len(faults)} do not compile alone")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
