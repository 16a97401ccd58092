#!/usr/bin/env python3
"""Where a row's instructions go: profile.py ROW [--count N] [--megabytes N] [--calls SYMBOL ...]

    tests/bench/profile.py fork_exit                 # a table by function
    tests/bench/profile.py fork_exit --calls ForkCopy --calls ReapNow

Runs programs/micro.c's ROW over and over on a node of one CPU, lets QEMU log each instruction's
address for some whole operations (one instruction per block, no chaining), and counts them by
function: the kernel's (build/k42.elf), the personality's (build/images/linux), the program's.
`--faults` lists the page faults of each operation: how often, how (P present, W write, X fetch; K the
kernel's), page, and the place that touched it. `--calls` also tells what the functions whose name contains SYMBOL took with all they called, and
what those callees were. Who called whom is read from the addresses alone: a function is entered at
its first instruction and left for one that was there before it. Switches of threads cut that short,
so the sums by caller are a little too low at worst; the counts by function are exact.
"""
import argparse
import bisect
import collections
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time

from bench_node import micro

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/guest"), str(ROOT / "sim-fabric")]
from k42sim.monitor import Monitor  # noqa: E402
from node_shell import NodeShell  # noqa: E402

LINE = re.compile(rb"\[[0-9a-f]+/([0-9a-f]+)/")
FAULT = re.compile(rb"v=0e e=([0-9a-f]+) .*? pc=([0-9a-f]+) .*CR2=([0-9a-f]+)")
LINE_BYTES = 110  # of QEMU's log, about
SETTLE = 2.0      # seconds of the row before the log is on: caches are warm, the heap has its size


class Symbols:
    """Functions of some ELF files by address."""

    def __init__(self, files):
        found = {}
        for space, path in files:
            shown = subprocess.run(["nm", "-C", "--defined-only", path], capture_output=True, text=True,
                                   check=True).stdout
            for address, kind, name in re.findall(r"^([0-9a-f]+) (\w) (.*)$", shown, re.M):
                if kind in "tTwW":
                    found.setdefault(int(address, 16), (space, shorten(name)))
        self._starts = sorted(found)
        self._names = [found[start] for start in self._starts]

    def at(self, address):
        """(space, function, is this its first instruction)"""
        index = bisect.bisect_right(self._starts, address) - 1
        if index < 0 or address - self._starts[index] > 1 << 20:
            return "?", hex(address), False
        return *self._names[index], self._starts[index] == address

    def address_of(self, name):
        return next(start for start, (_, found) in zip(self._starts, self._names) if found == name)


def shorten(name):
    """A demangled name without parameters, template arguments and our own name spaces."""
    while (cut := re.sub(r"<[^<>]*>", "", name)) != name:
        name = cut
    name = name.split("(anonymous namespace)::")[-1].split("(")[0].strip()
    return re.sub(r"\b(k42|mem|proc|sched|cobj|ipc|machine|personality)::", "", name.split(" ")[-1])


def wait_for(condition, limit, what):
    deadline = time.monotonic() + limit
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} did not happen in {limit} s")
        time.sleep(0.05)


def record(program, row, count, megabytes, folder):
    """Path of QEMU's log of a stretch of the running row."""
    log, control = folder / "log", folder / "qmp"
    with NodeShell(cpus=1, memory=256) as shell:
        shell.add(program, "micro")
        script = f"cp /cluster/micro /tmp/micro; touch /cluster/begun; /tmp/micro --loop {row} {count}"
        extra = ["-qmp", f"unix:{control},server=on,wait=off", "-D", str(log)]
        thread = threading.Thread(target=shell.run, args=(script, 300), kwargs={"icount": True, "extra": extra})
        thread.start()
        try:
            wait_for((shell.share / "begun").exists, 60, "the row's start")
            time.sleep(SETTLE)
            monitor = Monitor(control)
            for line in ("stop", "singlestep on", "log exec,nochain,int", "cont"):
                monitor.human(line)
            wait_for(lambda: log.exists() and log.stat().st_size > megabytes << 20, 200, "the log")
            monitor.human("log none")
            monitor.ask("quit")
        finally:
            thread.join()
    return log


