"""Messages and puts from kernel to kernel and back, timed: `k42ctl ping`.

The floor is the same round trip by raw UCX between two processes that poll (ucx_floor.py), over the
same transport; `fabric.echo_daemon` is the part of ours that needs no transport: doorbell, interrupt
and the daemon's wake. Two guests and two daemons share the machine's cores, so the least of many is
given, and the figure is no promise of what hardware does. Everything sleeps between two operations;
`_median` rows say what is usual; `host_wake` is what this machine takes to wake a sleeping process, on the same
CPU or another: an echo has eight such wakes in a row (daemon, daemon, QEMU's loop, the guest's CPU, and the
same back). The floor of a mapped put is a copy of as many bytes. `wakes` and `writes` are how often the asking
node's daemon went to sleep and what it wrote to descriptors (doorbells and sockets): for one echo, or for one
put of many that are kept under way (`stream_`: 16 of them; `bandwidth_`: of 1 MiB each, beside memcpy, or raw
UCX whose target sleeps). `guest_` rows are instructions of the kernel's end of the link, by the guest's own clock
(guest test link_cost), without doorbell and interrupt; `daemon_cpu` is the processor time of the asking node's
daemon for one echo, the host's kernel included, `daemon_instructions` what it executes itself (daemon_cost.py: a
virtual machine shows no counters, valgrind counts).
"""
import ctypes
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

import daemon_cost
import ucx_floor

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/cluster"))
from support import Cluster  # noqa: E402

PREFIXES = ("fabric.",)
ROUND_TRIPS = 2000
LARGE, LARGEST = 65536, 1 << 20
STREAM_PUTS = 256  # of one sample, as node-kernel/abi/link_names.h has it


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


def host_wake_us(ours, its):
    """Half a round trip between two processes that sleep in a pipe, each on its CPU: least and median."""
    there, back = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.sched_setaffinity(0, {its})
        for _ in range(ROUND_TRIPS):
            os.read(there[0], 1)
            os.write(back[1], b"x")
        os._exit(0)
    times = []
    all_cpus = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {ours})
    for _ in range(ROUND_TRIPS):
        begin = time.perf_counter_ns()
        os.write(there[1], b"x")
        os.read(back[0], 1)
        times.append((time.perf_counter_ns() - begin) / 2000)
    os.sched_setaffinity(0, all_cpus)
    os.waitpid(child, 0)
    for end in (*there, *back):
        os.close(end)
    return min(times), statistics.median(times)


def guest_instructions():
    shown = subprocess.run([sys.executable, str(ROOT / "tests/guest/run.py"), str(ROOT / "build/k42-test.elf"),
                            "--icount", "--cpus", "1", "--append", "test=link_cost"],
                           capture_output=True, text=True, check=True, timeout=120).stdout
    return {name: int(value) for name, value in re.findall(r"\]   link_(\w+) (\d+)$", shown, re.M)}


class Watched:
    """What the threads of a process did meanwhile: how often they went to sleep, writes, and for how long they ran."""

    def __init__(self, pid):
        self.folder = pathlib.Path(f"/proc/{pid}")

    def counts(self):
        sleeps = sum(int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status.read_text(), re.M)[1])
                     for status in self.folder.glob("task/*/status"))
        ran = sum(int(stat.read_text().split()[0]) for stat in self.folder.glob("task/*/schedstat"))
        return sleeps, int(re.search(r"syscw: (\d+)", (self.folder / "io").read_text())[1]), ran / 1000

    def __enter__(self):
        self.before = self.counts()
        return self

    def __exit__(self, *_):
        self.sleeps, self.writes, self.ran_us = [now - then for now, then in zip(self.counts(), self.before)]


def rows():
    cpus = sorted(os.sched_getaffinity(0))
    for name, (ours, its) in {"same_cpu": (cpus[0], cpus[0]), "other_cpu": (cpus[0], cpus[-1])}.items():
        least, median = host_wake_us(ours, its)
        yield row(f"host_wake_{name}", least)
        yield row(f"host_wake_{name}_median", median)
    for what, count in guest_instructions().items():
        yield row(f"guest_{what}", count, unit="instructions")
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
            ping(cluster, "n2", "--stream", count=2)
            with Watched(cluster.node("n1")["pids"]["noded"]) as poured:
                stream = ping(cluster, "n2", "--stream", count=20)[1]
            bandwidth = LARGEST / ping(cluster, "n2", "--stream", "--size", LARGEST, count=5)[0]
        yield row(f"echo_{name}", echo, ucx_floor.round_trip_us("ucp_am_lat", name))
        yield row(f"echo_{name}_median", median)
        yield row(f"echo_{name}_wakes", watched.sleeps / ROUND_TRIPS, unit="a round trip")
        yield row(f"echo_{name}_writes", watched.writes / ROUND_TRIPS, unit="a round trip")
        yield row(f"stream_64_{name}", stream)
        yield row(f"stream_64_{name}_wakes", poured.sleeps / 20 / STREAM_PUTS, unit="a put")
        yield row(f"stream_64_{name}_writes", poured.writes / 20 / STREAM_PUTS, unit="a put")
        most = LARGEST / copy_us(LARGEST) if name == "mapped" else ucx_floor.sleeping_bandwidth("ucp_put_bw", LARGEST)
        yield {"name": f"fabric.bandwidth_1m_{name}", "value": bandwidth, "floor": most, "unit": "MB/s",
               "better": "higher"}
        yield row(f"daemon_cpu_{name}", watched.ran_us / ROUND_TRIPS)
        yield row(f"daemon_instructions_{name}", round(daemon_cost.instructions_per_echo(transport)),
                  unit="instructions")
        yield row(f"put_{name}", put, ucx_floor.round_trip_us("ucp_put_lat", name))
        yield row(f"put_64k_{name}", large, ucx_floor.round_trip_us("ucp_put_lat", name, LARGE, 1000))
        for (way, size), took in alone.items():
            test = "ucp_put_lat" if way == "store" else "ucp_get"
            floor = copy_us(size) if name == "mapped" else ucx_floor.one_way_us(test, name, size, 1000)
            yield row(f"{way}_{size}_{name}", took, floor)
        if name == "mapped":
            yield row("echo_daemon", daemon)
