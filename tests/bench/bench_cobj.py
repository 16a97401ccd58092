"""Hot swap of an object that every CPU has used and nobody calls meanwhile (guest test cobj_swap_cost).

Instructions are those of all CPUs together, on one CPU and on four; the time is the swapping thread's,
on one and on two, for which this machine has cores. A CPU takes part when its idle loop sees the
message, so a time on several CPUs is mostly that of waking them.
"""
import pathlib
import re
import subprocess
import sys

PREFIXES = ("cobj.",)
ROOT = pathlib.Path(__file__).resolve().parents[2]
RUN = [sys.executable, str(ROOT / "tests/guest/run.py"), str(ROOT / "build/k42-test.elf"), "--append",
       "test=cobj_swap_cost"]


def null_swap_ns(cpus, *options):
    shown = subprocess.run([*RUN, "--cpus", str(cpus), "--timeout", "120", *options], capture_output=True, text=True,
                           check=True).stdout
    return int(re.search(r"null swap (\d+) ns", shown)[1])


def rows():
    for cpus in (1, 4):
        yield {"name": f"cobj.null_swap_{cpus}cpu", "value": null_swap_ns(cpus, "--icount"), "unit": "instructions",
               "better": "lower"}
    for cpus in (1, 2):
        yield {"name": f"cobj.null_swap_time_{cpus}cpu", "value": null_swap_ns(cpus) / 1000, "unit": "us",
               "better": "lower"}
