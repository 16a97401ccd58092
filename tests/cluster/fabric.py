"""Nodes with their daemons and no store: what tests of the link and the fabric start.

    with Fabric(build, count=2, transport="shm") as fabric:
        fabric.start(append="test=link* members=2")
        fabric.wait(60)             # exit statuses of the guests
        fabric.console(1)
"""
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "sim-fabric"))
from k42sim import machine  # noqa: E402

RAM, ARENA = 128, 32  # MiB
UCX_ENDS = "ucp_request.c"  # the file of the assertion


class Fabric:
    def __init__(self, build, count, transport="shm", cpus=2, kernel="k42-test.elf"):
        self.build, self.count, self.cpus = pathlib.Path(build), count, cpus
        self.transport, self.kernel = transport, kernel
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="k42-"))
        self.guests, self.daemons = {}, {}
        self.ucx_ended = 0  # daemons, by UCX's own fault
        self._seen = {}     # how much of each daemon's log was before that

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in [*self.daemons.values(), *self.guests.values()]:
            if process.poll() is None:
                process.kill()
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def node(self, number):
        folder = self.folder / f"n{number}"
        folder.mkdir(exist_ok=True)
        return folder

    def start(self, append=""):
        for number in range(1, self.count + 1):
            self.start_guest(number, append)
            self.start_daemon(number)

    def start_guest(self, number, append=""):
        folder = self.node(number)
        words = [*machine.words(self.cpus), "-m", f"{RAM + ARENA}M",
                 "-object", f"memory-backend-memfd,id=ram,size={RAM}M,share=on",
                 "-object", f"memory-backend-memfd,id=arena,size={ARENA}M,share=on",
                 "-numa", f"node,nodeid=0,memdev=ram,cpus=0-{self.cpus - 1}",
                 "-numa", "node,nodeid=1,memdev=arena",
                 "-chardev", f"socket,id=link,path={folder}/link.sock,server=on,wait=off",
                 "-device", f"vhost-user-blk-pci-non-transitional,chardev=link,num-queues={self.cpus}",
                 "-serial", f"file:{folder}/console.log",
                 "-kernel", str(self.build / self.kernel), "-append", f"node={number} {append}"]
        self.guests[number] = subprocess.Popen(words, stdin=subprocess.DEVNULL,
                                               stdout=open(folder / "qemu.log", "w"),
                                               stderr=subprocess.STDOUT)

    def start_daemon(self, number):
        folder = self.node(number)
        words = [str(self.build / "bin" / "k42-noded"), "--cluster", "test", "--node", str(number),
                 "--folder", str(folder), "--cpus", str(self.cpus), "--transport", self.transport,
                 "--members", str(self.folder / "members")]
        self.daemons[number] = subprocess.Popen(words, stdin=subprocess.DEVNULL,
                                                stdout=open(folder / "noded.log", "a"),
                                                stderr=subprocess.STDOUT)

    def kill_daemon(self, number):
        self.daemons[number].send_signal(signal.SIGKILL)
        self.daemons[number].wait()

    def restart_what_ucx_ended(self):
        """What the daemons' service does (deploy, k42-sim): UCX 1.13 ends its process by an assertion that was
        one too many (interconnect/README.md). A daemon that ended otherwise stays down, and the test fails."""
        for number, daemon in self.daemons.items():
            if daemon.poll() == -signal.SIGABRT and UCX_ENDS in self.log(number)[self._seen.get(number, 0):]:
                self._seen[number] = len(self.log(number))
                self.ucx_ended += 1
                self.start_daemon(number)

    def wait(self, seconds):
        """Exit statuses by node; a guest that does not end within the time is killed: None."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and any(guest.poll() is None for guest in self.guests.values()):
            self.restart_what_ucx_ended()
            time.sleep(0.05)
        statuses = {number: guest.poll() for number, guest in self.guests.items()}
        for number, status in statuses.items():
            if status is None:
                self.guests[number].kill()
        return statuses

    def wait_for(self, number, text, seconds):
        """True once the console of that node has shown `text`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if text in self.console(number):
                return True
            time.sleep(0.05)
        return False

    def console(self, number):
        return self._read(number, "console.log")

    def log(self, number):
        return self._read(number, "noded.log")

    def _read(self, number, name):
        try:
            return (self.folder / f"n{number}" / name).read_text(errors="replace")
        except OSError:
            return ""

    def tell(self):
        """Everything that was said, for a failure."""
        for number in range(1, self.count + 1):
            for name in ("console.log", "noded.log", "qemu.log"):
                print(f"-- n{number} {name}\n{self._read(number, name)}")
