#!/usr/bin/env python3
"""GDB on a node of a running cluster by one command, and cores of it: the node goes on afterwards, whatever happens."""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from support import BUILD, ROOT, Cluster, eventually, main, run  # noqa: E402

sys.path.insert(0, str(ROOT / "sim-fabric"))
from k42sim.monitor import Monitor  # noqa: E402

# What a tester's own GDB is set to does not matter.
QUIET = {"HOME": "/nonexistent", "TERM": "dumb"}


class Debugging(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(name="gdb", nodes=1)
        cls.cluster.__enter__()
        cls.addClassCleanup(cls.cluster.__exit__)
        cls.folder = pathlib.Path(cls.cluster.node("n1")["folder"])
        cls.core = pathlib.Path(cls.cluster.run_folder) / "gdb/n1.core"

    def setUp(self):
        self.life = self.incarnation()

    def tearDown(self):
        # Nothing here is to cost a node its life, or to leave it standing.
        self.assertEqual(self.cluster.ctl("run", "--node", "n1", "--", "/bin/echo", "on").stdout, "on\n")
        self.assertEqual(self.incarnation(), self.life)
        self.assertTrue(self.runs())
        self.assertFalse((self.folder / "gdb.sock").exists())

    def incarnation(self):
        return json.loads(self.cluster.ctl("nodes", "--json").stdout)["nodes"][0]["incarnation"]

    def runs(self):
        with Monitor(self.folder / "qmp.sock") as monitor:
            return monitor.ask("query-status")["running"]

    def gdb_node(self, commands, **environment):
        """The one command; GDB's commands come from its standard input."""
        return run(["cmake", "--build", BUILD, "-t", "gdb-node"], input="\n".join(commands) + "\n", check=False, limit=120,
                   env=dict(self.cluster.environment, **QUIET, **environment))

    def test_one_command_attaches_to_the_first_node(self):
        done = self.gdb_node(["set width 0", "k42 cpus", "k42 objects NodeObject", "print $k42_area(1)->id", "k42 threads",
                              "break k42::machine::Scheduler::RunInterruptWork", "continue", "backtrace"])
        text = done.stdout
        self.assertEqual(done.returncode, 0, text + done.stderr)
        self.assertRegex(text, r"cpu  1 \w.*, thread pool \(\d+\)")
        self.assertRegex(text, r"0x[0-9a-f]+ root 0x[0-9a-f]+ cobj::SharedRoot<proc::NodeObject>\n"
                               r"( +cpu [0-9-]+: 0x[0-9a-f]+ proc::NodeObject\n)*")
        self.assertRegex(text, r"\$1 = 1\n")
        self.assertRegex(text, r" +\d+ cpu  0 parked .*pool")
        self.assertRegex(text, r"hit Breakpoint 1, .*RunInterruptWork")
        self.assertRegex(text, r"#1 .*RunLoop")
        self.assertNotIn("Traceback", text + done.stderr)

    def test_a_node_by_name_or_a_sentence_why_not(self):
        self.assertIn("$1 = 2\n", self.gdb_node(["print 'k42::machine::(anonymous namespace)::started'"], K42_NODE="n1").stdout)
        for node, why in (("n9", "cluster gdb has no node n9"), ("nowhere", "'nowhere' is neither a node")):
            done = self.gdb_node([], K42_NODE=node)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(why, done.stdout + done.stderr)

    def test_the_node_goes_on_when_gdb_is_killed_and_has_one_gdb_at_a_time(self):
        words = [str(ROOT / "sim-fabric/k42-sim"), "gdb", "--cluster", "gdb", "n1"]
        first = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                 env=dict(self.cluster.environment, **QUIET))
        first.stdin.write("echo attached\\n\n")
        first.stdin.flush()
        seen = ""
        while "attached" not in seen:
            line = first.stdout.readline()
            self.assertTrue(line, seen)
            seen += line
        self.assertFalse(self.runs())
        second = run(words, check=False, env=self.cluster.environment)
        self.assertEqual(second.returncode, 1)
        self.assertIn("n1: another GDB has it", second.stderr)
        children = pathlib.Path(f"/proc/{first.pid}/task/{first.pid}/children").read_text().split()
        self.assertEqual(len(children), 1)
        os.kill(int(children[0]), signal.SIGKILL)
        first.communicate(timeout=30)
        self.assertTrue(self.runs())

    def dump(self, **options):
        done = self.cluster.ctl("dump", "n1", self.core, **options)
        text = run(["gdb", "-nx", "-q", "-batch", "-x", ROOT / "node-kernel/debug/gdb/k42.py", BUILD / "k42.elf", "-core",
                    self.core, "-ex", "k42 cpus", "-ex", "k42 objects NodeObject", "-ex", "print $k42_area(1)->id"],
                   limit=120).stdout
        self.assertRegex(text, r"cpu  0 \w")
        self.assertRegex(text, r"cpu  1 \w")
        self.assertIn("cobj::SharedRoot<proc::NodeObject>", text)
        self.assertIn("$1 = 1\n", text)
        return done

    def test_a_core_of_a_node_at_work(self):
        job = self.cluster.start("run", "--node", "n1", "--", "/bin/sh", "-c",
                                 "echo begun; i=0; while test $i -lt 200; do i=$((i+1)); /bin/true; done; echo ended")
        self.assertEqual(job.stdout.readline(), "begun\n")
        done = self.dump()
        stood = re.search(r"n1 stood still for (\d+) ms", done.stdout)
        self.assertTrue(stood, done.stdout)
        self.assertLess(int(stood[1]), 10_000)  # half of what costs it its life
        # The same by the command that k42ctl names.
        shown = re.search(r"^k42-sim (gdb .*)$", done.stdout, re.M)[1].split()
        text = run([ROOT / "sim-fabric/k42-sim", *shown, "--", "-batch", "-ex", "k42 gens"],
                   env=dict(self.cluster.environment, **QUIET)).stdout
        self.assertRegex(text, r"cpu  1 generation \d+, needed \d+")
        self.assertEqual(job.communicate(timeout=60)[0], "ended\n")

    def test_a_core_while_the_daemon_hangs_or_is_dead(self):
        self.cluster.fault("pause", "n1", "--part", "noded")
        try:
            self.assertIn("n1's daemon hangs, so the node was not stopped", self.dump().stderr)
            done = self.gdb_node([])
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("n1: its daemon hangs", done.stdout + done.stderr)
            self.assertTrue(self.runs())
        finally:
            self.cluster.fault("resume", "n1", "--part", "noded")
        os.kill(self.cluster.node("n1")["pids"]["noded"], signal.SIGKILL)
        self.assertIn("n1 stood still", self.dump().stdout)
        eventually(lambda: self.cluster.node("n1")["state"] == "up", what="the daemon's next life")
        eventually(lambda: self.cluster.ctl("run", "--node", "n1", "--", "/bin/true", check=False).returncode == 0)


if __name__ == "__main__":
    main()
