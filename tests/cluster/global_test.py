#!/usr/bin/env python3
"""Objects of the cluster, by name: kernels, native programs and k42ctl use them; homes are swapped and die."""
import os
import re
import subprocess
import sys
import threading
import time
import unittest
import pathlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from support import BUILD, Cluster, eventually, main  # noqa: E402

CPUS = 2
OPTIONS = ["--cpus", str(CPUS), "--memory", "128M", "--timeout", "120"]
NODES = ["n1", "n2", "n3"]
LONG = os.environ.get("K42_LONG") == "1"
TYPED = r"kNodeDead|kUnknown|kTimedOut|kUnavailable|kStaleIncarnation|kNotFound"


def start(cluster, node, *words):
    """A native program on a node; its words are of the image of that name."""
    return subprocess.Popen([BUILD / "bin/k42ctl", "--cluster", cluster.name, "run", "--node", node, "--",
                             f"native:{words[0]}", *map(str, words[1:])],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=cluster.environment)


def ended(program, limit=240):
    """Its exit status and what it said."""
    try:
        said, _ = program.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        program.kill()
        raise AssertionError(f"hangs: {program.args}") from None
    return program.returncode, said


def read(cluster, name, node="n1"):
    return int(cluster.ctl("object", "read", name, "--node", node).stdout)


def known(cluster, node, *words):
    """Every node sees a new name a moment later: until then this is tried again. It must be repeatable."""
    eventually(lambda: cluster.ctl("object", *words, "--node", node, check=False).returncode == 0,
               what=f"{' '.join(map(str, words))} on {node}")


