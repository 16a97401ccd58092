#!/usr/bin/env python3
"""CPUs that do not answer are named with what they do, and the debug console works meanwhile."""
import pathlib
import re
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from guest import PROMPT, Guest  # noqa: E402

BUILD = pathlib.Path(__file__).resolve().parents[2] / "build"
IMAGE = BUILD / "k42-test.elf"
KEYS = "\x1e\x1e\x1e"
GOOD, FAILURE = 33, 5  # exit statuses


class Watchdog(unittest.TestCase):
    def test_a_deaf_cpu_is_named_with_its_call_chain(self):
        with Guest(IMAGE, cpus=4, append="test=stuck_deaf_for_a_while") as guest:
            guest.expect("stuck now")
            self.assertEqual(guest.wait(), GOOD, guest.text)
            waited = re.search(r"CPU 1: has not answered a shoot-down for (\d+) ms: runs with interrupts off, "
                               r"thread deaf", guest.text)
            self.assertTrue(waited, guest.text)
            stuck = re.search(r"CPU 1: stuck with interrupts off for (\d+) ms: runs with interrupts off, thread deaf"
                              r".*\n(.*\n)*?.*from .*SpinWithInterruptsOff", guest.text)
            self.assertTrue(stuck, guest.text)
            self.assertGreaterEqual(int(stuck[1]), 2000)
            self.assertRegex(guest.text, r"CPU 1: answers again, after \d+ ms")
            self.assertNotRegex(guest.text, r"CPU [023]: (stuck|has not)")

    def test_a_cpu_that_never_comes_to_its_loop_is_named(self):
        with Guest(IMAGE, cpus=2, append="test=stuck_busy_for_a_while") as guest:
            guest.expect(r"CPU 1: has not answered a shoot-down for \d+ ms: runs, thread busy")
            guest.expect(r"from .*SpinUntil|at .*SpinUntil|MonotonicNs")
            self.assertEqual(guest.wait(), GOOD, guest.text)
            self.assertRegex(guest.text, r"CPU 1: has not come to its loop for \d+ ms: runs, thread busy")
            self.assertNotIn("stuck with interrupts off", guest.text)
        with Guest(IMAGE, cpus=2, append="test=stuck_token_for_a_while") as guest:
            self.assertEqual(guest.wait(), GOOD, guest.text)
            self.assertRegex(guest.text, r"CPU 1: keeps the grace token for \d+ ms: runs, thread busy")

    def test_who_holds_a_generation_is_named_with_its_call_chain(self):
        with Guest(IMAGE, cpus=2, append="test=stuck_generation_for_a_while") as guest:
            self.assertEqual(guest.wait(), GOOD, guest.text)
            self.assertRegex(guest.text, r"generation \d+ of CPU 1 is held for 100 ms by thread holder\n"
                                         r".*thread holder of CPU 1 is ready\n(.*\n){0,4}?.*HoldGeneration")

    def test_a_node_at_rest_or_at_work_is_not_accused(self):
        with Guest(IMAGE, cpus=4, append="test=thread*,lock*,timer*,message*,spin*") as guest:
            self.assertEqual(guest.wait(240), GOOD, guest.text)
            self.assertNotRegex(guest.text, r"CPU \d: (stuck|has not|keeps|does not)")