def show_faults(log, symbols, mark):
    """The page faults between the first mark and the last."""
    found, marks, counted = collections.Counter(), 0, collections.Counter()
    for line in log.read_bytes().splitlines():
        if (fault := FAULT.search(line)) and marks:
            code, pc, address = (int(word, 16) for word in fault.groups())
            how = "".join(letter for bit, letter in ((1, "P"), (2, "W"), (16, "X")) if code & bit)
            found[(how + ("" if code & 4 else "K"), address & ~4095, " ".join(symbols.at(pc)[:2]))] += 1
        elif (step := LINE.search(line)) and int(step.group(1), 16) == mark:
            counted, marks = found.copy(), marks + 1
    print(f"\npage faults: {sum(counted.values()) / max(marks - 1, 1):.1f} an operation")
    for (how, page, place), times in sorted(counted.items(), key=lambda item: item[0][1]):
        print(f"{times / (marks - 1):8.1f}  {how:3} {page:14x}  {place}")


def instructions(log, symbols, mark):
    """Addresses of whole operations, and how many: from the first mark to the last."""
    addresses = [int(address, 16) for address in LINE.findall(log.read_bytes())]
    marks = [index for index, address in enumerate(addresses) if address == mark]
    if len(marks) < 2:
        raise RuntimeError("no whole operation was logged: let it log more (--megabytes)")
    return addresses[marks[0]:marks[-1]], len(marks) - 1


class CallTree:
    """Sums by caller, from entries and returns (see above)."""

    def __init__(self, wanted):
        self._wanted = wanted
        self._stacks = collections.defaultdict(list)
        self.with_callees = collections.Counter()
        self.entered = collections.Counter()
        self.callees = collections.defaultdict(collections.Counter)

    def step(self, space, name, first):
        stack = self._stacks[space]
        if first:
            stack.append(name)
            self.entered[name] += 1
        elif not stack or stack[-1] != name:
            if name in stack:
                del stack[len(stack) - stack[::-1].index(name):]
            else:
                stack.append(name)
        del stack[:-64]
        for one in set(stack):
            self.with_callees[one] += 1
        for depth, one in enumerate(stack):
            if any(part in one for part in self._wanted):
                self.callees[one][stack[depth + 1] if depth + 1 < len(stack) else "(itself)"] += 1


def show(title, counter, operations, top, entered=None):
    print(f"\n{title}")
    for name, count in counter.most_common(top):
        times = f"  {entered[name] / operations:8.1f} times" if entered else ""
        print(f"{count / operations:12.0f}{times}  {name}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("row")
    parser.add_argument("--count", type=int, default=1, help="operations in one call of the row's function")
    parser.add_argument("--megabytes", type=int, default=150, help="of log, about 9000 instructions each")
    parser.add_argument("--calls", action="append", default=[], metavar="SYMBOL")
    parser.add_argument("--faults", action="store_true")
    parser.add_argument("--top", type=int, default=40)
    options = parser.parse_args()
    program = micro()
    symbols = Symbols([("kernel", ROOT / "build/k42.elf"), ("personality", ROOT / "build/images/linux"),
                       ("program", program)])
    with tempfile.TemporaryDirectory(prefix="k42-profile-") as folder:
        log = record(program, options.row, options.count, options.megabytes, pathlib.Path(folder))
        if options.faults:
            show_faults(log, symbols, symbols.address_of("Mark"))
        addresses, operations = instructions(log, symbols, symbols.address_of("Mark"))
    operations *= options.count
    spaces, functions, tree = collections.Counter(), collections.Counter(), CallTree(options.calls)
    known = {}
    for address in addresses:
        if address not in known:
            known[address] = symbols.at(address)
        space, name, first = known[address]
        spaces[space] += 1
        functions[f"{space:12} {name}"] += 1
        tree.step(space, name, first)
    print(f"{options.row}: {len(addresses) / operations:.0f} instructions each, over {operations}")
    show("by space", spaces, operations, 5)
    show("by function", functions, operations, options.top)
    show("with all they call, roughly", tree.with_callees, operations, options.top, tree.entered)
    for name, counter in tree.callees.items():
        show(f"under {name}, entered {tree.entered[name] / operations:.1f} times", counter, operations, options.top)
    return 0


if __name__ == "__main__":
    sys.exit(main())
