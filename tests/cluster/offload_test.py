#!/usr/bin/env python3
"""Sockets of a node's programs to outside hosts, and programs of a node that start others: one cluster
of two nodes, and servers on the host's loopback."""
import hashlib
import http.server
import os
import pathlib
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from support import BUILD, Cluster, eventually, main  # noqa: E402

HOST = "k42-host"
# What a node's program does: written for Python on the node, which speaks plain sockets.
CLIENT = """
import hashlib, socket, sys
way, port, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
one = socket.create_connection(("k42-host", port))
block = bytes(range(256)) * 64
digest, count = hashlib.sha256(), 0
if way == "up":
    while count < size:
        one.sendall(block)
        digest.update(block)
        count += len(block)
    one.shutdown(socket.SHUT_WR)
    print(one.recv(64).decode(), digest.hexdigest())
else:
    while True:
        data = one.recv(65536)
        if not data:
            break
        digest.update(data)
        count += len(data)
    print(count, digest.hexdigest())
"""
BLOCK = bytes(range(256)) * 64


class Sink(socketserver.BaseRequestHandler):
    """Takes all, then says its digest: the client has closed half by then."""

    def handle(self):
        digest = hashlib.sha256()
        while data := self.request.recv(len(BLOCK)):
            self.server.received += len(data)
            digest.update(data)
            time.sleep(self.server.pace)
        self.request.sendall(digest.hexdigest().encode())


