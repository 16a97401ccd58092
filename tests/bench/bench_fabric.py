"""Messages and puts from kernel to kernel and back, timed: `k42ctl ping`.

The floor is the same round trip by raw UCX between two processes that poll (ucx_floor.py), over the
same transport; `fabric.echo_daemon` is the part of ours that needs no transport: doorbell, interrupt
and the daemon's wake. Two guests and two daemons share the machine's cores, so the least of many is
given, and the figure is no promise of what hardware does. Everything sleeps between two operations;
`_median` rows say what is usual. The floor of a mapped put is a copy of as many bytes; `wakes` and `writes`
are how often the asking node's daemon went to sleep and what it wrote to descriptors (doorbells and sockets)
for one echo.
"""
import ctypes
import os
import pathlib
import re
import sys
import time

import ucx_floor

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/cluster"))
from support import Cluster  # noqa: E402

PREFIXES = ("fabric.",)
ROUND_TRIPS = 2000
LARGE, LARGEST = 65536, 1 << 20


def ping(cluster, to, *words, count=ROUND_TRIPS):
    """Least and median, us."""
    shown = cluster.ctl("ping", "n1", to, "--count", count, *words, limit=300).stdout
    return [int(re.search(rf"{which} (\d+) ns", shown)[1]) / 1000 for which in ("least", "median")]


def row(name, value, floor=None, unit="us"):
    made = {"name": f"fabric.{name}", "value": value, "unit": unit, "better": "lower"}
    return made if floor is None else {**made, "floor": floor}


def copy_us(size):
    """The least that a copy takes: the same two buffers again and again, by a call from Python."""
    source, target = bytearray(os.urandom(size)), bytearray(size)
    into = ctypes.addressof(ctypes.c_char.from_buffer(target))
    out_of = ctypes.addressof(ctypes.c_char.from_buffer(source))

    def once():
        begin = time.perf_counter_ns()
        ctypes.memmove(into, out_of, size)
        return (time.perf_counter_ns() - begin) / 1000
    return min(once() for _ in range(200))


class Watched:
    """What the threads of a process did meanwhile: how often they went to sleep, and writes."""

    def __init__(self, pid):
        self.folder = pathlib.Path(f"/proc/{pid}")

    def counts(self):
        sleeps = sum(int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status.read_text(), re.M)[1])
                     for status in self.folder.glob("task/*/status"))
        return sleeps, int(re.search(r"syscw: (\d+)", (self.folder / "io").read_text())[1])

    def __enter__(self):
        self.before = self.counts()
        return self

    def __exit__(self, *_):
        self.sleeps, self.writes = [now - then for now, then in zip(self.counts(), self.before)]


def rows():
    for name, transport in (("mapped", "shm"), ("tcp", "tcp")):
        with Cluster(nodes=2, options=["--cpus", "1", "--memory", "128M", "--transport", transport]) as cluster:
            echo, median = ping(cluster, "n2")
            put = ping(cluster, "n2", "--put", "--size", 64)[0]
            large = ping(cluster, "n2", "--put", "--size", LARGE)[0]
            daemon = ping(cluster, "daemon")[0]
            alone = {(way, size): ping(cluster, "n2", f"--{way}", "--size", size, count=500)[0]
                     for way in ("store", "load") for size in (8, 4096, LARGEST)}
            with Watched(cluster.node("n1")["pids"]["noded"]) as watched:
                ping(cluster, "n2")
        yield row(f"echo_{name}", echo, ucx_floor.round_trip_us("ucp_am_lat", name))
        yield row(f"echo_{name}_median", median)
        yield row(f"echo_{name}_wakes", watched.sleeps / ROUND_TRIPS, unit="a round trip")
        yield row(f"echo_{name}_writes", watched.writes / ROUND_TRIPS, unit="a round trip")
        yield row(f"put_{name}", put, ucx_floor.round_trip_us("ucp_put_lat", name))
        yield row(f"put_64k_{name}", large, ucx_floor.round_trip_us("ucp_put_lat", name, LARGE, 1000))
        for (way, size), took in alone.items():
            test = "ucp_put_lat" if way == "store" else "ucp_get"
            floor = copy_us(size) if name == "mapped" else ucx_floor.one_way_us(test, name, size, 1000)
            yield row(f"{way}_{size}_{name}", took, floor)
        if name == "mapped":
            yield row("echo_daemon", daemon)
