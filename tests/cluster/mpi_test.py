#!/usr/bin/env python3
"""MPI jobs across nodes, unmodified from Debian: results checked by the jobs themselves, and each rank's
boot id compared with what the kernel of its node says. With daemons and nodes that die under them."""
import os
import pathlib
import re
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from support import BUILD, ROOT, Cluster, eventually, main, run  # noqa: E402

LONG = os.environ.get("K42_LONG") == "1"
OPTIONS = ["--cpus", "2", "--memory", "512M", "--timeout", "90"]
JOB = 90  # seconds one job may take, emulated, on a busy machine
PROGRAMS = {"ring": "mpicc.openmpi", "load": "mpicc.openmpi", "abort": "mpicc.openmpi", "ring.mpich": "mpicc.mpich",
            "abort.mpich": "mpicc.mpich"}


def load(cluster, seconds, nodes="n1:2,n2:2", ranks=4):
    """A job that keeps exchanging messages; returns when it does."""
    started = cluster.share / "started"
    started.unlink(missing_ok=True)
    job = subprocess.Popen([BUILD / "bin/k42ctl", "--cluster", cluster.name, "mpirun", "-n", str(ranks), "--nodes",
                            nodes, "--", "/cluster/load", str(seconds), "/cluster/started"], text=True,
                           env=cluster.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT)
    try:
        eventually(lambda: started.exists() or job.poll() is not None, limit=JOB, what="the job's start")
    except AssertionError:
        job.kill()
        raise AssertionError(job.communicate()[0])
    return job


class Mpi(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = cls.enterClassContext(Cluster(nodes=3, options=OPTIONS))
        cls.cluster.share = pathlib.Path(cls.cluster.run_folder) / cls.cluster.name / "share"
        for name, compiler in PROGRAMS.items():
            source = ROOT / "tests/mpi" / (name.split(".")[0] + ".c")
            run([compiler, "-O2", "-Wall", "-o", cls.cluster.share / name, source])

    def setUp(self):
        eventually(lambda: all(one["state"] == "up" for one in self.cluster.status()["nodes"]), limit=60,
                   what="three nodes")

    def boot_ids(self):
        path = "/proc/sys/kernel/random/boot_id"
        return {node: self.cluster.ctl("run", "--node", node, "--", "/bin/cat", path).stdout.strip()
                for node in ("n1", "n2", "n3")}

    def check_places(self, text, places):
        """`places`: the node of each rank."""
        ids = self.boot_ids()
        found = dict(re.findall(r"^rank (\d+) host \S+ boot (\S+)", text, re.M))
        self.assertEqual(found, {str(rank): ids[node] for rank, node in enumerate(places)}, text)

    def mpirun(self, *words, check=True):
        return self.cluster.ctl("mpirun", *words, limit=JOB, check=check)

    def test_open_mpi(self):
        for nodes, places in (("n1:2,n2:2", ["n1"] * 2 + ["n2"] * 2),
                              ("n1:2,n2:2,n3:2", ["n1"] * 2 + ["n2"] * 2 + ["n3"] * 2)):
            text = self.mpirun("-n", str(len(places)), "--nodes", nodes, "--", "/cluster/ring").stdout
            self.assertIn(f"ring ok: {len(places)} ranks", text)
            self.check_places(text, places)

    # MPICH 4.0.2 over TCP sometimes hangs in MPI_Finalize on the host's Linux, too (26 of 30 passed there).
    @unittest.skipUnless(LONG, "MPICH over TCP hangs now and then on plain Linux as well: long form only")
    def test_mpich(self):
        text = self.mpirun("--mpi", "mpich", "-n", "2", "--nodes", "n1,n2", "--", "/cluster/ring.mpich").stdout
        self.assertIn("ring ok: 2 ranks", text)
        self.check_places(text, ["n1", "n2"])

    def test_started_from_the_host(self):
        text = self.mpirun("--from-host", "-n", "4", "--nodes", "n1:2,n2:2", "--", "/cluster/ring").stdout
        self.assertIn("ring ok: 4 ranks", text)
        self.check_places(text, ["n1"] * 2 + ["n2"] * 2)

    def test_started_from_a_shell_in_a_node(self):
        command = ("PATH=/opt/k42/bin:$PATH mpirun.openmpi --allow-run-as-root --mca plm_rsh_agent k42-rsh --mca pml ob1"
                   " --mca btl tcp,vader,self --mca btl_tcp_if_include 10.42.0.0/16"
                   " --mca oob_tcp_if_include 10.42.0.0/16 --host n3:1,n1:1 -np 2 /cluster/ring")
        text = self.cluster.ctl("run", "--node", "n3", "--", "/bin/sh", "-c", command, limit=JOB).stdout
        self.assertIn("ring ok: 2 ranks", text)
        self.check_places(text, ["n3", "n1"])

    # MPICH 4.0.2 over TCP sometimes hangs in MPI_Finalize on the host's Linux, too (26 of 30 passed there).
    @unittest.skipUnless(LONG, "MPICH over TCP hangs now and then on plain Linux as well: long form only")
    def test_net_pipe(self):
        done = self.mpirun("--mpi", "mpich", "-n", "2", "--nodes", "n1,n2", "--", "/usr/bin/NPmpich2", "-l", "100000",
                           "-u", "270000", "-n", "3")
        self.assertRegex(done.stdout + done.stderr, r"200000 bytes +3 times")

    def test_a_job_that_gives_up_ends(self):
        for words in (["--", "/cluster/abort"], ["--mpi", "mpich", "--", "/cluster/abort.mpich"]):
            done = self.mpirun("-n", "2", "--nodes", "n1,n2", *words, check=False)
            self.assertEqual(done.returncode, 5, done.stdout + done.stderr)

    def test_many_jobs(self):
        for number in range(100 if LONG else 3):
            done = self.mpirun("-n", "4", "--nodes", "n1:2,n2:2", "--", "/cluster/ring", check=False)
            self.assertEqual(done.returncode, 0, f"job {number}: {done.stdout}{done.stderr}")
            self.assertIn("ring ok: 4 ranks", done.stdout)

    def test_a_daemon_that_dies_is_not_noticed(self):
        kills = 20 if LONG else 4
        job = load(self.cluster, 3 * kills)
        for _ in range(kills):
            time.sleep(1.5)
            self.cluster.fault("kill", "n2", "--part", "noded")
            eventually(lambda: self.cluster.node("n2")["state"] == "up", limit=30)
        text, _ = job.communicate(timeout=JOB + 6 * kills)
        self.assertEqual(job.returncode, 0, text)
        self.assertIn("load ok: 4 ranks", text)

    def test_a_node_that_dies_ends_the_job(self):
        ids = self.boot_ids()
        job = load(self.cluster, 100)
        began = time.monotonic()
        self.cluster.fault("kill", "n2", "--part", "qemu")
        text, _ = job.communicate(timeout=60)
        took = time.monotonic() - began
        self.assertNotEqual(job.returncode, 0, text)
        self.assertIn("n2", text.split("load ok")[0])
        self.assertLess(took, 15, text)
        eventually(lambda: self.cluster.node("n2")["state"] == "up", limit=60)
        eventually(lambda: "n2" in self.cluster.ctl("nodes").stdout, limit=60)
        again = self.boot_ids()
        self.assertNotEqual(again["n2"], ids["n2"])
        self.assertEqual(again["n1"], ids["n1"])
        self.assertIn("ring ok", self.mpirun("-n", "4", "--nodes", "n1:2,n2:2", "--", "/cluster/ring").stdout)


if __name__ == "__main__":
    main()
