#!/usr/bin/env python3
"""Linux programs, here and there, compared: run.py [--on host|node] [--cpus 1,2,4] [--append OPTION] [NAME...]

Builds tests/linux/*.c, runs each on this machine's Linux, then behind the personality: over this
machine's kernel (`host`, README.md) or on nodes in guests with so many CPUs (`node`). Compares output and exit code.
Exit status 0: all the same.
"""
import argparse
import contextlib
import fcntl
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tests/support"))

from outcomes import differences  # noqa: E402

# What linux_on_host cannot imitate (README.md).
NODE_ONLY = {"bad_arguments", "cpu_time", "datagrams", "descriptors", "exec_names", "exec_words", "file_clients",
             "file_kinds", "file_locks", "file_openings", "fork_threads", "fork_wait", "full_datagrams", "huge_pages",
             "inotify", "job_control", "limits", "parallel", "pidfd", "pipes", "poll_epoll", "proc_gone", "proc_net",
             "robust", "signal_waits", "signals_at_birth", "small_answers", "sockets", "spawn", "stopped", "sysv_ipc",
             "sysv_others", "touching", "unnamed_files", "vdso", "vectors", "waiting_threads"}
LIMIT_S, NODE_LIMIT_S = 60, 240
WORDS = ["a", "b"]
# The host's folders that a node sees, read-only; /cluster is ours, and takes the results.
SHARED = ["usr", "bin", "sbin", "lib", "lib64", "etc"]


def build(name, folder):
    target = folder / name
    subprocess.run(["gcc", "-w", "-O1", "-static", "-pthread", "-o", str(target), str(HERE / f"{name}.c"),
                    "-lm"], check=True)
    return target


@contextlib.contextmanager
def one_at_a_time():
    """On this machine: the programs use one place, /tmp/files."""
    lock = os.open("/tmp/k42-linux-programs.lock", os.O_CREAT | os.O_RDWR, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def outcome(command, folder):
    """Run in `folder`: programs that die on purpose leave their cores there."""
    with one_at_a_time():
        subprocess.run(["rm", "-rf", "/tmp/files"], check=False)
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, timeout=LIMIT_S, cwd=folder)
            return done.returncode, done.stdout.decode(errors="replace")
        except subprocess.TimeoutExpired as late:
            return "timeout", (late.stdout or b"").decode(errors="replace")


def on_host(program):
    runner = ROOT / "build" / "bin" / "linux_on_host"
    return outcome(["setarch", "-R", str(runner), str(program), *WORDS], program.parent)


def on_node(names, folder, cpus, boot_options):
    """One boot runs them all; each leaves NAME.result and NAME.code in the shared folder."""
    script = "\n".join(f"/cluster/{name} {' '.join(WORDS)} > /tmp/result-{name} 2> /dev/null\n"
                       f"echo $? > /cluster/{name}.code\ncp /tmp/result-{name} /cluster/{name}.result"
                       for name in names)
    (folder / "all.sh").write_text(script + "\n")
    devices, options = [], [word for option in boot_options for word in ("--append", option)]
    for tag, path, read_only in [(tag, f"/{tag}", True) for tag in SHARED] + [("cluster", folder, False)]:
        devices += ["-fsdev", f"local,id={tag},path={path},security_model=none,multidevs=remap" +
                    (",readonly=on" if read_only else ""),
                    "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]
        options += ["--append", f"mount={tag}:/{tag}" + (":ro" if read_only else "")]
    command = [sys.executable, str(ROOT / "tests" / "guest" / "run.py"), str(ROOT / "build" / "k42.elf"),
               "--cpus", cpus, "--memory", "512", "--timeout", str(NODE_LIMIT_S), *options,
               "--append", "init=/bin/busybox", "--append", "exit=yes",
               "--append", "-- sh /cluster/all.sh", "--", *devices]
    guest = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        log = guest.communicate(timeout=NODE_LIMIT_S + 30)[0].decode(errors="replace")
    except subprocess.TimeoutExpired:
        os.kill(guest.pid, signal.SIGTERM)
        log = "the guest did not end"
    answers = {}
    for name in names:
        # Taken away, so that the next node's are its own.
        result, code = folder / f"{name}.result", folder / f"{name}.code"
        answers[name] = (int(code.read_text()) if code.exists() else "nothing",
                         result.read_text(errors="replace") if result.exists() else "")
        result.unlink(missing_ok=True)
        code.unlink(missing_ok=True)
    if any(code == "nothing" for code, _ in answers.values()):
        print(log[-3000:])
    return answers


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--on", choices=["host", "node"], default="host")
    parser.add_argument("--cpus", default="2")
    parser.add_argument("--append", default=[], action="append", help="a boot option of the node")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    names = options.names or sorted(path.stem for path in HERE.glob("*.c"))
    if options.on == "host":
        names = [name for name in names if name not in NODE_ONLY]
    failed = 0
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        programs = {name: build(name, folder) for name in names}
        wanted = {name: outcome([str(programs[name]), *WORDS], folder) for name in names}
        for cpus in options.cpus.split(",") if options.on == "node" else [""]:
            answers = (on_node(names, folder, cpus, options.append) if cpus else
                       {name: on_host(programs[name]) for name in names})
            for name in names:
                found = differences(wanted[name], answers[name])
                print(f"{'FAILED' if found else 'ok':8}{name}{f' on {cpus}' if cpus else ''}")
                for line in found:
                    print(line)
                failed += bool(found)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
