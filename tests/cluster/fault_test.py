#!/usr/bin/env python3
"""Faults: of the ways between nodes and to the store, of processes, of clocks; what is no fault, and is said so."""
import asyncio
import contextlib
import json
import os
import pathlib
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from support import ROOT, Cluster, eventually, main  # noqa: E402

sys.path.insert(0, str(ROOT / "sim-fabric"))
from k42sim import faults, noded, store_ways  # noqa: E402

LISTEN = """
import socket
with socket.create_server(("", 5000)) as listener:
    print("listening", flush=True)
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"hello")
"""
CONNECT = """
import socket
with socket.create_connection(("10.42.0.2", 5000), timeout=20) as connection:
    print(connection.recv(5).decode())
"""
CLOCK = "import time; print(time.monotonic())"


class Asked(unittest.TestCase):
    """What cannot be is refused with a sentence, before anything is done."""

    def refused(self, words, *fault, nodes=2, members=1, bare=False, **options):
        with self.assertRaisesRegex(ValueError, words):
            faults.Fault(*fault, **options).check(nodes, members, bare)

    def test_targets(self):
        self.refused("no node n9; there are n1..n2", "kill", ["n9"])
        self.refused("no node n01", "kill", ["n01"])
        self.refused("no etcd member m1; there are m0..m0", "pause", ["m1"])
        self.refused("this cluster has no etcd", "pause", ["m0"], members=0, bare=True)
        self.refused("'x' is neither a node", "cut", ["n1", "x"])
        self.refused("n1 is named twice", "cut", ["n1", "n2", "n1"])
        self.refused("two targets or more", "cut", ["n1"])
        self.refused("two nodes", "hold", ["n1", "m0"])
        self.refused("two targets: whose operations", "break", ["n1", "n2", "n3"], nodes=3)
        self.refused("between etcd members", "cut", ["m0", "m1"], members=3)
        self.refused("there is no way to cut", "cut", ["n1", "n2"], bare=True)

    def test_values(self):
        for kind, value in (("delay", None), ("delay", -1), ("delay", 1e9), ("slow", 0), ("slow", None),
                            ("break", -1), ("clock", None), ("clock", 1e9)):
            self.refused(f"{kind} wants --value", kind, ["n1", "n2"], value=value)
        self.refused("has no --value", "kill", ["n1"], value=1.0)
        self.refused("whole number", "break", ["n1", "n2"], value=1.5)
        self.refused("moved by nothing", "clock", ["n1"], value=0.0)
        self.refused("--undone", "cut", ["n1", "n2"], undone=True)
        self.refused("--by", "kill", ["n1"], by="monitor")
        self.refused("use cut, then heal", "loss", ["n1", "n2"], value=5.0)

    def test_parts(self):
        self.refused("not of a part", "cut", ["n1", "n2"], part="noded")
        self.refused("has no part noded", "kill", ["m0"], part="noded")
        self.refused("there is no noded", "kill", ["n1"], part="noded", bare=True)
        self.refused("only a guest is paused", "pause", ["m0"], by="monitor")
        self.refused("only a guest is paused", "pause", ["n1"], part="noded", by="monitor")
        self.refused("only a guest's clock", "clock", ["m0"], value=-100.0)
        self.refused("only a guest's clock", "clock", ["n1"], part="noded", value=-100.0)
        self.refused("breaks at once", "break", ["n1", "m0"], value=3.0)

    def test_pairs(self):
        everyone = ["n1", "n2", "m0", "m1"]
        self.assertEqual(faults.Fault("heal", ["n2"]).pairs(everyone), [("n2", "n1"), ("n2", "m0"), ("n2", "m1")])
        self.assertEqual(faults.Fault("heal", ["m1"]).pairs(everyone), [("n1", "m1"), ("n2", "m1")])
        self.assertEqual(faults.Fault("cut", ["m0", "n2", "m1"]).pairs(everyone), [("n2", "m0"), ("n2", "m1")])
        self.assertEqual(faults.Fault("break", ["n2", "n1"]).pairs(everyone), [("n2", "n1")])


