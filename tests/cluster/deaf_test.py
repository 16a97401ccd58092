#!/usr/bin/env python3
"""A daemon dies between its connection to QEMU and its first answer: QEMU 7.2 never takes another on that device
(mended in 8.1). The next daemon notices, and the node comes back by a new QEMU. What is no such QEMU is left alone,
and so is a node that has a daemon."""
import json
import pathlib
import socket
import struct
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from support import Cluster, eventually, main, run  # noqa: E402

GET_FEATURES = 1
DEAF_SECONDS = 3 + 2  # until a silent QEMU is asked, and for its monitor to answer


def die_before_the_first_answer(cluster):
    """A connection that waits its turn at n1's QEMU; its daemon is killed, QEMU asks us, and we are gone."""
    folder = pathlib.Path(cluster.node("n1")["folder"])
    with socket.socket(socket.AF_UNIX) as dying:
        dying.settimeout(20)
        dying.connect(str(folder / "link.sock"))
        cluster.fault("kill", "n1", "--part", "noded")
        request, _flags, _size = struct.unpack("<III", dying.recv(12, socket.MSG_WAITALL))
        assert request == GET_FEATURES, request


def incarnation(cluster):
    """0: n1 is no member, or nobody knows."""
    nodes = json.loads(cluster.ctl("nodes", "--json", check=False).stdout or '{"nodes": []}')["nodes"]
    return nodes[0]["incarnation"] if nodes and cluster.node("n1")["state"] == "up" else 0


def log(cluster):
    return (pathlib.Path(cluster.node("n1")["folder"]) / "noded.log").read_text()


class Deaf(unittest.TestCase):
    def test_a_daemon_that_died_in_the_first_words(self):
        version = run(["qemu-system-x86_64", "--version"]).stdout.split("version ")[1].split()[0]
        forgets = tuple(int(part) for part in version.split(".")[:2]) < (8, 1)
        with Cluster(nodes=1, options=["--cpus", "1", "--timeout", "90"]) as cluster:
            before = incarnation(cluster)
            die_before_the_first_answer(cluster)
            if forgets:
                eventually(lambda: "does not speak on it" in log(cluster), limit=30, what="notice")
                eventually(lambda: incarnation(cluster) > before, limit=60, what="the node's next life")
                self.assertEqual(cluster.node("n1")["lives"], 2)
            else:
                eventually(lambda: incarnation(cluster) == before, limit=60, what="the next daemon")
            cluster.ctl("run", "--node", "n1", "--", "/bin/true")

    def test_what_is_not_deaf(self):
        with Cluster(nodes=1, options=["--cpus", "1", "--timeout", "90"]) as cluster:
            with self.subTest("a second daemon is refused, and harms nothing"):
                self.second_daemon(cluster)
            with self.subTest("a guest that its monitor has stopped"):
                self.stopped_guest(cluster)

    def second_daemon(self, cluster):
        before, first = incarnation(cluster), cluster.node("n1")["pids"]["noded"]
        words = pathlib.Path(f"/proc/{first}/cmdline").read_bytes().decode().split("\0")[:-1]
        second = run(words, limit=30, check=False)
        self.assertEqual(second.returncode, 1, second)
        self.assertIn("n1 has a daemon already", second.stdout + second.stderr)
        self.assertEqual(cluster.node("n1")["pids"]["noded"], first)
        self.assertEqual(incarnation(cluster), before)
        cluster.ctl("run", "--node", "n1", "--", "/bin/true")

    def stopped_guest(self, cluster):
        """A new daemon finds it so. QEMU does not speak to it either, but says why, and does when the guest goes on."""
        qemu, daemon = (cluster.node("n1")["pids"][part] for part in ("qemu", "noded"))
        cluster.fault("pause", "n1", "--by", "monitor")
        cluster.fault("kill", "n1", "--part", "noded")
        eventually(lambda: cluster.node("n1")["pids"].get("noded", daemon) != daemon, what="the next daemon")
        eventually(lambda: "its guest is stopped" in log(cluster), limit=60, what="the monitor's answer")
        time.sleep(DEAF_SECONDS)  # it is asked again, and left alone again
        self.assertNotIn("does not speak on it", log(cluster))
        self.assertEqual(cluster.node("n1")["pids"]["qemu"], qemu)
        cluster.fault("resume", "n1")
        # Nobody has kept its lease alive meanwhile: it may be another life that comes up.
        eventually(lambda: incarnation(cluster) > 0, limit=60, what="the node")
        cluster.ctl("run", "--node", "n1", "--", "/bin/true")


if __name__ == "__main__":
    main()
