#!/usr/bin/env python3
"""Files that a program of the node serves (boot option serve=).

Debian programs do the same in the served tree and in /tmp, the kernel's own: same text and status, or it
failed. Then the server is killed again and again under load: what was open fails, the tree is empty
and of use again, who works in /tmp sees nothing of it, and nothing is lost to each death. Last it
is stopped: who waits for it is told in time and can be killed, and however many wait on a CPU,
others end there.
"""
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))

from node_shell import NodeShell  # noqa: E402
from outcomes import differences  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
DEBIAN = HERE / "debian"
SCRIPTS = ("coreutils", "sqlite", "git")
ROUNDS = 12
LIMIT = 10  # seconds that a server may take for an answer (fs/served_files.h)
SETTLED = 256  # KiB of free memory that may differ, whatever was done

SAME = """
for place in /tmp/place /srv/place; do
  side=$(echo $place | cut -d/ -f2)
  for name in {names}; do
    rm -rf $place; mkdir $place; cd $place
    LONG=0 timeout -k 5 100 bash /cluster/$name.sh > /tmp/out 2> /tmp/err < /dev/null
    echo $? > /cluster/$name.$side.code
    sed "s:$place:/place:g" /tmp/out > /cluster/$name.$side.out
    sed "s:$place:/place:g" /tmp/err > /cluster/$name.$side.err
    cd /; rm -rf $place
  done
  mkdir $place; chmod 777 $place; cd $place
  /cluster/served_files $place > /cluster/program.$side.out 2>&1
  cd /; rm -rf $place
done
"""

SERVED = """
served() { for p in /proc/[0-9]*; do read name < $p/comm && [ "$name" = memory_files ] && echo ${p#/proc/}; done 2> /dev/null; }
"""
DEATHS = SERVED + """
settle() { sleep 1; free -k | awk '/^Mem/ { print $4 }'; }

worker() {  # in /tmp, with looks at what it wrote
  mkdir /tmp/own; cd /tmp/own; n=0
  while [ ! -e /tmp/enough ]; do
    n=$((n + 1))
    cp /cluster/busybox one && tar cf two one && tar xf two && cmp one /cluster/busybox && mv one three || {
      echo "worker failed in round $n"; break; }
  done
  echo "worker did $((n > 3))"
  cd /; rm -rf /tmp/own
}
loader() {  # in the served tree, whatever becomes of it
  while [ ! -e /tmp/enough ]; do
    mkdir -p /srv/load; cp /cluster/busybox /srv/load/a; cmp -s /srv/load/a /cluster/busybox; ls -lR /srv; rm -r /srv/load
  done > /dev/null 2>&1
}
kill_one() {
  old=$(served)
  mkdir -p /srv/kept && echo text > /srv/kept/file || echo "cannot write"
  exec 3< /srv/kept/file
  kill -9 $old
  for i in $(seq 1000); do [ -n "$(served)" ] && [ "$(served)" != $old ] && ls /srv/. > /dev/null 2>&1 && break; usleep 10000; done
  [ -e /srv/kept ] && echo "the old tree is there"
  head -c 1 <&3 > /dev/null 2>&1 && echo "an old descriptor reads"
  exec 3<&-
}
deaths() {
  rm -f /tmp/enough
  worker & worker=$!
  loader & loader=$!
  for round in $(seq $1); do usleep 1100000; kill_one; done
  : > /tmp/enough
  wait $worker; wait $loader
  rm -rf /srv/load
  kill_one
}
deaths 4; before=$(settle)
deaths {rounds}; after=$(settle)
echo "kept $before $after"
grep -c ' /srv 9p rw' /proc/mounts
"""

