"""Linux programs: one static binary (programs/micro.c) on a node and on the rival, in instructions.

Both run it from a file system in memory, on one CPU. A figure is the kernel's and the personality's
work and the few instructions of the program around it.
"""
import pathlib
import re
import sys

import rival
from bench_node import micro

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/guest"))
from node_shell import NodeShell  # noqa: E402

PREFIXES = ("linux.",)


def node(program, rows="", append=""):
    with NodeShell(cpus=1, memory=256) as shell:
        shell.add(program, "micro")
        status, text = shell.run(f"cp /cluster/micro /tmp/micro; /tmp/micro {rows}", 600, icount=True,
                                 append=append)
    if status != 0 or "rows done" not in text:
        raise RuntimeError("the node did not run to the end:\n" + text[-2000:])
    return {name: float(value) for name, value in re.findall(r"^row (\w+) ([\d.]+)", text, re.M)}


def rows():
    program = micro()
    theirs = rival.figures(rival.run(program, icount=True))
    ours = node(program)
    # The same files when the kernel serves them all.
    ours["postmark_shared"] = node(program, "postmark", "files=shared")["postmark"]
    theirs["postmark_shared"] = theirs["postmark"]
    for name, value in ours.items():
        yield {"name": f"linux.{name}", "value": value, "unit": "instructions", "better": "lower",
               "rival": theirs[name]}
