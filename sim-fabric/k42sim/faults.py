"""Faults on purpose: what may be asked for, and who carries it out.

    of the way between two nodes      cut heal delay slow break hold: their daemons' transports
    of a node's way to an etcd member cut heal delay slow break: the proxy between them (store_ways.py)
    of processes                      kill pause resume restart clock: signals, and QEMU's monitor
"""
import asyncio
import dataclasses

from . import noded

WAYS = ("cut", "heal", "delay", "slow", "break", "hold")
PROCESSES = ("kill", "pause", "resume", "restart", "clock")
LONGEST_CLOCK = 20_000  # milliseconds
# kind: what its value is, least, most
VALUES = {"delay": ("milliseconds", 0, 60_000),
          "slow": ("megabytes a second", 0.001, 100_000),
          "break": ("a number of operations, or nothing", 0, 1000),
          "clock": ("milliseconds, negative: behind", -LONGEST_CLOCK, LONGEST_CLOCK)}


@dataclasses.dataclass
class Fault:
    kind: str
    targets: list
    part: str = "node"
    value: float = None
    by: str = "signal"
    undone: bool = False

    def check(self, nodes, members, bare=False):
        """ValueError says what is wrong with it, of a cluster of so many nodes and members."""
        kind, targets = self.kind, self.targets
        if kind == "loss":
            raise ValueError("endpoints lose nothing, they break: use cut, then heal")
        if kind not in WAYS + PROCESSES:
            raise ValueError(f"no such fault: {kind}")
        for one in targets:
            self._check_target(one, nodes, members)
        if len(set(targets)) != len(targets):
            raise ValueError(f"{next(one for one in targets if targets.count(one) > 1)} is named twice")
        if not targets:
            raise ValueError(f"{kind} of what? say n1 or m0")
        self._check_value()
        if self.undone and kind != "break":
            raise ValueError("--undone says how a break ends operations")
        if self.by != "signal" and kind != "pause":
            raise ValueError("--by says how a node is paused")
        if kind in WAYS:
            self._check_way(bare)
        else:
            self._check_process(bare)

    def _check_target(self, one, nodes, members):
        if one[:1] not in ("n", "m") or not one[1:].isdigit():
            raise ValueError(f"'{one}' is neither a node (n1) nor an etcd member (m0)")
        number = int(one[1:])
        if one[0] == "n" and (not 1 <= number <= nodes or one != f"n{number}"):
            raise ValueError(f"no node {one}; there are n1..n{nodes}")
        if one[0] == "m" and (number >= members or one != f"m{number}"):
            there = f"there are m0..m{members - 1}" if members else "this cluster has no etcd"
            raise ValueError(f"no etcd member {one}; {there}")

    def _check_value(self):
        if self.kind not in VALUES:
            if self.value is not None:
                raise ValueError(f"{self.kind} has no --value")
            return
        what, least, most = VALUES[self.kind]
        if self.value is None and self.kind == "break":
            self.value = 0
        if self.value is None or not least <= self.value <= most:
            raise ValueError(f"{self.kind} wants --value: {what}, {least} to {most}")
        if self.kind == "break" and self.value != int(self.value):
            raise ValueError("break wants a whole number of operations")

    def _check_way(self, bare):
        kind, targets = self.kind, self.targets
        if bare:
            raise ValueError(f"kernels only, without daemons: there is no way to {kind}")
        if self.part != "node":
            raise ValueError(f"{kind} is of the way between nodes, not of a part of one")
        if kind == "hold" and (len(targets) != 2 or any(one[0] == "m" for one in targets)):
            raise ValueError("hold needs two nodes: whose daemon is held, and in a put to whom")
        if kind == "cut" and len(targets) < 2:
            raise ValueError("cut needs two targets or more: every pair of them is cut")
        if kind == "break" and len(targets) != 2:
            raise ValueError("break needs two targets: whose operations to whom")
        if not any(one[0] == "n" for one in targets):
            raise ValueError("nothing is injected between etcd members: pause, kill, or name a node first")
        if kind == "break" and any(one[0] == "m" for one in targets) and (self.value or self.undone):
            raise ValueError("a way to an etcd member breaks at once")

    def _check_process(self, bare):
        member = any(one[0] == "m" for one in self.targets)
        if member and self.part != "node":
            raise ValueError(f"an etcd member has no part {self.part}")
        if bare and self.part in ("noded", "offload"):
            raise ValueError(f"kernels only: there is no {self.part}")
        guests = not member and self.part in ("node", "qemu")
        if self.by == "monitor" and not guests:
            raise ValueError("only a guest is paused by a monitor, its QEMU's")
        if self.kind == "clock" and self.value == 0:
            raise ValueError("a clock that is moved by nothing stays as it is")
        if self.kind == "clock" and self.value < 0 and not guests:
            raise ValueError("only a guest's clock can be put behind; a daemon's and etcd's are the host's, and can "
                             "but jump ahead of what they have done")

    def pairs(self, all_targets):
        """Pairs of a node and another target. One target alone means its ways to all others."""
        if len(self.targets) == 1:
            (one,) = self.targets
            found = [(one, other) for other in all_targets if other != one]
        else:
            found = [(a, b) for i, a in enumerate(self.targets) for b in self.targets[i + 1:]]
        return [(a, b) if a[0] == "n" else (b, a) for a, b in found if "n" in (a[0], b[0])]


