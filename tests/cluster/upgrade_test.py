#!/usr/bin/env python3
"""A class of three running kernels goes to another version and back, under calls; and what is refused
on the way. The kernels are the test kernel, whose class Probe is called by every CPU all the time
(tests/guest/modules_test.cc, serve_probe) and says twice a second on the console how that goes."""
import base64
import http.client
import json
import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from support import BUILD, Cluster, eventually, main, run  # noqa: E402

OPTIONS = ["--cpus", "2", "--memory", "128M", "--timeout", "120", "--kernel", BUILD / "k42-test.elf",
           "--append", "test=serve_probe"]
MODULE = BUILD / "modules/probe_v2_test.ko"
SAID = re.compile(r"probe: version (\d+), calls (\d+), (\w+)")
NODES = ("n1", "n2", "n3")


class Store:
    """The cluster's etcd, by its gateway: what an orchestrator gone mad might write."""

    def __init__(self, cluster):
        host, port = cluster.status()["etcd"][0]["endpoint"].split(":")
        self._place = host, int(port)
        self._name = cluster.name

    def _ask(self, path, body):
        connection = http.client.HTTPConnection(*self._place, timeout=10)
        try:
            connection.request("POST", path, json.dumps(body))
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def put(self, key, value):
        value = value.encode() if isinstance(value, str) else value
        self._ask("/v3/kv/put", {"key": base64.b64encode(key.encode()).decode(),
                                 "value": base64.b64encode(value).decode()})

    def put_module(self, digest, value):
        self.put(f"/k42-modules/{self._name}/{digest}", value)

    def put_rollout(self, number, digest, to=2, class_name="Probe"):
        """A rollout over all three nodes that no daemon has looked at."""
        self.put(f"/k42/{self._name}/upgrade/rollout", json.dumps(
            {"id": f"forced-{number}", "class": class_name, "from": {"version": to - 1, "digest": ""},
             "to": {"version": to, "digest": digest}, "waves": [[1], [2, 3]], "soak_ms": 0, "phase": "rolling",
             "wave": 0, "wave_ready_at_ms": 0, "reason": ""}))


