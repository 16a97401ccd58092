"""The kernel's allocators by themselves, in instructions."""
import pathlib
import re
import subprocess
import sys

PREFIXES = ("memory.",)
ROOT = pathlib.Path(__file__).resolve().parents[2]


def rows():
    shown = subprocess.run([sys.executable, str(ROOT / "tests/guest/run.py"), str(ROOT / "build/k42-test.elf"),
                            "--icount", "--cpus", "1", "--append", "test=mem_heap_cost,mem_large_pages_cost"],
                           capture_output=True, text=True, check=True, timeout=120).stdout
    for name, value in re.findall(r"\]   ((?:pair|touch)_\w+) (\d+)$", shown, re.M):
        yield {"name": f"memory.{name}", "value": float(value), "unit": "instructions", "better": "lower"}
