#!/usr/bin/env python3
"""Runs a kernel image in QEMU: run.py IMAGE [options] [-- extra qemu arguments]

Relays the serial console. Exit status 0: the kernel ended with success (isa-debug-exit 33), and every
--expect text and every --match were seen; with --panic: it panicked instead. Else 1. Hardware virtualization is used
where the CPU shows vmx or svm, unless K42_ACCEL says otherwise.
"""
import argparse
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "sim-fabric"))
from k42sim import machine  # noqa: E402

SUCCESS, PANIC = 33, 3


def command_line(options, cpus):
    command = [*machine.words(cpus, options.icount, options.cpu), "-serial", "stdio",
               "-kernel", options.image, "-append", " ".join(options.append)]
    if options.numa:
        # Half of the CPUs and of the memory on node 0, half on node 2; node 1 is a small arena.
        half = cpus // 2
        command += ["-m", str(options.memory + 32),
                    "-object", f"memory-backend-ram,id=ram0,size={options.memory // 2}M",
                    "-object", "memory-backend-memfd,id=arena,share=on,size=32M",
                    "-object", f"memory-backend-ram,id=ram2,size={options.memory - options.memory // 2}M",
                    "-numa", f"node,nodeid=0,memdev=ram0,cpus=0-{half - 1}",
                    "-numa", "node,nodeid=1,memdev=arena",
                    "-numa", f"node,nodeid=2,memdev=ram2,cpus={half}-{cpus - 1}"]
    elif options.arena:
        # As a node has it: RAM and arena are two NUMA nodes (a memory of its own for each).
        command += ["-m", str(options.memory + options.arena),
                    "-object", f"memory-backend-memfd,id=ram,size={options.memory}M",
                    "-object", f"memory-backend-memfd,id=arena,share=on,size={options.arena}M",
                    "-numa", f"node,nodeid=0,memdev=ram,cpus=0-{cpus - 1}",
                    "-numa", "node,nodeid=1,memdev=arena"]
    else:
        # reserve=off: more than this host has, as long as the guest does not use it.
        command += ["-m", str(options.memory), "-machine", "memory-backend=ram",
                    "-object", f"memory-backend-ram,id=ram,size={options.memory}M,reserve=off"]
    return command + options.extra


def run(options, cpus):
    """One run; True if it ended as wanted."""
    child = subprocess.Popen(command_line(options, cpus), stdin=subprocess.PIPE if options.type else subprocess.DEVNULL,
                             stdout=subprocess.PIPE, start_new_session=True)
    timed_out = threading.Event()

    def stop():
        timed_out.set()
        os.killpg(child.pid, signal.SIGKILL)

    timer = threading.Timer(options.timeout, stop)
    timer.start()
    missing, faults = set(options.expect), []
    unmatched = set(options.match)
    for raw in child.stdout:
        line = raw.decode(errors="replace")
        sys.stdout.write(line)
        sys.stdout.flush()
        if "FAILED" in line or "_test.cc:" in line:
            faults.append(line)
        missing = {text for text in missing if text not in line}
        unmatched = {pattern for pattern in unmatched if not re.search(pattern, line)}
        if options.type and "ready for typing" in line:
            child.stdin.write(options.type.encode() + b"\n")
            child.stdin.flush()
    status = child.wait()
    timer.cancel()
    wanted = PANIC if options.panic else SUCCESS
    if timed_out.is_set():
        print(f"run.py: stopped after {options.timeout} s")
    elif status != wanted:
        print(f"run.py: QEMU ended with {status}, expected {wanted}")
    if status != wanted and not options.panic:
        sys.stdout.writelines(faults)  # once more, where the end of a long log shows them
    missing |= unmatched
    for text in sorted(missing):
        print(f"run.py: never seen: {text}")
    return status == wanted and not missing and not timed_out.is_set()


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("image")
    parser.add_argument("--cpus", default="2", help="how many; several runs: 1,2,4")
    parser.add_argument("--cpu", default="max", help="CPU model when emulated")
    parser.add_argument("--memory", type=int, default=256, help="MiB")
    parser.add_argument("--arena", type=int, default=0, help="MiB of fabric arena beside the memory")
    parser.add_argument("--numa", action="store_true", help="two nodes of memory and CPUs beside the arena")
    parser.add_argument("--append", action="append", default=[], help="boot options")
    parser.add_argument("--timeout", type=float, default=60, help="seconds, of each run")
    parser.add_argument("--expect", action="append", default=[], help="text that must appear")
    parser.add_argument("--match", action="append", default=[], help="regular expression that a line must match")
    parser.add_argument("--panic", action="store_true", help="the kernel must panic")
    parser.add_argument("--type", help="a line for the console, once the kernel is `ready for typing`")
    parser.add_argument("--icount", action="store_true", help="one instruction is one ns")
    arguments, extra = sys.argv[1:], []
    if "--" in arguments:
        extra = arguments[arguments.index("--") + 1:]
        arguments = arguments[:arguments.index("--")]
    options = parser.parse_args(arguments)
    options.extra = extra
    good = True
    for cpus in options.cpus.split(","):
        good = run(options, int(cpus)) and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