class WaysToTheStore(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        async def echo(reader, writer):
            with contextlib.suppress(OSError):
                while data := await reader.read(1 << 16):
                    writer.write(data)
            writer.close()
        self.server = await asyncio.start_server(echo, "127.0.0.1", 0)
        self.way = store_ways.StoreWay("n1 m0", self.server.sockets[0].getsockname()[1], 7)
        await self.way.open()

    async def asyncTearDown(self):
        await self.way.close()
        self.server.close()

    async def connect(self):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.way.port)
        self.addCleanup(writer.close)

        async def echo(data=b"x", limit=20):
            began = time.monotonic()
            writer.write(data)
            self.assertEqual(await asyncio.wait_for(reader.readexactly(len(data)), limit), data)
            return time.monotonic() - began
        return echo

    async def test_cut_and_healed_nothing_is_lost(self):
        echo = await self.connect()
        await echo(os.urandom(1 << 20))
        self.way.set("cut", None)
        with self.assertRaises(TimeoutError):
            await echo(b"a", 0.3)
        later = await self.connect()  # taken, and hears nothing
        with self.assertRaises(TimeoutError):
            await later(b"b", 0.3)
        self.way.set("heal", None)
        reader = await self.connect()
        await reader(b"c")

    async def test_slow_and_delayed(self):
        echo = await self.connect()
        self.way.set("slow", 1.0)
        self.assertGreater(await echo(os.urandom(200_000)), 0.2)
        self.way.set("heal", None)
        self.way.set("delay", 200)
        self.assertGreater(max([await echo() for _ in range(5)]), 0.2)
        self.way.set("heal", None)
        self.assertLess(min([await echo() for _ in range(5)]), 0.1)

    async def test_slow_is_the_way_and_not_each_connection(self):
        self.way.set("slow", 1.0)
        both = [await self.connect() for _ in range(2)]
        # There and back: the second connection's last byte leaves when 0.4 s are over, and is back 0.1 s later or more.
        took = await asyncio.gather(*(one(os.urandom(200_000)) for one in both))
        self.assertGreater(max(took), 0.4)

    async def test_healing_lets_go_what_waits(self):
        for kind, value in ("delay", 60_000), ("slow", 0.001):
            echo = await self.connect()
            self.way.set(kind, value)
            waits = asyncio.create_task(echo(os.urandom(200_000)))
            await asyncio.sleep(0.2)
            self.assertFalse(waits.done())
            self.way.set("heal", None)
            self.assertLess(await waits, 10)
            self.assertLess(await echo(), 10)

    async def test_another_value_holds_at_once(self):
        for kind, much, little in ("slow", 0.001, 100.0), ("delay", 60_000, 10):
            self.way.set(kind, much)
            echo = await self.connect()
            waits = asyncio.create_task(echo(os.urandom(200_000)))
            await asyncio.sleep(0.2)
            self.assertFalse(waits.done())
            self.way.set(kind, little)
            self.assertLess(await waits, 10)

    async def test_what_a_break_took_off_a_slow_way_holds_up_nobody(self):
        self.way.set("slow", 0.001)
        _, writer = await asyncio.open_connection("127.0.0.1", self.way.port)
        self.addCleanup(writer.close)
        writer.write(os.urandom(200_000))
        await asyncio.sleep(0.2)
        self.way.set("break", 0)
        self.assertLess(await (await self.connect())(), 10)

    async def test_a_break_is_an_error_at_both_ends(self):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.way.port)
        self.addCleanup(writer.close)
        writer.write(b"x")
        self.assertEqual(await reader.readexactly(1), b"x")
        self.way.set("break", 0)
        with self.assertRaises(ConnectionResetError):
            await asyncio.wait_for(reader.read(1), 20)

    async def test_a_break_is_an_end_of_every_connection(self):
        echo = await self.connect()
        await echo()
        self.way.set("break", 0)
        with self.assertRaises((OSError, EOFError)):
            await echo()
        await (await self.connect())()

    async def test_nobody_there(self):
        self.server.close()
        await self.server.wait_closed()
        echo = await self.connect()
        with self.assertRaises((OSError, EOFError)):
            await echo()


