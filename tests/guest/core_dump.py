#!/usr/bin/env python3
"""k42ctl dump of kernels that stand still in known places, and what GDB with our scripts makes of the cores."""
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from guest import PROMPT, Guest  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
IMAGE = BUILD / "k42-test.elf"
TOOL = BUILD / "bin/k42ctl"
# As k42-sim gives a node its memory.
MEMORY_FILE = ["-object", "memory-backend-memfd,id=ram,size=256M,share=on", "-numa", "node,memdev=ram"]

NAMES = {name: f"'k42::(anonymous namespace)::{name}'" for name in ("watched", "trap", "trapped")}


def place_of(function):
    """First address of a function of the image, and the one behind it."""
    listed = subprocess.run(["nm", "-SC", IMAGE], capture_output=True, text=True, check=True).stdout
    found = re.search(rf"^(\w+) (\w+) \w .*::{function}\(", listed, re.M)
    return int(found[1], 16), int(found[1], 16) + int(found[2], 16)


class Node(Guest):
    """A kernel in a place where k42ctl finds it as node n1 of cluster `t`."""

    def __init__(self, test, cpus, extra=(), name="k42-t-n1"):
        super().__init__(IMAGE, cpus=cpus, append=f"test={test}", extra=["-name", name, *extra])
        self.run_folder = tempfile.TemporaryDirectory(prefix="k42t-", dir="/tmp")
        (pathlib.Path(self.run_folder.name) / "t").mkdir()
        (pathlib.Path(self.run_folder.name) / "t/n1").symlink_to(self.folder)
        self.environment = dict(os.environ, K42_RUN=self.run_folder.name)
        self.environment.pop("K42_CONTROL", None)
        self.core = pathlib.Path(self.run_folder.name) / "n1.core"

    def __exit__(self, *error):
        super().__exit__(*error)
        self.run_folder.cleanup()

    def dump(self, node="n1", file=None):
        return subprocess.run([TOOL, "dump", node, file or self.core], capture_output=True, text=True, timeout=60,
                              env=self.environment)

    def expect_within(self, function):
        """Waits until CPU 0 is seen in that function: a kernel says what it does before it does it."""
        begin, end = place_of(function)
        until = time.monotonic() + 30
        while True:
            shown = self.monitor("human-monitor-command", **{"command-line": "info registers"})
            if begin <= int(re.search(r"RIP=(\w+)", shown)[1], 16) < end:
                return
            if time.monotonic() > until:
                raise AssertionError(f"never within {function}\n{shown}")

    def gdb(self, *commands):
        """GDB on the core: {command: what it showed}. Nothing may fail."""
        mark = "---8<---"
        words = ["gdb", "-nx", "-q", "-batch", "-iex", "set auto-load python-scripts off", "-ex", "set width 0",
                 "-x", ROOT / "node-kernel/debug/gdb/k42.py", IMAGE, "-core", self.core]
        for one in commands:
            words += ["-ex", f"echo {mark}", "-ex", one]
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
        shown = done.stdout.split(mark)[1:]
        if done.stderr.strip() or done.returncode != 0 or len(shown) != len(commands):
            raise AssertionError(f"{commands}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return dict(zip(commands, shown))


def of_frames(text, *names):
    """Are these functions in the backtrace, in this order?"""
    return re.search(r"(.*\n)*?".join(rf"#\d+ .*\b{name}\b.*\n" for name in names), text + "\n")


class Cores(unittest.TestCase):
    def test_a_core_of_a_deaf_cpu_shows_objects_threads_and_cpus(self):
        with Node("stuck_in_an_object_for_ever", 3, MEMORY_FILE) as node:
            node.expect("stuck now")
            done = node.dump()
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertRegex(done.stdout, r"n1 stood still for \d+ ms\n.*n1.core: 3 CPUs, 25\d MiB of memory, \d+ MiB")
            self.assertIn(f"k42-sim gdb --kernel {IMAGE} {node.core}", done.stdout)
            self.assertEqual(node.core.stat().st_mode & 0o777, 0o600)
            # Pages of zeroes are holes.
            self.assertLess(node.core.stat().st_blocks * 512, 128 << 20)
            self.assertTrue(node.monitor("query-status")["running"])
            shown = node.gdb("info threads", "thread apply 2 3 bt", "print {watched}".format(**NAMES),
                             "print {trap}".format(**NAMES), "print *$k42_root({watched})".format(**NAMES),
                             "print $k42_rep({watched}, 1)->value_".format(**NAMES),
                             "print *$k42_rep({watched}, 0)".format(**NAMES), "print {trapped}".format(**NAMES),
                             "k42 objects", "k42 objects ReplicatedCounter", "k42 cpus", "k42 threads", "k42 threads 1",
                             "k42 percpu 1", "k42 gens", "print $k42_area(1)->id", "print $k42_area(1)->current->name_",
                             "print 'k42::machine::(anonymous namespace)::cpu_states'")
            self.look_at_frames(shown)
            self.look_at_objects(shown)
            thread = self.look_at_threads(shown)
            self.look_at_frames_of_a_blocked_thread(node, thread)

    def look_at_frames(self, shown):
        self.assertEqual(len(re.findall(r"^\*? +\d+ .*LWP \d+", shown["info threads"], re.M)), 3, shown["info threads"])
        frames = shown["thread apply 2 3 bt"]
        stuck, idle = frames.split("Thread 3 ")
        self.assertTrue(of_frames(stuck, "Increment", "StartThread"), frames)
        self.assertRegex(stuck, r"Trap::Increment \(this=.*, amount=(30|<optimized out>)\) at .*stuck_object_test.cc:\d+")
        self.assertTrue(of_frames(idle, "RunLoop", "(RunOnStack|StartThread|ApEntry)"), frames)
        self.assertNotRegex(frames, r"#\d+ .* in \?\? \(\)|corrupt stack|Cannot access")

    def look_at_objects(self, shown):
        def value(text):
            return shown[text.format(**NAMES)]
        watched = re.search(r"Ref<idl::ICounter> (0x[0-9a-f]+) to cobj::ReplicatedRoot<test::ReplicatedCounter> at 0x.*\n"
                            r" +cpu 0 = test::ReplicatedCounter at (0x[0-9a-f]+),\n"
                            r" +cpu 1 = test::ReplicatedCounter at (0x[0-9a-f]+)\n", value("print {watched}"))
        self.assertTrue(watched, value("print {watched}"))
        bits, rep0, rep1 = watched.groups()
        self.assertNotEqual(rep0, rep1)
        self.assertRegex(value("print {trap}"), r"to cobj::SharedRoot<Trap> at 0x.*\n +cpu 1 = Trap at 0x")
        self.assertRegex(value("print *$k42_root({watched})"),
                         rf"ReplicatedRoot<test::ReplicatedCounter> of {bits}, open, slots filled on CPU 0-1")
        self.assertRegex(value("print $k42_rep({watched}, 1)->value_"), r"= 20\n")
        self.assertRegex(value("print *$k42_rep({watched}, 0)"), r"value_ = 10\n")
        self.assertRegex(value("print {trapped}"), r"= true")
        self.assertRegex(shown["k42 objects"], r"0x[0-9a-f]+ root 0x[0-9a-f]+ cobj::SharedRoot<proc::NodeObject>")
        self.assertRegex(shown["k42 objects"], r"  ([1-9]\d*) objects, \1 shown; slots filled by CPU: \d+ \d+ \d+")
        self.assertRegex(shown["k42 objects ReplicatedCounter"],
                         rf"^  {bits} root 0x[0-9a-f]+ cobj::ReplicatedRoot<test::ReplicatedCounter>\n"
                         rf"    cpu 0: {rep0} test::ReplicatedCounter\n    cpu 1: {rep1} test::ReplicatedCounter\n"
                         r"  \d+ objects, 1 shown")

    def look_at_threads(self, shown):
        """The number of the boot thread, which is blocked."""
        # An idle CPU may just be looking after another one, twice a second.
        self.assertRegex(shown["k42 cpus"], r"cpu  0 (halts|runs.*), thread pool \(\d+\)")
        self.assertRegex(shown["k42 cpus"], r"cpu  1 runs with interrupts off, thread caller \(\d+\).*\n +Trap::Increment <")
        threads = shown["k42 threads"]
        boot = re.search(r" (\d+) cpu  0 blocked .*boot .*\n((?: {6}(?:at|from).*\n)*)", threads)
        self.assertTrue(boot, threads)
        self.assertRegex(boot[2], r"from 0x[0-9a-f]+ stuck_in_an_object_for_ever\w* at stuck_object_test.cc:\d+\n")
        self.assertGreater(threads.count("parked"), 2)
        self.assertRegex(threads, r"\d+ cpu  1 runs +active +caller")
        self.assertNotIn("cpu  0", shown["k42 threads 1"])
        self.assertRegex(shown["k42 percpu 1"], r"id = 1,(.*\n)*  [1-9]\d* slots of its object table are filled\n"
                                                r"  cpu  1 generation \d+, needed \d+")
        self.assertRegex(shown["k42 gens"], r"\d+ is held by caller \(\d+\)")
        self.assertRegex(shown["print $k42_area(1)->id"], r"= 1\n")
        self.assertIn('"caller"', shown["print $k42_area(1)->current->name_"])
        states = shown["print 'k42::machine::(anonymous namespace)::cpu_states'"]
        self.assertEqual(re.findall(r"^  cpu (\d+) = \{$", states, re.M), ["0", "1", "2"], states)  # of 64 places
        return boot[1]

    def look_at_frames_of_a_blocked_thread(self, node, thread):
        shown = node.gdb(f"k42 thread {thread}", "frame function k42::boot::RunGuestTests", "info locals",
                         "k42 thread off", "bt")
        frames = shown[f"k42 thread {thread}"]
        self.assertTrue(of_frames(frames, "Switch", "Block", "BlockExternal",
                                  "stuck_in_an_object_for_ever_body", "RunGuestTests", "KernelEntry"), frames)
        self.assertRegex(shown["info locals"], r"begin = \d+")
        self.assertIn("RunLoop", shown["bt"])
        self.assertNotIn("BlockExternal", shown["bt"])

    def test_frames_go_on_behind_interrupts(self):
        # Every CPU stands in an NMI: its frames must lead to what was interrupted.
        with Node("stuck_deaf_for_ever", 2) as node:
            node.expect(r"CPU 1: has not answered a shoot-down for \d+ ms")
            node.nmi()
            node.expect(PROMPT)
            done = node.dump()
            self.assertEqual(done.returncode, 0, done.stderr)
            shown = node.gdb("thread apply 1 bt", "thread apply 2 bt", "k42 threads")
            first, second = shown["thread apply 1 bt"], shown["thread apply 2 bt"]
            self.assertTrue(of_frames(first, "RunDebugConsole", "OnNmi", "signal handler called", "RunLoop"), first)
            self.assertTrue(of_frames(second, "OnNmi", "signal handler called", "SpinUntil", "SpinWithInterruptsOff",
                                      "StartThread"), second)
            self.assertRegex(shown["k42 threads"], r"boot .*\n(.*\n)*?.*ShootDown.*\n(.*\n)*?.*AskEverybody")
            node.send("off\n")
            node.wait()

    def test_one_that_had_been_stopped_stays_so(self):
        with Node("stuck_boot_cpu_for_ever", 1) as node:
            node.expect("stuck now")
            node.expect_within("SpinUntil")
            node.monitor("stop")
            done = node.dump()
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("n1 had been stopped before, and is still", done.stderr)
            self.assertFalse(node.monitor("query-status")["running"])
            self.assertTrue(of_frames(node.gdb("bt")["bt"], "SpinUntil", "SpinWithInterruptsOff"))


class Scripts(unittest.TestCase):
    def test_they_come_with_the_image_where_gdb_may_load_them(self):
        done = subprocess.run(["gdb", "-nx", "-q", "-batch", "-iex", f"add-auto-load-safe-path {BUILD}", IMAGE,
                               "-ex", "k42", "-ex", "k42 objects"], capture_output=True, text=True, timeout=60)
        self.assertIn("k42 threads [CPU]", done.stdout, done.stderr)
        self.assertIn("there are no objects yet", done.stderr)  # of an image that does not run


class Refusals(unittest.TestCase):
    def refused(self, done, *parts):
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertTrue(done.stderr.startswith("k42ctl: "), done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        for part in parts:
            self.assertIn(part, done.stderr)

    def test_what_cannot_be_done_is_said_in_a_sentence(self):
        with Node("stuck_boot_cpu_for_ever", 1) as node:
            node.expect("stuck now")
            self.refused(node.dump("host"), "'host' is no node")
            self.refused(node.dump("n7"), "cluster t has no node n7 here")
            self.refused(node.dump(file="/no/such/folder/core"), "/no/such/folder/core: No such file or directory")
            self.refused(node.dump(file="/dev/null"), "/dev/null is no file")
            link = pathlib.Path(node.run_folder.name) / "link"
            link.symlink_to("/etc/hostname")
            self.refused(node.dump(file=link), "Too many levels of symbolic links")
            with socket.socket(socket.AF_UNIX) as somebody:  # QEMU talks to one at a time
                somebody.connect(str(node.folder / "qmp.sock"))
                self.refused(node.dump(), "n1", "somebody else is connected")
            self.assertTrue(node.monitor("query-status")["running"])
            node.environment["K42_CONTROL"] = f"unix:{node.folder}/noded.sock"  # as on a host of a lab
            self.refused(node.dump("n2"), "the node here is k42-t-n1; ask on n2's host")
            del node.environment["K42_CONTROL"]
            node.process.send_signal(signal.SIGKILL)
            node.process.wait()
            self.refused(node.dump(), "n1 does not run")
            self.assertFalse(node.core.exists())

    def test_a_disk_that_is_full_leaves_no_core_and_a_running_node(self):
        with Node("stuck_boot_cpu_for_ever", 1, MEMORY_FILE) as node:
            node.expect("stuck now")
            done = subprocess.run(["sh", "-c", f"ulimit -f 2048; exec {TOOL} dump n1 {node.core}"], capture_output=True,
                                  text=True, timeout=60, env=node.environment, preexec_fn=lambda: signal.signal(
                                      signal.SIGXFSZ, signal.SIG_IGN))
            self.refused(done, "the core file cannot be written: File too large")
            self.assertFalse(node.core.exists())
            self.assertTrue(node.monitor("query-status")["running"])

    def test_no_cluster(self):
        with tempfile.TemporaryDirectory(prefix="k42t-", dir="/tmp") as folder:
            done = subprocess.run([TOOL, "dump", "n1"], capture_output=True, text=True, timeout=20, cwd=folder,
                                  env=dict(os.environ, K42_RUN=folder))
            self.refused(done, "no cluster runs here")


if __name__ == "__main__":
    if not IMAGE.exists():
        print("not built:", IMAGE)
        sys.exit(77)
    unittest.main(verbosity=2)
