#!/usr/bin/env python3
"""Debian programs on a node and on this host, compared: debian_programs.py [--part I/N] [--long] [NAME...]

Runs tests/guest/debian/NAME.sh (its README says what they are) on the host's Linux, then all of them in one
boot of a node, each in an empty folder of the node's memory file system. Same text and status, or it failed.
"""
import argparse
import os
import pathlib
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))

from node_shell import NodeShell  # noqa: E402
from outcomes import differences  # noqa: E402

SCRIPTS = pathlib.Path(__file__).resolve().parent / "debian"
PLACE = pathlib.Path("/tmp/k42-programs")  # on both sides
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
ONE_LIMIT, LONG_ONE_LIMIT = 100, 900  # seconds for one script

RUN_ONE = """
mkdir -p {place}/{name} && cd {place}/{name}
LONG={long} timeout -k 5 {limit} bash /cluster/{name}.sh > {place}/{name}.out 2> {place}/{name}.err < /dev/null
echo $? > /cluster/{name}.code; cp {place}/{name}.out {place}/{name}.err /cluster
echo "{name} $(cut -d' ' -f1 /proc/uptime)" >> /cluster/times
cd /; rm -rf {place}/{name}
"""


def on_host(name, long):
    folder = PLACE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    out, err = PLACE / f"{name}.out", PLACE / f"{name}.err"
    with open(out, "wb") as out_file, open(err, "wb") as err_file:
        script = subprocess.Popen(["bash", SCRIPTS / f"{name}.sh"], cwd=folder, stdin=subprocess.DEVNULL,
                                  stdout=out_file, stderr=err_file, start_new_session=True,
                                  env={"PATH": PATH, "HOME": "/root", "LONG": str(int(long))})
        try:
            status = script.wait(LONG_ONE_LIMIT if long else ONE_LIMIT)
        except subprocess.TimeoutExpired:
            status = "timeout"
        try:
            os.killpg(script.pid, signal.SIGKILL)  # what it left behind
        except ProcessLookupError:
            pass
        script.wait()
    text = [path.read_text(errors="replace") for path in (out, err)]
    shutil.rmtree(folder, ignore_errors=True)
    return status, *text


def on_node(names, long):
    limit = LONG_ONE_LIMIT if long else ONE_LIMIT
    with NodeShell(memory=3072) as node:
        for name in names:
            node.add(SCRIPTS / f"{name}.sh")
        script = "export HOME=/root\n" + "".join(
            RUN_ONE.format(name=name, place=PLACE, limit=limit, long=int(long)) for name in names)
        (node.share / "all.sh").write_text(script)
        status, text = node.run("exec /usr/bin/bash /cluster/all.sh", 60 + limit * len(names))
        answers = {}
        for name in names:
            code, out, err = (node.share / f"{name}.{kind}" for kind in ("code", "out", "err"))
            answers[name] = (int(code.read_text()) if code.exists() else None,
                             *(f.read_text(errors="replace") if f.exists() else "" for f in (out, err)))
        times = node.share / "times"
        log = "" if status == 0 else f"exit {status}\n{node.log[-3000:]}\n{text[-1000:]}"
        log += "".join(f"{line}\n" for line in node.log.splitlines() if " is not served" in line)
        return answers, times.read_text() if times.exists() else "", log


def problems(want, got):
    lines = differences(want, got, 12)
    return lines + ([f"  its errors: {got[2][-1500:]}"] if lines and got[2] else [])


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--part", default="1/1", help="I/N: every Nth, from the Ith")
    parser.add_argument("--long", action="store_true", default=os.environ.get("K42_LONG") == "1")
    parser.add_argument("--host", action="store_true", help="only show what the host says")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    part, parts = map(int, options.part.split("/"))
    names = options.names or sorted(path.stem for path in SCRIPTS.glob("*.sh"))[part - 1::parts]
    wanted = {name: on_host(name, options.long) for name in names}
    if options.host:
        for name in names:
            print(f"== {name}: {wanted[name][0]}\n{wanted[name][1]}{wanted[name][2]}")
        return 0
    answers, times, log = on_node(names, options.long)
    print("node's clock at each end:", times.replace("\n", "; "))
    print(log, end="")
    failed = 0
    for name in names:
        found = problems(wanted[name], answers[name])
        print(f"{'FAILED' if found else 'ok':8}{name}")
        print("".join(line + "\n" for line in found), end="")
        failed += bool(found)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
