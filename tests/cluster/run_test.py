#!/usr/bin/env python3
"""Programs on the nodes of a cluster: k42ctl run and k42-rsh, end to end."""
import fcntl
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from support import BUILD, Cluster, main, run  # noqa: E402

LIMIT = 40


class Terminal:
    """k42ctl on a terminal of this host, as an operator has it."""

    def __init__(self, cluster, *words, rows=31, columns=83):
        self.seen = ""
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.execve(BUILD / "bin/k42ctl", ["k42ctl", "--cluster", cluster.name, *words],
                      dict(cluster.environment, TERM="vt220"))

    def until(self, pattern):
        """What comes up to the pattern."""
        deadline = time.monotonic() + LIMIT
        while not (found := re.search(pattern, self.seen)):
            ready, _, _ = select.select([self.master], [], [], max(0, deadline - time.monotonic()))
            try:
                data = os.read(self.master, 4096) if ready else b""
            except OSError:  # nobody has the terminal open any more
                data = b""
            if not data:
                raise AssertionError(f"never came: {pattern}\n{self.seen!r}")
            self.seen += data.decode(errors="replace")
        text, self.seen = self.seen[:found.end()], self.seen[found.end():]
        return text

    def type(self, text):
        os.write(self.master, text.encode())

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def end(self):
        """The exit status of k42ctl."""
        deadline = time.monotonic() + LIMIT
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.master)
                return os.waitstatus_to_exitcode(status)
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    os.read(self.master, 4096)
                except OSError:
                    time.sleep(0.1)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        raise AssertionError("k42ctl did not end")