class Source(socketserver.BaseRequestHandler):
    def handle(self):
        for _ in range(self.server.size // len(BLOCK)):
            self.request.sendall(BLOCK)
            self.server.sent += len(BLOCK)
            time.sleep(self.server.pace)


class Resetter(socketserver.BaseRequestHandler):
    """Answers, and breaks off when the client has read it."""

    def handle(self):
        self.request.sendall(b"hello")
        self.request.recv(1)
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.request.close()


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, handler, size=0):
        super().__init__(("127.0.0.1", 0), handler)
        self.port, self.size, self.received, self.sent = self.server_address[1], size, 0, 0
        self.pace = 0.0  # seconds a block takes at least
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class Offload(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(nodes=2, options=["--cpus", "1", "--timeout", "120"])
        cls.cluster.__enter__()
        cls.share = pathlib.Path(cls.cluster.status()["share"])
        (cls.share / "client.py").write_text(CLIENT)

    @classmethod
    def tearDownClass(cls):
        cls.cluster.__exit__()

    def setUp(self):
        self.await_up()

    def await_up(self):
        eventually(lambda: all(one["state"] == "up" for one in self.cluster.status()["nodes"]), 60, "two nodes")

    def on(self, node, *words, limit=120, **options):
        return self.cluster.ctl("run", "--node", node, "--", *words, check=False, limit=limit, **options)

    def start(self, node, *words, **options):
        words = [BUILD / "bin/k42ctl", "--cluster", self.cluster.name, "run", "--node", node, "--", *words]
        return subprocess.Popen([str(one) for one in words], env=self.cluster.environment, text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

    def python(self, node, text, *words):
        return self.on(node, "/usr/bin/python3", "-c", text, *words)

    def said(self, done):
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.split()

    # -- streams to the host ---------------------------------------------------------------------
    def test_a_page_of_the_hosts_web_server(self):
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "page").write_text("seen from a node\n")

            class Pages(http.server.SimpleHTTPRequestHandler):
                def __init__(self, *words):
                    super().__init__(*words, directory=folder)

                def log_message(self, *_):
                    pass

            with Server(Pages) as server:
                done = self.python("n1", "import urllib.request, sys\n"
                                   "sys.stdout.write(urllib.request.urlopen(sys.argv[1]).read().decode())",
                                   f"http://{HOST}:{server.port}/page")
                self.assertEqual(done.stdout, "seen from a node\n", done.stderr)

    def test_refused(self):
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            text = ("import socket, select, sys\n"
                    "def attempt(blocking):\n"
                    "    one = socket.socket(); one.setblocking(blocking)\n"
                    "    try: one.connect(('k42-host', int(sys.argv[1])))\n"
                    "    except BlockingIOError:\n"
                    "        poll = select.poll(); poll.register(one, select.POLLOUT)\n"
                    "        events = poll.poll(20000)[0][1]\n"
                    "        print('polled', events & select.POLLOUT != 0, events & select.POLLERR != 0,\n"
                    "              one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))\n"
                    "    except OSError as error: print(error.errno)\n"
                    "attempt(True); attempt(False)\n")
            done = self.python("n2", text, str(nobody.getsockname()[1]))
            self.assertEqual(done.stdout, "111\npolled True True 111\n", done.stderr)

    def test_addresses_that_are_nowhere(self):
        text = ("import socket\n"
                "for host in ('169.254.169.254', '224.0.0.1', '10.42.9.9'):\n"
                "    try: socket.create_connection((host, 80), 20); print('connected')\n"
                "    except OSError as error: print(error.errno)\n")
        done = self.python("n1", text)
        self.assertEqual([one in ("101", "113") for one in self.said(done)], [True] * 3, done.stdout)

    def test_the_store_is_not_for_programs(self):
        endpoint = self.cluster.status()["etcd"][0]["endpoint"]
        text = ("import socket, sys\n"
                "try: socket.create_connection(('k42-host', int(sys.argv[1])), 20); print('connected')\n"
                "except ConnectionRefusedError: print('refused')\n")
        self.assertEqual(self.said(self.python("n1", text, endpoint.rpartition(":")[2])), ["refused"])

    def test_much_both_ways(self):
        size = 8 << 20
        with Server(Sink) as sink, Server(Source, size) as source:
            theirs, ours = self.said(self.on("n1", "/usr/bin/python3", "/cluster/client.py", "up",
                                             str(sink.port), str(size)))
            self.assertEqual((theirs, sink.received), (ours, size))
            count, digest = self.said(self.on("n1", "/usr/bin/python3", "/cluster/client.py", "down",
                                              str(source.port), "0"))
            wanted = hashlib.sha256(BLOCK * (size // len(BLOCK))).hexdigest()
            self.assertEqual((int(count), digest), (size, wanted))

    def test_reset(self):
        text = ("import socket, sys\n"
                "one = socket.create_connection(('k42-host', int(sys.argv[1])))\n"
                "print(one.recv(5).decode()); one.sendall(b'x')\n"
                "try: print(one.recv(5))\n"
                "except ConnectionResetError: print('reset')\n")
        with Server(Resetter) as server:
            self.assertEqual(self.said(self.python("n1", text, str(server.port))), ["hello", "reset"])

    def test_a_daemon_dies_under_transfers(self):
        size = 24 << 20
        with Server(Sink) as sink, Server(Source, size) as source:
            sink.pace = source.pace = 0.02  # until the kills are done: no machine is done before them
            # Started from n2, whose daemon lives: an operator's connection ends with its daemon.
            words = ["/usr/bin/python3", "/cluster/client.py"]
            watcher = ("import subprocess, sys\n"
                       "words = sys.argv[3:]\n"
                       "both = [subprocess.Popen(words + [way, port, sys.argv[2]], stdout=open(f'/cluster/{way}', 'w'))\n"
                       "        for way, port in zip(('up', 'down'), sys.argv[1].split(','))]\n"
                       "print(*[one.wait() for one in both], file=open('/cluster/ends', 'w'))\n")
            spawn = ("import subprocess, sys; subprocess.Popen(sys.argv[1:],"
                     " stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)")
            done = self.on("n1", "/usr/bin/python3", "-c", spawn, "/usr/bin/python3", "-c", watcher,
                           f"{sink.port},{source.port}", str(size), *words)
            self.assertEqual(done.returncode, 0, done.stderr)
            for fraction in (64, 32):
                eventually(lambda: sink.received > size // fraction and source.sent > size // fraction, 120,
                           "the transfers' part")
                self.await_up()
                self.cluster.fault("kill", "n1", "--part", "noded")
            self.assertLess(max(sink.received, source.sent), size)
            sink.pace = source.pace = 0.0
            ends = self.share / "ends"
            eventually(lambda: ends.exists() and ends.read_text().strip(), 240, "the transfers' end")
            self.assertEqual(ends.read_text().split(), ["0", "0"])
            wanted = hashlib.sha256(BLOCK * (size // len(BLOCK))).hexdigest()
            self.assertEqual((self.share / "up").read_text().split(), [wanted, wanted])
            self.assertEqual((self.share / "down").read_text().split(), [str(size), wanted])

    def test_the_process_dies(self):
        text = ("import socket, sys, time\n"
                "one = socket.create_connection(('k42-host', int(sys.argv[1])))\n"
                "print(one.recv(5).decode(), flush=True)\n"
                "try: print(one.recv(5))\n"
                "except ConnectionResetError: print('reset', flush=True)\n"
                "for i in range(100):\n"
                "    try: print(socket.create_connection(('k42-host', int(sys.argv[1]))).recv(5).decode()); break\n"
                "    except OSError: time.sleep(0.2)\n")
        with Server(Resetter) as server:
            node = self.start("n2", "/usr/bin/python3", "-c", text, str(server.port))
            self.assertEqual(node.stdout.readline(), "hello\n")
            self.cluster.fault("kill", "n2", "--part", "offload")
            out, errors = node.communicate(timeout=120)
            self.assertEqual(out.split(), ["reset", "hello"], errors)

    # -- who a node is ---------------------------------------------------------------------------
    def test_names(self):
        text = ("import socket\n"
                "print(socket.gethostname(), *[socket.gethostbyname(one) for one in ('n1', 'n2', 'k42-host', 'localhost')])\n"
                "print(open('/proc/sys/kernel/random/boot_id').read().strip())\n")
        boots = set()
        for node in ("n1", "n2"):
            *names, boot_id = self.said(self.python(node, text))
            self.assertEqual(names, [node, "10.42.0.1", "10.42.0.2", "10.42.255.254", "127.0.0.1"])
            boots.add(boot_id)
        boots.add(pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        self.assertEqual(len(boots), 3)

    # -- programs that start programs ------------------------------------------------------------
    def test_k42_rsh_from_a_node(self):
        rsh = "/opt/k42/bin/k42-rsh"
        done = self.on("n1", rsh, "n2", "read", "a;", "hostname;", "echo", "got", "$a;", "echo", "bad", ">&2;",
                       "exit", "5", input="words\n")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (5, "n2\ngot words\n", "bad\n"))
        # To itself, and from the host to a node over another node's daemon.
        done = self.on("n2", rsh, "-n", "n2", "hostname")
        self.assertEqual((done.returncode, done.stdout), (0, "n2\n"), done.stderr)
        environment = dict(self.cluster.environment, K42_CONTROL=f"unix:{self.cluster.run_folder}/test/n1/noded.sock")
        done = subprocess.run([BUILD / "bin/k42-rsh", "-n", "n2", "hostname"], env=environment, text=True,
                              capture_output=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout), (0, "n2\n"), done.stderr)
        done = self.on("n1", rsh, "-n", "n7", "true")
        self.assertEqual(done.returncode, 255)
        self.assertIn("n7", done.stderr)

    def test_much_through_k42_rsh(self):
        data = os.urandom(1 << 20).hex()
        done = self.on("n1", "/opt/k42/bin/k42-rsh", "n2", "cat", input=data)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(hashlib.sha256(done.stdout.encode()).digest(), hashlib.sha256(data.encode()).digest())

    def test_a_killed_k42_rsh_takes_its_command_along(self):
        node = self.start("n1", "/opt/k42/bin/k42-rsh", "n2", "echo up; exec sleep 4321")
        self.assertEqual(node.stdout.readline(), "up\n")

        def sleeps():
            text = ("import glob\n"
                    "def words(one):\n"
                    "    try: return open(one).read()\n"
                    "    except OSError: return ''\n"
                    "print(sum('sleep\\0004321' in words(one) for one in glob.glob('/proc/[0-9]*/cmdline')))\n")
            return int(self.said(self.python("n2", text))[0])

        self.assertEqual(sleeps(), 1)
        node.kill()
        node.wait()
        node.communicate()
        eventually(lambda: sleeps() == 0, 60, "the end of the command")

    def test_only_some_requests_from_inside(self):
        text = ("import json, socket, struct\n"
                "def ask(request):\n"
                "    one = socket.create_connection(('k42-host', 4242))\n"
                "    body = json.dumps({'request': request}).encode()\n"
                "    one.sendall(struct.pack('<IB', len(body), 1) + body)\n"
                "    data = b''\n"
                "    while more := one.recv(4096): data += more\n"
                "    return json.loads(data[5:])\n"
                "print(ask('nodes')['cluster'], ask('trace').get('status'))\n")
        self.assertEqual(self.said(self.python("n2", text)), ["test", "kPermissionDenied"])


if __name__ == "__main__":
    main("k42.elf", "bin/k42-noded", "bin/k42-offload", "bin/k42ctl", "bin/k42-rsh")
