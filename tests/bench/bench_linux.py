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


def node(program, rows="", append="", cpus=1, icount=True):
    with NodeShell(cpus=cpus, memory=256) as shell:
        shell.add(program, "micro")
        status, text = shell.run(f"cp /cluster/micro /tmp/micro; /tmp/micro {rows}", 600, icount=icount,
                                 append=append)
    if status != 0 or "rows done" not in text:
        raise RuntimeError("the node did not run to the end:\n" + text[-2000:])
    return {name: float(value) for name, value in re.findall(r"^row (\w+) ([\d.]+)", text, re.M)}


def served(program):
    """A server and its client on two CPUs (on one: the row `served`): instructions of both for a request, and the time.

    Counting instructions, QEMU runs its CPUs by turns on one clock, which then shows the sum. Linux does not
    start a second CPU so: the rival has times only.
    """
    yield {"name": "linux.served_2cpu", "value": node(program, "served", cpus=2)["served"], "unit": "instructions",
           "better": "lower"}
    for cpus in (1, 2):
        theirs = rival.figures(rival.run(program, False, cpus, words="served"))["served"]
        ours = node(program, "served", cpus=cpus, icount=False)["served"]
        yield {"name": f"linux.served_time_{cpus}cpu", "value": ours, "unit": "ns", "better": "lower", "rival": theirs}


def rows():
    program = micro()
    theirs = rival.figures(rival.run(program, icount=True))
    ours = node(program)
    # The same files when the kernel serves them all, or all but those of one kind.
    for files in ("shared", "small", "exclusive"):
        ours[f"postmark_{files}"] = node(program, "postmark", f"files={files}")["postmark"]
        theirs[f"postmark_{files}"] = theirs["postmark"]
    for name, value in ours.items():
        yield {"name": f"linux.{name}", "value": value, "unit": "instructions", "better": "lower",
               "rival": theirs[name]}
    yield from served(program)
