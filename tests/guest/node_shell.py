"""Boots one node with the host's /usr and /etc and a shared folder, and runs a shell script in it.

    with NodeShell() as node:
        node.add(path)                     # into /cluster of the node
        status, text = node.run("echo hi; ls /cluster", timeout=60)

The node is a fresh QEMU for each run; its console is the script's standard output.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUSYBOX = "/bin/busybox"  # Debian's busybox-static
LOG_LINE = re.compile(r"^\[ *\d+\.\d+ +\d+\] ")  # the kernel's own


class NodeShell:
    def __init__(self, cpus=2, memory=1024, image=None):
        """The image is K42_KERNEL's where none is given, or else the one of the default build."""
        image = image or os.environ.get("K42_KERNEL", ROOT / "build/k42.elf")
        self.cpus, self.memory, self.image = cpus, memory, image

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="k42-node-")
        self.share = pathlib.Path(self._folder.name)
        self.add(BUSYBOX, "busybox")
        return self

    def __exit__(self, *_):
        self._folder.cleanup()

    def add(self, path, name=None):
        target = self.share / (name or pathlib.Path(path).name)
        shutil.copy(path, target)
        target.chmod(0o755)

    def compile(self, source, name=None, compiler="musl-gcc"):
        """A C program, static, into /cluster of the node, by the source's name or `name`."""
        target = self.share / (name or source.stem)
        subprocess.run([compiler, "-static", "-O1", "-pthread", "-o", target, source], check=True)

    def run(self, script, timeout, icount=False, extra=(), append=""):
        """Exit status of the script (None: the node did not end well), and the console without the
        kernel's lines. `icount`: its clock counts instructions, one a nanosecond. `extra`: QEMU's;
        `append`: the kernel's further options."""
        (self.share / "script.sh").write_text(
            "export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root\n" + script + "\n")
        command = [sys.executable, str(ROOT / "tests/guest/run.py"), str(self.image), *(["--icount"] * icount),
                   "--cpus", str(self.cpus), "--memory", str(self.memory), "--timeout", str(timeout),
                   "--append", "mount=usr:/usr:ro mount=etc:/etc:ro mount=cluster:/cluster node=1 name=n1 "
                               f"{append} exit "
                               "init=/cluster/busybox -- sh /cluster/script.sh", "--"]
        for tag, path, mode in (("usr", "/usr", "readonly=on"), ("etc", "/etc", "readonly=on"),
                                ("cluster", self.share, "readonly=off")):
            command += ["-fsdev", f"local,id={tag},path={path},security_model=none,multidevs=remap,{mode}",
                        "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]
        command += extra
        done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL)
        text = done.stdout.decode(errors="replace").replace("\r\n", "\n")
        self.log = "\n".join(line for line in text.splitlines() if LOG_LINE.match(line))
        ended = re.search(r"k42: first process exited with (\d+)", text)
        shown = "\n".join(line for line in text.splitlines()
                          if not LOG_LINE.match(line) and not line.startswith("run.py: QEMU ended"))
        return (int(ended.group(1)) if ended else None), shown
