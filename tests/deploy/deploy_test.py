#!/usr/bin/env python3
"""The playbook: lint and syntax; with --apply it is run twice on two bare hosts, which form a cluster.

The hosts are booted containers (hosts.py). Needs root for --apply.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import unittest

import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import hosts as containers  # noqa: E402
from hosts import ROOT, run  # noqa: E402

sys.path.insert(0, str(ROOT / "sim-fabric"))
from k42sim import node, plan as plans, qemu  # noqa: E402

ANSIBLE = ROOT / "deploy/ansible"


def inventory(hosts):
    members = {f"host{number}": {
        "ansible_host": hosts.address(number), "ansible_user": "root", "address": hosts.address(number),
        "ansible_ssh_private_key_file": str(hosts.key), "k42_node": number,
        "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"}
        for number in hosts.numbers}
    variables = {"k42_cluster": "test", "node_cpus": 1, "node_memory_mib": 512, "node_arena_mib": 64,
                 "node_transport": "tcp", "node_job_packages": containers.JOB_PACKAGES}
    path = hosts.folder / "inventory.json"
    path.write_text(json.dumps({"all": {"vars": variables, "children": {
        "store": {"hosts": {"host1": members["host1"]}}, "nodes": {"hosts": members}}}}))
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
            for option in re.findall(r"--[\w-]+", unit):
                self.assertIn(f'"{option}"', simulated)

    def test_units_are_started_again_as_the_simulation_does(self):
        units = {name: (ANSIBLE / f"roles/node/templates/{name}.service.j2").read_text().splitlines()
                 for name in ("k42-qemu", "k42-noded", "k42-offload")}
        for lines in units.values():
            self.assertIn("Restart=always", lines)
            self.assertIn("StartLimitIntervalSec=0", lines[:lines.index("[Service]")])
        self.assertIn(f"RestartPreventExitStatus={node.POWER_OFF} {node.REFUSED_OPTION}", units["k42-qemu"])

    def test_only_what_qemu_is_told_is_in_the_plan(self):
        """Whatever else stood there would end every guest when it changes."""
        read = set()

        class Watched(plans.Plan):
            def __getattribute__(self, name):
                read.add(name)
                return super().__getattribute__(name)
        qemu.command(Watched("c", memory_mib=64), 1, "/run/k42", "/srv")
        text = (ANSIBLE / "roles/node/templates/plan.json.j2").read_text()
        # The share is an argument, which the launcher takes from the plan.
        self.assertLessEqual(set(re.findall(r'^ "(\w+)":', text, re.M)), read | {"share"})
        plans.Plan(**json.loads(re.sub(r"{{.*?}}", "1", text)))

    def test_a_unit_restarts_nothing_else(self):
        tasks = yaml.safe_load((ANSIBLE / "roles/node/tasks/main.yml").read_text())
        handlers = {one["name"]: one for one in yaml.safe_load((ANSIBLE / "roles/node/handlers/main.yml").read_text())}
        units = [one for one in tasks if one["name"].startswith("Unit of ")]
        self.assertEqual(len(units), 3)
        for one in units:
            self.assertNotIn("loop", one)  # it would notify for all of them
            unit = handlers[one["notify"]]["ansible.builtin.systemd"]["name"]
            self.assertEqual(one["ansible.builtin.template"]["src"], f"{unit}.service.j2")

    def test_hosts_are_taken_one_after_another(self):
        plays = {one["hosts"]: one for one in yaml.safe_load((ANSIBLE / "site.yml").read_text())}
        self.assertEqual(plays["nodes"]["serial"], "{{ k42_serial | default(1) }}")
        (restart,) = yaml.safe_load((ANSIBLE / "roles/store/handlers/main.yml").read_text())
        self.assertEqual(restart["throttle"], 1)

    def test_programs_of_a_node_do_not_reach_the_store(self):
        unit = (ANSIBLE / "roles/node/templates/k42-offload.service.j2").read_text()
        denied = unit[unit.index("--deny"):unit.index("Restart=")]
        self.assertIn("groups['store']", denied)
        self.assertIn("{{ hostvars[host].address }}:{{ port }}", denied)
        self.assertIn("[node_store_port, node_store_peer_port]", denied)


# A node listens, another sends: bytes between two kernels, over UCX/TCP between two hosts.
LISTEN = """
import socket
with socket.create_server(("", 5000)) as listener:
    print("listening", flush=True)
    connection, peer = listener.accept()
    data = b""
    while chunk := connection.recv(65536):
        data += chunk
    print(peer[0], len(data), sum(data) % 65521)
