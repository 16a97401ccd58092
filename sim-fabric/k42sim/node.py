"""One node: k42-noded, k42-offload and QEMU, each kept running.

States:  starting -> up <-> booting (QEMU or the daemon was started again)
         any -> off (the node powered itself off)  -> starting by `restart`
         any -> dead (fault kill: the whole host)  -> starting by `restart`
         any -> failed (something ends at once, again and again)
A part that ends is started again, or given up (restarts.py). A new QEMU is a new incarnation: the
daemon sees to that.
"""
import asyncio
import signal
import time

from . import monitor, noded, places, processes, qemu, restarts

PARTS = ("qemu", "noded", "offload")
READY_LINE = b"k42: ready"
BY_MONITOR = "guest"  # among what is paused
MONITOR_LIMIT = 10.0
POWER_OFF = 33
REFUSED_OPTION = 7  # trying again would not help


class Node:
    def __init__(self, plan, number, folder, share, endpoints, register, report, denied=()):
        self.plan, self.number, self.folder = plan, number, folder
        self.name = f"n{number}"
        self.state = "starting"
        self.why = ""
        self.seen = None  # what the daemon knows of the cluster: (epoch, members), with authority only
        self.lives = 0
        self.since = time.monotonic()
        self.parts = {}
        self.paused = set()
        self._asked = set()  # parts whose end a fault has asked for
        self._ready_before = None  # lines of earlier lives that said ready; None: no life now
        self._share, self._endpoints = share, endpoints
        self._denied = denied  # ports of this host that programs of the node do not reach
        self._register, self._report = register, report
        self._keepers = {}
        self._held = False  # parts that end stay ended
        self._changing = asyncio.Lock()  # one operator at a time

    def start(self):
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self._held = False
        self._set("starting")
        for part in ["qemu"] if self.plan.bare else PARTS:
            self._keepers[part] = asyncio.create_task(self._keep(part))

    def _words(self, part):
        if part == "qemu":
            return qemu.command(self.plan, self.number, self.folder, self._share)
        words = [self.plan.program(f"k42-{part}"), "--cluster", self.plan.cluster,
                 "--node", str(self.number), "--folder", str(self.folder)]
        if part == "noded":
            words += ["--etcd", ",".join(self._endpoints), "--transport", self.plan.transport,
                      "--cpus", str(self.plan.cpus), "--seed", str(self.plan.seed),
                      "--module-keys", str(self.folder.parent / "keys")]
        if part == "offload":  # the store is the daemons', not the programs'
            words += ["--deny", ",".join(map(str, self._denied))]
        return words

    async def _keep(self, part):
        try:
            await self._keep_running(part)
        except Exception as error:  # it could not even be started; nobody else would say so
            self._set("failed", f"{part}: {str(error) or repr(error)}")
            self._report(f"{self.name}: failed: {self.why}")
            await self._end_parts(except_part=part)

    async def _keep_running(self, part):
        policy = restarts.Restarts()
        while not self._held:
            if part == "qemu":
                self.lives += 1
                self._ready_before = self._ready_lines()
            process = await self._register.spawn(self._words(part), self.folder / f"{part}.log")
            self.parts[part] = process
            if self._held:
                process.kill()  # ended by an operator while it was being started
            began = time.monotonic()
            status = await process.wait()
            if part == "qemu":
                self._ready_before = None
            self._register.forget(process)
            self.paused.discard(part)
            if part == "qemu":
                self.paused.discard(BY_MONITOR)
            if self._held:
                return
            words = qemu.explain_exit(status) if part == "qemu" else f"exit status {status}"
            if part == "qemu" and status == POWER_OFF:
                self._set("off", words)
                self._report(f"{self.name}: {words}")
                await self._end_parts(except_part="qemu")
                return
            asked = part in self._asked
            self._asked.discard(part)
            pause = policy.pause(began, time.monotonic(), asked)
            refused = part == "qemu" and status == REFUSED_OPTION
            if refused or pause is None:
                often = words if refused else f"{part} ends again and again: {words}"
                self._set("failed", f"{often}; {self.last_words()}")
                self._report(f"{self.name}: failed: {self.why}")
                await self._end_parts(except_part=part)
                return
            self._set("booting", f"{part}: {words}")
            self._report(f"{self.name}: {part} ended ({words}), starting it again")
            await asyncio.sleep(pause)

    async def _end_parts(self, except_part=None):
        """Ends the other parts; their keepers see the hold and return."""
        self._held = True
        for part, process in self.parts.items():
            if part != except_part and process.returncode is None:
                process.kill()
                await process.wait()

    def _set(self, state, why=""):
        self.state, self.why, self.since = state, why, time.monotonic()

    # -- what an operator does -------------------------------------------------------------------
    async def stop(self):
        """For good: the daemon first, so that it can give its lease back."""
        async with self._changing:
            self._held = True
            for part in ("noded", "offload", "qemu"):
                await processes.stop(self.parts.get(part), 3.0 if part == "noded" else 1.0)
            await asyncio.gather(*self._keepers.values(), return_exceptions=True)

    async def kill(self, part):
        """One part (which comes back), or the whole host (which stays dead until restart)."""
        async with self._changing:
            if part != "node":
                self._kill_one(part)
                return
            self._set("dead", "killed by a fault")
            await self._end_parts()
            await asyncio.gather(*self._keepers.values(), return_exceptions=True)

    async def pause(self, part, by="signal"):
        """By signal, time goes on without it: its clock jumps when it goes on. By QEMU's monitor the guest alone
        stops, and its clock with it: it is behind afterwards."""
        async with self._changing:
            if by == "monitor":
                self._running("qemu")
                await asyncio.to_thread(self._ask_monitor, "stop")
                self.paused.add(BY_MONITOR)
            else:
                self._signal(part, signal.SIGSTOP)

    async def resume(self, part):
        async with self._changing:
            self._signal(part, signal.SIGCONT)
            if BY_MONITOR in self.paused and part in ("node", "qemu"):
                await asyncio.to_thread(self._ask_monitor, "cont")
                self.paused.discard(BY_MONITOR)

    def _signal(self, part, number):
        wanted = [part]
        if part == "node":
            wanted = [one for one in PARTS if one in self.parts and
                      (number == signal.SIGSTOP or self.parts[one].returncode is None)]
        for one in [self._running(one) for one in wanted]:
            one.send_signal(number)
        (self.paused.update if number == signal.SIGSTOP else self.paused.difference_update)(wanted)

    def _ask_monitor(self, command):
        try:
            with monitor.Monitor(self.folder / "qmp.sock", MONITOR_LIMIT) as one:
                one.ask(command)
        except places.Trouble as error:
            raise LookupError(f"{self.name}: {error}") from None

    async def restart(self, part):
        async with self._changing:
            if part != "node":
                self._kill_one(part)
                return
            await self._end_parts()
            await asyncio.gather(*self._keepers.values(), return_exceptions=True)
            self.parts.clear()
            self.start()

    def _kill_one(self, part):
        self._running(part).kill()
        self._asked.add(part)

    def _running(self, part):
        process = self.parts.get(part)
        if process is None or process.returncode is not None:
            raise LookupError(f"{self.name} has no running {part}")
        return process

    # -- what it looks like ----------------------------------------------------------------------
    async def look(self):
        """Brings `state` up to date; True when the node is up."""
        if self.state in ("dead", "off", "failed"):
            return False
        if self.plan.bare:
            up = self._console_says_ready()
        else:
            self.seen = None
            try:
                status = await noded.ask(self.folder / "noded.sock", {"request": "status"})
                if status.get("authority"):
                    self.seen = (status.get("epoch"), status.get("members"))
                up = status.get("guest") == "up" and status.get("member", False)
                self.why = "" if up else f"guest {status.get('guest')}, member {status.get('member')}"
            except (OSError, TimeoutError, ValueError, noded.Refused) as error:
                up, self.why = False, f"k42-noded does not answer: {error or 'silent'}"
        if up != (self.state == "up"):
            self._set("up" if up else "booting", self.why)
        return up

    def _console_says_ready(self):
        """This life, not an earlier one: a life may have ended before it was ready."""
        return self._ready_before is not None and self._ready_lines() > self._ready_before

    def _ready_lines(self):
        try:
            return (self.folder / "console.log").read_bytes().count(READY_LINE)
        except OSError:
            return 0

    def last_words(self):
        """The last lines of whatever tells most about a node that does not come up."""
        for name in ("console.log", "noded.log", "qemu.log"):
            try:
                lines = (self.folder / name).read_text(errors="replace").strip().splitlines()
            except OSError:
                continue
            if lines:
                return f"last of {name}: {lines[-1].strip()}"
        return "no part has said anything"

    def describe(self):
        state = "paused" if self.paused else self.state
        return {"node": self.name, "state": state, "why": self.why, "lives": self.lives,
                "paused": sorted(self.paused),
                "seconds": round(time.monotonic() - self.since, 1),
                "pids": {part: one.pid for part, one in self.parts.items() if one.returncode is None},
                "folder": str(self.folder)}
