#!/usr/bin/env python3
"""A daemon stops in the middle of a 1 MiB put, after all checks, and goes on when its node has been thrown out
and the target's memory is used by others: what they have there stays as it is."""
import json
import os
import pathlib
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from support import Cluster, eventually, main  # noqa: E402

LONG = os.environ.get("K42_LONG") == "1"
SIZE = str(1 << 20)


class Hold(unittest.TestCase):
    def incarnations(self, cluster):
        nodes = json.loads(cluster.ctl("nodes", "--json").stdout)["nodes"]
        return {one["name"]: one["incarnation"] for one in nodes}

    def transfer(self, cluster, node, way, count):
        """Of `node` with its memory at n2; a get looks whether what the last put brought is there."""
        cluster.ctl("ping", node, "n2", f"--{way}", "--size", SIZE, "--count", str(count))

    def hold(self, cluster):
        """n3's daemon, in the middle of a put to n2. The k42ctl that asked for it."""
        self.transfer(cluster, "n3", "store", 3)
        cluster.fault("hold", "n3", "n2")
        held = cluster.start("ping", "n3", "n2", "--store", "--size", SIZE, "--count", "1")
        state = pathlib.Path(f"/proc/{cluster.node('n3')['pids']['noded']}/stat")
        eventually(lambda: state.read_text().rsplit(")", 1)[1].split()[0] == "T", limit=30,
                   what="the daemon's stop in the middle")
        return held

    def check(self, transport, another_daemon=False):
        with Cluster(nodes=3, options=["--cpus", "1", "--transport", transport, "--timeout", "90"]) as cluster:
            def transfer(node, way, count):
                self.transfer(cluster, node, way, count)

            before = self.incarnations(cluster)
            held = self.hold(cluster)
            if another_daemon:  # the target's: who has its memory mapped it knows from its predecessor only
                cluster.fault("kill", "n2", "--part", "noded")
            eventually(lambda: "n3" not in self.incarnations(cluster), limit=60, what="n3's end")
            eventually(lambda: cluster.node("n2")["state"] == "up", what="n2's daemon")
            # Another asks for memory: several times what there was, so that all that is free is used again.
            transfer("n1", "store", 3)
            transfer("n1", "load", 3)
            cluster.fault("resume", "n3", "--part", "noded")
            until = time.monotonic() + 5
            while time.monotonic() < until:
                transfer("n1", "load", 20)
            held.communicate(timeout=60)
            eventually(lambda: self.incarnations(cluster).get("n3", 0) > before["n3"], limit=90, what="n3's new life")
            transfer("n1", "load", 20)
            transfer("n3", "store", 3)
            transfer("n3", "load", 3)
            after = self.incarnations(cluster)
            self.assertEqual([after[name] for name in ("n1", "n2")], [before[name] for name in ("n1", "n2")])

    def test_the_target_is_another_by_then(self):
        """Killed and back under the same name: what was begun for the old incarnation does not reach the new one."""
        with Cluster(nodes=3, options=["--cpus", "1", "--transport", "shm", "--timeout", "90"]) as cluster:
            before = self.incarnations(cluster)
            held = self.hold(cluster)
            cluster.fault("kill", "n2", "--part", "qemu")
            eventually(lambda: self.incarnations(cluster).get("n2", 0) > before["n2"], limit=60, what="n2's new life")
            self.transfer(cluster, "n1", "store", 3)
            cluster.fault("resume", "n3", "--part", "noded")
            until = time.monotonic() + 5
            while time.monotonic() < until:
                self.transfer(cluster, "n1", "load", 20)
            held.communicate(timeout=60)

    def test_where_the_daemon_copies_itself(self):
        self.check("shm")

    def test_where_the_targets_daemon_has_died_meanwhile(self):
        self.check("shm", another_daemon=True)

    @unittest.skipUnless(LONG, "the same over the network: long form")
    def test_where_the_bytes_are_on_their_way(self):
        self.check("tcp")


if __name__ == "__main__":
    main()
