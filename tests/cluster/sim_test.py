#!/usr/bin/env python3
"""The life of simulated clusters: start, look, break, end; two at once; after a crash. Kernels only."""
import asyncio
import json
import os
import pathlib
import signal
import socket
import sys
import tempfile
import unittest
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from support import ROOT, Cluster, eventually, main, run  # noqa: E402

sys.path.insert(0, str(ROOT / "sim-fabric"))
from k42sim import etcd, machine, node, places, plan, processes, qemu, restarts  # noqa: E402

BARE = ["--bare", "--cpus", "1", "--memory", "128M"]


class CommandLine(unittest.TestCase):
    def test_arena_is_a_backend_of_its_own(self):
        words = qemu.command(plan.Plan("c", 2, cpus=4, memory_mib=512, arena_mib=64, kernel="k"), 2, "/f",
                             "/a,b")
        text = " ".join(words)
        self.assertIn("-m 576M", text)
        self.assertIn("memory-backend-memfd,id=arena,size=64M,share=on", text)
        self.assertIn("node,nodeid=0,memdev=ram,cpus=0-3", text)
        self.assertIn("path=/f/link.sock,server=on,wait=off", text)
        self.assertIn("path=/a,,b,", text)
        self.assertNotIn("path=/,", text)

    def test_only_the_share_is_writable(self):
        words = qemu.command(plan.Plan("c", 1, bare=True, kernel="k"), 1, "/f", "/share")
        exported = [word for word in words if word.startswith("local,")]
        self.assertEqual([word for word in exported if "readonly=off" in word],
                         [word for word in exported if "id=fs-cluster" in word])


class Firmware(unittest.TestCase):
    def words(self, **environment):
        with mock.patch.dict(os.environ, environment):
            return machine.words(2)

    def test_what_is_asked_for(self):
        with mock.patch.dict(os.environ):
            os.environ.pop("K42_FIRMWARE", None)
            self.assertIn("qboot.rom", machine.words(2))
        self.assertNotIn("-bios", self.words(K42_FIRMWARE="seabios"))
        with self.assertRaisesRegex(ValueError, "K42_FIRMWARE=ovmf"):
            self.words(K42_FIRMWARE="ovmf")

    def test_who_emulates_is_asked_for(self):
        self.assertIn("kvm", self.words(K42_ACCEL="kvm"))
        self.assertIn("tcg,thread=multi", self.words(K42_ACCEL="tcg"))
        with mock.patch.dict(os.environ, K42_ACCEL="kvm"):
            self.assertIn("tcg,thread=single", machine.words(1, icount=True))
        with self.assertRaisesRegex(ValueError, "K42_ACCEL=xen"):
            self.words(K42_ACCEL="xen")

    def test_a_qemu_without_qboot_starts_as_it_does_by_itself(self):
        with tempfile.TemporaryDirectory() as prefix:
            program = pathlib.Path(prefix) / "bin" / machine.PROGRAM
            program.parent.mkdir()
            program.touch(mode=0o755)
            asked = {"K42_FIRMWARE": "qboot", "PATH": str(program.parent)}
            self.assertNotIn("-bios", self.words(**asked))
            carried = pathlib.Path(prefix) / "share/qemu/qboot.rom"
            carried.parent.mkdir(parents=True)
            carried.touch()
            self.assertIn("-bios", self.words(**asked))


class Restarts(unittest.TestCase):
    def test_pauses_double_until_it_is_given_up(self):
        policy = restarts.Restarts()
        self.assertEqual([policy.pause(now, now + 1, False) for now in range(0, 10, 2)], [0.4, 0.8, 1.6, 3.2, None])

    def test_a_long_life_is_a_new_start(self):
        policy = restarts.Restarts()
        for now in range(0, 6, 2):
            policy.pause(now, now + 1, False)
        self.assertEqual(policy.pause(6, 100, False), restarts.SHORTEST_PAUSE)

    def test_what_was_asked_for_does_not_count(self):
        policy = restarts.Restarts()
        self.assertEqual([policy.pause(now, now + 1, True) for now in range(20)], [restarts.SHORTEST_PAUSE] * 20)
        self.assertEqual(policy.pause(20, 21, False), 2 * restarts.SHORTEST_PAUSE)


class SlowRegister:
    """Starts `sleep` in place of a part, after a while."""
    def __init__(self):
        self.asked, self.go_on, self.process = asyncio.Event(), asyncio.Event(), None

    async def spawn(self, _words, _log):
        self.asked.set()
        await self.go_on.wait()
        self.process = await asyncio.create_subprocess_exec("sleep", "100")
        return self.process

    def forget(self, _process):
        pass


class Sleepers:
    """Starts `sleep` in place of any part; or nothing, for `trouble`."""
    def __init__(self, trouble=None):
        self.trouble, self.processes, self.reports = trouble, [], []

    async def spawn(self, _words, _log):
        if self.trouble:
            raise self.trouble
        self.processes.append(await asyncio.create_subprocess_exec("sleep", "100"))
        return self.processes[-1]

    def forget(self, _process):
        pass

    def node(self, folder, bare=True):
        return node.Node(plan.Plan("c", 1, bare=bare, kernel="k"), 1, pathlib.Path(folder), "/share", [], self,
                         self.reports.append)

    def alive(self):
        return [one for one in self.processes if one.returncode is None]


