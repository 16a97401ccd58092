#!/usr/bin/env python3
"""A bad boot option is named and refused; good ones are not."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from guest import Guest  # noqa: E402

DEBUG_IMAGE = pathlib.Path(__file__).resolve().parents[2] / "build/k42-debug.elf"
IMAGE = pathlib.Path(__file__).resolve().parents[2] / "build/k42.elf"
GOOD, REFUSED = 33, 7
BAD = {
    "nonsense": '"nonsense" is not known',
    "root=usr": '"root" is not known',
    "Node=1": '"Node" is not known',
    "node=0": 'node: "0" is no node',
    "node=161": 'node: "161" is no node',
    "node=99999999999999999999": "is no node",
    "node=1x": 'node: "1x" is no node',
    "node": 'node: "" is no node',
    "name=a/b": 'name: "a/b" is no name of a host',
    "init=bin/sh": 'init: "bin/sh" is no absolute path',
    "exit=maybe": 'exit: "maybe" is neither yes nor no',
    "mount=usr": 'mount: "usr" is not TAG:/path',
    "serve=/srv": 'serve: "/srv" is not PROGRAM:/path',
    "serve=memory_files": 'serve: "memory_files" is not PROGRAM:/path',
    "serve=nothing:/srv": 'serve: "nothing:/srv" names no program of this kernel',
    "files=fast": 'files: "fast" is no way to serve files',
    "trace=thread,thraed": "names no class of events",
    "members=many": "is no number of nodes",
    "large_pages=yes": 'large_pages: "yes" is no policy of large pages',
    "reuse=7": 'reuse: "7" is for debug kernels only',
    "inject=7": 'inject: "7" is for debug kernels only',
}


DEBUG_BAD = {
    "reuse": 'reuse: "" is no seed',
    "reuse=0": 'reuse: "0" is no seed',
    "reuse=many": 'reuse: "many" is no seed',
    "inject=0": 'inject: "0" is no number of instructions',
    "inject=x": 'inject: "x" is no number of instructions',
}


class Options(unittest.TestCase):
    def console(self, append, status, image=IMAGE):
        with Guest(image, cpus=1, append=append) as guest:
            self.assertEqual(guest.wait(), status, guest.text)
            return guest.text

    def test_each_bad_one_is_named_and_the_node_does_not_start(self):
        for word, complaint in BAD.items():
            with self.subTest(option=word):
                text = self.console(f"{word} exit", REFUSED)
                self.assertIn(complaint, text)
                self.assertIn("k42: refuses to start", text)
                self.assertNotIn("k42: ready", text)

    def test_a_debug_kernels_own_are_looked_at(self):
        for word, complaint in DEBUG_BAD.items():
            with self.subTest(option=word):
                self.assertIn(complaint, self.console(f"{word} exit", REFUSED, DEBUG_IMAGE))
        self.assertIn("k42: ready", self.console("reuse=7 inject=30 exit", GOOD, DEBUG_IMAGE))

    def test_all_are_named_at_once(self):
        text = self.console("exit nonsense node=0 mount=x", REFUSED)
        for word in ('"nonsense"', "node:", "mount:"):
            self.assertIn(word, text)

    def test_good_ones_start_a_node_and_words_of_the_program_are_its_own(self):
        self.assertIn("k42: ready", self.console("node=1 name=n1 trace=thread,interrupt exit -- nonsense node=0", GOOD))


if __name__ == "__main__":
    unittest.main(verbosity=2)
