#!/usr/bin/env python3
"""How long spin locks are held while programs run: spin_holds_processes.py [--long] [NAME...]

A debug kernel whose instructions are counted runs each set of programs and judges itself (boot/spin_holds.h):
a place that holds one for more than 50 instructions without a stated reason, or for longer than its reason
says, is a failure. The sets: the native images, the Linux programs of tests/linux and, in the long form, Debian's
(tests/guest/debian); what those print is compared elsewhere (tests/linux/run.py, debian_programs.py).
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tests/linux"))

import run as linux  # noqa: E402

LIMIT = 50
KERNEL = ROOT / "build" / "k42-debug.elf"
# By set: its boot options, in the short and in the long form.
NATIVE = {
    "proc_test": ("image=proc_test",) * 2,
    "call_test": ("image=call_test",) * 2,
    "native_fuzz": ("image=native_fuzz -- 1 20", "image=native_fuzz -- 100 100"),
}
NATIVE_LONG = {"dispatcher_test": ("image=dispatcher_test",) * 2}  # over a thousand million instructions
# One boot each.
LINUX = {
    "memory": ["memory", "bad_pointers", "touching"],
    "processes": ["fork_wait", "spawn", "exec", "signals", "threads", "pidfd"],
    "files": ["files", "file_kinds", "file_locks", "file_openings", "descriptors", "inotify"],
    "streams": ["pipes", "poll_epoll", "sockets", "datagrams", "sysv_ipc", "proc_net"],
}
LINUX_LONG = {
    "more_memory": ["huge_pages", "memory_policy", "limits"],
    "more_processes": ["parallel", "waiting_threads", "signal_load", "proc_gone", "cpu_time", "exec_names"],
    "more_files": ["file_clients", "file_racers", "small_answers", "sysv_others", "bad_arguments", "vdso"],
}
DEBIAN_LONG = {
    "shells": ["bash", "coreutils", "text_tools", "busybox", "job_control"],
    "languages": ["python", "perl", "sqlite", "git"],
    "load": ["stress", "system_info", "watch", "redis", "nginx"],
}
ONE_LIMIT = 100  # seconds of the node's, for one Debian script
HELD = re.compile(r"HELD (\d+) instructions, (\d+) allowed: (.*)")
SUMS = re.compile(r"(\d+) sites, (\d+) held longer than \d+ with a stated reason, (\d+) without")


def devices(folder):
    """What a node sees of this host, and the programs' own folder."""
    options, qemu = [], []
    for tag, path, read_only in [(tag, f"/{tag}", True) for tag in linux.SHARED] + [("cluster", folder, False)]:
        qemu += ["-fsdev", f"local,id={tag},path={path},security_model=none,multidevs=remap" +
                 (",readonly=on" if read_only else ""),
                 "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]
        options.append(f"mount={tag}:/{tag}" + (":ro" if read_only else ""))
    return options, qemu


def guest(boot, memory, limit, qemu=()):
    """What the kernel said. The words for the program come last."""
    options, mark, words = boot.partition(" -- ")
    command = [sys.executable, str(HERE / "run.py"), str(KERNEL), "--icount", "--cpus", "1", "--memory", str(memory),
               "--timeout", str(limit), "--append", f"{options} exit holds={LIMIT}{mark}{words}", "--", *qemu]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.stdout.decode(errors="replace")


def scripted(script, folder, memory, limit):
    # A program's own complaint is not this test's.
    (folder / "all.sh").write_text(script + "exit 0\n")
    options, qemu = devices(folder)
    return guest(" ".join([*options, "init=/bin/busybox"]) + " -- sh /cluster/all.sh", memory, limit, qemu)


def linux_set(names, limit):
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        for name in names:
            linux.build(name, folder)
        return scripted("".join(f"/cluster/{name} a b > /dev/null 2>&1\n" for name in names), folder, 512, limit)


def debian_set(names, limit):
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        script = "export HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LONG=0\n"
        for name in names:
            shutil.copy(HERE / "debian" / f"{name}.sh", folder)
            script += (f"mkdir -p /tmp/{name}; cd /tmp/{name}; "
                       f"timeout {ONE_LIMIT} bash /cluster/{name}.sh > /dev/null 2>&1\n")
        return scripted(script, folder, 2048, limit)


def run_set(name, long, limit):
    if name in NATIVE | NATIVE_LONG:
        return guest((NATIVE | NATIVE_LONG)[name][long], 256, limit)
    if name in DEBIAN_LONG:
        return debian_set(DEBIAN_LONG[name], limit)
    return linux_set((LINUX | LINUX_LONG)[name], limit)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--long", action="store_true", default=os.environ.get("K42_LONG") == "1")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    limit = 600 if options.long else 120
    faults, ended = {}, True
    for name in options.names or [*NATIVE, *LINUX, *(NATIVE_LONG | LINUX_LONG | DEBIAN_LONG if options.long else [])]:
        log = run_set(name, options.long, limit)
        sums = SUMS.search(log)
        if not sums:
            ended = False
            print(f"FAILED  {name}: the kernel did not come to its report\n{log[-2000:]}")
            continue
        found = HELD.findall(log)
        print(f"{'FAILED' if found else 'ok':8}{name}: {sums[1]} places held a spin lock, {sums[2]} for longer with a "
              f"stated reason, {sums[3]} without")
        for held, allowed, place in found:
            faults[place] = max(faults.get(place, (0, 0, "")), (int(held), int(allowed), name))
    for place, (held, allowed, name) in sorted(faults.items()):
        print(f"  {held} instructions, {allowed} allowed: {place} (in {name})")
    return 0 if ended and not faults else 1


if __name__ == "__main__":
    if not KERNEL.exists():
        print("not built:", KERNEL)
        sys.exit(77)
    sys.exit(main())
