#!/usr/bin/env python3
"""Every way to die ends in a panic that says what happened and where: panics.py IMAGE [--debug]

With --debug: IMAGE is a debug kernel, and what is broken is what only its checks find.
"""
import pathlib
import subprocess
import sys

RUN = pathlib.Path(__file__).with_name("run.py")
CASES = {
    "panic_assert": ["the test wants it so", "panic_assert_body"],
    "panic_null_read": ["page fault in the kernel: read of 0x0000000000000008", "panic_null_read_body"],
    "panic_write_to_code": ["page fault in the kernel: write of", "panic_write_to_code_body"],
    "panic_stack_overflow": ["kernel stack overflow", "thread deep"],
    "panic_nmi_stack_overflow": ["NMI stack overflow", "from", "Recurse", "OnNmi"],
    "panic_block_with_interrupts_off": ["nothing is held while blocking"],
}
DEBUG_CASES = {
    "panic_lock_order": ["lock rank 100 taken while rank 152 is held", "panic_lock_order_body"],
    "panic_blocking_lock_order": ["lock rank 20 taken while rank 28 is held", "panic_blocking_lock_order_body"],
    "panic_lock_taken_twice": ["lock of rank 190 taken twice by one thread", "panic_lock_taken_twice_body"],
    "panic_call_under_a_spin_lock": ["object called while holding a spin lock",
                                     "panic_call_under_a_spin_lock_body"],
    "panic_call_under_a_blocking_lock": ["object called while holding a blocking lock of rank 60",
                                         "panic_call_under_a_blocking_lock_body"],
    "panic_waits_outside_block_external": [
        "thread culprit has been active and blocked for 100 ms, outside BlockExternal",
        "WaitsForNobody", "PANIC: thread culprit waits outside BlockExternal"],
    "panic_debug_write_after_free": ["byte 60 of 100", "written after it was freed", "allocated", "LeakOnPurpose"],
    "panic_debug_read_after_free": ["general protection", "panic_debug_read_after_free_body"],
    "panic_debug_free_twice": ["heap block freed twice", "LeakOnPurpose", "panic_debug_free_twice_body"],
    "panic_debug_free_of_what_is_inside": ["is no block of the heap", "LeakOnPurpose"],
    "panic_debug_frame_written_after_free": ["was written after it was freed"],
    "panic_debug_missing_shoot_down": ["was written after it was freed", "panic_debug_missing_shoot_down_body"],
}
OPTIONS = {"panic_debug_missing_shoot_down": "reuse=7"}  # boot options beside the test's name


def main():
    failed = 0
    cases = DEBUG_CASES if "--debug" in sys.argv else CASES
    for name, texts in cases.items():
        expects = [word for text in texts for word in ("--expect", text)]
        options = f"test={name} {OPTIONS.get(name, '')}".strip()
        done = subprocess.run([RUN, sys.argv[1], "--panic", "--append", options, *expects],
                              capture_output=True, text=True)
        print(f"TEST {name} {'ok' if done.returncode == 0 else 'FAILED'}")
        if done.returncode != 0:
            failed += 1
            print(done.stdout)
    print(f"{len(cases) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
