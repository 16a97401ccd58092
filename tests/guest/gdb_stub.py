"""QEMU's gdb stub, as far as a test needs it to hold single CPUs: the remote protocol's packets.

    stub = GdbStub(path)                  # QEMU: -S -gdb unix:PATH,server=on,wait=off
    cpu = stub.run_to(address)            # all CPUs run until one comes there; all stand still
    stub.go_on(without=[3])               # all others run; CPUs count from 1 here
"""
import socket
import time

LIMIT = 60.0


class GdbStub:
    def __init__(self, path):
        deadline = time.monotonic() + LIMIT
        while True:
            self.connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                self.connection.connect(str(path))
                break
            except OSError:  # QEMU has not made it yet
                self.connection.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        self.connection.settimeout(LIMIT)
        self.buffer = b""
        self.cpus = self._threads()

    def close(self):
        self.connection.close()

    def _byte(self):
        if not self.buffer:
            self.buffer = self.connection.recv(4096)
            if not self.buffer:
                raise AssertionError("QEMU has closed its gdb stub")
        byte, self.buffer = self.buffer[:1], self.buffer[1:]
        return byte

    def _receive(self):
        while self._byte() != b"$":  # acknowledgements
            pass
        text = b""
        while (byte := self._byte()) != b"#":
            text += byte
        self._byte(), self._byte()  # the sum: a local socket loses nothing
        self.connection.sendall(b"+")
        return text.decode()

    def _send(self, text):
        self.connection.sendall(f"${text}#{sum(text.encode()) % 256:02x}".encode())

    def _ask(self, text):
        self._send(text)
        return self._receive()

    def _threads(self):
        found, answer = [], self._ask("qfThreadInfo")
        while answer.startswith("m"):
            found += [int(word, 16) for word in answer[1:].split(",")]
            answer = self._ask("qsThreadInfo")
        return found

    def go_on(self, without=()):
        self._send("vCont;" + ";".join(f"c:{cpu:x}" for cpu in self.cpus if cpu not in without))

    def stop(self):
        """All CPUs, while some run."""
        self.connection.sendall(b"\x03")
        self._receive()

    def run_to(self, address, without=()):
        """The CPU that has come to `address`."""
        if self._ask(f"Z0,{address:x},1") != "OK":
            raise AssertionError(f"no breakpoint at {address:#x}")
        self.go_on(without)
        stopped = self._receive()
        if self._ask(f"z0,{address:x},1") != "OK":
            raise AssertionError(f"the breakpoint at {address:#x} stays")
        return int(stopped.split("thread:")[1].split(";")[0], 16)
