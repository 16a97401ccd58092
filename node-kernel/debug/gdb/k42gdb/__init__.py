"""Pretty printers and commands for a K42 kernel in GDB; live, or from a core of `k42ctl dump`.

Everything reads memory and nothing calls into the kernel: a core has nobody to run it, and a live
kernel's locks may be held. What a structure's pointers say is not believed: unreadable memory ends a
list, and every list has an end (kernel.MOST).
"""
import gdb

from . import commands, printers, unwinder

_started = False


def start():
    global _started
    if _started:  # by `-x` and by the image's own script (auto-load)
        return
    _started = True
    gdb.execute("set language c++")
    gdb.execute("set print pretty on")
    gdb.execute("set print asm-demangle on")
    printers.register()
    unwinder.register()
    commands.register()
