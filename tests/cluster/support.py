"""What tests of whole clusters share: a cluster of their own, and waiting.

Every cluster has its own name and run folder, ends with its test, and what it left is checked.
"""
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
SKIP = 77  # exit status: cannot run here


def run(words, limit=60, check=True, **options):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=limit,
                          errors="replace", **options)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, words))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def eventually(condition, limit=60.0, what="it"):
    """Waits until `condition()` is true; its value."""
    deadline = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {limit} s")
        time.sleep(0.1)


class Cluster:
    """A running cluster; `with Cluster(nodes=2) as cluster:`."""

    def __init__(self, name="test", nodes=2, options=(), run_folder=None):
        self.name = name
        self.nodes = nodes
        self.options = list(options)
        self._own_folder = run_folder is None
        self.run_folder = run_folder or tempfile.mkdtemp(prefix="k42t-", dir="/tmp")
        self.environment = dict(os.environ, K42_RUN=self.run_folder, K42_BUILD=str(BUILD))

    def __enter__(self):
        try:
            self.up()
        except BaseException:
            self._forget()
            raise
        return self

    def __exit__(self, *_):
        try:
            self.sim("down", "--cluster", self.name, check=False)
            left = self.left_behind()
        finally:
            self._forget()
        assert not left, f"left behind: {left}"

    def _forget(self):
        if self._own_folder:
            shutil.rmtree(self.run_folder, ignore_errors=True)

    def up(self, check=True):
        return self.sim("up", "-n", self.nodes, "--cluster", self.name, *self.options, check=check, limit=180)

    def sim(self, *words, limit=60, check=True):
        return run([ROOT / "sim-fabric/k42-sim", *words], limit=limit, check=check, env=self.environment)

    def ctl(self, *words, limit=60, check=True, **options):
        return run([BUILD / "bin/k42ctl", "--cluster", self.name, *words], limit=limit, check=check,
                   env=self.environment, **options)

    def start(self, *words):
        """k42ctl that goes on meanwhile; its output is text in a pipe."""
        return subprocess.Popen([str(BUILD / "bin/k42ctl"), "--cluster", self.name, *map(str, words)],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=self.environment)

    def status(self):
        return json.loads(self.sim("status", "--cluster", self.name, "--json").stdout)

    def node(self, name):
        return next(one for one in self.status()["nodes"] if one["node"] == name)

    def fault(self, *words):
        self.sim("fault", "--cluster", self.name, *words)

    def left_behind(self):
        """Processes whose command line names our folder, and files in it."""
        found = [str(path) for path in pathlib.Path(self.run_folder).iterdir()]
        for folder in pathlib.Path("/proc").iterdir():
            if folder.name.isdigit():
                with contextlib.suppress(OSError):
                    if f"{self.run_folder}/".encode() in (folder / "cmdline").read_bytes():
                        found.append(f"process {folder.name}")
        return found


def main(*needed):
    """Runs the calling program's tests; skips them all, and says why, where something of build/ is not there."""
    needed = needed or ("k42.elf", "bin/k42-noded", "bin/k42ctl")
    missing = [name for name in needed if not (BUILD / name).exists()]
    if missing:
        print("not built:", *missing)
        sys.exit(SKIP)
    unittest.main(verbosity=2)
