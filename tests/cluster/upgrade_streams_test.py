#!/usr/bin/env python3
"""The class of fabric streams goes to version 2 and back on three nodes, while the nodes talk over
streams that live through it all: Python programs of which every byte is known, and an MPI job."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import mpi_test  # noqa: E402
from support import BUILD, ROOT, Cluster, eventually, main, run  # noqa: E402

LONG = os.environ.get("K42_LONG") == "1"
OPTIONS = ["--cpus", "2", "--memory", "512M", "--timeout", "120"]
MODULE = BUILD / "modules/stream_v2_k42.ko"
NODES = ("n1", "n2", "n3")
PORT = 5000
STREAM = re.compile(r"version (\d+) node (\d+) port (\d+) peer_port (\d+) sent (\d+) received (\d+) puts (\d+)")


class Streams(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = cls.enterClassContext(Cluster(nodes=3, options=OPTIONS))
        status = cls.cluster.status()
        cls.folder = pathlib.Path(status["folder"])
        cls.share = cls.cluster.share = pathlib.Path(status["share"])
        cls.module = cls.folder / "stream_v2.k42m"
        run([BUILD / "bin/k42-module", "sign", MODULE, "--key", cls.folder / "module.key", "-o", cls.module])
        pushed = cls.cluster.ctl("upgrade", "push", cls.module).stdout
        assert "FabricStream, version 1 to 2" in pushed, pushed

    def start(self, node, *words):
        """(process, its output's file) of stream_load.py on a node."""
        path = self.folder / f"{words[0]}-{node}.log"
        with open(path, "w") as log:
            process = subprocess.Popen(
                [BUILD / "bin/k42ctl", "--cluster", self.cluster.name, "run", "--node", node, "--",
                 "/usr/bin/python3", "/cluster/stream_load.py", *map(str, words)],
                env=self.cluster.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        return process, path

    def says(self, running, word):
        process, log = running
        self.assertIn(process.poll(), (None, 0), log.read_text())
        return word in log.read_text()

    def streams(self):
        """(node, peer, ports) -> (version, sent, received, puts) of every stream there is."""
        found = {}
        for node in NODES:
            text = self.cluster.ctl("run", "--node", node, "--", "/bin/cat", "/sys/k42/streams").stdout
            for line in STREAM.findall(text):
                version, peer, port, peer_port, sent, received, puts = map(int, line)
                found[node, peer, port, peer_port] = (version, sent, received, puts)
        return found

    def life(self):
        """Incarnations and boot ids."""
        nodes = json.loads(self.cluster.ctl("nodes", "--json").stdout)["nodes"]
        boots = {node: self.cluster.ctl("run", "--node", node, "--", "/bin/cat",
                                        "/proc/sys/kernel/random/boot_id").stdout.strip() for node in NODES}
        return {one["name"]: one["incarnation"] for one in nodes}, boots

    def roll(self, *words):
        done = self.cluster.ctl("upgrade", "start", "--class", "FabricStream", *words, limit=200)
        self.assertIn("promoted", done.stdout)

    def same(self, before, version):
        """The streams of `before` that are still there: all of `version`, and they went on."""
        now = self.streams()
        still = {key: value for key, value in now.items() if key in before}
        self.assertEqual({value[0] for value in now.values()}, {version})
        for key, (_, sent, received, _) in still.items():
            self.assertGreaterEqual(still[key][1], sent, key)
            self.assertGreaterEqual(still[key][2], received, key)
        return still

    def test_live_streams_become_version_2_and_1_again(self):
        (self.share / "stop").unlink(missing_ok=True)
        shutil.copy(pathlib.Path(__file__).with_name("stream_load.py"), self.share)
        servers = [self.start(node, "serve", PORT) for node in NODES]
        for server in servers:
            eventually(lambda server=server: self.says(server, "serving"), limit=60, what="servers")
        talkers = [self.start(node, "talk", f"10.42.0.{number % 3 + 1}", PORT, "/cluster/stop")
                   for number, node in enumerate(NODES, 1)]
        for talker in talkers:
            eventually(lambda talker=talker: self.says(talker, "talking"), limit=60, what="talkers")
        before, lives = self.streams(), self.life()
        self.assertEqual(len(before), 6)
        self.assertEqual({version for version, *_ in before.values()}, {1})
        self.roll("--to", self.module, "--waves", "n1/n2/n3", "--soak", "500")
        after = self.same(before, 2)
        self.assertEqual(len(after), 6)
        # The difference: version 2 counts its puts.
        eventually(lambda: all(puts > 0 for *_, puts in self.streams().values()), limit=30, what="books")
        self.roll("--back")
        self.assertEqual(len(self.same(after, 1)), 6)
        self.assertEqual(self.life(), lives)
        (self.share / "stop").touch()
        for process, log in talkers:
            self.assertEqual(process.wait(60), 0, log.read_text())
            self.assertGreater(int(re.search(r"(\d+) turns, good", log.read_text())[1]), 10)
        for process, _ in servers:
            process.terminate()
            process.wait(30)

    def test_an_mpi_job_does_not_notice(self):
        run(["mpicc.openmpi", "-O2", "-Wall", "-o", self.share / "load", ROOT / "tests/mpi/load.c"])
        lives = self.life()
        rounds = 10 if LONG else 1
        job = mpi_test.load(self.cluster, 30 * rounds, nodes="n1:2,n2:2,n3:2", ranks=6)
        for _ in range(rounds):
            before = self.streams()
            self.roll("--to", self.module, "--waves", "n1/n2,n3", "--soak", "200")
            after = self.same(before, 2)
            self.assertGreaterEqual(len(after), 6)
            self.assertGreater(sum(sent for _, sent, _, _ in after.values()),
                               sum(before[key][1] for key in after))
            self.roll("--back")
            self.assertGreaterEqual(len(self.same(after, 1)), 6)
            self.assertIsNone(job.poll(), "the job ended before the way back did: it shows nothing")
        text, _ = job.communicate(timeout=120 + 60 * rounds)
        self.assertEqual(job.returncode, 0, text)
        self.assertIn("load ok: 6 ranks", text)
        self.assertEqual(self.life(), lives)
        ids = lives[1]
        self.assertEqual(dict(re.findall(r"^rank (\d+) host \S+ boot (\S+)", text, re.M)),
                         {str(rank): ids[NODES[rank // 2]] for rank in range(6)}, text)


if __name__ == "__main__":
    main("k42.elf", "modules/stream_v2_k42.ko", "bin/k42-noded", "bin/k42ctl", "bin/k42-module")
