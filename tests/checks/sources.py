#!/usr/bin/env python3
"""Every source and test is built, and sizes stay readable: what no target compiles is dead."""
import json
import pathlib
import re
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LONGEST = 600  # past this a file says near its top why: `Long because: ...`
# Programs that the tests which run them compile, with MPI's wrappers, musl or libFuzzer.
ELSEWHERE = re.compile(r"^tests/((linux|tcp|mpi|fuzz|bench)/|guest/\w+\.c$)")


def main():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT,
                            capture_output=True, text=True, check=True).stdout.split()
    built = {pathlib.Path(entry["file"]).resolve()
             for entry in json.loads((ROOT / "build/compile_commands.json").read_text())}
    faults, sizes = [], []
    for name in listed:
        path = ROOT / name
        if not path.is_file():
            continue
        if path.suffix in (".cc", ".S", ".c") and path.resolve() not in built and not ELSEWHERE.search(name):
            faults.append(f"{name}: no target builds it")
        if path.suffix in (".cc", ".h", ".S", ".py"):
            text = path.read_text()
            lines = text.count("\n")
            sizes.append(lines)
            if lines > LONGEST and "Long because:" not in text[:2000]:
                faults.append(f"{name}: {lines} lines; split it, or say why (Long because: ...)")
    print("\n".join(faults))
    sizes.sort()
    print(f"{len(sizes)} sources, median {statistics.median(sizes):.0f} lines, "
          f"p90 {sizes[len(sizes) * 9 // 10]}, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
