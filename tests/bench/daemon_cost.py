"""How many instructions a node's daemon executes for one echo, its own and its libraries', counted by valgrind: the
host's kernel is not in it. What it does by the clock alone (ten ticks a second) is, and little."""
import os
import pathlib
import re
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/cluster"))
from support import BUILD, Cluster, run  # noqa: E402

FEW, MANY = 100, 500  # echoes; the difference counts


def build_with_counted_daemon(folder):
    """The build, but for the daemon, which runs under valgrind and counts when it is told to."""
    (folder / "bin").mkdir()
    for entry in [*BUILD.iterdir(), *(BUILD / "bin").iterdir()]:
        if entry not in (BUILD / "bin", BUILD / "bin/k42-noded"):
            os.symlink(entry, folder / entry.relative_to(BUILD))
    daemon = folder / "bin/k42-noded"
    daemon.write_text(f"#!/bin/sh\nexec valgrind --quiet --tool=callgrind --fair-sched=yes "
                      f"--instr-atstart=no --callgrind-out-file={folder}/counts.%p {BUILD}/bin/k42-noded \"$@\"\n")
    daemon.chmod(0o755)


def instructions_per_echo(transport):
    with tempfile.TemporaryDirectory(prefix="k42-count-") as name:
        folder = pathlib.Path(name)
        build_with_counted_daemon(folder)
        cluster = Cluster(nodes=2, options=["--cpus", "1", "--memory", "128M", "--transport", transport,
                                            "--timeout", "120"])
        cluster.environment["K42_BUILD"] = name
        with cluster:
            daemon = cluster.node("n1")["pids"]["noded"]

            def control(option, *words):
                run(["callgrind_control", option, *words, daemon])

            def counted(echoes):
                control("--zero")
                cluster.ctl("ping", "n1", "n2", "--count", echoes, limit=300)
                control("--dump")
                newest = max(folder.glob(f"counts.{daemon}.*"), key=lambda path: int(path.suffix[1:]))
                return int(re.search(r"^totals: (\d+)", newest.read_text(), re.M)[1])

            cluster.ctl("ping", "n1", "n2", "--count", 20)
            control("-i", "on")
            return (counted(MANY) - counted(FEW)) / (MANY - FEW)
