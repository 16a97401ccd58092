#!/usr/bin/env python3
"""k42ctl trace: what a running node records, as text, while it goes on."""
import concurrent.futures
import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from support import BUILD, SKIP, Cluster  # noqa: E402

LINE = re.compile(r" *(\d+\.\d{9}) (\d+) (\w+): .*")


class Trace(unittest.TestCase):
    def test_a_running_node_tells_what_it_did(self):
        with Cluster(nodes=1, options=["--cpus", "2", "--timeout", "90"]) as cluster:
            def trace(*words, check=True):
                return cluster.ctl("trace", "--node", "n1", *words, check=check)

            self.assertEqual(trace("mask").stdout, "\n")  # nothing, unless asked for
            self.assertEqual(trace("mask", "thread", "interrupt").stdout, "thread,interrupt\n")
            wrong = trace("mask", "no_such_class", check=False)
            self.assertNotEqual(wrong.returncode, 0)
            self.assertIn("no such class", wrong.stderr)
            self.assertEqual(trace("mask").stdout, "thread,interrupt\n")
            busy = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"  # on both CPUs
            cluster.ctl("run", "--node", "n1", "-n", "4", "--", "/bin/sh", "-c", busy)

            lines = trace("dump").stdout.splitlines()
            told = [LINE.fullmatch(line) for line in lines]
            self.assertNotIn(None, told, [line for line in lines if not LINE.fullmatch(line)])
            times = [float(one[1]) for one in told]
            self.assertEqual(times, sorted(times))
            self.assertEqual({one[2] for one in told}, {"0", "1"})
            self.assertLessEqual({"thread_switch", "thread_wake", "interrupt"}, {one[3] for one in told})
            self.assertEqual(trace("mask").stdout, "thread,interrupt\n")  # goes on recording

            # Many at a time: each is answered, or told that somebody else reads; the node goes on.
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                answers = list(pool.map(lambda _: trace("dump", check=False), range(4)))
            self.assertIn(0, [one.returncode for one in answers])
            for one in answers:
                self.assertTrue(one.returncode == 0 or "somebody else" in one.stderr, one.stderr)
            self.assertEqual(trace("mask", "none").stdout, "\n")
            self.assertEqual(cluster.ctl("run", "--node", "n1", "--", "/bin/echo", "hi").stdout, "hi\n")

    def test_the_way_of_one_remote_call(self):
        with Cluster(nodes=2, options=["--cpus", "1", "--timeout", "90"]) as cluster:
            cluster.ctl("object", "make", "hits", "--class", "counter", "--node", "n2")
            cluster.ctl("object", "add", "hits", "1", "--node", "n1")  # the name is known at n1 from now on
            for node in ("n1", "n2"):
                cluster.ctl("trace", "--node", node, "mask", "global")
            cluster.ctl("object", "add", "hits", "5", "--node", "n1")

            def events(node):
                text = cluster.ctl("trace", "--node", node, "dump").stdout
                return [(found[3], line) for line in text.splitlines() if (found := LINE.fullmatch(line))]

            caller, home = events("n1"), events("n2")
            sent = next(line for name, line in caller if name == "call_send")
            number = re.search(r"call (\d+) to node 2, method \d+", sent)[1]
            ended = [line for name, line in caller if name == "call_end" and f"call {number} to node 2" in line]
            self.assertEqual(len(ended), 1, caller)
            self.assertTrue(ended[0].endswith("error 0"), ended)
            served = [name for name, line in home if f"call {number} of node 1, CPU 0" in line]
            self.assertEqual([name for name in served if name != "call_receive"], ["call_execute", "call_reply"], home)
            self.assertEqual(served[0], "call_receive")  # once more for each time it was sent again


if __name__ == "__main__":
    missing = [name for name in ("k42.elf", "bin/k42-noded", "bin/k42ctl") if not (BUILD / name).exists()]
    if missing:
        print("not built:", *missing)
        sys.exit(SKIP)
    unittest.main(verbosity=2)
