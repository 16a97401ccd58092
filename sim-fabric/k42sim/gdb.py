"""GDB on a running node, or on a core of one (`k42ctl dump`), with the kernel's own scripts.

A node has no gdbstub until somebody wants it: then QEMU opens one at <node folder>/gdb.sock, for the
time GDB runs. GDB stops the whole node; the others go on without it, and after 20 s exclude it
(cluster-services/noded/README.md). When GDB has ended, however it did, the node goes on.
"""
import asyncio
import contextlib
import fcntl
import os
import pathlib
import re
import shutil
import signal
import subprocess

from . import noded, places, plan as plans
from .monitor import Monitor
from .places import Trouble

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "node-kernel/debug/gdb/k42.py"
NODE = re.compile(r"n[1-9]\d*")


def run(args):
    if not shutil.which("gdb"):
        raise Trouble("gdb is not installed (tests/packages.txt lists what is needed)")
    words = list(args.words)
    target = args.target
    if target is not None and target.startswith("-"):  # no target, GDB's words behind `--`
        words.insert(0, target)
        target = None
    target = target or os.environ.get("K42_NODE") or ""
    if target and not NODE.fullmatch(target):
        return look_at_core(target, args.kernel, words)
    place = places.choose(args.cluster)
    folder = place.folder / (target or first_node(place))
    if not folder.is_dir():
        raise Trouble(f"cluster {place.name} has no node {target}")
    return attach(folder, args.kernel or plans.Plan.load(place.plan).kernel, words)


def first_node(place):
    """The first whose QEMU runs."""
    nodes = sorted((path.name for path in place.folder.glob("n*") if NODE.fullmatch(path.name)),
                   key=lambda name: int(name[1:]))
    for name in nodes:
        with contextlib.suppress(Trouble):
            with Monitor(place.folder / name / "qmp.sock"):
                return name
    raise Trouble(f"no node of cluster {place.name} runs")


def command(kernel, *then):
    if not pathlib.Path(kernel).exists():
        raise Trouble(f"{kernel} is missing; the kernel's symbols are in it")
    return ["gdb", "-q", "-iex", "set auto-load python-scripts off", "-x", str(SCRIPT), str(kernel), *then]


def look_at_core(path, kernel, words):
    if not pathlib.Path(path).is_file():
        raise Trouble(f"'{path}' is neither a node (n1, n2, ...) nor a core file")
    words = command(kernel or places.build_folder() / "k42.elf", "-core", path, *words)
    os.execvp(words[0], words)


def check_daemon(folder):
    """To stop a node QEMU waits for its daemon: one that hangs would take QEMU along."""
    try:
        asyncio.run(noded.ask(folder / "noded.sock", {"request": "status"}))
    except TimeoutError:
        raise Trouble(f"{folder.name}: its daemon hangs, and QEMU would wait for it for ever. Restart the daemon "
                      f"(k42-sim fault kill {folder.name} --part noded), or take a core: k42ctl dump") from None
    except (OSError, ValueError, noded.Refused):
        pass  # it is not there, or talks: QEMU waits for nobody


@contextlib.contextmanager
def alone(folder):
    with open(folder / "gdb.lock", "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Trouble(f"{folder.name}: another GDB has it") from None
        yield


@contextlib.contextmanager
def gdbstub(folder):
    """The path of its socket. Closing the stub also takes away breakpoints that a killed GDB has left."""
    path = folder / "gdb.sock"
    with Monitor(folder / "qmp.sock") as monitor:
        ran = monitor.ask("query-status")["running"]
        text = monitor.human(f"gdbserver unix:{path},server=on,wait=off")
        if not path.exists():
            raise Trouble(f"{folder.name}: QEMU opens no gdbstub: {text.strip()}")
    try:
        yield path
    finally:
        with Monitor(folder / "qmp.sock") as monitor:
            monitor.human("gdbserver none")
            if ran:
                monitor.ask("cont")
        path.unlink(missing_ok=True)


def attach(folder, kernel, words):
    check_daemon(folder)
    words = command(kernel, "-ex", f"target remote {folder / 'gdb.sock'}", *words)
    # Ctrl-C is for GDB; another signal ends GDB, and then the node must go on.
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGQUIT)}
    try:
        with alone(folder), gdbstub(folder):
            gdb = subprocess.Popen(words)
            for number in (signal.SIGTERM, signal.SIGHUP):
                before[number] = signal.signal(number, lambda *_: gdb.terminate())
            return gdb.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
