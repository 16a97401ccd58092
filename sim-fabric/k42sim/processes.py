"""Child processes that cannot outlive their supervisor, and a record to end them by if they could.

Every child gets SIGKILL when the supervisor dies (PR_SET_PDEATHSIG). Belt and braces: pid and start
time stand in processes.json, so that the next `up` or `down` after a crash ends what is left, and
never a stranger that was given the same pid.
"""
import asyncio
import ctypes
import json
import os
import signal

_libc = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1


def _in_child():
    os.setsid()
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def start_time(pid):
    """Field 22 of /proc/PID/stat, or None when there is no such process."""
    try:
        text = open(f"/proc/{pid}/stat").read()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]


class Register:
    """All children of one supervisor."""

    def __init__(self, path):
        self._path = path
        self._known = {}

    async def spawn(self, words, log, **options):
        with open(log, "ab") as out:
            process = await asyncio.create_subprocess_exec(
                *words, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=out,
                preexec_fn=_in_child, **options)
        self._known[process.pid] = start_time(process.pid)
        self._save()
        return process

    def forget(self, process):
        self._known.pop(process.pid, None)
        self._save()

    def _save(self):
        temporary = self._path.with_suffix(".new")
        temporary.write_text(json.dumps(self._known))
        temporary.rename(self._path)


def end_leftovers(path):
    """Kills what a crashed supervisor's record names; how many were still there."""
    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError):
        return 0
    ended = 0
    for pid, since in known.items():
        if since is not None and start_time(int(pid)) == since:
            os.kill(int(pid), signal.SIGKILL)
            ended += 1
    return ended


async def stop(process, grace):
    """SIGTERM, then SIGKILL after `grace` seconds. A stopped process is continued first."""
    if process is None or process.returncode is not None:
        return
    for number in (signal.SIGTERM, signal.SIGCONT):
        process.send_signal(number)
    try:
        await asyncio.wait_for(process.wait(), grace)
    except asyncio.TimeoutError:
        process.kill()
        await process.wait()
