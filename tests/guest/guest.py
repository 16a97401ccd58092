"""A kernel in QEMU whose console a test talks to.

    with Guest("build/k42-test.elf", cpus=2, append="test=x") as guest:
        guest.expect("stuck now")
        guest.send("\x1e" * 3)
        text = guest.ask("cpus")           # in the debug console
        guest.nmi()
"""
import os
import pathlib
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "sim-fabric"))
from k42sim import machine  # noqa: E402
from k42sim.monitor import Monitor  # noqa: E402

LIMIT = 60.0
PROMPT = "k42> "


class Guest:
    def __init__(self, image, cpus=2, memory="256M", append="", extra=(), gdb=False):
        """With `gdb` the CPUs stand still until gdb_stub.py, at gdb.sock in the folder, lets them go."""
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="k42g-", dir="/tmp"))
        self.text = ""
        self.seen = 0  # what expect has passed
        self.process = subprocess.Popen(
            [*machine.words(cpus), "-m", memory, "-serial", "stdio",
             "-qmp", f"unix:{self.folder}/qmp.sock,server=on,wait=off",
             *(["-S", "-gdb", f"unix:{self.folder}/gdb.sock,server=on,wait=off"] if gdb else []),
             "-kernel", str(image), "-append", append, *extra],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        os.set_blocking(self.process.stdout.fileno(), False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read(self, limit):
        """False: nothing came in time, or the end."""
        ready, _, _ = select.select([self.process.stdout], [], [], max(limit, 0))
        data = self.process.stdout.read() if ready else b""
        self.text += (data or b"").decode(errors="replace")
        return bool(data)

    def expect(self, pattern, limit=LIMIT):
        """Waits for the pattern behind what the last expect found; the match."""
        deadline = time.monotonic() + limit
        while True:
            found = re.compile(pattern).search(self.text, self.seen)
            if found:
                self.seen = found.end()
                return found
            if not self._read(deadline - time.monotonic()) and (
                    time.monotonic() > deadline or self.process.poll() is not None):
                raise AssertionError(f"never came: {pattern}\n--- console:\n{self.text}")

    def send(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def ask(self, command):
        """One command of the debug console; its output."""
        self.send(command + "\n")
        self.expect(re.escape(command) + "\n")
        start = self.seen
        self.expect("\n" + PROMPT)
        return self.text[start:self.seen - len(PROMPT)]

    def nmi(self):
        self.monitor("inject-nmi")

    def monitor(self, command, **arguments):
        """One QMP command; its answer."""
        with Monitor(self.folder / "qmp.sock", LIMIT) as monitor:
            return monitor.ask(command, **arguments)

    def wait(self, limit=LIMIT):
        """QEMU's exit status."""
        deadline = time.monotonic() + limit
        while self.process.poll() is None:
            if time.monotonic() > deadline:
                raise AssertionError(f"did not end\n--- console:\n{self.text}")
            self._read(0.1)
        while self._read(0):
            pass
        return self.process.returncode
