#!/usr/bin/env python3
"""Faults between nodes, and what k42ctl fabric shows of the way between them."""
import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from support import Cluster, eventually, main  # noqa: E402

LISTEN = """
import socket
with socket.create_server(("", 5000)) as listener:
    print("listening", flush=True)
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"hello")
"""
CONNECT = """
import socket
with socket.create_connection(("10.42.0.2", 5000), timeout=20) as connection:
    print(connection.recv(5).decode())
"""


class Faults(unittest.TestCase):
    def endpoint(self, cluster, node, peer):
        fabric = json.loads(cluster.ctl("fabric", "--node", node).stdout)
        self.assertIsInstance(fabric["devices"], list)
        found = [one for one in fabric["endpoints"] if one["peer"] == peer]
        self.assertEqual(len(found), 1, fabric)
        return found[0]

    def test_a_cut_way_and_its_healing(self):
        with Cluster(nodes=2, options=["--cpus", "1", "--timeout", "90"]) as cluster:
            share = pathlib.Path(cluster.status()["share"])
            (share / "listen.py").write_text(LISTEN)
            (share / "connect.py").write_text(CONNECT)
            listener = cluster.start("run", "--node", "n2", "--", "/usr/bin/python3", "/cluster/listen.py")
            self.assertEqual(listener.stdout.readline(), "listening\n")

            def connect():
                return cluster.ctl("run", "--node", "n1", "--", "/usr/bin/python3", "/cluster/connect.py", check=False)

            def healthy():
                return connect().stdout == "hello\n"

            self.assertTrue(healthy())
            before = self.endpoint(cluster, "n1", "n2")
            self.assertEqual((before["transport"], before["cut"], before["breaks"]), ("mapped", False, 0))
            self.assertGreater(before["sent"], 0)
            self.assertGreater(before["sent_bytes"], 0)

            cluster.fault("cut", "n1", "n2")
            self.assertTrue(self.endpoint(cluster, "n1", "n2")["cut"])
            self.assertTrue(self.endpoint(cluster, "n2", "n1")["cut"])
            self.assertNotEqual(connect().returncode, 0)
            nodes = json.loads(cluster.ctl("nodes", "--json").stdout)["nodes"]
            self.assertEqual(len(nodes), 2)  # the store is reached by both: nobody is dead

            cluster.fault("heal", "n1", "n2")
            eventually(healthy, what="a connection after healing")
            cluster.fault("delay", "n1", "n2", "--value", "20")
            self.assertEqual(self.endpoint(cluster, "n2", "n1")["delay_ms"], 20)
            self.assertTrue(healthy())
            cluster.fault("heal", "n1", "n2")
            self.assertEqual(self.endpoint(cluster, "n2", "n1")["delay_ms"], 0)
            with self.assertRaisesRegex(AssertionError, "they break: use cut"):
                cluster.fault("loss", "n1", "n2", "--value", "5")
            listener.kill()
            listener.communicate()


if __name__ == "__main__":
    main()
