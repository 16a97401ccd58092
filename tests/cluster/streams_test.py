#!/usr/bin/env python3
"""Streams between nodes: as Linux's TCP step for step, under daemons that die, to nodes that die."""
import os
import pathlib
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from support import BUILD, ROOT, Cluster, eventually, main, run  # noqa: E402

LONG = os.environ.get("K42_LONG") == "1"
OPTIONS = ["--cpus", "2", "--memory", "256M", "--timeout", "90"]
PORT = "21000"

# Talks to itself over two nodes: `server` sends back what it gets, `client` checks it for SECONDS.
ECHO = """
import hashlib, os, socket, sys, threading, time
if sys.argv[1] == "server":
    listener = socket.create_server(("0.0.0.0", 21100), backlog=4)
    print("listening", flush=True)
    stream, _ = listener.accept()
    while piece := stream.recv(50000):
        stream.sendall(piece)
else:
    stream = socket.create_connection((sys.argv[2], 21100))
    end, rounds = time.time() + float(sys.argv[3]), 0
    while time.time() < end:
        data = os.urandom(1 + rounds * 7919 % 200000)
        writer = threading.Thread(target=stream.sendall, args=(data,))
        writer.start()
        got = b""
        while len(got) < len(data):
            piece = stream.recv(65536)
            assert piece, "the stream ended"
            got += piece
        writer.join()
        assert got == data, "other bytes came back"
        rounds += 1
        if rounds == 1:
            print("going", flush=True)
    print("echo ok", rounds, flush=True)
"""


def start(cluster, node, *words):
    return subprocess.Popen([BUILD / "bin/k42ctl", "--cluster", cluster.name, "run", "--node", node, "--", *words],
                            env=cluster.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)


def share(cluster):
    return pathlib.Path(cluster.run_folder) / cluster.name / "share"


def act(command, limit):
    """Runs both sides of tcp_pair by `command(role)`; what they printed, by side."""
    sides = {role: command(role) for role in ("server", "client")}
    return {role: side.communicate(timeout=limit)[0] for role, side in sides.items()}


class Streams(unittest.TestCase):
    maxDiff = None

    def test_what_linux_does(self):
        with Cluster(nodes=2, options=OPTIONS) as cluster:
            program = share(cluster) / "tcp_pair"
            run(["gcc", "-std=gnu11", "-O2", "-o", program, *sorted((ROOT / "tests/tcp").glob("*.c"))])
            expected = act(lambda role: subprocess.Popen([program, role, "127.0.0.1", PORT], text=True,
                                                         stdout=subprocess.PIPE), 110)
            got = act(lambda role: start(cluster, "n2" if role == "server" else "n1", "/cluster/tcp_pair", role,
                                         "10.42.0.2", PORT), 110)
            for role in expected:
                self.assertIn("done", expected[role])
                self.assertEqual(expected[role].splitlines(), got[role].splitlines())

    def test_daemons_that_die_under_a_stream(self):
        kills = 20 if LONG else 4
        with Cluster(nodes=2, options=OPTIONS) as cluster:
            (share(cluster) / "echo.py").write_text(ECHO)
            server = start(cluster, "n2", "/usr/bin/python3", "/cluster/echo.py", "server")
            self.assertEqual(server.stdout.readline().strip(), "listening")
            # The client's own daemon carries its standard output: only the other node's is killed.
            client = start(cluster, "n1", "/usr/bin/python3", "/cluster/echo.py", "client", "10.42.0.2",
                           str(3 * kills))
            self.assertEqual(client.stdout.readline().strip(), "going")
            for _ in range(kills):
                time.sleep(1.5)
                cluster.fault("kill", "n2", "--part", "noded")
                eventually(lambda: cluster.node("n2")["state"] == "up")
            output, _ = client.communicate(timeout=60 + 5 * kills)
            server.communicate(timeout=30)
            self.assertIn("echo ok", output)

    def test_a_node_that_dies_resets_at_once(self):
        with Cluster(nodes=2, options=OPTIONS) as cluster:
            (share(cluster) / "echo.py").write_text(ECHO)
            server = start(cluster, "n2", "/usr/bin/python3", "/cluster/echo.py", "server")
            self.assertEqual(server.stdout.readline().strip(), "listening")
            client = start(cluster, "n1", "/usr/bin/python3", "/cluster/echo.py", "client", "10.42.0.2", "60")
            self.assertEqual(client.stdout.readline().strip(), "going")
            cluster.fault("kill", "n2", "--part", "qemu")
            began = time.monotonic()
            output, _ = client.communicate(timeout=30)
            self.assertIn("Connection reset by peer", output)
            self.assertLess(time.monotonic() - began, 15)
            server.communicate(timeout=30)


if __name__ == "__main__":
    main()