class Run(unittest.TestCase):
    def test_programs_run_on_the_node_that_is_named(self):
        with Cluster(nodes=2, options=["--cpus", "1", "--timeout", "90"]) as cluster:
            def on(node, *words, **options):
                return cluster.ctl("run", "--node", node, "--", *words, check=False, **options)
            hello = on("n1", "/bin/echo", "hi")
            self.assertEqual((hello.returncode, hello.stdout), (0, "hi\n"))
            for node in ("n1", "n2"):  # the node's own name, never the host's
                self.assertEqual(on(node, "/usr/bin/uname", "-n").stdout, node + "\n")
            share = pathlib.Path(cluster.status()["share"])
            shutil.copy("/bin/busybox", share)
            status = on("n2", "/cluster/busybox", "sh", "-c", "echo bad >&2; exit 3")
            self.assertEqual((status.returncode, status.stderr), (3, "bad\n"))
            self.assertEqual(on("n1", "/cluster/busybox", "cat", input="through\n").stdout, "through\n")
            missing = on("n1", "/no/such/program")
            self.assertNotEqual(missing.returncode, 0)
            rsh = run([BUILD / "bin/k42-rsh", "-n", "n2", "/cluster/busybox", "hostname;", "exit", "4"], check=False,
                      env=cluster.environment)
            self.assertEqual((rsh.returncode, rsh.stdout), (4, "n2\n"))

    def test_terminals_signals_and_what_is_not_served(self):
        with Cluster(nodes=1, options=["--cpus", "2", "--timeout", "90"]) as cluster:
            share = pathlib.Path(cluster.status()["share"])
            shutil.copy("/bin/busybox", share)
            self.a_shell_on_a_terminal(cluster)
            self.folder_and_environment(cluster)
            self.ends_by_sigterm(cluster)
            self.calls_in_vain(cluster, share)

    def a_shell_on_a_terminal(self, cluster):
        terminal = Terminal(cluster, "run", "--node", "n1", "--terminal", "--env", "PS1=> ", "--",
                            "/usr/bin/bash", "--norc", "--noprofile", "--noediting", "-i")
        first = terminal.until("> ")
        self.assertNotIn("job control", first)
        terminal.type("stty size; echo $TERM; tty\n")
        shown = terminal.until(r"/dev/pts/\d+\r\n")
        self.assertIn("31 83\r\n", shown)
        self.assertIn("vt220\r\n", shown)
        terminal.resize(40, 100)
        terminal.type("sleep 0.2; stty size\n")
        terminal.until("40 100\r\n")
        terminal.type("sleep 1000; echo after=$?\n")
        time.sleep(0.5)
        terminal.type("\x03")
        terminal.until("> ")
        terminal.type("sleep 1000\n")
        time.sleep(0.5)
        terminal.type("\x1a")
        terminal.until("Stopped")
        terminal.type("kill %1; wait; cat; exit 7\n")
        time.sleep(0.5)
        terminal.type("typed\n")
        terminal.until("typed\r\ntyped\r\n")
        terminal.type("\x04")
        self.assertEqual(terminal.end(), 7)
        # Without a terminal here: the end of input is typed.
        ended = cluster.ctl("run", "--node", "n1", "--terminal", "--", "/cluster/busybox", "wc", "-l",
                            input="one\ntwo\n", check=False)
        self.assertEqual((ended.returncode, ended.stdout.split()[-1]), (0, "2"))
        # Amid a line, and behind more than a terminal takes at a time.
        amid = cluster.ctl("run", "--node", "n1", "--terminal", "--", "/cluster/busybox", "cat", input="abc",
                           check=False)
        self.assertEqual((amid.returncode, amid.stdout), (0, "abcabc"))
        full = "0123456789abcde\n" * 256  # a terminal's input holds one byte less
        for text in (full[:-2] + "\n", full[:-1], full * 8):
            much = cluster.ctl("run", "--node", "n1", "--terminal", "--", "/cluster/busybox", "sh", "-c",
                               "sleep 1; wc -c", input=text, check=False)
            self.assertEqual(much.returncode, 0)
            # Behind the echo of the last line, which may have no end.
            self.assertRegex(much.stdout, rf"(^|[\ne]){len(text)}\s*$")

    def folder_and_environment(self, cluster):
        shown = cluster.ctl("run", "--node", "n1", "--cwd", "/usr/bin", "--env", "A=b c", "--", "sh", "-c",
                            "pwd; echo $A; kill -9 $$", check=False)
        self.assertEqual((shown.returncode, shown.stdout), (128 + 9, "/usr/bin\nb c\n"))

    def ends_by_sigterm(self, cluster):
        words = [BUILD / "bin/k42ctl", "--cluster", cluster.name, "run", "--node", "n1", "--"]
        for script, status in (("sleep 1000", 128 + 15), ("trap 'exit 5' TERM; sleep 1000 & wait", 5),
                               ("trap '' TERM; while :; do sleep 1; done", 128 + 15)):
            with subprocess.Popen([*words, "/usr/bin/bash", "-c", f"echo up; {script}"], text=True,
                                  stdout=subprocess.PIPE, env=cluster.environment) as process:
                self.assertEqual(process.stdout.readline(), "up\n")
                time.sleep(0.3)
                process.send_signal(signal.SIGTERM)
                self.assertEqual(process.wait(LIMIT), status, script)

    def calls_in_vain(self, cluster, share):
        source = share / "vain.c"
        source.write_text("#include <unistd.h>\n#include <sys/syscall.h>\n"
                          "int main(void) { for (int i = 0; i < 5; ++i) syscall(SYS_ptrace, 99, 0, 0, 0);"
                          " return syscall(SYS_kexec_load, 0, 0, 0, 0) != -1; }\n")
        subprocess.run(["musl-gcc", "-static", "-o", share / "vain", source], check=True)
        cluster.ctl("run", "--node", "n1", "--", "/cluster/vain")
        calls = json.loads(cluster.ctl("abi", "n1", "--json").stdout)
        ours = [(call["name"], call["count"]) for call in calls if call["program"] == "/cluster/vain"]
        self.assertEqual(ours, [("ptrace", 5), ("kexec_load", 1)])
        self.assertIn("ptrace", cluster.ctl("abi", "n1").stdout)
        self.assertEqual(cluster.ctl("abi", "n9", check=False).returncode, 1)


if __name__ == "__main__":
    main()
