#!/usr/bin/env python3
"""k42ctl and k42-rsh against a stand-in daemon: streams, signals, exit status, placement, messages."""
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from fake_daemon import FakeDaemon  # noqa: E402
from support import BUILD, eventually  # noqa: E402

NODES = {"cluster": "c", "epoch": 7, "self": 1, "nodes": [
    {"node": n, "name": f"n{n}", "incarnation": n, "cpus": 2, "load": load, "memory_total": 1 << 30,
     "memory_free": 1 << 29, "draining": n == 3} for n, load in ((1, 1.5), (2, 0.0), (3, 0.0))]}


class Tools(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="k42t-", dir="/tmp")
        self.environment = {"PATH": os.environ["PATH"], "K42_RUN": self.folder.name, "HOME": "/root"}
        self.daemons = {n: FakeDaemon(f"{self.folder.name}/c/n{n}", {"nodes": NODES}) for n in (1, 2, 3)}

    def tearDown(self):
        for one in self.daemons.values():
            one.close()
        self.folder.cleanup()

    def tool(self, name, *words, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        if "input" in options:
            options.pop("stdin")
        return subprocess.run([BUILD / "bin" / name, *words], env=self.environment, capture_output=True,
                              text=True, timeout=20, **options)

    def test_nodes(self):
        shown = self.tool("k42ctl", "nodes").stdout
        self.assertIn("epoch 7", shown)
        self.assertIn("draining", shown)
        self.assertEqual(json.loads(self.tool("k42ctl", "nodes", "--json").stdout), NODES)

    def test_listings_for_programs(self):
        names = [{"path": "a/b", "value": "1", "owner": "n1"}, {"path": "objects/c", "value": "2", "owner": ""}]
        self.daemons[1].answer("names", {"names": names})
        self.daemons[1].answer("fabric", {"endpoints": []})
        self.assertIn("(n1's)", self.tool("k42ctl", "names").stdout)
        self.assertEqual(json.loads(self.tool("k42ctl", "names", "--json").stdout), names)
        self.assertEqual(json.loads(self.tool("k42ctl", "object", "list", "--json").stdout), names)
        shown = self.tool("k42ctl", "fabric", "--node", "n1", "--json").stdout
        self.assertEqual(json.loads(shown), {"endpoints": []})

    def test_streams_and_status(self):
        done = self.tool("k42ctl", "run", "--node", "n2", "--", "/bin/sh", "-c",
                         "read a; echo $a on $K42_NODE; echo bad >&2; exit 7", input="hello\n")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (7, "hello on n2\n", "bad\n"))
        self.assertEqual(self.tool("k42ctl", "run", "--node", "n1", "--", "/bin/sh", "-c", "kill -9 $$").returncode,
                         128 + 9)
        missing = self.tool("k42ctl", "run", "--node", "n1", "--", "/no/such")
        self.assertNotEqual(missing.returncode, 0)
        self.assertIn("n1: ", missing.stderr)

    def test_much_data_both_ways(self):
        data = "0123456789abcdef" * 40000
        self.assertEqual(self.tool("k42ctl", "run", "--node", "n1", "--", "/bin/cat", input=data).stdout, data)

    def launcher(self, name, text):
        """The options with which `k42ctl mpirun` starts this instead of MPI's own launcher."""
        folder = pathlib.Path(self.folder.name, "launchers")
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
        return ["--env", f"PATH={folder}:/bin"]

    def test_mpirun_says_what_it_runs_and_ends_as_it_does(self):
        for mpi, name, said in (
                ("openmpi", "mpirun.openmpi", "--host n2:2,n1:1 -np 3 ./job 'a b'"),
                ("mpich", "mpiexec.hydra", "-hosts n2:2,n1:1 -n 3 ./job 'a b'")):
            done = self.tool("k42ctl", "mpirun", "--mpi", mpi, "--nodes", "n2:2,n1",
                             *self.launcher(name, 'echo "$K42_NODE: $*"; exit 3'), "--", "./job", "a b")
            self.assertEqual(done.returncode, 3, done.stderr)
            self.assertIn(f"k42ctl: on n2: PATH=/opt/k42/bin:", done.stderr)
            self.assertIn(f" {name} ", done.stderr)
            self.assertIn(said, done.stderr)
            self.assertTrue(done.stdout.startswith("n2: "), done.stdout)
            self.assertIn(said.replace("'", ""), done.stdout)

    def test_mpirun_places_ranks_by_the_policy(self):
        done = self.tool("k42ctl", "mpirun", "-n", "3", *self.launcher("mpirun.openmpi", "exit 0"), "--", "./job")
        self.assertIn("--host n2:2,n1:1" if "n2:2,n1:1" in done.stderr else "--host n1:1,n2:2", done.stderr)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_mpirun_refuses_places_that_make_no_sense(self):
        for places in ("n2:0", "n2:x", "host", "n1,n1", "n1:", ",", "n1:99999999999"):
            done = self.tool("k42ctl", "mpirun", "--nodes", places, "--", "./job")
            self.assertEqual(done.returncode, 1, places)
            self.assertTrue(done.stderr.startswith("k42ctl: "), done.stderr)
        done = self.tool("k42ctl", "mpirun", "--nodes", "n9", "--", "./job")
        self.assertIn("n9 is no member", done.stderr)

    def test_mpirun_refuses_two_numbers_of_ranks(self):
        done = self.tool("k42ctl", "mpirun", "-n", "3", "--nodes", "n1:2,n2:2", "--", "./job")
        self.assertEqual((done.returncode, done.stderr), (1, "k42ctl: -n says 3 ranks, --nodes 4\n"))
        done = self.tool("k42ctl", "mpirun", "-n", "4", "--nodes", "n1:2,n2:2",
                         *self.launcher("mpirun.openmpi", "exit 0"), "--", "./job")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_launcher_here_asks_the_same_cluster(self):
        done = self.tool("k42ctl", "mpirun", "--from-host", "--nodes", "n2:2",
                         *self.launcher("mpirun.openmpi", "echo $K42_CONTROL"), "--", "./job")
        self.assertEqual(done.stdout, f"unix:{self.folder.name}/c/n2/noded.sock\n", done.stderr)

    def test_mpirun_ends_when_a_node_leaves(self):
        left = dict(NODES, nodes=[one for one in NODES["nodes"] if one["node"] != 2])
        again = dict(NODES, nodes=[dict(one, incarnation=77) if one["node"] == 2 else one for one in NODES["nodes"]])
        for view in (left, again):
            words = [BUILD / "bin/k42ctl", "mpirun", "--nodes", "n1:1,n2:1",
                     *self.launcher("mpirun.openmpi", "trap '' TERM; echo up; sleep 100 & wait; sleep 100"), "--", "./job"]
            job = subprocess.Popen(words, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
            self.assertEqual(job.stdout.readline(), "up\n")
            for one in self.daemons.values():
                one.answer("nodes", view)
            out, errors = job.communicate(timeout=20)
            self.assertEqual(job.returncode, 1, errors)
            self.assertIn("n2 has left the cluster", errors)
            for one in self.daemons.values():
                one.answer("nodes", NODES)

    def test_placement(self):
        where = ["--", "/bin/sh", "-c", "echo $K42_NODE"]
        spread = self.tool("k42ctl", "run", "-n", "3", *where).stdout.split()
        self.assertEqual(sorted(spread), ["n1", "n2", "n2"])  # n1 is loaded, n3 drains
        pack = self.tool("k42ctl", "run", "-n", "2", "--policy", "pack", *where).stdout.split()
        self.assertEqual(sorted(pack), ["n2", "n2"])
        refused = self.tool("k42ctl", "run", "--memory", str(1 << 31), *where)
        self.assertIn("has 2048 MiB free", refused.stderr)

    def test_signals_reach_the_process(self):
        process = subprocess.Popen([BUILD / "bin/k42ctl", "run", "--node", "n1", "--", "/bin/sh", "-c",
                                    "trap 'echo got; exit 3' TERM; echo ready; while :; do sleep 0.05; done"],
                                   env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.assertEqual(process.stdout.readline(), "ready\n")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.communicate(timeout=10)[0], "got\n")
        self.assertEqual(process.returncode, 3)

    def test_an_interrupt_ends_what_nobody_answers(self):
        os.makedirs(f"{self.folder.name}/c/n5")
        with socket.socket(socket.AF_UNIX) as silent:
            silent.bind(f"{self.folder.name}/c/n5/noded.sock")
            silent.listen(1)
            client = subprocess.Popen([BUILD / "bin/k42ctl", "run", "--node", "n5", "--", "true"],
                                      env=self.environment, stdin=subprocess.DEVNULL)
            connection, _ = silent.accept()
            with connection:
                connection.recv(1)
                client.send_signal(signal.SIGINT)
                self.assertEqual(client.wait(timeout=5), 128 + signal.SIGINT)

    def test_the_second_interrupt_ends_what_ignores_the_first(self):
        process = subprocess.Popen([BUILD / "bin/k42ctl", "run", "--node", "n1", "--", "/bin/sh", "-c",
                                    "trap '' INT; echo ready; sleep 100"],
                                   env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.assertEqual(process.stdout.readline(), "ready\n")
        process.send_signal(signal.SIGINT)
        with self.assertRaises(subprocess.TimeoutExpired):
            process.wait(timeout=0.5)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(timeout=5), 128 + signal.SIGINT)
        process.stdout.close()

    def test_an_interrupted_recording_is_taken_back(self):
        self.daemons[1].answer("trace", {"classes": "thread"})
        client = subprocess.Popen([BUILD / "bin/k42ctl", "trace", "--for", "100", "n1"], env=self.environment)
        eventually(lambda: len(self.daemons[1].requests) == 2)
        time.sleep(0.2)
        client.send_signal(signal.SIGINT)
        self.assertEqual(client.wait(timeout=5), -signal.SIGINT)
        self.assertEqual([one["majors"] for one in self.daemons[1].requests], [[], ["all"], ["thread"]])

    def test_a_dead_client_takes_its_process_along(self):
        client = subprocess.Popen([BUILD / "bin/k42-rsh", "n2", "sleep 100"], env=self.environment,
                                  stdin=subprocess.PIPE)
        remote = eventually(lambda: self.daemons[2].started)[0]
        client.kill()
        client.wait()
        client.stdin.close()
        self.assertEqual(remote.wait(timeout=10), -signal.SIGKILL)

    def test_rsh_gives_the_joined_words_to_a_shell(self):
        # As Hydra does: the program word carries its own quotes.
        done = self.tool("k42-rsh", "-n", "-x", "-l", "me", "root@n2", '"/bin/echo"', "--control-port", "n1:200",
                         "'a  b'", "$HOME", "$SHELL;", "exit", "4")
        self.assertEqual((done.returncode, done.stdout), (4, "--control-port n1:200 a  b /root\n"))
        request = self.daemons[2].requests[-1]
        self.assertEqual(request["argv"][:2], ["/bin/sh", "-c"])
        self.assertEqual(request["cwd"], "/")
        self.assertEqual(self.tool("k42-rsh", "10.42.0.1", "echo", "$K42_NODE").stdout, "n1\n")

    def test_rsh_never_runs_on_the_host(self):
        for host in ("localhost", "n0", "n999", "", "node1"):
            done = self.tool("k42-rsh", host, "echo", "oops")
            self.assertEqual((done.returncode, done.stdout), (255, ""))

    def test_messages(self):
        self.assertIn("no node n9", self.tool("k42ctl", "run", "--node", "n9", "--", "true").stderr)
        self.assertIn("no fabric here", self.tool("k42ctl", "fabric").stderr)
        os.makedirs(f"{self.folder.name}/other/n1")
        other = FakeDaemon(f"{self.folder.name}/other/n2", {})
        self.assertIn("choose with --cluster", self.tool("k42ctl", "nodes").stderr)
        self.assertEqual(self.tool("k42ctl", "--cluster", "c", "nodes").returncode, 0)
        other.close()
        self.assertIn("no cluster nix", self.tool("k42ctl", "--cluster", "nix", "nodes").stderr)

    def test_the_node_that_is_meant_is_named(self):
        for n in (1, 2):
            self.daemons[n].answer("object", {"value": 42})
            self.daemons[n].answer("ping", {})
        for daemon, control in ((2, ""), (1, f"unix:{self.folder.name}/c/n1/noded.sock")):
            self.environment["K42_CONTROL"] = control
            for words in (("object", "read", "x", "--node", "n2"), ("ping", "n2", "n1")):
                done = self.tool("k42ctl", *words)
                self.assertEqual(done.returncode, 0, done.stderr)
                request = self.daemons[daemon].requests[-1]
                self.assertEqual((request["request"], request["node"]), (words[0], "n2"))
            self.tool("k42ctl", "object", "read", "x")
            self.assertNotIn("node", self.daemons[1].requests[-1])

    def test_a_daemon_of_another_cluster_is_refused(self):
        self.daemons[1].answer("status", {"cluster": "c"})
        self.environment["K42_CONTROL"] = f"unix:{self.folder.name}/c/n1/noded.sock"
        self.assertEqual(self.tool("k42ctl", "--cluster", "c", "nodes").returncode, 0)
        other = self.tool("k42ctl", "--cluster", "d", "nodes")
        self.assertEqual((other.returncode, other.stdout), (1, ""))
        self.assertIn("is of cluster c, not d", other.stderr)

    def test_a_daemon_without_authority_says_so(self):
        self.daemons[1].answer("nodes", dict(NODES, authority=True))
        self.assertNotIn("authority", self.tool("k42ctl", "nodes").stdout)
        self.daemons[1].answer("nodes", dict(NODES, authority=False))
        self.assertIn("n1, which answers, has no authority", self.tool("k42ctl", "nodes").stdout)

    def test_whose_lab_it_is(self):
        apart = ["unshare", "-m", "sh", "-c"]
        if subprocess.run([*apart, "mount -t tmpfs none /run"], capture_output=True).returncode != 0:
            self.skipTest("needs a mount name space")
        make = "mount -t tmpfs none /run && chmod 755 /run && mkdir -m 700 /run/k42 && touch /run/k42/noded.sock && "
        done = subprocess.run([*apart, make + 'cp "$0" /run/ctl && '
                               "K42_RUN=/run/none exec setpriv --reuid 65534 --clear-groups /run/ctl nodes",
                               BUILD / "bin/k42ctl"], capture_output=True, text=True, timeout=20)
        self.assertEqual((done.returncode, done.stderr), (1, "k42ctl: /run/k42 belongs to user root: ask as root\n"))

    def test_a_lost_node_is_said(self):
        lost = FakeDaemon(f"{self.folder.name}/c/n4", {"run": {"pid": 1}})  # answers, then is gone
        done = self.tool("k42ctl", "run", "--node", "n4", "--", "/bin/true")
        lost.close()
        self.assertEqual(done.returncode, 255)
        self.assertIn("n4: connection to the node is lost", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
