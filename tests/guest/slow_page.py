#!/usr/bin/env python3
"""A page fault that waits blocks its thread only.

A node mounts a folder whose reads the emulator holds back (throttled to a few a second). A program of two
threads maps a file of it: one thread touches a page, the other must go on meanwhile; afterwards the page
is there and costs nothing. A program that is ended while a thread of it waits leaves nothing behind. Eight
threads that fault again and again all come to their end.
"""
import pathlib
import re
import sys
import tempfile

from node_shell import NodeShell

HERE = pathlib.Path(__file__).resolve().parent
READS_PER_SECOND = 4

SCRIPT = """
/cluster/slow_page /slow/file || echo "failed $?"
for i in 1 2 3 4 5; do
  /cluster/slow_page /slow/other$i & last=$!
  usleep 100000
  kill -9 $last
  wait $last
done
echo killed
/cluster/slow_page /cluster/large many
/cluster/slow_page /slow/file && echo "still well"
"""


def main():
    with tempfile.TemporaryDirectory(prefix="k42-slow-") as name, NodeShell(cpus=1, memory=256) as shell:
        folder = pathlib.Path(name)
        shell.compile(HERE / "slow_page.c")
        slow = folder / "slow"
        slow.mkdir()
        for file in ("file", *(f"other{i}" for i in range(1, 6))):
            (slow / file).write_bytes(b"\1" * (1 << 20))
        with open(shell.share / "large", "wb") as large:
            large.write(b"\1" * (64 << 20))
        extra = ["-fsdev", f"local,id=slow,path={slow},security_model=none,readonly=on,"
                           f"throttling.iops-read={READS_PER_SECOND}",
                 "-device", "virtio-9p-pci,fsdev=slow,mount_tag=slow"]
        status, text = shell.run(SCRIPT, 100, extra=extra, append="mount=slow:/slow:ro")
    print(text)
    rounds = [tuple(map(int, found)) for found in re.findall(
        r"round \d waited (\d+) ns counted (\d+) again (\d+) ns sum 2$", text, re.M)]
    problems = []
    if status != 0 or "still well" not in text or "killed" not in text:
        problems.append(f"the script ended with {status}")
    if "touched 256, sum 256\n" not in text:
        problems.append("eight threads did not touch all pages of the large file")
    if len(rounds) < 6 or text.count("buses 3") != 2:
        problems.append(f"{len(rounds)} rounds of 6 were right")
    # The last three read pages that are there.
    slow_ones = [(waited, counted) for waited, counted, _ in rounds[:3] if waited > 20_000_000]
    if not slow_ones:
        problems.append("no page was slow: nothing was shown")
    for waited, counted in slow_ones:
        # A thread that runs counts some hundred in a microsecond even when emulated slowly; it must have
        # had most of the time.
        if counted < waited / 10_000:
            problems.append(f"while one thread waited {waited} ns, the other counted to {counted} only")
    print("\n".join(problems) or "ok")
    return len(problems) != 0


if __name__ == "__main__":
    sys.exit(main())
