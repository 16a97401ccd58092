#!/usr/bin/env python3
"""Allocating and freeing on the block's home CPU: no atomic instruction, few instructions.

heap_path.py [KERNEL]. Disassembles the heap's functions of a kernel: those of the local path must have
no instruction with a lock prefix, and no xchg with memory; then runs the path in a guest that counts
instructions (tests/guest/mem_heap_cost_test.cc). 60 a pair; padded blocks and single frames take a longer way,
which is held where it is.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOCAL = ["k42::mem::Allocate(unsigned long, k42::mem::AllocKind)",
         "k42::mem::Free(void*, unsigned long, k42::mem::AllocKind)",
         "k42::mem::Heap::Allocate(unsigned long, unsigned long)",
         "k42::mem::Heap::AllocateLocal(unsigned long, unsigned long)",
         "k42::mem::Heap::Free(void*, unsigned long)"]
MOST = {"pair_64": 60, "pair_local_200": 60, "pair_padded_40": 84, "pair_frame": 80}


def functions(image):
    """Name -> instructions, of the heap's functions."""
    listing = subprocess.run(["objdump", "-d", "-C", "--no-show-raw-insn", image], capture_output=True, text=True,
                             check=True).stdout
    found, name = {}, None
    for line in listing.splitlines():
        head = re.match(r"^[0-9a-f]+ <(.*)>:$", line)
        if head:
            name = head[1] if head[1].startswith("k42::mem::Heap::") or head[1] in LOCAL else None
            if name:
                found[name] = []
        elif name and "\t" in line:
            found[name].append(line.split("\t")[-1].strip())
    return found


def main():
    image = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "build/k42-test.elf")
    found = functions(image)
    faults = []
    for name in LOCAL:
        if not found.get(name):
            faults.append(f"{name}: not in the image")
        for text in found.get(name, []):
            if text.startswith("lock") or re.match(r"xchg\s.*\(", text):
                faults.append(f"{name}: {text}")
    # The check can see what it looks for: the way home to another CPU has one.
    if not any(text.startswith("lock") for text in found.get(
            "k42::mem::Heap::SendHome(k42::mem::Heap::Outbox&, unsigned int)", [])):
        faults.append("Heap::SendHome has no atomic instruction: is this the right image?")
    shown = subprocess.run([sys.executable, str(ROOT / "tests/guest/run.py"), image, "--icount", "--cpus", "1",
                            "--append", "test=mem_heap_cost"], capture_output=True, text=True, timeout=120).stdout
    costs = re.findall(r"\]   (pair_\w+) (\d+)$", shown, re.M)
    if {name for name, _ in costs} != set(MOST):
        faults.append("the guest gave no counts:\n" + shown)
    for name, value in costs:
        if int(value) > MOST.get(name, 0):
            faults.append(f"{name}: {value} instructions, more than {MOST[name]}")
    print("\n".join(faults))
    print(", ".join(f"{name} {value}" for name, value in costs), f"- {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
