#!/usr/bin/env python3
"""Programs on the nodes of a cluster: k42ctl run and k42-rsh, end to end."""
import pathlib
import shutil
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from support import BUILD, Cluster, main, run  # noqa: E402


class Run(unittest.TestCase):
    def test_programs_run_on_the_node_that_is_named(self):
        with Cluster(nodes=2, options=["--cpus", "1", "--timeout", "90"]) as cluster:
            def on(node, *words, **options):
                return cluster.ctl("run", "--node", node, "--", *words, check=False, **options)
            hello = on("n1", "/bin/echo", "hi")
            self.assertEqual((hello.returncode, hello.stdout), (0, "hi\n"))
            for node in ("n1", "n2"):  # the node's own name, never the host's
                self.assertEqual(on(node, "/usr/bin/uname", "-n").stdout, node + "\n")
            share = pathlib.Path(cluster.status()["share"])
            shutil.copy("/bin/busybox", share)
            status = on("n2", "/cluster/busybox", "sh", "-c", "echo bad >&2; exit 3")
            self.assertEqual((status.returncode, status.stderr), (3, "bad\n"))
            self.assertEqual(on("n1", "/cluster/busybox", "cat", input="through\n").stdout, "through\n")
            missing = on("n1", "/no/such/program")
            self.assertNotEqual(missing.returncode, 0)
            rsh = run([BUILD / "bin/k42-rsh", "-n", "n2", "/cluster/busybox", "hostname;", "exit", "4"], check=False,
                      env=cluster.environment)
            self.assertEqual((rsh.returncode, rsh.stdout), (4, "n2\n"))


if __name__ == "__main__":
    main()
