"""A QEMU's monitor, over QMP.

QEMU serves one client at a time, and lets others wait: connect, ask, and leave.
"""
import json
import socket

from .places import Trouble


class Monitor:
    """with Monitor(folder / "qmp.sock") as monitor: monitor.ask("query-status")"""

    def __init__(self, path, limit=30.0):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(limit)
        try:
            self._socket.connect(str(path))
            self._lines = self._socket.makefile("rb")
            self._line()
            self.ask("qmp_capabilities")
        except TimeoutError:
            self._socket.close()
            raise Trouble(f"{path}: the monitor says nothing: QEMU is stopped, or somebody else is connected") from None
        except OSError as error:
            self._socket.close()
            raise Trouble(f"{path}: {error.strerror or error}") from None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._lines.close()
        self._socket.close()

    def _line(self):
        line = self._lines.readline()
        if not line:
            raise ConnectionResetError("QEMU has closed its monitor")
        return json.loads(line)

    def ask(self, command, **arguments):
        """What the command returns. Trouble: QEMU refuses. None: it ended, as it was told to."""
        self._socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        try:
            while True:
                answer = self._line()
                if "error" in answer:
                    raise Trouble(f"{command}: {answer['error']['desc']}")
                if "return" in answer:
                    return answer["return"]
        except ConnectionResetError:
            if command == "quit":
                return None
            raise

    def human(self, line):
        """A line of the monitor that people use; its text."""
        return self.ask("human-monitor-command", **{"command-line": line})
