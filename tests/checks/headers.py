#!/usr/bin/env python3
"""Every header compiles alone, with the flags of a source of its room."""
import concurrent.futures
import json
import os
import pathlib
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
DROP_WITH_VALUE = {"-o", "-MF", "-MT", "-MQ"}
DROP = {"-c", "-MD", "-MMD"}


def compiler_and_flags(entry):
    """The compiler and the flags of one entry, without its input and outputs."""
    words = shlex.split(entry["command"])
    while not words[0].endswith("++"):
        words.pop(0)  # ccache
    flags, skip = [], False
    for word in words[1:]:
        if skip:
            skip = False
        elif word in DROP_WITH_VALUE:
            skip = True
        elif word not in DROP and not word.endswith(".cc"):
            flags.append(word)
    return [words[0], *flags]


def main():
    entries = [entry for entry in json.loads((ROOT / "build/compile_commands.json").read_text())
               if entry["file"].endswith(".cc")]
    by_folder = {}
    for entry in entries:  # the kernel's own objects come first: the strictest flags
        by_folder.setdefault(pathlib.Path(entry["file"]).parent, entry)

    def entry_for(header):
        if "platform/hosted" in header.as_posix():
            return next((e for e in entries if "platform/hosted" in e["file"]), None)
        if "platform/x86_64/user" in header.as_posix():
            return next((e for e in entries if "node-kernel/user/runtime" in e["file"]), None)
        folder = header.parent
        while folder not in by_folder and folder != ROOT:
            folder = folder.parent
        return by_folder.get(folder) or next(e for e in entries if "/base/status.cc" in e["file"])

    def check(header):
        entry = entry_for(header)
        if entry is None:
            return f"{header.relative_to(ROOT)}: no source beside it tells the flags"
        command = [*compiler_and_flags(entry), "-fsyntax-only", "-x", "c++", "-include", str(header),
                   "/dev/null"]
        done = subprocess.run(command, cwd=entry["directory"], capture_output=True, text=True)
        return None if done.returncode == 0 else f"{header.relative_to(ROOT)}:\n{done.stderr[:1500]}"

    # C programs' own, and what the unit tests share: no source beside them tells their flags.
    apart = ("tests/linux/", "tests/support/")
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.h"], cwd=ROOT,
                            capture_output=True, text=True, check=True).stdout.split()
    headers = [ROOT / name for name in listed if (ROOT / name).exists() and not name.startswith(apart)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        faults = [fault for fault in pool.map(check, headers) if fault]
    print("\n".join(faults))
    print(f"{len(headers)} headers, {len(faults)} do not compile alone")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
