"""The way of one node's daemon to one etcd member: a TCP proxy, so that it can be cut, delayed, slowed and broken.

    cut     a black hole: connections stay, no byte passes, new ones are taken and hear nothing
    delay   what is read is passed on up to twice so many seconds later, drawn from the seed; order stays
    slow    so many bytes a second, each direction, of all its connections together
    break   every connection is reset, once
Healing a way passes on at once what waits on it; so does another delay, or rate, what waits for that.
"""
import asyncio
import contextlib
import random
import socket
import struct

PIECE = 65536
MOST_WAITING = 64  # pieces of a delayed way, then the sender waits


class StoreWay:
    def __init__(self, name, upstream, seed):
        self.name, self.upstream = name, upstream
        self.cut, self.delay, self.rate = False, 0.0, 0.0
        self.port = 0
        self._draw = random.Random(f"{seed} {name}")
        self._passes = asyncio.Event()
        self._passes.set()
        self._prompt = asyncio.Event()  # of what is delayed: it is no longer
        self._free = {}  # of a slow way, by direction: when all that went before has passed
        self._emptied = asyncio.Event()  # of what waits for that: it holds no longer
        self._server = None
        self._writers, self._tasks = set(), set()

    async def open(self):
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self):
        if self._server:
            self._server.close()
        self.reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- faults ----------------------------------------------------------------------------------
    def set(self, kind, value):
        if kind == "cut":
            self.cut = True
            self._passes.clear()
        elif kind == "delay":
            self.delay = value / 1000
            self._hasten()  # what waits was drawn from another delay
        elif kind == "slow":
            self.rate = value * 1e6
            self._empty()  # what waits was reckoned at another rate
        elif kind == "break":
            self.reset()
        else:  # heal
            self.cut, self.delay, self.rate = False, 0.0, 0.0
            self._empty()
            self._hasten()
            self._passes.set()

    def _hasten(self):
        """What is delayed now goes on."""
        self._prompt.set()
        self._prompt = asyncio.Event()

    def _empty(self):
        """Nothing is ahead of what comes next on a slow way, and what waits for its turn there goes on."""
        self._free.clear()
        self._emptied.set()
        self._emptied = asyncio.Event()

    def reset(self):
        """Both ends of every connection hear of an error, not of an end of file."""
        self._empty()  # what was on the way is gone
        for writer in self._writers:
            with contextlib.suppress(OSError):
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                                           struct.pack("ii", 1, 0))
            writer.transport.abort()

    def describe(self):
        return {"way": self.name, "port": self.port, "cut": self.cut, "delay_ms": round(self.delay * 1000),
                "bytes_per_second": round(self.rate)}

    # -- passing on ------------------------------------------------------------------------------
    def _take(self, reader, writer):
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader, writer):
        self._writers.add(writer)
        up_writer = None
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.upstream)
            self._writers.add(up_writer)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass(reader, up_writer, "up"))
                both.create_task(self._pass(up_reader, writer, "down"))
        except* (OSError, EOFError):
            pass  # one end has gone: so does the other
        finally:
            for one in filter(None, (writer, up_writer)):
                self._writers.discard(one)
                one.transport.abort()

    async def _until(self, due, over):
        """That time has come, or there is no reason to wait for it any more."""
        left = due - asyncio.get_running_loop().time()
        if left <= 0:
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), left)

    async def _pass(self, reader, writer, direction):
        waiting = asyncio.Queue(MOST_WAITING)
        loop = asyncio.get_running_loop()

        async def read():
            due, prompt = 0.0, self._prompt
            while data := await reader.read(PIECE):
                if prompt is not self._prompt:
                    due, prompt = 0.0, self._prompt
                due = max(due, loop.time() + (self._draw.uniform(0, 2 * self.delay) if self.delay else 0))
                await waiting.put((due, self._prompt, data))
            await waiting.put((due, self._prompt, b""))

        async def write():
            while True:
                due, prompt, data = await waiting.get()
                await self._until(due, prompt)
                await self._passes.wait()
                if not data:
                    raise EOFError
                if self.rate:
                    free = max(self._free.get(direction, 0.0), loop.time()) + len(data) / self.rate
                    self._free[direction] = free
                    await self._until(free, self._emptied)
                writer.write(data)
                await writer.drain()

        async with asyncio.TaskGroup() as both:
            both.create_task(read())
            both.create_task(write())


class StoreWays:
    """Of every node to every member. Empty: a cluster without a store."""

    def __init__(self, nodes, ports, seed):
        self._ways = {(f"n{n}", f"m{m}"): StoreWay(f"n{n} m{m}", port, seed)
                      for n in range(1, nodes + 1) for m, port in enumerate(ports)}

    async def open(self):
        for way in self._ways.values():
            await way.open()

    async def close(self):
        await asyncio.gather(*(way.close() for way in self._ways.values()))

    def way(self, node, member):
        return self._ways[node, member]

    def of(self, node):
        return [way for (name, _), way in self._ways.items() if name == node]

    def endpoints(self, node):
        return [f"127.0.0.1:{way.port}" for way in self.of(node)]

    @property
    def ports(self):
        return [way.port for way in self._ways.values()]