class Console(unittest.TestCase):
    def enter(self, guest, by_nmi=False, reported=None):
        """Once the guest is stuck, and has reported it where it can: the word comes just before."""
        guest.expect("stuck now")
        if reported:
            guest.expect(reported)
        else:
            time.sleep(1)
        if by_nmi:
            guest.nmi()
        else:
            guest.send(KEYS)
        guest.expect(r"debug console on CPU (\d+)")
        guest.expect(PROMPT)

    def end(self, guest):
        guest.send("off\n")
        self.assertEqual(guest.wait(), FAILURE)

    def test_everything_is_shown_while_a_cpu_is_deaf(self):
        with Guest(IMAGE, cpus=3, append="trace=thread,interrupt test=stuck_deaf_for_ever") as guest:
            self.enter(guest, reported=r"CPU 1: has not answered a shoot-down for \d+ ms.*\n(.*\n)*?.*SpinWithInterruptsOff")
            cpus = guest.ask("cpus")
            self.assertRegex(cpus, r"cpu  1 runs with interrupts off, thread deaf \(\d+\)")
            self.assertRegex(cpus, r"cpu  2 halts, idle, thread pool")
            deaf = guest.ask("cpu 1")
            self.assertRegex(deaf, r"from \w+ .*SpinWithInterruptsOff")
            self.assertRegex(deaf, r"rip 0x[0-9a-f]{16} rsp")
            self.assertRegex(guest.ask("waits"), r"cpu 0 waits for cpu 1, which has not answered a shoot-down")
            threads = guest.ask("threads")
            self.assertRegex(threads, r"\d+ cpu  0 blocked .*boot .*AskEverybody")
            self.assertRegex(threads, r"cpu  1 runs .*deaf")
            self.assertGreater(threads.count("pool"), 3)
            number = re.search(r"(\d+) cpu  0 blocked .*boot", threads)[1]
            self.assertRegex(guest.ask(f"thread {number}"), r"from \w+ k42::mem::ShootDown(.*\n)*.*AskEverybody")
            self.assertIn("SpinWithInterruptsOff", guest.ask("thread all"))
            objects = guest.ask("objects")
            self.assertRegex(objects, r"0x[0-9a-f]+ root 0x[0-9a-f]+ k42::cobj::SharedRoot<k42::proc::NodeObject>")
            self.assertRegex(objects, r"[1-9]\d* objects; slots filled by CPU: \d+ \d+ \d+")
            generations = guest.ask("gens")
            self.assertRegex(generations, r"cpu  1 generation \d+, needed \d+")
            self.assertRegex(generations, r"held by deaf")
            self.assertRegex(generations, r"the grace token travels")
            memory = guest.ask("mem")
            self.assertRegex(memory, r"frames: \d+ of \d+ free")
            self.assertRegex(memory, r"\d+ promised")
            self.assertRegex(memory, r"node 0: [1-9]\d* frames free, \d+ whole chunks of 2 MiB")
            for cpu in range(3):
                self.assertRegex(memory, rf"cpu  {cpu} node 0: \d+ frames cached, \d+ in slabs")
            self.assertEqual(sum(map(int, re.findall(r"(\d+) in slabs", memory))),
                             int(re.search(r"heap: (\d+) frames", memory)[1]))
            self.assertNotIn("debug heap", memory)
            self.assertRegex(guest.ask("trace 5"), r"trace +0 .*(interrupt|thread_switch)")
            self.assertIn("no command", guest.ask("nonsense"))
            self.assertIn("there are CPUs 0 to 2", guest.ask("cpu 9"))
            self.assertIn("objects N", guest.ask("help"))
            self.end(guest)

    def test_a_debug_kernel_shows_its_heap_too(self):
        # Whose heap is another class: as many frames in slabs as a node's first objects take, no noise.
        with Guest(BUILD / "k42-test-debug.elf", cpus=2, append="test=stuck_deaf_for_ever") as guest:
            self.enter(guest)
            slabs = re.search(r"heap: (\d+) frames in slabs", guest.ask("mem"))
            self.assertTrue(slabs, guest.text)
            self.assertTrue(1 <= int(slabs[1]) < 4096, slabs[0])
            self.assertRegex(guest.text, r"debug heap: [1-9]\d* frames of records")
            self.end(guest)

    def test_the_key_is_seen_though_the_serial_ports_cpu_is_deaf(self):
        with Guest(IMAGE, cpus=2, append="test=stuck_boot_cpu_for_ever") as guest:
            guest.expect("CPU 0: stuck with interrupts off")
            guest.seen = 0
            self.enter(guest)
            self.assertRegex(guest.ask("cpus"), r"cpu  0 runs with interrupts off, thread boot")
            self.assertIn("SpinWithInterruptsOff", guest.ask("cpu 0"))
            self.end(guest)

    def test_an_nmi_opens_it_when_every_cpu_is_deaf(self):
        for cpus in (1, 3):
            with self.subTest(cpus=cpus), Guest(IMAGE, cpus=cpus, append="test=stuck_everywhere_for_ever") as guest:
                self.enter(guest, by_nmi=True)
                self.assertEqual(guest.ask("cpus").count("runs with interrupts off"), cpus)
                self.end(guest)

    def test_a_lock_that_is_held_for_ever_shows(self):
        with Guest(IMAGE, cpus=2, append="test=stuck_lock_for_ever") as guest:
            self.enter(guest)
            cpus = guest.ask("cpus")
            self.assertRegex(cpus, r"cpu  0 waits for a spin lock, thread boot")
            self.assertRegex(cpus, r"waits for the spin lock at 0x[0-9a-f]+")
            self.assertRegex(cpus, r"cpu  1 runs, thread keeper \(\d+\).*\n +1 spin locks")
            self.end(guest)

    def test_where_spin_locks_cost_time_shows(self):
        for image, debug in ((IMAGE, False), (BUILD / "k42-test-debug.elf", True)):
            with self.subTest(debug=debug), Guest(image, cpus=2, append="test=stuck_after_long_waits") as guest:
                self.enter(guest)
                rows = guest.ask("locks 600").splitlines()
                waits = [int(row.split()[0]) for row in rows if "long waits" in row]
                self.assertEqual(waits, sorted(waits, reverse=True))
                waited = [row for row in rows if re.search(r"^ +[1-9]\d* long waits, up to [1-9]\d+ us;.*WaitHere", row)]
                self.assertTrue(waited, guest.text)
                self.assertRegex(rows[len(waits)], rf"  {len(waits)} places, {sum(waits)} waits of over 10 us, 0 more")
                held = [row for row in rows if re.search(r" 0 long waits, .* held up to [1-9]\d{5,} cycles: .*HoldHere", row)]
                self.assertEqual(len(held), 1 if debug else 0, guest.text)
                # The first of them only, as a screen has room for.
                self.assertEqual(guest.ask("locks 1").splitlines()[0], rows[0])
                self.assertLessEqual(guest.ask("locks").count("long waits"), 20)
                self.end(guest)

    def test_the_node_goes_on_afterwards(self):
        with Guest(IMAGE, cpus=2, append="test=stuck_deaf_for_a_while") as guest:
            self.enter(guest)
            guest.ask("cpus")
            guest.send("go\n")
            guest.expect("going on")
            self.enter_again(guest)
            self.assertEqual(guest.wait(), GOOD, guest.text)
            self.assertIn("1 passed, 0 failed", guest.text)

    def enter_again(self, guest):
        guest.nmi()
        guest.expect("debug console on CPU 0")
        guest.expect(PROMPT)
        guest.send("go\n")
        guest.expect("going on")


if __name__ == "__main__":
    if not IMAGE.exists():
        print("not built:", IMAGE)
        sys.exit(77)
    unittest.main(verbosity=2)
