"""MPI between two nodes against two Linux guests: the same Open MPI, the same binary (tests/mpi/pingpong.c),
the same CPUs and memory, on the same host.

Nodes talk over mapped arenas and over UCX's TCP; the guests over each of QEMU's netdevs in turn
(rival_pair.py), of which each row takes the better figure. All vCPUs, daemons and netdevs share the
machine's cores, and Open MPI polls, so times depend on the host's scheduler: least of many round
trips, alternating runs, and the best of a side's runs.
"""
import pathlib
import re
import subprocess
import sys

import rival
import rival_pair

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/cluster"))
from support import Cluster  # noqa: E402

PREFIXES = ("mpi.",)
RUNS = 3
BETTER = {"mpi_latency": min, "mpi_bandwidth": max}
UNITS = {"mpi_latency": ("us", "lower"), "mpi_bandwidth": ("MB/s", "higher")}


def figures(text):
    found = {name: float(value) for name, value in re.findall(r"^row (\w+) ([\d.]+)", text, re.M)}
    hosts = set(re.findall(r"^rank \d on (\S+)", text, re.M))
    if set(found) != set(BETTER) or len(hosts) != 2:
        raise RuntimeError(f"not two hosts with two figures:\n{text[-2000:]}")
    return found


def best(runs):
    return {name: choose(run[name] for run in runs) for name, choose in BETTER.items()}


def rows():
    program = rival.CACHE / "pingpong"
    rival.CACHE.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mpicc.openmpi", "-O2", "-o", program, ROOT / "tests/mpi/pingpong.c"], check=True)
    ours, theirs = {"mapped": [], "tcp": []}, {kind: [] for kind in rival_pair.NETDEVS}
    for _ in range(RUNS):
        for name, transport in (("mapped", "shm"), ("tcp", "tcp")):
            options = ["--cpus", "1", "--memory", "512M", "--transport", transport]
            with Cluster(nodes=2, options=options) as cluster:
                share = pathlib.Path(cluster.run_folder) / cluster.name / "share"
                (share / "pingpong").write_bytes(program.read_bytes())
                (share / "pingpong").chmod(0o755)
                done = cluster.ctl("mpirun", "-n", "2", "--nodes", "n1,n2", "--", "/cluster/pingpong", limit=240)
                ours[name].append(figures(done.stdout))
        for kind in rival_pair.NETDEVS:
            theirs[kind].append(figures(rival_pair.run(program, kind)))
    for kind, runs in theirs.items():
        shown = best(runs)
        print(f"  two Linux guests over {kind}: {shown['mpi_latency']:.1f} us, {shown['mpi_bandwidth']:.1f} MB/s")
    rivals = best([best(runs) for runs in theirs.values()])
    for name, runs in ours.items():
        for figure, value in best(runs).items():
            unit, better = UNITS[figure]
            yield {"name": f"mpi.{figure.removeprefix('mpi_')}_{name}", "value": value, "unit": unit, "better": better,
                   "rival": rivals[figure]}