"""
SEND = """
import socket
with socket.create_connection(("10.42.0.2", 5000), timeout=60) as connection:
    connection.sendall(bytes(range(256)) * 1024)
"""


class Apply(unittest.TestCase):
    def play(self, hosts):
        out = run(["ansible-playbook", "-i", inventory(hosts), "site.yml"], 2400, cwd=ANSIBLE,
                  env=dict(os.environ, ANSIBLE_NOCOLOR="1", ANSIBLE_LOCALHOST_WARNING="False"))
        return {name: int(count) for name, count in re.findall(r"^(host\d+) .*changed=(\d+)", out, re.M)}, out

    def test_two_bare_hosts_become_a_cluster(self):
        with containers.Hosts(2) as hosts:
            changed, _ = self.play(hosts)
            self.assertEqual(sorted(changed), ["host1", "host2"])
            self.assertGreater(min(changed.values()), 5)
            changed, out = self.play(hosts)
            again = "\n".join(line for line in out.splitlines() if "changed:" in line)
            self.assertEqual(changed, {"host1": 0, "host2": 0}, again)
            self.see_each_other(hosts)
            self.run_programs(hosts)
            self.run_mpi_job(hosts)

    def see_each_other(self, hosts):
        for number in hosts.numbers:
            deadline = time.monotonic() + 120
            names = []
            while names != ["n1", "n2"] and time.monotonic() < deadline:
                done = hosts.try_on(number, "runuser -u k42 -- k42ctl nodes --json")
                nodes = json.loads(done.stdout)["nodes"] if done.returncode == 0 else []
                names = [one["name"] for one in nodes]
                time.sleep(1)
            self.assertEqual(names, ["n1", "n2"], done.stderr + self.journal(hosts, number))

    def run_programs(self, hosts):
        for number in hosts.numbers:
            told = hosts.on(number, f"runuser -u k42 -- k42ctl run --node n{number} -- /usr/bin/uname -n")
            self.assertEqual(told, f"n{number}\n")
        (hosts.share / "listen.py").write_text(LISTEN)
        (hosts.share / "send.py").write_text(SEND)
        command = "runuser -u k42 -- k42ctl run --node n{0} -- /usr/bin/python3 /cluster/{1}.py"
        listener = subprocess.Popen(hosts.ssh(2, command.format(2, "listen")), stdin=subprocess.DEVNULL,
                                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(listener.stdout.readline(), "listening\n")
        hosts.on(1, command.format(1, "send"))
        told, _ = listener.communicate(timeout=120)
        data = bytes(range(256)) * 1024
        self.assertEqual(told, f"10.42.0.1 {len(data)} {sum(data) % 65521}\n")

    def run_mpi_job(self, hosts):
        """Results checked by the job itself; each rank's boot id is that of its node's kernel."""
        run(["mpicc.openmpi", "-O2", "-Wall", "-o", hosts.share / "ring", ROOT / "tests/mpi/ring.c"])
        ask = "runuser -u k42 -- k42ctl run --node n{0} -- /bin/cat /proc/sys/kernel/random/boot_id"
        ids = {number: hosts.on(number, ask.format(number)).strip() for number in hosts.numbers}
        self.assertNotEqual(ids[1], ids[2])
        told = hosts.on(1, "runuser -u k42 -- k42ctl mpirun -n 4 --nodes n1:2,n2:2 -- /cluster/ring", 300)
        self.assertIn("ring ok: 4 ranks", told)
        places = dict(re.findall(r"^rank (\d+) host \S+ boot (\S+)", told, re.M))
        self.assertEqual(places, {"0": ids[1], "1": ids[1], "2": ids[2], "3": ids[2]}, told)

    @staticmethod
    def journal(hosts, number):
        return hosts.try_on(number, "journalctl -u k42-noded -u k42-qemu -u etcd -n 30 --no-pager").stdout


if __name__ == "__main__":
    if "--apply" in sys.argv:
        containers.enter_namespace()
        sys.argv.remove("--apply")
    else:
        del Apply
    unittest.main(verbosity=2)
