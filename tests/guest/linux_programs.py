#!/usr/bin/env python3
"""Unmodified Linux programs on a node: linux_programs.py [hello|shell|glibc|mapped ...]

The host's Linux is the specification: what runs on both must show the same. (Call by call this is
tests/linux/run.py --on node.)
"""
import pathlib
import subprocess
import sys
import tempfile

from node_shell import NodeShell

# A few seconds on an idle machine; shared ones stall.
LIMIT = 90

SHELL = """
echo one two | cat
cd /tmp && mkdir d && echo text > d/file && cat d/file && ls d
(exit 3); echo status $?
seq 1 100 | grep 7 | wc -l
for i in 1 2 3; do echo $i; done | sort -r | tr '\\n' ' '; echo
sh -c 'kill -TERM $$'; echo killed $?
busybox timeout 1 sleep 9; echo timed out $?; busybox timeout 9 echo in time; echo $?
echo appended >> d/file; wc -l < d/file
sleep 1 & wait; echo waited
test -d /proc/self && echo proc
ls /nowhere 2>/dev/null || echo missing
x=$(echo nested $(echo deep)); echo $x
mv d/file d/other && rm d/other && rmdir d && echo gone
"""
GLIBC = """
/usr/bin/bash -c 'declare -A m=([a]=1 [b]=2); echo ${m[a]}${m[b]} $((6*7)); printf "%s\\n" x y | while read l; do echo "<$l>"; done'
/usr/bin/printf '%d\\n' 42 | /usr/bin/md5sum
/usr/bin/seq 1 1000 | /usr/bin/sort -n | /usr/bin/tail -1
/usr/bin/find /usr/share/doc/bash -name 'copyright' | /usr/bin/head -1
/usr/bin/python3 -c 'import threading,subprocess,os
t=[threading.Thread(target=lambda i=i: r.append(i)) for i in range(8)] if (r:=[]) is not None else 0
[x.start() for x in t]; [x.join() for x in t]; print(sorted(r))
print(subprocess.run(["/usr/bin/echo","sub"],capture_output=True).stdout)'
/usr/bin/perl -e 'print join(",", map { $_*$_ } 1..5), "\\n"'
/usr/bin/tar cf - -C /usr/share/doc/bash . | /usr/bin/tar tf - | /usr/bin/wc -l
"""

# A file of the host's, changed through a mapping and by write, and by whom it is seen when.
MAPPED = """
import mmap, os
fd = os.open("/cluster/mapped", os.O_RDWR | os.O_CREAT)
os.write(fd, b"a" * 8192)
with mmap.mmap(fd, 8192) as memory:
    memory[4101:4104] = b"bbb"
    os.pwrite(fd, b"cccc", 4094)
    print(memory[4093:4105], os.pread(fd, 12, 4093))
    memory.flush()
    os.system("cp /cluster/mapped /cluster/copy")
    memory[0:3] = b"ddd"
    memory.flush(0, 4096)
    os._exit(0 if os.pread(fd, 4, 0) == b"ddda" else 1)
"""


def on_host(script):
    # busybox on the node is its own first choice for each command name; so is it here.
    done = subprocess.run(["busybox", "sh", "-c", "PATH=/usr/sbin:/usr/bin:/sbin:/bin\n" + script],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return done.stdout


def same(name, want, status, got):
    if status == 0 and want.strip() == got.strip():
        print(f"ok      {name}")
        return True
    print(f"FAILED  {name} (exit {status})\n--- the host's Linux\n{want}--- the node\n{got}")
    return False


def hello(node):
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, "hello.c")
        source.write_text('#include <stdio.h>\nint main(int c, char** v) { printf("hello %s\\n", v[1]); return c; }\n')
        good = True
        for name, compiler in (("musl", ["musl-gcc", "-static"]), ("glibc", ["gcc"]), ("glibc-static", ["gcc", "-static"])):
            program = pathlib.Path(folder, name)
            subprocess.run([*compiler, "-O2", "-o", program, source], check=True)
            node.add(program)
            status, text = node.run(f"/cluster/{name} {name}; exit $?", LIMIT)
            good = same(f"hello {name}", f"hello {name}\n", 0 if status == 2 else status, text) and good
        return good


def mapped(node):
    status, text = node.run(f"python3 -c '{MAPPED}'", LIMIT)
    middle = b"accccaaabbba"
    good = same("mapped", f"{middle} {middle}\n", status, text)
    for name, start in (("copy", b"aaaa"), ("mapped", b"ddda")):
        seen = (node.share / name).read_bytes()
        if seen[:4] != start or seen[4093:4105] != middle or len(seen) != 8192:
            print(f"FAILED  mapped: the host sees {seen[:4]} {seen[4093:4105]} in {name}")
            good = False
    return good


def scripted(name, script):
    def test(node):
        status, text = node.run("exec 2>/dev/null\n" + script + "exit 0", LIMIT)
        good = same(name, on_host(script), status, text)
        if not good:
            print(node.log)
        return good
    return test


TESTS_BY_NAME = {"hello": hello, "shell": scripted("shell", SHELL), "glibc": scripted("glibc", GLIBC),
                 "mapped": mapped}


def main():
    names = sys.argv[1:] or list(TESTS_BY_NAME)
    good = True
    for name in names:
        with NodeShell() as node:
            good = TESTS_BY_NAME[name](node) and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
