#!/usr/bin/env python3
"""k42ctl trace: what running nodes record, read out of their RAM while they go on or hang, as text and
for Perfetto, several nodes on one clock."""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from support import Cluster, main  # noqa: E402

LINE = re.compile(r" *(\d+\.\d{9}) (?:n(\d+) )?(p?\d+) (\w+): .*")
BUSY = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"


def lines_of(text):
    told = [LINE.fullmatch(line) for line in text.splitlines()]
    assert None not in told, [line for line in text.splitlines() if not LINE.fullmatch(line)]
    return told


class Trace(unittest.TestCase):
    def test_a_running_node_tells_what_it_did(self):
        with Cluster(nodes=1, options=["--cpus", "2", "--timeout", "90"]) as cluster:
            def trace(*words, check=True):
                return cluster.ctl("trace", "--node", "n1", *words, check=check)

            self.assertEqual(trace("mask").stdout, "\n")  # nothing, unless asked for
            self.assertEqual(json.loads(trace("mask", "--json").stdout), {"classes": []})
            self.assertEqual(trace("mask", "thread", "interrupt").stdout, "thread,interrupt\n")
            self.assertEqual(json.loads(trace("mask", "--json").stdout), {"classes": ["thread", "interrupt"]})
            wrong = trace("mask", "no_such_class", check=False)
            self.assertNotEqual(wrong.returncode, 0)
            self.assertIn("no such class", wrong.stderr)
            self.assertEqual(trace("mask").stdout, "thread,interrupt\n")
            cluster.ctl("run", "--node", "n1", "-n", "4", "--", "/bin/sh", "-c", BUSY)
            told = lines_of(trace("dump").stdout)
            times = [float(one[1]) for one in told]
            self.assertEqual(times, sorted(times))
            self.assertEqual({one[3] for one in told}, {"0", "1"})
            self.assertLessEqual({"thread_switch", "thread_wake", "interrupt"}, {one[4] for one in told})
            only = {one[4] for one in lines_of(cluster.ctl("trace", "--class", "interrupt", "n1").stdout)}
            self.assertIn("interrupt", only)
            self.assertNotIn("thread_switch", only)
            for words, why in ((["--class", "interrupt", "n9"], "n9"),
                               (["--class", "interrupt,nonsense", "n1"], "nonsense")):
                refused = cluster.ctl("trace", *words, check=False)
                self.assertNotEqual(refused.returncode, 0)
                self.assertIn(why, refused.stderr)
            self.assertEqual(trace("mask").stdout, "thread,interrupt\n")  # goes on recording

            # A process's life and its calls, with all classes, recorded for a while and then as before.
            job = cluster.start("run", "--node", "n1", "--", "/bin/sh", "-c", "sleep 1; echo hi; " + BUSY)
            shown = cluster.ctl("trace", "--for", "2.5", "--class", "process,schedule,ipc,memory", "n1").stdout
            job.communicate(timeout=60)
            seen = {one[4] for one in lines_of(shown)}
            self.assertLessEqual({"dispatch_in", "dispatch_out", "native_call", "native_return", "page_fault"}, seen)
            self.assertEqual(trace("mask").stdout, "thread,interrupt\n")

            # The node hangs: QEMU stands still. Its memory does not mind.
            qemu = cluster.node("n1")["pids"]["qemu"]
            os.kill(qemu, signal.SIGSTOP)
            try:
                self.assertTrue(lines_of(trace("dump").stdout))
            finally:
                os.kill(qemu, signal.SIGCONT)
            self.assertEqual(trace("mask", "none").stdout, "\n")
            self.assertEqual(cluster.ctl("run", "--node", "n1", "--", "/bin/echo", "hi").stdout, "hi\n")

    def test_programs_record_what_they_do(self):
        """Linux calls of each process, by itself, in a buffer that is read after its end as well."""
        with Cluster(nodes=1, options=["--cpus", "2", "--timeout", "90"]) as cluster:
            cluster.ctl("run", "--node", "n1", "--", "/bin/echo", "hi")
            shown = [one for one in lines_of(cluster.ctl("trace", "--node", "n1", "dump").stdout) if one[3][0] == "p"]
            self.assertEqual(shown, [])  # the class is off
            cluster.ctl("trace", "--node", "n1", "mask", "user")
            script = "/bin/mkdir /tmp/traced; (exit 3); /bin/rmdir /tmp/traced"
            cluster.ctl("run", "--node", "n1", "--", "/bin/sh", "-c", script)
            shown = [one for one in lines_of(cluster.ctl("trace", "--node", "n1", "dump").stdout) if one[3][0] == "p"]
            self.assertGreaterEqual(len({one[3] for one in shown}), 3)
            calls = {}
            for one in shown:
                number = re.search(r"thread (\d+), call (\d+)(?:, result (\w+))?$", one[0])
                calls.setdefault((one[4], int(number[2])), []).append((one[3], number[3]))
            for name, number in (("mkdir", 83), ("rmdir", 84)):
                (process, result), = calls["linux_return", number]
                self.assertEqual([process], [call[0] for call in calls["linux_call", number]], name)
                self.assertEqual(int(result, 16), 0)
            self.assertNotIn(("linux_return", 231), calls)  # exit_group is heard of once
            self.assertGreaterEqual(len(calls["linux_call", 231]), 3)
            told = json.loads(cluster.ctl("trace", "--json", "-", "n1").stdout)["traceEvents"]
            self.assertTrue([event for event in told if event["ph"] == "X" and event["name"] == "linux 83"])

    def test_followed_at_the_maximum(self):
        """Everything recorded on both CPUs, read on while it is: nothing torn, every loss counted."""
        with Cluster(nodes=1, options=["--cpus", "2", "--timeout", "90"]) as cluster:
            reader = subprocess.Popen(
                [sys.executable, str(pathlib.Path(__file__).with_name("trace_follow.py")),
                 cluster.node("n1")["folder"] + "/noded.sock"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            time.sleep(0.5)
            cluster.ctl("trace", "--node", "n1", "mask", "all")
            cluster.ctl("run", "--node", "n1", "-n", "4", "--", "/bin/sh", "-c", BUSY)
            out, _ = reader.communicate(timeout=60)
            self.assertEqual(reader.returncode, 0, out)
            result = json.loads(out)
            self.assertEqual(set(result), {"0", "1"})
            self.assertGreater(sum(one["seen"] for one in result.values()), 1000, result)
            for buffer in result.values():
                self.assertEqual(buffer["faults"], [])
                self.assertEqual(buffer["seen"] + buffer["lost"], buffer["next"], buffer)

    def test_two_nodes_on_one_clock(self):
        with Cluster(nodes=2, options=["--cpus", "1", "--timeout", "90"]) as cluster:
            cluster.ctl("object", "make", "hits", "--class", "counter", "--node", "n2")
            cluster.ctl("object", "add", "hits", "1", "--node", "n1")  # the name is known at n1 from now on
            for node in ("n1", "n2"):
                cluster.ctl("trace", "--node", node, "mask", "global,schedule,process")
            cluster.ctl("object", "add", "hits", "5", "--node", "n1")
            cluster.ctl("run", "--node", "n1", "--", "/bin/echo", "hi")

            def events(node):
                return [(one[4], one[0]) for one in lines_of(cluster.ctl("trace", "--node", node, "dump").stdout)]

            caller, home = events("n1"), events("n2")
            sent = next(line for name, line in caller if name == "call_send" and "to node 2" in line)
            number = re.search(r"call (\d+) to node 2, method \d+", sent)[1]
            ended = [line for name, line in caller if name == "call_end" and f"call {number} to node 2" in line]
            self.assertEqual(len(ended), 1, caller)
            self.assertTrue(ended[0].endswith("error 0"), ended)
            served = [name for name, line in home if f"call {number} of node 1, CPU 0" in line]
            self.assertEqual([name for name in served if name != "call_receive"], ["call_execute", "call_reply"], home)
            self.assertEqual(served[0], "call_receive")  # once more for each time it was sent again

            # One story of both: what is sent is received later, up to what is not known of the clocks.
            out = json.loads(cluster.ctl("trace", "--json", "-", "n1", "n2").stdout)
            self.assertTrue(all(one["clock_synchronized"] for one in out["otherData"]["nodes"]))
            slack = sum(one["clock_error_ns"] for one in out["otherData"]["nodes"]) / 1000
            at = {}
            for event in out["traceEvents"]:
                text = event.get("args", {}).get("text", "")
                if f"call {number} " in text:
                    at.setdefault(event["name"], event["ts"])
            self.assertLess(at["call_send"], at["call_receive"] + slack, (at, slack))
            self.assertLess(at["call_receive"], at["call_execute"])
            self.assertLess(at["call_reply"], at["call_end"] + slack, (at, slack))
            self.assertLess(slack, 1e5)  # 100 ms: the clocks were compared at all

            # A track a CPU and tracks of each process; arrows from the call to its reply.
            names = [event["args"]["name"] for event in out["traceEvents"] if event["ph"] == "M"]
            for name in ("n1 CPUs", "n2 CPUs", "CPU 0", "runs"):
                self.assertIn(name, names)
            self.assertTrue([name for name in names if re.fullmatch(r"n1 .* \(\d+\)", name)], names)
            slices = [event for event in out["traceEvents"] if event["ph"] == "X"]
            self.assertTrue([one for one in slices if one["name"] == "on CPU 0" and one["dur"] >= 0])
            flows = [event["ph"] for event in out["traceEvents"] if event.get("id") == f"1.0.{number}"]
            self.assertEqual((flows[0], flows[-1]), ("s", "f"), flows)


if __name__ == "__main__":
    main()
