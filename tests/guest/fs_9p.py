#!/usr/bin/env python3
"""The guest's file tests with a folder of the host exported to it, read-only and shared; then looks
at what the guest wrote. fs_9p.py [CPUS[,CPUS...]]"""
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
IMAGE = HERE.parents[1] / "build" / "k42-test.elf"


def run(folder, read_only, cpus):
    option = "mount=share:/share" + (":ro" if read_only else "")
    device = f"local,id=fs0,path={folder},security_model=none,multidevs=remap"
    command = [sys.executable, HERE / "run.py", IMAGE, "--cpus", cpus, "--timeout", "90",
               "--append", f"test=fs_* {option}", "--",
               "-fsdev", device + (",readonly=on" if read_only else ""),
               "-device", "virtio-9p-pci,fsdev=fs0,mount_tag=share"]
    return subprocess.run(command, check=False).returncode


def main(cpus="2"):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "small").write_text("from the host\n")
        (folder / "link").symlink_to("small")
        (folder / "large").write_bytes(bytes(i % 251 for i in range(300_001)))
        (folder / "folder").mkdir()
        for i in range(300):
            (folder / "folder" / f"a file with a rather long name, number {i}").touch()
        for read_only in (True, False):
            if run(folder, read_only, cpus):
                return 1
        if (folder / "renamed").read_text() != "to the host":
            print("fs_9p: the guest's file did not arrive")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
