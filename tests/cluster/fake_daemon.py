"""A stand-in for k42-noded's control socket, for tests of the tools: `run` runs here, on this Linux."""
import json
import os
import signal
import socket
import struct
import subprocess
import threading

REQUEST, REPLY, FAILED, INPUT, OUTPUT, ERROR, SIGNAL, EXIT, WINDOW = range(1, 10)


def send(connection, kind, payload):
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    connection.sendall(struct.pack("<IB", len(body), kind) + body)


def receive(connection):
    """(kind, payload), or None at the end."""
    def exactly(count):
        data = b""
        while len(data) < count:
            more = connection.recv(count - len(data))
            if not more:
                return None
            data += more
        return data
    header = exactly(5)
    if header is None:
        return None
    size, kind = struct.unpack("<IB", header)
    return kind, exactly(size) if size else b""


class FakeDaemon:
    """Answers from `answers` (request name -> JSON or exception); records requests."""

    def __init__(self, folder, answers):
        self.requests = []
        self.started = []
        self._answers = answers
        self._listener = socket.socket(socket.AF_UNIX)
        os.makedirs(folder)
        self._listener.bind(f"{folder}/noded.sock")
        self._listener.listen(16)
        threading.Thread(target=self._accept, daemon=True).start()

    def answer(self, request, answer):
        self._answers[request] = answer

    def close(self):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection:
            request = json.loads(receive(connection)[1])
            self.requests.append(request)
            name = request["request"]
            if name == "run" and name not in self._answers:
                self._run(connection, request)
            elif name in self._answers:
                send(connection, REPLY, self._answers[name])
            else:
                send(connection, FAILED, {"status": "kNotSupported", "text": f"no {name} here"})

    def _run(self, connection, request):
        environment = dict(pair.split("=", 1) for pair in request["env"])
        environment["K42_NODE"] = request.get("node", "")
        try:
            process = subprocess.Popen(request["argv"], env=environment, cwd=request.get("cwd"),
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, start_new_session=True)
        except OSError as error:
            send(connection, FAILED, {"status": "kNotFound", "text": str(error)})
            return
        self.started.append(process)
        send(connection, REPLY, {"pid": process.pid})
        lock = threading.Lock()

        def relay(stream, kind):
            while data := os.read(stream.fileno(), 65536):
                with lock:
                    send(connection, kind, data)
        relays = [threading.Thread(target=relay, args=pair)
                  for pair in ((process.stdout, OUTPUT), (process.stderr, ERROR))]
        for one in relays:
            one.start()
        threading.Thread(target=self._feed, args=(connection, process), daemon=True).start()
        status = process.wait()
        for one in relays:
            one.join()
        try:
            send(connection, EXIT, struct.pack("<I", -status if status < 0 else status << 8))
        except OSError:
            pass  # the client is gone

    @staticmethod
    def _feed(connection, process):
        try:
            while frame := receive(connection):
                kind, payload = frame
                if kind == INPUT and payload:
                    process.stdin.write(payload)
                    process.stdin.flush()
                elif kind == INPUT:
                    process.stdin.close()
                elif kind == SIGNAL:
                    os.killpg(process.pid, struct.unpack("<I", payload)[0])
        except (OSError, ValueError):
            pass
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)  # the client is gone