class Rolled:
    """A cluster with what the tests ask of it."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.folder = pathlib.Path(cluster.status()["folder"])

    def said(self, node):
        """(version, calls, verdict) of each line so far."""
        text = (self.folder / node / "console.log").read_text(errors="replace")
        return [(int(version), int(calls), verdict) for version, calls, verdict in SAID.findall(text)]

    def all_at(self, version):
        return all((lines := self.said(node)) and lines[-1][0] == version for node in NODES)

    def sign(self, module, key=None):
        out = self.folder / "signed.k42m"
        run([BUILD / "bin/k42-module", "sign", module, "--key", key or self.folder / "module.key", "-o", out])
        return out

    def digest(self, signed):
        return re.search(r"digest (\w+)", run([BUILD / "bin/k42-module", "show", signed]).stdout)[1]

    def upgrade(self, *words, **options):
        return self.cluster.ctl("upgrade", *words, limit=120, **options)

    def status(self):
        return json.loads(self.upgrade("status", "--json").stdout)

    def lives(self):
        nodes = json.loads(self.cluster.ctl("nodes", "--json").stdout)["nodes"]
        return {one["name"]: one["incarnation"] for one in nodes}

    def boots(self):
        return {node: (self.folder / node / "console.log").read_text(errors="replace").count("k42: ready")
                for node in NODES}

    def check_calls(self, test):
        """Everywhere calls went on, none failed, none was lost or done twice."""
        for node in NODES:
            lines = self.said(node)
            test.assertEqual({verdict for _, _, verdict in lines}, {"good"}, node)
            calls = [calls for _, calls, _ in lines]
            test.assertEqual(calls, sorted(calls), node)
            test.assertGreater(calls[-1], calls[0], node)


class Upgrade(unittest.TestCase):
    def test_forth_and_back_under_calls(self):
        with Cluster(nodes=3, options=OPTIONS) as cluster:
            rolled = Rolled(cluster)
            eventually(lambda: rolled.all_at(1), limit=60, what="probes")
            lives, boots = rolled.lives(), rolled.boots()
            signed = rolled.sign(MODULE)
            self.assertIn("Probe, version 1 to 2", rolled.upgrade("push", signed).stdout)
            forth = rolled.upgrade("start", "--class", "Probe", "--to", signed, "--waves", "n1/n2,n3", "--soak", "300")
            self.assertIn("promoted", forth.stdout)
            eventually(lambda: rolled.all_at(2), limit=30, what="version 2 everywhere")
            # The first node was there before the others.
            status = rolled.status()
            self.assertEqual(status["committed"]["Probe"], [{"version": 2, "digest": rolled.digest(signed)}])
            self.assertEqual([node["classes"]["Probe"]["version"] for node in status["nodes"]], [2, 2, 2])

            refused = rolled.upgrade("start", "--class", "Probe", "--to", signed, check=False)
            self.assertIn("the cluster runs 2", refused.stderr)

            # A node that starts again runs what is committed before it is a member.
            cluster.fault("kill", "n3", "--part", "qemu")
            eventually(lambda: rolled.lives().get("n3", 0) > lives["n3"], limit=60, what="n3's return")
            eventually(lambda: rolled.boots()["n3"] == 2, limit=30)
            lives["n3"], boots["n3"] = rolled.lives()["n3"], 2
            daemon = (rolled.folder / "n3/noded.log").read_text(errors="replace").rpartition(" attached")[2]
            self.assertIn("Probe: done", daemon)
            self.assertLess(daemon.index("Probe: done"), daemon.index("joined as"))
            eventually(lambda: rolled.all_at(2), limit=30, what="version 2 on the new n3")

            back = rolled.upgrade("start", "--class", "Probe", "--back")
            self.assertIn("promoted", back.stdout)
            eventually(lambda: rolled.all_at(1), limit=30, what="version 1 everywhere")
            self.assertNotIn("Probe", rolled.status()["committed"])
            self.assertEqual(rolled.lives(), lives)
            self.assertEqual(rolled.boots(), boots)
            for node in ("n1", "n2"):
                self.assertEqual({version for version, _, _ in rolled.said(node)}, {1, 2})
            eventually(lambda: rolled.status().get("left_modules") == 0, limit=30, what="the module's end")
            for node in NODES:
                self.assertEqual({verdict for _, _, verdict in rolled.said(node)}, {"good"}, node)
            for node in ("n1", "n2"):  # n3 began anew
                calls = [calls for _, calls, _ in rolled.said(node)]
                self.assertEqual(calls, sorted(calls), node)

    def test_whoever_dies_or_changes_their_mind(self):
        with Cluster(nodes=3, options=OPTIONS) as cluster:
            rolled = Rolled(cluster)
            eventually(lambda: rolled.all_at(1), limit=60, what="probes")
            signed = rolled.sign(MODULE)
            rolled.upgrade("push", signed)
            self.assertIn("no rollout", rolled.upgrade("abort", check=False).stderr)

            def waits_for(words):
                return eventually(lambda: words in rolled.upgrade("why-stuck").stdout, limit=60, what=words)

            # An operator thinks better of it while the first wave soaks.
            rolled.upgrade("start", "--class", "Probe", "--to", signed, "--waves", "n1/n2,n3", "--soak", "600000",
                           "--no-wait")
            waits_for("wave 1 of 2 soaks")
            self.assertIn("soaks", json.loads(rolled.upgrade("why-stuck", "--json").stdout)["why"][0])
            self.assertEqual([rolled.said(node)[-1][0] for node in ("n2", "n3")], [1, 1])
            eventually(lambda: rolled.said("n1")[-1][0] == 2, limit=30, what="version 2 on n1")
            again = rolled.upgrade("start", "--class", "Probe", "--to", signed, check=False)
            self.assertIn("is under way", again.stderr)
            self.assertIn("rolling-back", rolled.upgrade("abort").stdout)
            eventually(lambda: rolled.status()["rollout"]["phase"] == "rolled-back", limit=60, what="the way back")
            eventually(lambda: rolled.all_at(1), limit=30, what="version 1 everywhere")
            self.assertEqual(rolled.upgrade("why-stuck").stdout, "")

            # The daemon that takes the record on dies, its guest does not: it comes back, or another takes
            # over, and nothing is lost. Nor is it when a whole host dies that has the first wave.
            rolled.upgrade("start", "--class", "Probe", "--to", signed, "--waves", "n1/n2,n3", "--soak", "3000",
                           "--no-wait")
            waits_for("wave 1 of 2 soaks")
            cluster.fault("kill", "n1", "--part", "noded")
            eventually(lambda: rolled.status()["rollout"]["phase"] == "promoted", limit=90, what="promotion")
            eventually(lambda: rolled.all_at(2), limit=30, what="version 2 everywhere")
            rolled.check_calls(self)

            rolled.upgrade("start", "--class", "Probe", "--back", "--waves", "n1/n2,n3", "--soak", "3000", "--no-wait")
            waits_for("wave 1 of 2 soaks")
            cluster.fault("kill", "n1")
            eventually(lambda: "n1" not in rolled.lives(), limit=30, what="a view without n1")
            eventually(lambda: rolled.status()["rollout"]["phase"] == "promoted", limit=60, what="promotion by n2")
            for node in ("n2", "n3"):
                eventually(lambda node=node: rolled.said(node)[-1][0] == 1, limit=30, what=f"version 1 on {node}")
                self.assertEqual({verdict for _, _, verdict in rolled.said(node)}, {"good"}, node)

    def test_what_is_refused_leaves_everything_as_it_was(self):
        with Cluster(nodes=3, options=OPTIONS) as cluster:
            rolled = Rolled(cluster)
            eventually(lambda: rolled.all_at(1), limit=60, what="probes")
            lives = rolled.lives()
            store = Store(cluster)
            signed = rolled.sign(MODULE)
            bytes_, digest = signed.read_bytes(), rolled.digest(signed)

            def made(change):
                """The module with `change` made to it and signed again; its file, its digest."""
                module = rolled.folder / "changed.ko"
                data = bytearray(MODULE.read_bytes())
                change(data)
                module.write_bytes(data)
                out = rolled.sign(module)
                return out.read_bytes(), rolled.digest(out)

            def forced(number, key, text, words, **options):
                store.put_module(key, text)
                store.put_rollout(number, key, **options)
                status = eventually(lambda: (one := rolled.status())["rollout"]["id"] == f"forced-{number}"
                                    and one["rollout"]["ended"] and one, limit=60, what=f"the end of {words}")
                self.assertEqual(status["rollout"]["phase"], "rolled-back")
                self.assertIn(words, status["rollout"]["reason"])
                self.assertEqual([node["classes"]["Probe"] for node in status["nodes"]],
                                 3 * [{"version": 1, "digest": ""}])

            # At the door: push looks at the signature before anything is stored.
            stranger = rolled.folder / "stranger"
            run([BUILD / "bin/k42-module", "keys", stranger])
            foreign = rolled.sign(MODULE, key=stranger / "module.key")
            self.assertIn("none of the installed keys", rolled.upgrade("push", foreign, check=False).stderr)
            self.assertIn("not in the store",
                          rolled.upgrade("start", "--class", "Probe", "--to", foreign, check=False).stderr)
            self.assertIn("no class 'Strange'",
                          rolled.upgrade("start", "--class", "Strange", "--to", signed, check=False).stderr)
            # Past the door: each node looks itself, and its kernel again.
            forced(1, digest, foreign.read_bytes(), "none of the installed keys")
            forced(2, digest, bytes_[:80] + b"X" + bytes_[81:], "digest is not the one")
            forced(3, digest, b"Y" + bytes_[1:], "none of the installed keys")
            record = MODULE.read_bytes().index(bytes.fromhex("01004b34324d4f44"))

            def other_kernel(data):
                data[record + 64] ^= 1
            text, key = made(other_kernel)
            forced(4, key, text, "another kernel (build id)")

            def from_two(data):
                data[record + 8:record + 16] = b"\2\0\0\0\3\0\0\0"
            text, key = made(from_two)
            forced(5, key, text, "from version 2 to 3, not from 1 to 2")
            self.assertEqual(rolled.upgrade("push", rolled.folder / "signed.k42m").returncode, 0)
            self.assertIn("leads from version 2",
                          rolled.upgrade("start", "--class", "Probe", "--to", key, check=False).stderr)

            def other_class(data):
                data[record + 16:record + 18] = b"Qr"
            text, key = made(other_class)
            forced(6, key, text, "class Qrobe")

            def strange_import(data):
                at = data.index(b"_ZN3k424cobj4Root10HandleMiss")
                data[at + 2] = ord("Q")
            text, key = made(strange_import)
            forced(7, key, text, "exports no _ZQ3k42")

            def failing(data):
                at = data.rindex(bytes.fromhex("6b6f5f65626f7270"))
                data[at] ^= 1
            text, key = made(failing)
            forced(8, key, text, "self-test failed")

            self.assertIn("built with", rolled.upgrade("start", "--class", "Probe", "--back", check=False).stderr)
            rolled.check_calls(self)
            self.assertEqual(rolled.lives(), lives)
            self.assertTrue(all({version for version, _, _ in rolled.said(node)} == {1} for node in NODES))
            # And then the good one goes through.
            store.put_module(digest, bytes_)
            self.assertIn("promoted", rolled.upgrade("start", "--class", "Probe", "--to", digest).stdout)


if __name__ == "__main__":
    main("k42-test.elf", "modules/probe_v2_test.ko", "bin/k42-noded", "bin/k42ctl", "bin/k42-module")
