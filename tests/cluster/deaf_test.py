#!/usr/bin/env python3
"""A daemon dies between its connection to QEMU and its first answer: QEMU 7.2 never takes another on that device
(mended in 8.1). The next daemon notices, and the node comes back by a new QEMU."""
import json
import pathlib
import socket
import struct
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from support import Cluster, eventually, main, run  # noqa: E402

GET_FEATURES = 1


def die_before_the_first_answer(cluster):
    """A connection that waits its turn at n1's QEMU; its daemon is killed, QEMU asks us, and we are gone."""
    folder = pathlib.Path(cluster.node("n1")["folder"])
    with socket.socket(socket.AF_UNIX) as dying:
        dying.settimeout(20)
        dying.connect(str(folder / "link.sock"))
        cluster.fault("kill", "n1", "--part", "noded")
        request, _flags, _size = struct.unpack("<III", dying.recv(12, socket.MSG_WAITALL))
        assert request == GET_FEATURES, request


class Deaf(unittest.TestCase):
    def test_a_daemon_that_died_in_the_first_words(self):
        version = run(["qemu-system-x86_64", "--version"]).stdout.split("version ")[1].split()[0]
        forgets = tuple(int(part) for part in version.split(".")[:2]) < (8, 1)
        with Cluster(nodes=1, options=["--cpus", "1", "--timeout", "90"]) as cluster:
            def incarnation():
                nodes = json.loads(cluster.ctl("nodes", "--json", check=False).stdout or '{"nodes": []}')["nodes"]
                return nodes[0]["incarnation"] if nodes and cluster.node("n1")["state"] == "up" else 0

            before = incarnation()
            log = pathlib.Path(cluster.node("n1")["folder"]) / "noded.log"
            die_before_the_first_answer(cluster)
            if forgets:
                eventually(lambda: "does not speak on it" in log.read_text(), limit=30, what="notice")
                eventually(lambda: incarnation() > before, limit=60, what="the node's next life")
                self.assertEqual(cluster.node("n1")["lives"], 2)
            else:
                eventually(lambda: incarnation() == before, limit=60, what="the next daemon")
            cluster.ctl("run", "--node", "n1", "--", "/bin/true")


if __name__ == "__main__":
    main()
