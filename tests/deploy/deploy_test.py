#!/usr/bin/env python3
"""The playbook: lint and syntax; with --apply it is run twice on a systemd-nspawn container.

The container shares the host's network, so everything in it listens on free ports of 127.0.0.1, and
its root is a debootstrap kept under .cache/deploy. Needs root.
"""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
ANSIBLE = ROOT / "deploy/ansible"
BASE = ROOT / ".cache/deploy/base"
PACKAGES = "systemd,systemd-sysv,dbus,openssh-server,python3,python3-apt,iproute2,ca-certificates"


def run(words, limit=600, **options):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=limit,
                          errors="replace", **options)
    if done.returncode != 0:
        raise AssertionError(f"{words[0]}: exit {done.returncode}\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done.stdout


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Container:
    """A booted Debian host; `with Container() as host:`."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="k42-deploy-"))
        self.root = self.folder / "root"
        self.key = self.folder / "key"
        self.ssh_port, self.client_port, self.peer_port = free_ports(3)
        self.process = None

    def __enter__(self):
        if not BASE.exists():
            BASE.parent.mkdir(parents=True, exist_ok=True)
            making = BASE.with_suffix(".new")
            shutil.rmtree(making, ignore_errors=True)
            run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", making], 1200)
            making.rename(BASE)
        try:
            self.boot()
        except BaseException:
            self.__exit__()
            raise
        return self

    def boot(self):
        run(["cp", "-a", "--reflink=auto", BASE, self.root])
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key])
        (self.root / "etc/ssh/sshd_config.d/test.conf").write_text(
            f"Port {self.ssh_port}\nListenAddress 127.0.0.1\nPermitRootLogin yes\n")
        keys = self.root / "root/.ssh/authorized_keys"
        keys.parent.mkdir(mode=0o700, exist_ok=True)
        keys.write_text(self.key.with_suffix(".pub").read_text())
        (self.root / "etc/machine-id").write_text("")
        with open(self.folder / "boot.log", "wb") as log:
            self.process = subprocess.Popen(
                ["systemd-nspawn", "-q", "-D", self.root, "-M", f"k42-deploy-{os.getpid()}", "--register=no",
                 "--keep-unit", "--resolv-conf=copy-host", "-b"], stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, start_new_session=True)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and self.process.poll() is None:
            if subprocess.run(self.ssh("true"), capture_output=True).returncode == 0:
                return
            time.sleep(0.5)
        raise AssertionError("the container does not answer by ssh:\n" + (self.folder / "boot.log").read_text()[-2000:])

    def ssh(self, command):
        return ["ssh", "-i", str(self.key), "-p", str(self.ssh_port), "-o", "StrictHostKeyChecking=no",
                "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=5",
                "root@127.0.0.1", command]

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            for child in children:
                os.kill(int(child), signal.SIGRTMIN + 4)  # systemd: power off
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def inventory(self):
        host = {"ansible_host": "127.0.0.1", "ansible_port": self.ssh_port, "ansible_user": "root",
                "ansible_ssh_private_key_file": str(self.key), "address": "127.0.0.1", "k42_node": 1,
                "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"}
        path = self.folder / "inventory.json"
        variables = {"k42_cluster": "test", "store_client_port": self.client_port, "store_peer_port": self.peer_port,
                     "node_store_port": self.client_port, "node_cpus": 1, "node_memory_mib": 256,
                     "node_arena_mib": 32, "node_transport": "tcp"}
        path.write_text(json.dumps({"all": {"vars": variables, "children": {
            "store": {"hosts": {"host1": host}}, "nodes": {"hosts": {"host1": host}}}}}))
        return path


class Playbook(unittest.TestCase):
    def test_syntax(self):
        run(["ansible-playbook", "-i", "inventory.example.yml", "--syntax-check", "site.yml"], cwd=ANSIBLE)

    def test_lint(self):
        run(["ansible-lint", "--offline", "site.yml"], cwd=ANSIBLE)

    def test_units_are_what_the_simulation_runs(self):
        simulated = (ROOT / "sim-fabric/k42sim/node.py").read_text()
        for name in ("k42-noded", "k42-offload"):
            unit = (ANSIBLE / f"roles/node/templates/{name}.service.j2").read_text()
            for option in re.findall(r"--\w+", unit):
                self.assertIn(f'"{option}"', simulated)


class Apply(unittest.TestCase):
    def play(self, host):
        out = run(["ansible-playbook", "-i", host.inventory(), "site.yml"], 1500, cwd=ANSIBLE,
                  env=dict(os.environ, ANSIBLE_NOCOLOR="1", ANSIBLE_LOCALHOST_WARNING="False"))
        return int(re.search(r"host1 .*changed=(\d+)", out)[1]), out

    def test_twice_and_a_node_runs(self):
        with Container() as host:
            changed, _ = self.play(host)
            self.assertGreater(changed, 5)
            changed, out = self.play(host)
            again = "\n".join(line for line in out.splitlines() if "changed" in line)
            self.assertEqual(changed, 0, again + self.journal(host))
            deadline = time.monotonic() + 60
            nodes = []
            while not nodes and time.monotonic() < deadline:
                done = subprocess.run(host.ssh("runuser -u k42 -- k42ctl nodes --json"), capture_output=True, text=True)
                nodes = json.loads(done.stdout)["nodes"] if done.returncode == 0 else []
                time.sleep(1)
            self.assertEqual([one["name"] for one in nodes], ["n1"], done.stderr + self.journal(host))

    @staticmethod
    def journal(host):
        return run(host.ssh("journalctl -u k42-noded -u k42-qemu -u etcd -n 30 --no-pager"))


if __name__ == "__main__":
    if "--apply" in sys.argv:
        sys.argv.remove("--apply")
    else:
        del Apply
    unittest.main(verbosity=2)
