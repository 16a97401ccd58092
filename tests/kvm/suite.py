#!/usr/bin/env python3
"""Ten minutes on hardware virtualization: suite.py [--budget SECONDS] [--dry-run]

What emulation cannot show (store buffers, real interrupts within instructions that it takes as one, TLBs,
CPUs that really run at once) meets the kernel here. Runs where the CPU shows vmx or svm and /dev/kvm opens,
and is skipped elsewhere, with the reason. First each step once, then the steps marked so again and again,
until the time is up.
"""
import argparse
import os
import pathlib
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
SKIP = 77
GUEST = "tests/guest/run.py build/k42-test.elf --timeout 120"

# (name, command, seconds it may take, again and again)
STEPS = [
    *((f"kernel's tests, {cpus} CPUs", f"{GUEST} --cpus {cpus} --append trace=all", 120, False)
      for cpus in (1, 2, 4, 8, 16)),
    ("processes", "tests/guest/run.py build/k42.elf --cpus 4 --append 'image=proc_test exit'", 60, False),
    ("random native calls", "tests/guest/run.py build/k42.elf --cpus 4 --append 'image=native_fuzz exit -- 7 100'",
     60, True),
    ("panics", "tests/guest/panics.py build/k42-test.elf", 60, False),
    ("debug console, its NMIs", "tests/guest/debug_console.py", 60, False),
    ("debug kernel: steps and reused pages", "tests/guest/run.py build/k42-test-debug.elf --cpus 4 --timeout 120 "
     "--append 'inject=30 reuse=7 lock_rounds=300'", 120, False),
    ("objects' races, freed memory poisoned, 8 CPUs", "tests/guest/run.py build/k42-test-debug.elf --cpus 8 "
     "--timeout 120 --append test=cobj_races_shared --append races=50000", 120, True),
    ("link and calls between nodes, 4 CPUs each",
     "for c in shm tcp calls-shm calls-tcp restart; do tests/cluster/link.py build $c 4 || exit 1; done", 240, False),
    ("64 CPUs", f"{GUEST} --cpus 64 --memory 1024 --append 'test=boot*,cobj*,message*'", 120, False),
    ("Linux calls against the host's", "tests/linux/run.py --on node", 120, False),
    ("Linux programs", "tests/guest/linux_programs.py", 120, False),
    ("two nodes", "tests/cluster/sim_test.py", 240, False),
    ("streams", "tests/cluster/streams_test.py", 240, False),
    ("traces of two nodes", "tests/cluster/trace_test.py", 120, False),
    ("objects, locks and memory, 8 CPUs",
     f"{GUEST} --cpus 8 --append 'test=cobj*,lock*,mem_*,message*,thread*,trace_*'", 120, True),
]


def why_not():
    with open("/proc/cpuinfo") as file:
        flags = next((line.split() for line in file if line.startswith("flags")), [])
    if not {"vmx", "svm"} & set(flags):
        return "this machine's CPUs show neither vmx nor svm: there is no hardware virtualization to test on"
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "/dev/kvm does not open for this user"
    return None


def run(name, command, limit):
    began = time.monotonic()
    process = subprocess.Popen(command, shell=True, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True, errors="replace", start_new_session=True,
                               env=dict(os.environ, K42_ACCEL="kvm"))
    try:
        output, _ = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # the guests of the step, too
        output = process.communicate()[0] + f"\nno end within {limit} s"
    good = process.returncode == 0  # a step that skips has proved nothing
    print(f"{'ok' if good else 'FAILED':7} {time.monotonic() - began:6.1f} s  {name}", flush=True)
    if not good:
        print("\n".join("    | " + line for line in output.splitlines()[-40:]))
        print(f"    again: K42_ACCEL=kvm {command}", flush=True)
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=float, default=600, help="seconds in all")
    parser.add_argument("--dry-run", action="store_true", help="only name the steps")
    options = parser.parse_args()
    if options.dry_run:
        for name, command, _, again in STEPS:
            print(f"{name:40} {'*' if again else ' '} {command}")
        return 0
    reason = why_not()
    if reason:
        print("skipped:", reason)
        return SKIP
    end = time.monotonic() + options.budget
    failed = [name for name, command, limit, _ in STEPS if not run(name, command, limit)]
    again = [step for step in STEPS if step[3]]
    while again and not failed and time.monotonic() + max(step[2] for step in again) < end:
        failed += [name for name, command, limit, _ in again if not run(name, command, limit)]
    print(f"{len(failed)} failed" + "".join(f"; {name}" for name in failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
