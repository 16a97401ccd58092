#!/usr/bin/env python3
"""What calls from user space cost, in instructions: null_call.py [KERNEL]

One CPU, one instruction per nanosecond (-icount shift=0): figures do not depend on the host. The
floor of a native call is a call of handle 0 that does nothing; its target is 250 instructions, and
exceeding that is a failure.
"""
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "sim-fabric"))
from k42sim import machine  # noqa: E402

TARGET = 250


def main():
    kernel = sys.argv[1] if len(sys.argv) > 1 else "build/k42.elf"
    command = [*machine.words(1, icount=True), "-serial", "stdio", "-m", "256", "-kernel", kernel,
               "-append", "image=bench_null exit"]
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