class Faults(unittest.TestCase):
    def endpoint(self, cluster, node, peer):
        fabric = json.loads(cluster.ctl("fabric", "--node", node).stdout)
        self.assertIsInstance(fabric["devices"], list)
        found = [one for one in fabric["endpoints"] if one["peer"] == peer]
        self.assertEqual(len(found), 1, fabric)
        return found[0]

    def test_a_cut_way_and_its_healing(self):
        with Cluster(nodes=2, options=["--cpus", "1", "--timeout", "90"]) as cluster:
            share = pathlib.Path(cluster.status()["share"])
            (share / "listen.py").write_text(LISTEN)
            (share / "connect.py").write_text(CONNECT)
            listener = cluster.start("run", "--node", "n2", "--", "/usr/bin/python3", "/cluster/listen.py")
            self.assertEqual(listener.stdout.readline(), "listening\n")

            def connect():
                return cluster.ctl("run", "--node", "n1", "--", "/usr/bin/python3", "/cluster/connect.py", check=False)

            def healthy():
                return connect().stdout == "hello\n"

            self.assertTrue(healthy())
            before = self.endpoint(cluster, "n1", "n2")
            self.assertEqual((before["transport"], before["cut"], before["breaks"]), ("mapped", False, 0))
            self.assertGreater(before["sent"], 0)
            self.assertGreater(before["sent_bytes"], 0)

            cluster.fault("cut", "n1", "n2")
            self.assertTrue(self.endpoint(cluster, "n1", "n2")["cut"])
            self.assertTrue(self.endpoint(cluster, "n2", "n1")["cut"])
            self.assertNotEqual(connect().returncode, 0)
            with self.assertRaisesRegex(AssertionError, "no endpoint to n2 to break"):
                cluster.fault("break", "n1", "n2")
            nodes = json.loads(cluster.ctl("nodes", "--json").stdout)["nodes"]
            self.assertEqual(len(nodes), 2)  # the store is reached by both: nobody is dead

            cluster.fault("heal", "n1", "n2")
            eventually(healthy, what="a connection after healing")
            cluster.fault("delay", "n1", "n2", "--value", "20")
            self.assertEqual(self.endpoint(cluster, "n2", "n1")["delay_ms"], 20)
            self.assertTrue(healthy())
            cluster.fault("heal", "n1", "n2")
            self.assertEqual(self.endpoint(cluster, "n2", "n1")["delay_ms"], 0)
            with self.assertRaisesRegex(AssertionError, "they break: use cut"):
                cluster.fault("loss", "n1", "n2", "--value", "5")
            listener.kill()
            listener.communicate()
            self.slow_and_broken(cluster)

    def slow_and_broken(self, cluster):
        def store(count=1, size=4096, check=True):
            return cluster.ctl("ping", "n1", "n2", "--store", "--size", size, "--count", count, "--json", check=check)

        def least_ms():
            return json.loads(store(count=3).stdout)["least_ns"] / 1e6

        least_ms()
        cluster.fault("slow", "n1", "n2", "--value", "0.01")  # 4 KiB take 0.4 s
        self.assertEqual(self.endpoint(cluster, "n1", "n2")["bytes_per_second"], 10_000)
        self.assertGreater(least_ms(), 400)
        cluster.fault("heal", "n1", "n2")
        self.assertLess(least_ms(), 300)

        breaks = self.endpoint(cluster, "n1", "n2")["breaks"]
        cluster.fault("break", "n1", "n2")
        eventually(lambda: self.endpoint(cluster, "n1", "n2")["breaks"] == breaks + 1, what="the break")
        eventually(lambda: store(check=False).returncode == 0, what="a store after the break")
        for undone in ([], ["--undone"]):
            breaks = self.endpoint(cluster, "n1", "n2")["breaks"]
            cluster.fault("break", "n1", "n2", "--value", "1", *undone)
            doubtful = store(check=False)
            self.assertNotEqual(doubtful.returncode, 0, doubtful)
            self.assertIn("kEndpointDown", doubtful.stderr)
            eventually(lambda: store(check=False).returncode == 0, what="a store after the break")
            self.assertGreater(self.endpoint(cluster, "n1", "n2")["breaks"], breaks)

    def clocks(self, cluster):
        """How far a guest's clock is ahead of this machine's, but for a constant."""
        began = time.monotonic()
        inside = float(cluster.ctl("run", "--node", "n1", "--", "/usr/bin/python3", "-c", CLOCK).stdout)
        return inside - (began + time.monotonic()) / 2, (time.monotonic() - began) / 2

    def test_pauses_and_clocks(self):
        with Cluster(nodes=1, options=["--cpus", "1", "--timeout", "90"]) as cluster:
            cluster.fault("pause", "n1", "--by", "monitor")
            one = cluster.node("n1")
            self.assertEqual((one["state"], one["paused"]), ("paused", ["guest"]))
            cluster.fault("resume", "n1")
            cluster.fault("pause", "n1", "--part", "qemu")
            self.assertEqual(cluster.node("n1")["paused"], ["qemu"])
            stopped = cluster.sim("fault", "--cluster", "test", "pause", "n1", "--by", "monitor", check=False)
            self.assertIn("the monitor says nothing", stopped.stderr)
            cluster.fault("resume", "n1")
            eventually(lambda: cluster.node("n1")["state"] == "up")
            before, unsure = self.clocks(cluster)
            cluster.fault("clock", "n1", "--value", "2500")
            jumped, unsure_too = self.clocks(cluster)
            self.assertLess(abs(jumped - before), 0.1 + unsure + unsure_too)
            cluster.fault("clock", "n1", "--value", "-2500")
            behind, unsure = self.clocks(cluster)
            self.assertLess(abs(behind - jumped + 2.5), 0.2 + unsure + unsure_too)
            cluster.fault("clock", "m0", "--value", "300")
            cluster.fault("clock", "n1", "--part", "noded", "--value", "300")
            eventually(lambda: cluster.node("n1")["state"] == "up")
            refused = cluster.sim("fault", "--cluster", "test", "clock", "n1", check=False)
            self.assertIn("clock wants --value", refused.stderr)

    def test_the_way_to_the_store(self):
        """A node that is cut off from the store is removed by the others, and rejoins; one whose way breaks stays."""
        with Cluster(nodes=2, options=["--cpus", "1", "--timeout", "90"]) as cluster:
            folder = pathlib.Path(cluster.node("n2")["folder"])

            def seen():
                answer = asyncio.run(noded.ask(folder / "noded.sock", {"request": "nodes"}, 10))
                return {one["name"]: one["incarnation"] for one in answer["nodes"]}

            first = seen()
            for member in cluster.node("n1")["store"], cluster.node("n2")["store"]:
                self.assertEqual([(way["cut"], way["delay_ms"]) for way in member], [(False, 0)])
            cluster.fault("break", "n1", "m0")
            cluster.fault("delay", "n1", "m0", "--value", "50")
            self.assertEqual(cluster.node("n1")["store"][0]["delay_ms"], 50)
            time.sleep(8)  # longer than a lease
            self.assertEqual(seen(), first)
            cluster.fault("heal", "n1")
            cluster.fault("cut", "n1", "m0")
            eventually(lambda: "n1" not in seen(), what="n1's removal")
            cluster.fault("heal", "n1", "m0")
            eventually(lambda: seen().get("n1", 0) > first["n1"], limit=90, what="n1's next life")
            self.assertEqual(seen()["n2"], first["n2"])


if __name__ == "__main__":
    main()
