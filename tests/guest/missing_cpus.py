#!/usr/bin/env python3
"""Processors that the firmware lists and that do not start: missing_cpus.py IMAGE

QEMU's gdb stub holds single CPUs, from the moment the kernel begins to start them.
"""
import pathlib
import re
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from gdb_stub import GdbStub  # noqa: E402
from guest import PROMPT, Guest  # noqa: E402

IMAGE = sys.argv.pop(1)
CPUS = 4
HELD = 3  # as the stub counts: APIC id 2


def address_of(name):
    listed = subprocess.run(["nm", IMAGE], capture_output=True, text=True, check=True).stdout
    return next(int(line.split()[0], 16) for line in listed.splitlines() if line.endswith(" " + name))


class MissingCpus(unittest.TestCase):
    def setUp(self):
        self.guest = self.enterContext(Guest(IMAGE, cpus=CPUS, gdb=True))
        self.stub = GdbStub(self.guest.folder / "gdb.sock")
        self.addCleanup(self.stub.close)
        self.stub.run_to(address_of("_ZN3k427machine14StartOtherCpusEv"))

    def registers(self, cpu):
        return self.guest.monitor("human-monitor-command", **{"command-line": "info registers", "cpu-index": cpu - 1})

    def test_one_that_never_comes_is_named_and_the_node_starts_without_it(self):
        self.stub.go_on(without=[HELD])
        found = self.guest.expect(r"the processor with APIC id 2 does not start: CPU 0 sent it INIT and (\d+) "
                                  r"start-ups and waited (\d+) ms, and it never came; going on without it")
        self.assertGreater(int(found[1]), 1, "a start-up is repeated")
        self.assertGreater(int(found[2]), 4000, "not given up in a hurry")
        self.guest.expect(rf"k42: ready, {CPUS - 1} CPUs")
        # It comes after all: nobody waits for it, and it halts for good.
        self.stub.stop()
        self.stub.go_on()
        behind_hlt = f"RIP={address_of('ap_unwanted') + 2:016x}"
        deadline = time.monotonic() + 20
        while behind_hlt not in (text := self.registers(HELD)) and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertIn(behind_hlt, text)
        self.assertIn("HLT=1", text)
        # The others are numbered densely, and can still be stopped and looked at: no NMI goes to that one.
        self.guest.nmi()
        self.guest.expect(r"debug console on CPU 0")
        self.guest.expect(PROMPT)
        shown = self.guest.ask("cpus")
        self.assertEqual(re.findall(r"(?m)^ *cpu +(\d+) ", shown), [str(cpu) for cpu in range(CPUS - 1)])
        self.assertIn("HLT=1", self.registers(HELD))

    def test_one_that_comes_and_gets_stuck_is_a_panic_that_names_it(self):
        stuck = self.stub.run_to(address_of("ApEntry"))
        self.stub.go_on(without=[stuck])
        self.guest.expect(rf"PANIC: CPU 1 \(APIC id {stuck - 1}\) came when CPU 0 had started it, and did not reach "
                          r"its loop within \d+ ms")
        self.assertEqual(self.guest.wait(), 3)


if __name__ == "__main__":
    unittest.main(verbosity=2)
