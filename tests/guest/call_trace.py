#!/usr/bin/env python3
"""A protected call, there and back, in the trace: two hand-overs, and between them nothing that touches
a run queue."""
import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from guest import PROMPT, Guest  # noqa: E402

IMAGE = pathlib.Path(__file__).resolve().parents[2] / "build/k42.elf"
KEYS = "\x1e\x1e\x1e"
CALLS = 8


class Trace(unittest.TestCase):
    def test_calls_are_hand_overs_and_nothing_else(self):
        with Guest(IMAGE, cpus=1, append="image=call_test trace=schedule -- traced") as guest:
            guest.expect(r"traced: (\d+) calls (\d+)")
            client, server = re.search(r"traced: (\d+) calls (\d+)", guest.text).groups()
            guest.send(KEYS)
            guest.expect(PROMPT)
            events = re.findall(r"(hand_over|queue_insert|dispatch_in|dispatch_out)\W+(.*)", guest.ask("trace 200"))
        there, back = (f"from process {a} to process {b}" for a, b in ((client, server), (server, client)))
        shown = [text.strip() if name == "hand_over" else name for name, text in events]
        run = longest = 0
        for event in shown:
            run = run + 1 if event == (there, back)[run % 2] else int(event == there)
            longest = max(longest, run)
        self.assertGreaterEqual(longest, 2 * CALLS, shown)


if __name__ == "__main__":
    unittest.main()
