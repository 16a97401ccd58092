#!/usr/bin/env python3
"""Where `k42ctl run` without a node puts processes: what the kernels report decides."""
import contextlib
import json
import signal
import subprocess
import sys
import pathlib
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from support import BUILD, Cluster, eventually, main  # noqa: E402

MIB = 1 << 20


class Placement(unittest.TestCase):
    def test_load_and_memory_decide(self):
        with Cluster(nodes=2, options=["--cpus", "2", "--memory", "256M", "--timeout", "90"]) as cluster:
            def node(name):
                nodes = json.loads(cluster.ctl("nodes", "--json").stdout)["nodes"]
                return next(one for one in nodes if one["name"] == name)

            def placed(*options, check=True):
                done = cluster.ctl("run", *options, "--", "/usr/bin/uname", "-n", check=check)
                return sorted(done.stdout.split()) if check else done

            for name in ("n1", "n2"):  # the kernel's own words, not the daemon's guess
                eventually(lambda name=name: node(name).get("memory_free", 0) > 64 * MIB, what="a report of memory")
                self.assertGreater(node(name)["memory_total"], node(name)["memory_free"])
            eventually(lambda: placed("-n", "2") == ["n1", "n2"], what="spreading")
            eventually(lambda: placed("-n", "2", "--policy", "pack") == ["n1", "n1"], what="packing")

            with spinners(cluster, "n1", 2):
                eventually(lambda: node("n1")["load"] > 1.5, limit=60, what="load of the spinners")
                self.assertLess(node("n2")["load"], 0.75)
                self.assertEqual(placed(), ["n2"])
                self.assertEqual(placed("-n", "2"), ["n2", "n2"])
                self.assertEqual(placed("-n", "2", "--policy", "pack"), ["n2", "n2"])

                # Only the busy node has the memory.
                cluster.ctl("run", "--node", "n2", "--", "/bin/sh", "-c", "head -c 120000000 /dev/zero >/tmp/fill")
                eventually(lambda: node("n2")["memory_free"] < 160 * MIB, what="a report of less memory")
                self.assertEqual(placed("--memory", str(170 * MIB)), ["n1"])
                refused = placed("--memory", str(170 * MIB), "-n", "2", check=False)
                self.assertNotEqual(refused.returncode, 0)
                self.assertIn("170 MiB free", refused.stderr)
            eventually(lambda: placed() == ["n1"], limit=60, what="use of the idle node")


@contextlib.contextmanager
def spinners(cluster, node, count):
    running = [subprocess.Popen([str(BUILD / "bin/k42ctl"), "--cluster", cluster.name, "run", "--node", node, "--",
                                 "/bin/sh", "-c", "while :; do :; done"], env=cluster.environment)
               for _ in range(count)]
    try:
        yield
    finally:
        for one in running:
            one.send_signal(signal.SIGKILL)  # the daemon sees the connection close and ends the program
            one.wait()


if __name__ == "__main__":
    main()
