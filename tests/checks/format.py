#!/usr/bin/env python3
"""Every source is as clang-format leaves it (--fix rewrites)."""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def main():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.cc", "*.h"], cwd=ROOT,
                            capture_output=True, text=True, check=True).stdout.split()
    listed = [name for name in listed if (ROOT / name).exists()]
    mode = ["-i"] if "--fix" in sys.argv else ["--dry-run", "-Werror"]
    done = subprocess.run(["clang-format", *mode, *listed], cwd=ROOT, capture_output=True, text=True)
    files = sorted({line.split(":")[0] for line in done.stderr.splitlines() if "error:" in line})
    print("\n".join(files))
    print(f"{len(listed)} files, {len(files)} not formatted (tests/checks/format.py --fix)")
    return 1 if files else 0


if __name__ == "__main__":
    sys.exit(main())
