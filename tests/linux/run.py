#!/usr/bin/env python3
"""Linux programs, here and behind the personality, compared: run.py [NAME...]

Builds tests/linux/*.c, runs each on this machine's Linux, then with the personality over it, and compares
output and exit code. Exit status 0: all the same.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# What linux_on_host cannot imitate (README.md).
NODE_ONLY = {"fork_wait", "poll_epoll", "sockets"}
LIMIT_S = 60


def build(name, folder, static=True):
    target = folder / name
    command = ["gcc", "-w", "-O1", "-pthread", "-o", str(target), str(HERE / f"{name}.c"), "-lm"]
    subprocess.run(command + (["-static"] if static else []), check=True)
    return target


def outcome(command, limit=LIMIT_S):
    for name in ("files", "fork_wait.file"):
        subprocess.run(["rm", "-rf", f"/tmp/{name}"], check=False)
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, timeout=limit)
        return done.returncode, done.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired as late:
        return "timeout", (late.stdout or b"").decode(errors="replace")


def on_host(program, words):
    runner = ROOT / "build" / "bin" / "linux_on_host"
    return outcome(["setarch", "-R", str(runner), str(program), *words])


def differences(want, got):
    lines = [f"  exit {want[0]} here, {got[0]} there"] if want[0] != got[0] else []
    ours, theirs = want[1].splitlines(), got[1].splitlines()
    for number in range(max(len(ours), len(theirs))):
        a = ours[number] if number < len(ours) else "(nothing)"
        b = theirs[number] if number < len(theirs) else "(nothing)"
        if a != b:
            lines.append(f"  line {number + 1}: {a!r} here, {b!r} there")
    return lines[:8]


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    names = options.names or sorted(path.stem for path in HERE.glob("*.c"))
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        programs = {name: build(name, pathlib.Path(folder)) for name in names}
        for name in names:
            if name in NODE_ONLY:
                continue
            want = outcome([str(programs[name]), "a", "b"])
            got = on_host(programs[name], ["a", "b"])
            found = differences(want, got)
            print(f"{'FAILED' if found else 'ok':8}{name}")
            for line in found:
                print(line)
            failed += bool(found)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
