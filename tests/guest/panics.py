#!/usr/bin/env python3
"""Every way to die ends in a panic that says what happened and where: panics.py IMAGE"""
import pathlib
import subprocess
import sys

RUN = pathlib.Path(__file__).with_name("run.py")
CASES = {
    "panic_assert": ["the test wants it so", "panic_assert_body"],
    "panic_null_read": ["page fault in the kernel: read of 0x0000000000000008", "panic_null_read_body"],
    "panic_write_to_code": ["page fault in the kernel: write of", "panic_write_to_code_body"],
    "panic_stack_overflow": ["kernel stack overflow", "thread deep"],
    "panic_block_with_interrupts_off": ["nothing is held while blocking"],
}


def main():
    failed = 0
    for name, texts in CASES.items():
        expects = [word for text in texts for word in ("--expect", text)]
        done = subprocess.run([RUN, sys.argv[1], "--panic", "--append", f"test={name}", *expects],
                              capture_output=True, text=True)
        print(f"TEST {name} {'ok' if done.returncode == 0 else 'FAILED'}")
        if done.returncode != 0:
            failed += 1
            print(done.stdout)
    print(f"{len(CASES) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