STOPPED = SERVED + """
echo text > /srv/file; cat /srv/file
old=$(served)
seconds() { cut -d. -f1 /proc/uptime; }
mkfifo /tmp/go
taskset 1 sh -c 'read go < /tmp/go; (exit 0); (exit 0); echo ended' & ends=$!
usleep 300000
kill -STOP $old
began=$(seconds)
cat /srv/file & waits=$!
ls /srv > /dev/null 2>&1 & killed=$!
usleep 500000
kill -9 $killed
many=""
for i in $(seq 20); do taskset 1 cat /srv/file > /dev/null 2>&1 & many="$many $!"; done
usleep 1000000
at=$(seconds)
echo > /tmp/go
wait $ends
[ $(($(seconds) - at)) -le 4 ] && echo "others end"
echo fine > /tmp/fine; cat /tmp/fine
wait $waits; echo "cat: $?"
wait $killed; echo "ls: $?"
wait $many
echo "took $(($(seconds) - began))"
for i in $(seq 300); do [ "$(served)" != "$old" ] && ls /srv > /dev/null 2>&1 && break; usleep 100000; done
ls /srv; echo "again: $?"
"""


def same_as_in_the_kernel():
    with NodeShell(memory=1536) as node:
        for name in SCRIPTS:
            node.add(DEBIAN / f"{name}.sh")
        node.compile(HERE / "served_files.c")
        status, text = node.run(SAME.format(names=" ".join(SCRIPTS)), 400, append="serve=memory_files:/srv")
        problems = [] if status == 0 else [f"the scripts ended with {status}: {text}\n{node.log[-2000:]}"]
        for name in (*SCRIPTS, "program"):
            sides = [[(node.share / f"{name}.{side}.{part}").read_text(errors="replace")
                      if (node.share / f"{name}.{side}.{part}").exists() else ""
                      for part in ("code", "out", "err")] for side in ("tmp", "srv")]
            if sides[0] != sides[1]:
                problems.append(f"{name} in /tmp (here) and in /srv (there):\n" + "\n".join(
                    str(line) for line in differences((sides[0][0].strip(), sides[0][1] + sides[0][2]),
                                                      (sides[1][0].strip(), sides[1][1] + sides[1][2]))))
            elif not sides[0][1]:
                problems.append(f"{name} said nothing")
    return problems


def deaths():
    with NodeShell(memory=512) as node:
        status, text = node.run(DEATHS.replace("{rounds}", str(ROUNDS)), 200, append="serve=memory_files:/srv")
    print(text)
    kept = re.search(r"^kept (\d+) (\d+)$", text, re.M)
    expected = "worker did 1\nworker did 1\n" + (kept.group() if kept else "kept") + "\n1"
    problems = []
    if status != 0 or text.strip() != expected:
        problems.append(f"deaths: status {status}, wanted:\n{expected}\n{node.log[-3000:]}")
    elif abs(int(kept.group(1)) - int(kept.group(2))) > SETTLED:
        problems.append("memory was lost to the deaths")
    if node.log.count("memory_files at /srv, process") < ROUNDS + 6:
        problems.append("it was not started again each time")
    return problems


def stopped():
    with NodeShell(memory=256) as node:
        status, text = node.run(STOPPED, 100, append="serve=memory_files:/srv")
    print(text)
    took = re.search(r"took (\d+)", text)
    wanted = ["text", "ended", "others end", "fine", "cat: 1", "ls: 137", "again: 0"]
    got = [line for line in text.splitlines() if line in wanted]
    problems = []
    if status != 0 or got != wanted or "does not answer" not in node.log:
        problems.append(f"stopped: status {status}\n{node.log[-3000:]}")
    elif not LIMIT - 1 <= int(took.group(1)) <= LIMIT + 5:
        problems.append("who waited was not told in time")
    return problems


NEVER = """
ls /never > /dev/null 2>&1; echo "never: $?"
echo text > /srv/file; cat /srv/file
sleep 3
"""


def never():
    """A program that ends at once: the node goes on, and does not start it all the time."""
    with NodeShell(memory=256) as node:
        status, text = node.run(NEVER, 60, append="serve=hello:/never serve=memory_files:/srv")
    started = node.log.count("hello does not serve /never")
    if status != 0 or text.strip() != "never: 1\ntext" or not 3 <= started <= 12:
        return [f"never: status {status}, {started} times started: {text}\n{node.log[-3000:]}"]
    return []


def main():
    parts = {"same": same_as_in_the_kernel, "deaths": deaths, "stopped": stopped, "never": never}
    problems = []
    for name in sys.argv[1:] or parts:
        problems += parts[name]()
    print("\n".join(problems) or "ok")
    return len(problems) != 0


if __name__ == "__main__":
    sys.exit(main())