class Global(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(nodes=3, options=OPTIONS)
        cls.cluster.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.cluster.__exit__(None, None, None)

    def refused(self, words, *hints):
        done = self.cluster.ctl(*words, check=False)
        self.assertNotEqual(done.returncode, 0, words)
        for hint in hints:
            self.assertIn(hint, done.stderr)

    def test_a_counter_of_all_nodes_and_operators(self):
        times = 100
        self.cluster.ctl("object", "make", "all", "--node", "n2")
        self.refused(["object", "make", "all", "--node", "n3"], "there is one of that name")
        self.assertIn("objects/counter/", self.cluster.ctl("object", "list").stdout)
        for node in NODES:
            known(self.cluster, node, "read", "all")
        programs = [start(self.cluster, node, "counter", "all", times, f"cpu={cpu}")
                    for node in NODES for cpu in range(CPUS)]
        got = [int(self.cluster.ctl("object", "add", "all", 5, "--node", NODES[i % 3]).stdout) for i in range(12)]
        self.assertEqual(got, sorted(set(got)), "what an operator gets grows strictly")
        for program in programs:
            status, said = ended(program)
            self.assertEqual(status, 0, said)
        total = times * len(programs) + 5 * 12
        self.assertEqual([read(self.cluster, "all", node) for node in NODES], [total] * 3)
        self.cluster.ctl("object", "remove", "all", "--node", "n1")  # its home is n2
        gone = ["object", "read", "all", "--node", "n3"]
        eventually(lambda: "kNotFound" in self.cluster.ctl(*gone, check=False).stderr)

    def test_programs_of_three_nodes_meet(self):
        rounds = 200 if LONG else 20
        programs = [start(self.cluster, node, "barrier", "door", 3, member, rounds)
                    for member, node in enumerate(NODES)]
        for program in programs:
            status, said = ended(program)
            self.assertEqual(status, 0, said)
            self.assertIn(f"met {rounds} times", said)
        self.assertEqual(read(self.cluster, "door"), 3 * rounds)
        # Two nodes' kernels wait, asked by operators, until a third has come.
        self.cluster.ctl("object", "make", "gate", 3, "--class", "barrier", "--node", "n3")
        for member, node in ((0, "n1"), (1, "n2")):
            known(self.cluster, node, "arrive", "gate", member, "--class", "barrier")
        waiting = [threading.Thread(target=self.cluster.ctl, daemon=True, args=(
            "object", "wait", "gate", member, "--class", "barrier", "--node", node, "--budget", 60000))
            for member, node in ((0, "n1"), (1, "n2"))]
        for one in waiting:
            one.start()
        time.sleep(1)
        self.assertTrue(all(one.is_alive() for one in waiting))
        self.cluster.ctl("object", "wait", "gate", 2, "--class", "barrier", "--node", "n3", "--budget", 60000)
        for one in waiting:
            one.join(30)
        self.assertFalse(any(one.is_alive() for one in waiting))
        self.refused(["object", "wait", "gate", 0, "--class", "barrier", "--budget", 500], "kTimedOut")

    def test_the_home_is_swapped_under_calls_from_all_nodes(self):
        swaps = 1000 if LONG else 20
        self.cluster.ctl("object", "make", "hot", "--node", "n1")
        for node in NODES:
            known(self.cluster, node, "read", "hot")
        stop = threading.Event()
        rounds, failures = [0], []

        def call(node, cpu):  # programs, one after the other, so that calls never cease
            while not stop.is_set():
                status, said = ended(start(self.cluster, node, "counter", "hot", 50, f"cpu={cpu}"))
                rounds[0] += 1
                if status != 0:
                    failures.append((node, cpu, status, said))
                    return

        callers = [threading.Thread(target=call, args=(node, cpu)) for node in NODES for cpu in range(CPUS)]
        for caller in callers:
            caller.start()
        versions, late = [], 0
        try:
            deadline = time.monotonic() + (1700 if LONG else 150)
            while len(versions) < swaps and time.monotonic() < deadline and not failures:
                done = self.cluster.ctl("object", "swap", "hot", "--node", NODES[len(versions) % 3], "--budget",
                                        10000, check=False)
                if done.returncode == 0:
                    versions.append(int(done.stdout))
                else:  # a busy machine: abandoned, and the old one goes on
                    self.assertRegex(done.stderr, "kTimedOut|kUnknown|kBusy")
                    late += 1
        finally:
            stop.set()
            for caller in callers:
                caller.join()
        print(f"{len(versions)} swaps, {late} abandoned, {rounds[0]} programs of 50 calls", file=sys.stderr)
        self.assertEqual(failures, [])
        self.assertGreaterEqual(len(versions), swaps)
        self.assertEqual(versions, sorted(set(versions)))
        self.assertEqual(read(self.cluster, "hot", "n3"), rounds[0] * 50, "nothing lost, nothing doubled")
        self.refused(["object", "swap", "nobody"], "kNotFound")

    def test_the_homes_daemon_dies_under_calls(self):
        """A call takes longer, or ends typed; what was confirmed has happened, and nothing twice."""
        times = 3000
        self.cluster.ctl("object", "make", "steady", "--node", "n2")
        for node in NODES:
            known(self.cluster, node, "read", "steady")
        programs = [start(self.cluster, node, "counter", "steady", times, f"cpu={cpu}")
                    for node in ("n1", "n3") for cpu in range(CPUS)]
        for program in programs:
            self.assertIn("first", program.stdout.readline())
        kills = 0
        while any(program.poll() is None for program in programs) and kills < 3:  # after five it is given up
            self.cluster.fault("kill", "n2", "--part", "noded")
            kills += 1
            eventually(lambda: self.cluster.node("n2")["state"] == "up", limit=60)
        self.assertGreater(kills, 0)
        done, unknown = 0, 0
        for program in programs:
            status, said = ended(program)
            if status == 0:
                done += times
                continue
            self.assertRegex(said, rf"add: ({TYPED}) after")
            print(said.strip().splitlines()[-1], file=sys.stderr)
            done += int(re.search(r"done (\d+)", said)[1])
            unknown += 1
        total = read(self.cluster, "steady", "n1")
        print(f"{kills} daemons killed; {done} done, {unknown} ended typed, the home has {total}", file=sys.stderr)
        self.assertTrue(done <= total <= done + unknown)

    def test_what_makes_no_sense_is_refused(self):
        self.refused(["object", "make", "a/b"], "kInvalidArgument")
        self.refused(["object", "make", "x" * 65], "no such action, class or name")
        self.refused(["object", "make", "none", 65, "--class", "barrier"], "kInvalidArgument")
        self.refused(["object", "read", "never-made"], "kNotFound")
        self.cluster.ctl("names", "put", "objects/counter/forged", "1/1 1/1 zz")
        eventually(lambda: "forged" in self.cluster.ctl("names", "list", "objects").stdout)
        self.refused(["object", "read", "forged"], "kCorrupt")
        status, said = ended(start(self.cluster, "n1", "no-such-image"))
        self.assertNotEqual(status, 0, said)
        status, said = ended(start(self.cluster, "n1", "counter", "name"))
        self.assertEqual((status, said), (64, "usage: counter NAME TIMES [cpu=N]\n"))

    def test_round_trips_are_measured(self):
        for words in (["n1", "n2"], ["n2", "n3", "--call"], ["n3", "daemon"]):
            said = self.cluster.ctl("ping", *words, "--count", 50).stdout
            least, median, most = map(int, re.search(r"least (\d+) ns, median (\d+) ns, most (\d+) ns", said).groups())
            print(said.strip(), file=sys.stderr)
            self.assertTrue(0 < least <= median <= most < 60e9)
        self.refused(["ping", "n1", "n9"], "kNotInView")

    def test_z_the_home_dies_under_calls(self):
        """Last: a node comes back as another life."""
        self.cluster.ctl("object", "make", "doomed", "--node", "n3")
        self.cluster.ctl("object", "make", "wall", 3, "--class", "barrier", "--node", "n3")
        known(self.cluster, "n1", "arrive", "wall", 0, "--class", "barrier")
        programs = [start(self.cluster, node, "counter", "doomed", 10_000_000, f"cpu={cpu}")
                    for node in ("n1", "n2") for cpu in range(CPUS)]
        for program in programs:
            self.assertIn("first", program.stdout.readline())
        waiter = subprocess.Popen([BUILD / "bin/k42ctl", "--cluster", self.cluster.name, "object", "wait", "wall", "0",
                                   "--class", "barrier", "--node", "n1", "--budget", "120000"],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  env=self.cluster.environment)
        time.sleep(1)
        self.cluster.fault("kill", "n3", "--part", "qemu")
        began = time.monotonic()
        for program in programs:
            status, said = ended(program, 60)
            self.assertEqual(status, 1, said)
            self.assertRegex(said, rf"add: ({TYPED}) after \d+ ms")
            self.assertLess(int(re.search(r"after (\d+) ms", said)[1]), 5000)
            print(said.strip().splitlines()[-1], file=sys.stderr)
        status, said = ended(waiter, 60)
        self.assertNotEqual(status, 0)
        self.assertRegex(said, TYPED)
        self.assertLess(time.monotonic() - began, 30)
        # The dead home's names are gone, or are not found; a new object of the name has another home.
        self.refused(["object", "read", "doomed", "--node", "n1"], "kNotFound")
        eventually(lambda: self.cluster.ctl("object", "make", "doomed", "--node", "n1", check=False).returncode == 0,
                   limit=30)
        known(self.cluster, "n2", "read", "doomed")
        self.assertEqual(self.cluster.ctl("object", "add", "doomed", 7, "--node", "n2").stdout, "7\n")
        eventually(lambda: self.cluster.node("n3")["state"] == "up", limit=60)
        known(self.cluster, "n3", "read", "doomed")
        self.assertEqual(read(self.cluster, "doomed", "n3"), 7)


if __name__ == "__main__":
    main()