class Faults:
    """Carries them out in one cluster."""

    def __init__(self, plan, nodes, etcd, ways):
        self._plan, self._nodes, self._etcd, self._ways = plan, nodes, etcd, ways

    async def run(self, fault):
        members = len(self._etcd.processes) if self._etcd else 0
        fault.check(self._plan.nodes, members, self._plan.bare)
        if fault.kind in PROCESSES:
            await asyncio.gather(*(self._process(fault, target) for target in fault.targets))
            return
        everyone = [one.name for one in self._nodes] + [f"m{i}" for i in range(members)]
        failed = []  # one end may be dead, and the other is told all the same
        for node, other in fault.pairs(everyone):
            if other[0] == "m":
                self._ways.way(node, other).set(fault.kind, fault.value)
                continue
            ends = [(node, other)] if fault.kind in ("hold", "break") else [(node, other), (other, node)]
            for end, peer in ends:
                try:
                    await self._tell(fault, end, peer)
                except (OSError, TimeoutError) as error:
                    failed.append(f"{end}'s daemon does not answer: {error or 'silent'}")
        if failed:
            raise LookupError("; ".join(dict.fromkeys(failed)))

    async def _tell(self, fault, end, peer):
        request = {"request": "fault", "kind": fault.kind, "peer": peer, "seed": self._plan.seed}
        if fault.value is not None:
            request["value"] = fault.value
        if fault.kind == "break":
            request["done"] = not fault.undone
        await noded.ask(self._find(end).folder / "noded.sock", request)

    async def _process(self, fault, target):
        one = self._etcd.member(int(target[1:])) if target[0] == "m" else self._find(target)
        if fault.kind == "kill":
            await one.kill(fault.part)
        elif fault.kind == "restart":
            await one.restart(fault.part)
        elif fault.kind == "pause":
            await one.pause(fault.part, fault.by)
        elif fault.kind == "resume":
            await one.resume(fault.part)
        else:
            await self._move_clock(one, "qemu" if fault.part == "node" and target[0] == "n" else fault.part,
                                   fault.value / 1000)

    async def _move_clock(self, one, part, seconds):
        """A process that stood still finds its clock ahead of what it did; a guest whose QEMU stopped it has a
        clock that stood still with it, and is behind everybody's."""
        await one.pause(part, "signal" if seconds > 0 else "monitor")
        try:
            await asyncio.sleep(abs(seconds))
        finally:
            await one.resume(part)

    def _find(self, name):
        for one in self._nodes:
            if one.name == name:
                return one
        raise LookupError(f"{name} has not been started yet")
