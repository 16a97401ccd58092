"""Messages and puts from kernel to kernel and back, timed: `k42ctl ping`.

The floor is the same round trip by raw UCX between two processes that poll (ucx_floor.py), over the
same transport; `fabric.echo_daemon` is the part of ours that needs no transport: doorbell, interrupt
and the daemon's wake. Two guests and two daemons share the machine's cores, so the least of many is
given, and the figure is no promise of what hardware does.
"""
import pathlib
import re
import sys

import ucx_floor

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/cluster"))
from support import Cluster  # noqa: E402

PREFIXES = ("fabric.",)
ROUND_TRIPS = 2000
LARGE = 65536


def ping(cluster, to, *words):
    shown = cluster.ctl("ping", "n1", to, "--count", ROUND_TRIPS, *words, limit=300).stdout
    return int(re.search(r"least (\d+) ns", shown)[1]) / 1000


def row(name, value, floor=None):
    made = {"name": f"fabric.{name}", "value": value, "unit": "us", "better": "lower"}
    return made if floor is None else {**made, "floor": floor}


def rows():
    for name, transport in (("mapped", "shm"), ("tcp", "tcp")):
        with Cluster(nodes=2, options=["--cpus", "1", "--memory", "128M", "--transport", transport]) as cluster:
            echo, put = ping(cluster, "n2"), ping(cluster, "n2", "--put", "--size", 64)
            large = ping(cluster, "n2", "--put", "--size", LARGE)
            daemon = ping(cluster, "daemon")
        yield row(f"echo_{name}", echo, ucx_floor.round_trip_us("ucp_am_lat", name))
        yield row(f"put_{name}", put, ucx_floor.round_trip_us("ucp_put_lat", name))
        yield row(f"put_64k_{name}", large, ucx_floor.round_trip_us("ucp_put_lat", name, LARGE, 1000))
        if name == "mapped":
            yield row("echo_daemon", daemon)
