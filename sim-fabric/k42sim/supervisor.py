"""The supervisor: one process per cluster, that keeps its parts running until `down`.

Its control socket takes one JSON line per connection, {"request": NAME, ...}, and answers with one,
{"ok": true, ...} or {"ok": false, "text": sentence}; `events` answers with a line per event until the
cluster is ready or has failed. Requests: events, status, fault, stop.
"""
import asyncio
import dataclasses
import json
import os
import shutil
import signal
import sys
import time

from . import etcd, faults, machine, noded, node, places, plan as plans, processes, store_ways

LOOK_PERIOD = 0.2


class Supervisor:
    def __init__(self, place, plan):
        self.place, self.plan = place, plan
        self.register = processes.Register(place.processes)
        self.nodes = []
        self.etcd = None
        self.ways = store_ways.StoreWays(0, [], 0)
        self.events = []  # (seconds, kind, text); kinds: progress, ready, failed
        self.changed = asyncio.Event()
        self.done = asyncio.Event()
        self.began = time.monotonic()

    def tell(self, text, kind="progress"):
        self.events.append((round(time.monotonic() - self.began, 2), kind, text))
        print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)
        self.changed.set()
        self.changed = asyncio.Event()

    async def run(self):
        server = await asyncio.start_unix_server(self.serve, str(self.place.control))
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.done.set)
        try:
            starting = asyncio.create_task(self.start())
            await self.done.wait()
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
        finally:
            await self.stop()
            server.close()

    async def start(self):
        try:
            await self.start_parts()
        except Exception as error:  # whatever it is, the operator waits for a sentence
            self.tell(str(error) or repr(error), "failed")

    async def start_parts(self):
        plan, place = self.plan, self.place
        self.tell(f"{plan.nodes} nodes, {plan.cpus} CPUs and {plan.memory_mib} MiB each, "
                  f"{'KVM' if machine.accelerated() else 'emulated'}, transport {plan.transport}, seed {plan.seed}")
        denied = []  # to the nodes' programs: the store is the daemons'
        if not plan.bare:
            self.etcd = etcd.Etcd(place.folder / "etcd", plan.cluster, plan.etcd, self.register, self.tell)
            await self.etcd.start()
            self.ways = store_ways.StoreWays(plan.nodes, self.etcd.client_ports, plan.seed)
            await self.ways.open()
            denied = self.etcd.ports + self.ways.ports
            self.tell(f"etcd: {plan.etcd} member{'s' if plan.etcd > 1 else ''} on {', '.join(self.etcd.endpoints)}")
            await self.make_module_keys()
        for number in range(1, plan.nodes + 1):
            one = node.Node(plan, number, place.node(number), plan.share, self.ways.endpoints(f"n{number}"),
                            self.register, self.tell, denied)
            self.nodes.append(one)
            one.start()
        await self.await_nodes()

    async def make_module_keys(self):
        """Whose signature on a module the daemons of this cluster trust: module.key is its maker's."""
        process = await asyncio.create_subprocess_exec(self.plan.program("k42-module"), "keys",
                                                       str(self.place.folder))
        if await process.wait() != 0:
            raise RuntimeError("no key pair for modules could be made")

    async def await_nodes(self):
        waiting = list(self.nodes)
        deadline = time.monotonic() + self.plan.timeout
        while waiting:
            for one in list(waiting):
                if await one.look():
                    waiting.remove(one)
                    self.tell(f"{one.name}: up")
                elif one.state in ("failed", "off"):
                    self.tell(f"{one.name} did not come up: {one.why}", "failed")
                    return
            if waiting and time.monotonic() > deadline:
                text = "; ".join(f"{one.name} ({one.why or one.state}; {one.last_words()})" for one in waiting)
                self.tell(f"not up within {self.plan.timeout:.0f} s: {text}", "failed")
                return
            await asyncio.sleep(LOOK_PERIOD)
        while not self.plan.bare and not await self.agreed():
            if time.monotonic() > deadline:
                self.tell("the nodes are up, but do not see each other: " +
                          "; ".join(f"{one.name}: {one.seen or 'no authority'}" for one in self.nodes), "failed")
                return
            await asyncio.sleep(LOOK_PERIOD)
        self.tell(f"cluster {self.plan.cluster} is ready", "ready")

    async def agreed(self):
        """Every node has authority, and the same view of all."""
        await asyncio.gather(*(one.look() for one in self.nodes))
        seen = [one.seen for one in self.nodes]
        return seen[0] is not None and len(seen[0][1]) == len(seen) and all(one == seen[0] for one in seen)

    async def stop(self):
        await asyncio.gather(*(one.stop() for one in self.nodes))
        await self.ways.close()
        if self.etcd:
            await self.etcd.stop()

    # -- control socket --------------------------------------------------------------------------
    async def serve(self, reader, writer):
        try:
            request = json.loads(await reader.readline() or b"{}")
            handler = {"events": self.on_events, "status": self.on_status, "fault": self.on_fault,
                       "stop": self.on_stop}.get(request.get("request"))
            if handler is None:
                raise LookupError(f"no such request: {request.get('request')}")
            await handler(request, writer)
        except (LookupError, ValueError, OSError, TimeoutError, noded.Refused) as error:
            self.reply(writer, {"ok": False, "text": str(error)})
        finally:
            try:
                await writer.drain()
                writer.close()
            except OSError:
                pass  # the asker has gone

    @staticmethod
    def reply(writer, answer):
        writer.write(json.dumps(answer).encode() + b"\n")

    async def on_events(self, _request, writer):
        sent = 0
        while True:
            changed = self.changed
            while sent < len(self.events):
                seconds, kind, text = self.events[sent]
                sent += 1
                self.reply(writer, {"seconds": seconds, "kind": kind, "text": text})
                if kind != "progress":
                    return
            await writer.drain()
            await changed.wait()

    async def on_status(self, _request, writer):
        await asyncio.gather(*(one.look() for one in self.nodes))
        members = [] if not self.etcd else [
            {"member": f"m{i}", "endpoint": self.etcd.endpoints[i],
             "pid": one.pid if one and one.returncode is None else None}
            for i, one in enumerate(self.etcd.processes)]
        self.reply(writer, {"ok": True, "cluster": self.plan.cluster, "supervisor": os.getpid(),
                            "folder": str(self.place.folder), "share": self.plan.share,
                            "transport": self.plan.transport, "seed": self.plan.seed,
                            "seconds": round(time.monotonic() - self.began, 1), "etcd": members,
                            "nodes": [{**one.describe(),
                                       "store": [way.describe() for way in self.ways.of(one.name)]}
                                      for one in self.nodes]})

    async def on_stop(self, _request, writer):
        self.reply(writer, {"ok": True})
        await writer.drain()
        self.done.set()

    async def on_fault(self, request, writer):
        words = {field.name: request[field.name] for field in dataclasses.fields(faults.Fault)
                 if request.get(field.name) is not None}
        fault = faults.Fault(**words)
        self.tell(f"fault: {fault.kind} {' '.join(fault.targets)} {fault.value or ''}".rstrip())
        await faults.Faults(self.plan, self.nodes, self.etcd, self.ways).run(fault)
        self.reply(writer, {"ok": True})


def main(name, lock_descriptor):
    """The process behind `up`. The lock, taken there, is held until this ends; the folder goes with it."""
    place = places.Place(name)
    os.set_inheritable(lock_descriptor, False)
    plan = plans.Plan.load(place.plan)

    async def live():
        await Supervisor(place, plan).run()

    try:
        asyncio.run(live())
    finally:
        shutil.rmtree(place.folder, ignore_errors=True)
        place.lock.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
