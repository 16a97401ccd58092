"""A message from kernel to kernel and back, timed: `k42ctl ping`.

The floor is the same round trip to the node's own daemon: doorbell, interrupt and the daemon's wake,
without a transport. Two guests and two daemons share the machine's cores, so the least of many is
given, and the figure is no promise of what hardware does.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/cluster"))
from support import Cluster  # noqa: E402

PREFIXES = ("fabric.",)
ROUND_TRIPS = 2000


def echo(cluster, to):
    shown = cluster.ctl("ping", "n1", to, "--count", ROUND_TRIPS, limit=300).stdout
    return int(re.search(r"least (\d+) ns", shown)[1]) / 1000


def rows():
    for name, transport in (("mapped", "shm"), ("tcp", "tcp")):
        with Cluster(nodes=2, options=["--cpus", "1", "--memory", "128M", "--transport", transport]) as cluster:
            yield {"name": f"fabric.echo_{name}", "value": echo(cluster, "n2"), "unit": "us", "better": "lower",
                   "floor": echo(cluster, "daemon")}
