"""Bare Debian hosts for tests of the deployment: booted containers (systemd-nspawn) on a bridge.

The root they start from and the packages that the roles install are made once, under .cache/deploy,
with the machine's network. The hosts themselves live in a network namespace of the test's, without a
way out: their packages come from a folder, and two runs of the test never meet.
"""
import ast
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache/deploy"
BASE = CACHE / "base"
REPOSITORY = CACHE / "repository"
PACKAGES = "systemd,systemd-sysv,dbus,openssh-server,python3,python3-apt,iproute2,ca-certificates"
JOB_PACKAGES = ["openmpi-bin"]  # what the MPI job needs
BRIDGE, GATEWAY = "br-k42", "10.78.0.254"
INSIDE = "K42_DEPLOY_INSIDE"


def run(words, limit=600, **options):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=limit,
                          errors="replace", **options)
    if done.returncode != 0:
        raise AssertionError(f"{words[0]}: exit {done.returncode}\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done.stdout


def role_packages():
    """What the roles install, read from their files, and what the test lets them install for its job."""
    defaults = (ROOT / "deploy/ansible/roles/node/defaults/main.yml").read_text()
    listed = defaults.split("node_packages:")[1].splitlines()[1:]
    return [line.strip()[2:] for line in listed if line.strip().startswith("- ")] + ["etcd-server"] + JOB_PACKAGES


def prepare():
    """The root to copy and the packages; a changed list of packages makes both anew."""
    wanted = repr(sorted(role_packages()))
    stamp = CACHE / "packages"
    if stamp.exists() and ast.literal_eval(stamp.read_text()) == ast.literal_eval(wanted) and BASE.exists():
        return
    stamp.unlink(missing_ok=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    if not BASE.exists():
        making = BASE.with_suffix(".new")
        shutil.rmtree(making, ignore_errors=True)
        run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", making], 1200)
        making.rename(BASE)
    shutil.rmtree(REPOSITORY, ignore_errors=True)
    REPOSITORY.mkdir()
    fetching = pathlib.Path(tempfile.mkdtemp(prefix="fetch-", dir=CACHE))
    try:  # in a copy: the base stays bare
        root = fetching / "root"
        run(["cp", "-a", BASE, root])
        shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
        run(["chroot", root, "apt-get", "-q", "update"])
        run(["chroot", root, "apt-get", "-q", "-y", "-d", "--no-install-recommends", "install", *role_packages()],
            1200)
        for package in (root / "var/cache/apt/archives").glob("*.deb"):
            shutil.move(package, REPOSITORY)
    finally:
        shutil.rmtree(fetching, ignore_errors=True)
    index = run(["dpkg-scanpackages", "-m", "."], cwd=REPOSITORY)
    (REPOSITORY / "Packages").write_text(index)
    stamp.write_text(wanted)


def enter_namespace():
    """Runs this program again in a network namespace of its own, with the bridge in it."""
    if os.environ.get(INSIDE):
        return
    prepare()
    words = ["ip link set lo up", f"ip link add {BRIDGE} type bridge", f"ip addr add {GATEWAY}/24 dev {BRIDGE}",
             f"ip link set {BRIDGE} up", 'exec "$@"']
    os.execvpe("unshare", ["unshare", "--net", "sh", "-ec", "\n".join(words), "sh", sys.executable, *sys.argv],
               dict(os.environ, **{INSIDE: "1"}))


class Hosts:
    """`with Hosts(2) as hosts:` boots host1 and host2 at 10.78.0.1 and .2, with one shared folder."""

    def __init__(self, count):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="k42-deploy-"))
        self.key = self.folder / "key"
        self.share = self.folder / "share"
        self.numbers = range(1, count + 1)
        self.processes = {}

    def __enter__(self):
        try:
            self.share.mkdir()
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key])
            for number in self.numbers:
                self.start(number)
            for number in self.numbers:
                self.await_ssh(number)
        except BaseException:
            self.__exit__()
            raise
        return self

    @staticmethod
    def address(number):
        return f"10.78.0.{number}"

    def start(self, number):
        root = self.folder / f"host{number}"
        run(["cp", "-a", "--reflink=auto", BASE, root])
        (root / "etc/hostname").write_text(f"host{number}\n")
        (root / "etc/machine-id").write_text("")
        (root / "etc/resolv.conf").unlink(missing_ok=True)
        (root / "etc/resolv.conf").write_text("")
        for key in (root / "etc/ssh").glob("ssh_host_*"):
            key.unlink()
        run(["chroot", root, "ssh-keygen", "-A"])
        (root / "etc/ssh/sshd_config.d/test.conf").write_text("PermitRootLogin yes\nUseDNS no\n")
        keys = root / "root/.ssh/authorized_keys"
        keys.parent.mkdir(mode=0o700, exist_ok=True)
        keys.write_text(self.key.with_suffix(".pub").read_text())
        # Sorted before 80-container-host0.network, which would ask for an address.
        (root / "etc/systemd/network").mkdir(exist_ok=True)
        (root / "etc/systemd/network/10-host0.network").write_text(
            f"[Match]\nName=host0\n[Network]\nAddress={self.address(number)}/24\nLinkLocalAddressing=no\n")
        run(["chroot", root, "systemctl", "enable", "systemd-networkd"])
        # No network here: the one source of packages is the folder that is bound into each host.
        shutil.rmtree(root / "etc/apt/sources.list.d", ignore_errors=True)
        (root / "etc/apt/sources.list").unlink(missing_ok=True)
        (root / "etc/apt/sources.list.d").mkdir()
        (root / "etc/apt/sources.list.d/test.sources").write_text(
            "Types: deb\nURIs: file:/srv/repository\nSuites: ./\nTrusted: yes\n")
        lists = root / "var/lib/apt/lists"  # of another source, and so young that apt would not look again
        shutil.rmtree(lists)
        lists.mkdir()
        os.utime(lists, (0, 0))
        with open(self.folder / f"host{number}.log", "wb") as log:
            self.processes[number] = subprocess.Popen(
                ["systemd-nspawn", "-q", "-D", root, "-M", f"k42-{os.getpid()}-{number}", "--register=no",
                 "--keep-unit", f"--network-bridge={BRIDGE}", f"--bind-ro={REPOSITORY}:/srv/repository",
                 f"--bind={self.share}:/srv/k42", "--resolv-conf=off", "-b"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def await_ssh(self, number):
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline and self.processes[number].poll() is None:
            if self.try_on(number, "true").returncode == 0:
                return
            time.sleep(0.5)
        log = (self.folder / f"host{number}.log").read_text(errors="replace")
        raise AssertionError(f"host{number} does not answer by ssh:\n{log[-2000:]}")

    def ssh(self, number, command):
        return ["ssh", "-i", str(self.key), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=5", f"root@{self.address(number)}", command]

    def try_on(self, number, command, limit=120):
        return subprocess.run(self.ssh(number, command), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              errors="replace", timeout=limit)

    def on(self, number, command, limit=120):
        done = self.try_on(number, command, limit)
        if done.returncode != 0:
            raise AssertionError(f"host{number}: {command}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def __exit__(self, *_):
        for process in self.processes.values():
            if process.poll() is None:
                children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
                for child in children:
                    os.kill(int(child), signal.SIGRTMIN + 4)  # systemd: power off
        for process in self.processes.values():
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
