#!/usr/bin/env python3
"""What calls from user space cost, in instructions: null_call.py [KERNEL]

One CPU, one instruction per nanosecond (-icount shift=0): figures do not depend on the host. The
floor of a native call is a call of handle 0 that does nothing; its target is 250 instructions, and
exceeding that is a failure.
"""
import re
import subprocess
import sys

TARGET = 250


def main():
    kernel = sys.argv[1] if len(sys.argv) > 1 else "build/k42.elf"
    command = ["qemu-system-x86_64", "-accel", "tcg,thread=single", "-icount", "shift=0", "-nodefaults",
               "-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio", "-M", "q35",
               "-cpu", "max", "-smp", "1", "-m", "256", "-device", "isa-debug-exit,iobase=0xf4",
               "-kernel", kernel, "-append", "image=bench_null exit"]
    run = subprocess.run(command, stdout=subprocess.PIPE, timeout=120)
    text = run.stdout.decode(errors="replace")
    figures = dict(re.findall(r"\[1\] (\w+) (\d+)", text))
    if run.returncode != 33 or "null_call" not in figures:
        sys.stdout.write(text)
        return 1
    for name, instructions in figures.items():
        print(f"{name:24} {int(instructions):6} instructions")
    return 0 if int(figures["null_call"]) <= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
