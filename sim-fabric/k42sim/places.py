"""Where a cluster keeps its files, and how its folder is held.

    <run root>/<cluster>.lock     held (flock) by the supervisor for its life
    <run root>/<cluster>/         plan.json, supervisor.sock, supervisor.log, processes.json
        etcd/m<I>/ m<I>.log       one data folder per member
        share/                    /cluster of the nodes, unless --share names another
        n<N>/                     noded.sock link.sock qmp.sock console.sock console.log noded.log

The run root is $K42_RUN, else $XDG_RUNTIME_DIR/k42, else /tmp/k42-<uid>. Unix socket paths end at 107
bytes, so a long root is refused at once instead of failing in QEMU.
"""
import fcntl
import os
import pathlib
import re
import stat
import sys

LONGEST_SOCKET = 107
MOST_NODES = 160  # as node-kernel/abi/link_control.h has it: a view is one message to a kernel
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,19}")


class Trouble(Exception):
    """Something an operator is told in one sentence."""


def run_root():
    if os.environ.get("K42_RUN"):
        # Absolute, for whoever we start elsewhere is told the same.
        root = pathlib.Path(os.path.abspath(os.environ["K42_RUN"]))
        os.environ["K42_RUN"] = str(root)
    elif os.environ.get("XDG_RUNTIME_DIR"):
        root = pathlib.Path(os.environ["XDG_RUNTIME_DIR"]) / "k42"
    else:
        root = pathlib.Path(f"/tmp/k42-{os.getuid()}")
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = root.stat()
    if status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o022:
        raise Trouble(f"{root} belongs to somebody else or others may write to it; set K42_RUN")
    return root


def build_folder():
    """The folder with k42.elf and bin/: $K42_BUILD, or `build` beside sim-fabric."""
    if os.environ.get("K42_BUILD"):
        return pathlib.Path(os.environ["K42_BUILD"]).resolve()
    return pathlib.Path(__file__).resolve().parents[2] / "build"


class Place:
    """The paths of one cluster."""

    def __init__(self, name):
        if not NAME.fullmatch(name):
            raise Trouble(f"'{name}' is no cluster name: lower case letters, digits and -, at most 20")
        self.name = name
        self.folder = run_root() / name
        self.lock = run_root() / f"{name}.lock"
        self.control = self.folder / "supervisor.sock"
        self.log = self.folder / "supervisor.log"
        self.plan = self.folder / "plan.json"
        self.processes = self.folder / "processes.json"
        longest = self.node(MOST_NODES) / "inside/noded.sock"
        if len(os.fsencode(longest)) > LONGEST_SOCKET:
            raise Trouble(f"{self.folder} is too long for Unix sockets; set K42_RUN to a shorter folder")

    def exists(self):
        """Has an `up` made the folder? Somebody else's is not ours to remove."""
        return self.plan.exists() or self.log.exists()

    def node(self, number):
        return self.folder / f"n{number}"

    def take_lock(self):
        """The open lock file, or None when a supervisor holds it."""
        handle = open(self.lock, "a")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.close()
            return None
        # Someone may have removed the name between open and lock: then hold the new file.
        try:
            if os.fstat(handle.fileno()).st_ino == os.stat(self.lock).st_ino:
                return handle
        except FileNotFoundError:
            pass
        handle.close()
        return self.take_lock()

    def runs(self):
        lock = self.take_lock() if self.lock.exists() else None
        if lock is None:
            return self.lock.exists()
        lock.close()
        return False


def clusters():
    """Names of all clusters with a folder, running or left behind."""
    return sorted(path.name for path in run_root().iterdir()
                  if path.is_dir() and NAME.fullmatch(path.name) and Place(path.name).exists())


def choose(name):
    """The cluster meant: the one named, or the only one there is."""
    if name:
        return Place(name)
    found = clusters()
    if len(found) == 1:
        return Place(found[0])
    if not found:
        raise Trouble("no cluster runs here; start one with: k42-sim up -n 2")
    raise Trouble(f"several clusters run here ({', '.join(found)}); choose with --cluster NAME")


def complain(text):
    print(f"k42-sim: {text}", file=sys.stderr)
