"""`k42 thread ID`: GDB's own frames of a thread that does not run.

A core's registers cannot be changed, and a live CPU's must not be. So the unwinder is told that the
frame of the selected CPU was called from where the thread goes on: frame 0 stays what the CPU does,
and behind it come the thread's, with their arguments and variables.
"""
import gdb
import gdb.unwinder


class _FrameId:
    def __init__(self, sp, pc):
        self.sp, self.pc = _word(sp), _word(pc)


def _word(number):
    return gdb.Value(number).cast(gdb.lookup_type("unsigned long"))


class ThreadUnwinder(gdb.unwinder.Unwinder):
    def __init__(self):
        super().__init__("k42-thread")
        self.cpu = None  # (rip, rsp) of the frame that leads to the thread; None: no thread is shown
        self.saved = {}

    def show(self, saved):
        frame = gdb.newest_frame()
        self.cpu = int(frame.read_register("rip")), int(frame.read_register("rsp"))
        self.saved = saved
        gdb.invalidate_cached_frames()

    def forget(self, *_):
        if self.cpu is not None:
            self.cpu = None
            gdb.invalidate_cached_frames()

    def __call__(self, pending):
        if self.cpu is None:
            return None
        here = tuple(int(pending.read_register(name)) & (1 << 64) - 1 for name in ("rip", "rsp"))
        if here != tuple(one & (1 << 64) - 1 for one in self.cpu):
            return None
        # Below the thread's frames: GDB takes a caller's frame that lies lower for a broken stack.
        info = pending.create_unwind_info(_FrameId(self.saved["rsp"] - 16, here[0]))
        for name, value in self.saved.items():
            info.add_saved_register(name, _word(value))
        return info


THREAD = ThreadUnwinder()


def register():
    gdb.unwinder.register_unwinder(None, THREAD, replace=True)
    gdb.events.cont.connect(THREAD.forget)
