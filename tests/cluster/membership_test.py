#!/usr/bin/env python3
"""A cluster of kernels and daemons: who is in it, whatever dies."""
import json
import pathlib
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from support import Cluster, eventually, main  # noqa: E402

OPTIONS = ["--cpus", "1", "--memory", "128M", "--timeout", "90"]


def view(cluster):
    return json.loads(cluster.ctl("nodes", "--json").stdout)


def incarnations(cluster):
    return {one["name"]: one["incarnation"] for one in view(cluster)["nodes"]}


def telling(cluster):
    """Nodes of which the store knows what they run."""
    status = json.loads(cluster.ctl("upgrade", "status", "--json").stdout)
    return [one["node"] for one in status["nodes"] if one["classes"]]


class Membership(unittest.TestCase):
    def test_what_dies_leaves_and_what_returns_is_new(self):
        with Cluster(nodes=3, options=OPTIONS) as cluster:
            before = incarnations(cluster)
            self.assertEqual(sorted(before), ["n1", "n2", "n3"])
            eventually(lambda: all("cpus" in one for one in view(cluster)["nodes"]), what="load reports")

            epoch = view(cluster)["epoch"]
            cluster.fault("kill", "n1", "--part", "noded")  # its guest goes on, and so does its membership
            eventually(lambda: cluster.node("n1")["state"] == "up")
            self.assertEqual(view(cluster)["epoch"], epoch)

            cluster.fault("kill", "n2", "--part", "qemu")  # evidence: no lease is waited for
            began = time.monotonic()
            eventually(lambda: incarnations(cluster).get("n2") != before["n2"])
            self.assertLess(time.monotonic() - began, 4.9)  # before any lease could have ended
            eventually(lambda: incarnations(cluster).get("n2", 0) > before["n2"], limit=30)

            cluster.fault("kill", "n3")  # a whole host: only the lease tells
            began = time.monotonic()
            eventually(lambda: "n3" not in incarnations(cluster))
            self.assertLess(time.monotonic() - began, 25)  # a TTL, and the grace where the machine stood still
            cluster.fault("restart", "n3")
            eventually(lambda: incarnations(cluster).get("n3", 0) > before["n3"], limit=30)
            self.assertEqual(incarnations(cluster)["n1"], before["n1"])

    def test_a_daemon_that_was_away_too_long_does_not_strand_its_node(self):
        with Cluster(nodes=2, options=OPTIONS) as cluster:
            before = incarnations(cluster)
            cluster.fault("pause", "n2", "--part", "noded")
            eventually(lambda: "n2" not in incarnations(cluster), limit=40)
            cluster.fault("kill", "n2", "--part", "noded")  # its successor finds a life that is over
            eventually(lambda: incarnations(cluster).get("n2", 0) > before["n2"], limit=60)
            self.assertEqual(incarnations(cluster)["n1"], before["n1"])

    def test_a_job_would_not_notice_that_the_store_is_away(self):
        with Cluster(nodes=2, options=OPTIONS) as cluster:
            before = view(cluster)
            self.assertEqual(len(before["nodes"]), 2)
            cluster.ctl("object", "make", "kept", "--node", "n2")
            eventually(lambda: len(telling(cluster)) == 2, what="what both nodes run")
            for away in (8, 20):  # seconds; longer than a lease: all of them end when the store is back
                cluster.fault("pause", "m0")
                time.sleep(away - 5)
                self.assertEqual(len(view(cluster)["nodes"]), 2)
                eventually(lambda: not view(cluster)["authority"], what="end of authority")
                refused = cluster.ctl("names", "put", "x", "y", check=False)
                self.assertIn("no certain lease", refused.stderr)
                cluster.fault("resume", "m0")
                eventually(lambda: view(cluster)["authority"], limit=30, what="authority")
                time.sleep(11)  # the grace: nobody is removed after it either
                self.assertEqual(view(cluster)["epoch"], before["epoch"])
                # What went with the leases is there again.
                self.assertIn("objects/counter/kept", cluster.ctl("names", "list", "objects").stdout)
                eventually(lambda: len(telling(cluster)) == 2, what="what both nodes run")
            cluster.ctl("names", "put", "x", "y")
            self.assertEqual(incarnations(cluster), {one["name"]: one["incarnation"] for one in before["nodes"]})

    def test_names(self):
        with Cluster(nodes=2, options=OPTIONS) as cluster:
            cluster.ctl("names", "put", "jobs/1", "here")
            eventually(lambda: "here" in cluster.ctl("names", "get", "jobs/1", check=False).stdout)
            cluster.ctl("names", "put", "jobs/1", "there")
            eventually(lambda: "there" in cluster.ctl("names", "list", "jobs").stdout)
            cluster.ctl("names", "delete", "jobs/1")
            eventually(lambda: cluster.ctl("names", "get", "jobs/1", check=False).returncode != 0)
            self.assertIn("is no name", cluster.ctl("names", "put", "a/../b", "x", check=False).stderr)


if __name__ == "__main__":
    main()
