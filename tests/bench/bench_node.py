"""A node by itself: what its calls cost in instructions.

The rival's null call (getppid) is measured in the same run; its row counts only if that call takes
under 1.2 us timed and its clock source is tsc (rival.py has the profile).
"""
import pathlib
import re
import subprocess
import sys

import rival

PREFIXES = ("native.",)
ROOT = pathlib.Path(__file__).resolve().parents[2]
RUN = [sys.executable, str(ROOT / "tests/guest/run.py"), str(ROOT / "build/k42.elf")]


def native_calls():
    shown = subprocess.run([*RUN, "--icount", "--cpus", "1", "--append", "image=bench_null exit"],
                           capture_output=True, text=True, check=True, timeout=120).stdout
    return {name: float(value) for name, value in re.findall(r"\] (\w+) (\d+)$", shown, re.M)}


def trace_events():
    """One event of three words in the kernel, its class on and off."""
    run = [sys.executable, str(ROOT / "tests/guest/run.py"), str(ROOT / "build/k42-test.elf")]
    shown = subprocess.run([*run, "--icount", "--cpus", "1", "--append", "test=trace_cost"],
                           capture_output=True, text=True, check=True, timeout=120).stdout
    return {name: float(value) for name, value in re.findall(r"figure (trace_\w+) (\d+)$", shown, re.M)}


def micro():
    program = rival.CACHE / "micro"
    rival.CACHE.mkdir(parents=True, exist_ok=True)
    sources = sorted((ROOT / "tests/bench/programs").glob("micro*.c"))
    subprocess.run(["musl-gcc", "-static", "-O2", "-o", program, *sources], check=True)
    return program


def rows():
    linux = rival.figures(rival.run(micro(), icount=True))
    for name, value in {**native_calls(), **trace_events()}.items():
        row = {"name": f"native.{name}", "value": value, "unit": "instructions", "better": "lower"}
        if name in ("null_call", "object_call"):
            row["rival"] = linux["null_call"]
        yield row
