#!/usr/bin/env python3
"""The class of fabric streams goes to version 2 and back on three nodes, while every node talks to the
next over streams that live through it all."""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from support import BUILD, SKIP, Cluster, eventually, run  # noqa: E402

OPTIONS = ["--cpus", "2", "--memory", "256M", "--timeout", "120"]
MODULE = BUILD / "modules/stream_v2_k42.ko"
NODES = ("n1", "n2", "n3")
PORT = 5000
STREAM = re.compile(r"version (\d+) node (\d+) port (\d+) peer_port (\d+) sent (\d+) received (\d+) puts (\d+)")


class Streams(unittest.TestCase):
    def test_live_streams_become_version_2_and_1_again(self):
        with Cluster(nodes=3, options=OPTIONS) as cluster:
            share = pathlib.Path(cluster.status()["share"])
            folder = pathlib.Path(cluster.status()["folder"])
            shutil.copy(pathlib.Path(__file__).with_name("stream_load.py"), share)

            def start(node, *words):
                path = folder / f"{words[0]}-{node}.log"
                with open(path, "w") as log:
                    process = subprocess.Popen(
                        [BUILD / "bin/k42ctl", "--cluster", cluster.name, "run", "--node", node, "--",
                         "/usr/bin/python3", "/cluster/stream_load.py", *map(str, words)],
                        env=cluster.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
                return process, path

            def says(running, word):
                process, log = running
                self.assertIn(process.poll(), (None, 0), log.read_text())
                return word in log.read_text()

            def streams(node):
                """(version, peer, ports): (sent, received) of the connections that the talkers hold."""
                text = cluster.ctl("run", "--node", node, "--", "/bin/cat", "/sys/k42/streams").stdout
                found = {}
                for line in STREAM.findall(text):
                    version, peer, port, peer_port, sent, received, puts = map(int, line)
                    if PORT in (port, peer_port):
                        found[peer, port, peer_port] = (version, sent, received, puts)
                return found

            def life():
                nodes = json.loads(cluster.ctl("nodes", "--json").stdout)["nodes"]
                boots = {node: cluster.ctl("run", "--node", node, "--", "/bin/cat",
                                           "/proc/sys/kernel/random/boot_id").stdout for node in NODES}
                return {one["name"]: one["incarnation"] for one in nodes}, boots

            servers = [start(node, "serve", PORT) for node in NODES]
            for server in servers:
                eventually(lambda server=server: says(server, "serving"), limit=60, what="servers")
            talkers = [start(node, "talk", f"10.42.0.{number % 3 + 1}", PORT, "/cluster/stop")
                       for number, node in enumerate(NODES, 1)]
            for talker in talkers:
                eventually(lambda talker=talker: says(talker, "talking"), limit=60, what="talkers")
            before, lives = {node: streams(node) for node in NODES}, life()
            for node in NODES:
                self.assertEqual(len(before[node]), 2, node)
                self.assertEqual({version for version, *_ in before[node].values()}, {1})

            def same_streams(version):
                """The very streams of before, all at `version`, and they went on."""
                now = {node: streams(node) for node in NODES}
                for node in NODES:
                    self.assertEqual(now[node].keys(), before[node].keys(), node)
                    for key, (was, sent, received, _) in before[node].items():
                        self.assertEqual(now[node][key][0], version, (node, key))
                        self.assertGreater(now[node][key][1], sent)
                        self.assertGreater(now[node][key][2], received)
                before.update(now)

            signed = folder / "stream_v2.k42m"
            run([BUILD / "bin/k42-module", "sign", MODULE, "--key", folder / "module.key", "-o", signed])
            self.assertIn("FabricStream, version 1 to 2", cluster.ctl("upgrade", "push", signed).stdout)
            forth = cluster.ctl("upgrade", "start", "--class", "FabricStream", "--to", signed, "--waves", "n1/n2/n3",
                                "--soak", "500", limit=200)
            self.assertIn("promoted", forth.stdout)
            same_streams(2)
            # The difference: version 2 counts its puts.
            self.assertTrue(eventually(lambda: all(puts > 0 for node in NODES for *_, puts in streams(node).values()),
                                       limit=30, what="books"))
            back = cluster.ctl("upgrade", "start", "--class", "FabricStream", "--back", limit=200)
            self.assertIn("promoted", back.stdout)
            same_streams(1)
            self.assertEqual(life(), lives)

            (share / "stop").touch()
            for process, log in talkers:
                self.assertEqual(process.wait(60), 0, log.read_text())
                turns = int(re.search(r"(\d+) turns, good", log.read_text())[1])
                self.assertGreater(turns, 10)
                print(f"{turns} turns", end=" ", flush=True)
            for process, _ in servers:
                process.terminate()
                process.wait(30)


if __name__ == "__main__":
    needed = ("k42.elf", "modules/stream_v2_k42.ko", "bin/k42-noded", "bin/k42ctl", "bin/k42-module")
    missing = [name for name in needed if not (BUILD / name).exists()]
    if missing:
        print("not built:", *missing)
        sys.exit(SKIP)
    unittest.main(verbosity=2)