class Operators(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    async def test_a_part_that_cannot_be_started_is_said(self):
        sleepers = Sleepers(ValueError("no such firmware"))
        one = sleepers.node(self.folder)
        one.start()
        await asyncio.wait_for(asyncio.gather(*one._keepers.values()), 10)
        self.assertEqual((one.state, one.why), ("failed", "qemu: no such firmware"))
        self.assertEqual(sleepers.reports, ["n1: failed: qemu: no such firmware"])

    async def test_two_restarts_at_once_leave_one_qemu(self):
        sleepers = Sleepers()
        one = sleepers.node(self.folder)
        try:
            one.start()
            await asyncio.gather(one.restart("node"), one.restart("node"))
            await asyncio.sleep(0.3)
            self.assertEqual(len(sleepers.alive()), 1)
        finally:
            await one.kill("node")
            for left in sleepers.alive():
                left.kill()

    async def test_what_is_not_there_is_no_reason_not_to_go_on(self):
        sleepers = Sleepers()
        one = sleepers.node(self.folder, bare=False)
        for part in node.PARTS:
            one.parts[part] = await sleepers.spawn([], None)
        await one.pause("node")
        one.parts["noded"].kill()
        await one.parts["noded"].wait()
        await one.resume("node")
        self.assertEqual(one.paused - {"noded"}, set())  # its keeper strikes that off
        for part in ("qemu", "offload"):
            one.parts[part].kill()
            await asyncio.wait_for(one.parts[part].wait(), 10)


class Sentences(unittest.TestCase):
    """What goes wrong before anything runs is said in one."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="k42t-", dir="/tmp")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "build/bin").mkdir(parents=True)
        for name in ("k42.elf", "bin/k42-noded", "bin/k42-offload", "bin/k42-module"):
            (self.folder / "build" / name).touch()
        self.environment = dict(os.environ, K42_BUILD=str(self.folder / "build"), K42_RUN="run")

    def sim(self, *words, **environment):
        done = run([ROOT / "sim-fabric/k42-sim", *words], check=False, cwd=self.folder,
                   env=dict(self.environment, **environment))
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertRegex(done.stderr, r"\Ak42-sim: .*\n\Z")
        return done.stderr

    def test_of_what_is_asked_for(self):
        self.assertIn("K42_FIRMWARE=ovmf", self.sim("up", K42_FIRMWARE="ovmf"))
        self.assertIn("K42_ACCEL=xen", self.sim("up", K42_ACCEL="xen"))
        (self.folder / "build/bin/k42-offload").unlink()
        self.assertIn("k42-offload is missing", self.sim("up"))

    def test_of_a_node_without_a_console(self):
        node_folder = self.folder / "run/c/n1"
        node_folder.mkdir(parents=True)
        (self.folder / "run").chmod(0o700)
        self.assertIn("n1 has no console now", self.sim("console", "--cluster", "c", "n1"))

    def test_a_run_root_is_absolute_for_everybody(self):
        with mock.patch.dict(os.environ, K42_RUN=os.path.relpath(self.folder / "root")):
            self.assertEqual(places.run_root(), self.folder / "root")
            self.assertEqual(os.environ["K42_RUN"], str(self.folder / "root"))


class Ending(unittest.IsolatedAsyncioTestCase):
    async def test_a_part_that_is_being_started_is_ended_too(self):
        register = SlowRegister()
        with tempfile.TemporaryDirectory() as folder:
            one = node.Node(plan.Plan("c", 1, bare=True, kernel="k"), 1, pathlib.Path(folder), "/share", [],
                            register, lambda _text: None)
            one.start()
            await register.asked.wait()
            killing = asyncio.create_task(one.kill("node"))
            await asyncio.sleep(0)
            register.go_on.set()
            try:
                await asyncio.wait_for(killing, 30)
            finally:
                if register.process.returncode is None:
                    register.process.kill()
            self.assertEqual((one.state, one.describe()["pids"]), ("dead", {}))


class Stop(unittest.TestCase):
    """An end that meets a part between two of its lives."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="k42t-", dir="/tmp")
        self.addCleanup(self.folder.cleanup)
        self.path = pathlib.Path(self.folder.name)
        self.register = processes.Register(self.path / "processes.json")

    def test_of_a_store_whose_member_has_just_ended(self):
        async def play():
            ended = asyncio.Event()
            store = etcd.Etcd(self.path / "etcd", "c", 1, self.register, lambda _text: ended.set())
            (self.path / "etcd").mkdir()
            store._words = lambda _i: ["sleep", "1000"] if ended.is_set() else ["false"]
            store._keepers.append(asyncio.create_task(store._keep(0)))
            await ended.wait()  # it will be started again in a second
            await asyncio.wait_for(store.stop(), 20)
            self.assertIsNotNone(store.processes[0].returncode)
        asyncio.run(play())


class Folders(unittest.TestCase):
    def test_what_no_cluster_made_is_left_alone(self):
        with tempfile.TemporaryDirectory(prefix="k42t-", dir="/tmp") as folder:
            precious = pathlib.Path(folder) / "precious"
            precious.mkdir()
            (precious / "thesis.txt").write_text("years of work")
            cluster = Cluster("precious", 1, BARE, folder)
            self.assertIn("no cluster precious", cluster.sim("down", "--cluster", "precious", check=False).stderr)
            cluster.sim("down", "--all")
            self.assertEqual(json.loads(cluster.sim("list", "--json").stdout), [])
            refused = cluster.up(check=False)
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn("is no cluster's folder", refused.stderr)
            self.assertEqual((precious / "thesis.txt").read_text(), "years of work")


    def test_a_second_quickstart_leaves_the_kept_one_alone(self):
        with tempfile.TemporaryDirectory(prefix="k42t-", dir="/tmp") as folder:
            with mock.patch.dict(os.environ, K42_RUN=folder, TMPDIR=folder):
                place = places.Place("quickstart")
                place.folder.mkdir()
                place.plan.touch()
                with place.take_lock():
                    done = run([ROOT / "sim-fabric/quickstart"], check=False)
                self.assertEqual(done.returncode, 1)
                self.assertIn("cluster quickstart runs already", done.stdout)
                self.assertTrue(place.plan.exists())


class Life(unittest.TestCase):
    def test_up_status_faults_down(self):
        with Cluster(nodes=2, options=BARE) as cluster:
            self.assertEqual([one["state"] for one in cluster.status()["nodes"]], ["up", "up"])
            again = cluster.up(check=False)
            self.assertNotEqual(again.returncode, 0)
            self.assertIn("already runs", again.stderr)
            cluster.fault("pause", "n1")
            self.assertEqual(cluster.node("n1")["state"], "paused")
            cluster.fault("resume", "n1")
            cluster.fault("kill", "n2", "--part", "qemu")
            eventually(lambda: cluster.node("n2")["state"] == "up" and cluster.node("n2")["lives"] == 2)
            cluster.fault("kill", "n2")
            self.assertEqual(cluster.node("n2")["state"], "dead")
            cluster.fault("restart", "n2")
            eventually(lambda: cluster.node("n2")["state"] == "up")
            self.assertIn("fault: kill n2", cluster.sim("logs", "--cluster", "test").stdout)
            wrong = cluster.sim("fault", "--cluster", "test", "kill", "n9", check=False)
            self.assertIn("no node n9", wrong.stderr)
            with socket.socket(socket.AF_UNIX) as console:
                console.connect(f"{cluster.node('n1')['folder']}/console.sock")

    def test_a_part_may_be_killed_by_faults_as_often_as_one_likes(self):
        with Cluster(nodes=1, options=BARE) as cluster:
            for kills in range(1, 1 + restarts.CRASHES + 1):
                cluster.fault("kill", "n1", "--part", "qemu")
                eventually(lambda: (cluster.node("n1")["state"], cluster.node("n1")["lives"]) == ("up", kills + 1))

    def test_two_clusters_do_not_collide(self):
        with tempfile.TemporaryDirectory(prefix="k42t-", dir="/tmp") as folder:
            with Cluster("one", 1, BARE, folder) as one:
                two = Cluster("two", 1, BARE, folder)
                two.up()
                listed = json.loads(one.sim("list", "--json").stdout)
                self.assertEqual([(c["cluster"], c["running"]) for c in listed], [("one", True), ("two", True)])
                self.assertIn("choose with --cluster", one.sim("status", check=False).stderr)
                two.sim("down", "--cluster", "two")
                self.assertEqual(one.node("n1")["state"], "up")

    def test_a_crashed_supervisor_takes_everything_with_it(self):
        with Cluster(nodes=1, options=BARE) as cluster:
            status = cluster.status()
            qemu_pid = status["nodes"][0]["pids"]["qemu"]
            os.kill(status["supervisor"], signal.SIGKILL)
            eventually(lambda: not pathlib.Path(f"/proc/{qemu_pid}").exists(), what="end of QEMU")
            self.assertIn("does not answer", cluster.sim("status", check=False).stderr)
            again = cluster.up()
            self.assertIn("removed what a crashed run left", again.stderr)
            self.assertEqual(cluster.node("n1")["state"], "up")

    def test_a_node_that_does_not_come_up_is_explained(self):
        cluster = Cluster(nodes=1, options=[*BARE, "--kernel", "/bin/true"])
        failed = cluster.up(check=False)
        self.assertNotEqual(failed.returncode, 0)
        self.assertIn("n1 did not come up: qemu ends again and again", failed.stderr)
        self.assertEqual(cluster.left_behind(), [])
        os.rmdir(cluster.run_folder)


if __name__ == "__main__":
    main("k42.elf")
