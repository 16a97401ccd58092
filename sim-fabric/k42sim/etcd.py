"""The cluster's own etcd: free loopback ports, own data folder, restarted when a member dies."""
import asyncio
import http.client
import json
import signal
import socket

from . import processes

READY_LIMIT = 20.0


def free_ports(count):
    """Numbers no one listens on; all asked for at once so that none is given twice."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


class Member:
    """One member, as an operator's faults see it. What is killed is started again by its keeper."""

    def __init__(self, name, process):
        self._name, self._process = name, process

    async def kill(self, _part):
        self._signal(signal.SIGKILL)

    restart = kill

    async def pause(self, _part, _by="signal"):
        self._signal(signal.SIGSTOP)

    async def resume(self, _part):
        self._signal(signal.SIGCONT)

    def _signal(self, number):
        if self._process is None or self._process.returncode is not None:
            raise LookupError(f"etcd member {self._name} does not run now; it is started again")
        self._process.send_signal(number)


class Etcd:
    """Members m0..m<count-1>. `report(text)` is called with what an operator should know."""

    def __init__(self, folder, cluster, count, register, report):
        self._folder = folder
        self._register = register
        self._report = report
        self._cluster = cluster
        ports = free_ports(2 * count)
        self.client_ports = ports[:count]
        self._peer_ports = ports[count:]
        self.processes = [None] * count
        self._keepers = []
        self._stopping = False

    def member(self, i):
        return Member(f"m{i}", self.processes[i])

    @property
    def ports(self):
        """All that members listen on."""
        return self.client_ports + self._peer_ports

    @property
    def endpoints(self):
        return [f"127.0.0.1:{port}" for port in self.client_ports]

    async def start(self):
        self._folder.mkdir(mode=0o700)
        for i in range(len(self.processes)):
            self._keepers.append(asyncio.create_task(self._keep(i)))
        deadline = asyncio.get_running_loop().time() + READY_LIMIT
        for port in self.client_ports:
            while not await asyncio.to_thread(healthy, port):
                if asyncio.get_running_loop().time() > deadline:
                    raise RuntimeError(f"etcd does not become ready: see {self._folder}/m0.log")
                await asyncio.sleep(0.1)

    def _words(self, i):
        def url(port):
            return f"http://127.0.0.1:{port}"
        peers = ",".join(f"m{n}={url(port)}" for n, port in enumerate(self._peer_ports))
        return ["etcd", "--name", f"m{i}", "--data-dir", str(self._folder / f"m{i}"),
                "--listen-client-urls", url(self.client_ports[i]),
                "--advertise-client-urls", url(self.client_ports[i]),
                "--listen-peer-urls", url(self._peer_ports[i]),
                "--initial-advertise-peer-urls", url(self._peer_ports[i]),
                "--initial-cluster", peers, "--initial-cluster-token", f"k42-{self._cluster}",
                "--auto-compaction-mode", "periodic", "--auto-compaction-retention", "10m",
                "--grpc-keepalive-min-time", "1s",  # the daemons' pings, each 2 s, are no abuse
                "--unsafe-no-fsync",  # the cluster does not outlive its supervisor
                "--logger", "zap", "--log-level", "warn"]

    async def _keep(self, i):
        while not self._stopping:
            process = await self._register.spawn(self._words(i), self._folder / f"m{i}.log")
            self.processes[i] = process
            if self._stopping:  # `stop` has not seen this one
                process.kill()
            status = await process.wait()
            self._register.forget(process)
            if self._stopping:
                return
            self._report(f"etcd m{i} ended ({status}), starting it again")
            await asyncio.sleep(1.0)

    async def stop(self):
        self._stopping = True
        await asyncio.gather(*(processes.stop(one, 2.0) for one in self.processes))
        await asyncio.gather(*self._keepers, return_exceptions=True)


def healthy(port):
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        connection.request("GET", "/health")
        return json.loads(connection.getresponse().read()).get("health") == "true"
    except (OSError, ValueError, http.client.HTTPException):
        return False
