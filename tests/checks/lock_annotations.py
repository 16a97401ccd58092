#!/usr/bin/env python3
"""Every lock says what it guards, in Clang's words.

A lock that is a member or a variable must be named by some K42_GUARDED_BY, K42_PT_GUARDED_BY, K42_REQUIRES or
K42_EXCLUDES in its file, or a comment on its declaration must say what it orders (then it guards no member:
it makes operations one after the other). Opting out of the analysis needs a reason in a comment. And the
analysis is on, and sees our locks: code that breaks it does not compile.
"""
import pathlib
import re
import sys
import tempfile

from compilers import compile_text, for_compiler, kernel_flags, not_refused

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOCK = re.compile(r"\b(?:SpinLock|IrqSpinLock|Mutex|BlockingLock|BitLock|ReadWriteLock)<[^<>;()]+>\s+(\w+)\s*;(.*)$")
LOCKED = """
#include "machine/spin_lock.h"
using namespace k42;
class Counter {{
 public:
  void Add() {{ {add} }}
  void AddLocked() K42_REQUIRES(lock_) {{ ++count_; }}
 private:
  machine::SpinLock<LockRank::kCalls> lock_;
  int count_ K42_GUARDED_BY(lock_) = 0;
}};
void Use(Counter* counter) {{ counter->Add(); }}
"""
RIGHT = "const machine::SpinGuard guard(lock_); AddLocked(); ++count_;"
WRONG = {"++count_;": "writing variable 'count_' requires holding",
         "AddLocked();": "calling function 'AddLocked' requires holding",
         "const machine::SpinGuard guard(lock_); const machine::SpinGuard again(lock_);": "that is already held"}
OPT_OUT = "K42_NO_THREAD_SAFETY_ANALYSIS"


def commented(lines, at):
    """A comment on the line, or directly above it."""
    return "//" in lines[at] or (at > 0 and lines[at - 1].strip().startswith("//"))


def check_analysis():
    command = [*for_compiler("clang++", kernel_flags()), "-Wthread-safety"]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        compile_text(command, LOCKED.format(add=RIGHT), folder, "right")
        found = [not_refused(command, LOCKED.format(add=add), folder, f"wrong_{number}", wanted)
                 for number, (add, wanted) in enumerate(WRONG.items())]
    return [fault for fault in found if fault]


def main():
    faults, locks = check_analysis(), 0
    for path in sorted((ROOT / "node-kernel").rglob("*")):
        if path.suffix not in (".h", ".cc") or path.name == "thread_annotations.h":
            continue
        text = path.read_text()
        lines = text.splitlines()
        for at, line in enumerate(lines):
            where = f"{path.relative_to(ROOT)}:{at + 1}"
            if OPT_OUT in line and not any(commented(lines, near) for near in (at - 1, at, at + 1) if near < len(lines)):
                faults.append(f"{where}: opts out of the analysis without a reason")
            match = LOCK.search(line)
            if not match or "friend" in line:
                continue
            locks += 1
            name = match.group(1)
            used = re.search(rf"K42_(PT_)?(GUARDED_BY|REQUIRES(_SHARED)?|EXCLUDES)\([^)]*\b{name}\b", text)
            if not used and not commented(lines, at):
                faults.append(f"{where}: lock {name} guards nothing, and no comment says what it is for")
    print("\n".join(faults))
    print(f"{locks} locks, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
