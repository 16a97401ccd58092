#!/usr/bin/env python3
"""A program that reads, and one that maps, a file larger than the node's memory just run.

Both at once, too; and afterwards the node's memory is there for others.
"""
import pathlib
import struct
import sys
import tempfile

from node_shell import NodeShell

HERE = pathlib.Path(__file__).resolve().parent
MEMORY, FILE = 96, 144  # MiB

SCRIPT = """
/cluster/larger map /big/file {pages} || echo "failed $?"
/cluster/larger read /big/file {pages} || echo "failed $?"
/cluster/larger map /big/file {pages} & /cluster/larger read /big/file {pages}; wait
head -c 20000000 /dev/zero > /tmp/zeros && wc -c < /tmp/zeros
"""


def main():
    pages = FILE << 8
    with tempfile.TemporaryDirectory(prefix="k42-large-") as name, \
            NodeShell(cpus=2, memory=MEMORY) as shell:
        folder = pathlib.Path(name)
        shell.compile(HERE / "larger_than_memory.c", "larger")
        big = folder / "big"
        big.mkdir()
        with open(big / "file", "wb") as file:
            for page in range(pages):
                file.write(struct.pack("<Q", page).ljust(4096, b"."))
        extra = ["-fsdev", f"local,id=big,path={big},security_model=none,readonly=on",
                 "-device", "virtio-9p-pci,fsdev=big,mount_tag=big"]
        status, text = shell.run(SCRIPT.format(pages=pages), 150, extra=extra, append="mount=big:/big:ro")
    print(text)
    right = text.count(f": 0 of {pages} pages wrong")
    if status != 0 or right != 4 or "20000000" not in text:
        print(f"ended with {status}, {right} of 4 were right")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
