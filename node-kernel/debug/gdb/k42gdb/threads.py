"""Kernel threads, found in the stack area without their help, as the debug console does
(platform/x86_64/kernel/thread_list.cc)."""
import dataclasses

import gdb

from . import chains, kernel

# What SwitchStacks pushes, lowest address first (trap_entry.S).
SAVED = ("r15", "r14", "r13", "r12", "rbx", "rbp", "rip")


@dataclasses.dataclass
class KernelThread:
    value: gdb.Value  # Thread
    state: str  # runs, ready, parked, blocked

    @property
    def id(self):
        return int(self.value["id_"])

    @property
    def cpu(self):
        return int(self.value["cpu_"])

    @property
    def name(self):
        return self.value["name_"].string(errors="replace", length=60).split("\0")[0]

    @property
    def active(self):
        return bool(self.value["active_"])

    def registers(self):
        """Where one that does not run goes on; {} if its stack cannot be read."""
        rsp = int(self.value["saved_rsp_"])
        data = kernel.read(rsp, 8 * len(SAVED)) if self.state != "runs" else None
        if data is None:
            return {}
        words = [kernel.WORD.unpack_from(data, 8 * i)[0] for i in range(len(SAVED))]
        return dict(zip(SAVED, words), rsp=rsp + 8 * len(SAVED))

    def chain(self):
        saved = self.registers()
        return chains.walk(saved["rip"], saved["rbp"]) if saved else []

    def describe(self):
        return (f"  {self.id:5} cpu {self.cpu:2} {self.state:7} {'active' if self.active else '':8} {self.name}"
                f"  ({int(self.value.address):#x})")


def listed(first):
    """Addresses of the threads in a run queue, the pool or the list of the dead."""
    found = []
    while int(first) and len(found) < kernel.MOST and kernel.read(int(first), 8):
        found.append(int(first))
        first = first["next_"]
    return found


def _addresses():
    size = (gdb.lookup_type("k42::machine::Thread").sizeof + 63) & ~63
    boot = kernel.variable("k42::machine::(anonymous namespace)::boot_thread_memory")
    top = kernel.offset_of(gdb.lookup_type("k42::machine::Thread"), "stack_top_")
    if kernel.word(int(boot.address) + top):
        yield int(boot.address)
    slot_size = kernel.layout("stack_slot_size")
    end = int(kernel.variable("k42::machine::(anonymous namespace)::next_slot", "thread_stack.cc"))
    for slot in range(kernel.layout("stack_area_base"), end, slot_size):
        at = slot + slot_size - size
        if kernel.word(at + top) == at:  # zero: it has exited
            yield at


def all_threads():
    queues = {}
    running = set()
    for cpu in range(kernel.cpu_count()):
        running.add(int(kernel.area(cpu)["current"]))
        state = kernel.state(cpu)
        queues.update((one, "ready") for one in listed(state["ready_first"]))
        queues.update((one, "parked") for one in listed(state["idle_pool"]))
    for at in _addresses():
        value = kernel.pointer(at, "k42::machine::Thread").dereference()
        yield KernelThread(value, "runs" if at in running else queues.get(at, "blocked"))


def find(number):
    for one in all_threads():
        if one.id == number:
            return one
    raise kernel.Unreadable(f"there is no thread {number}; `k42 threads` lists them")


def of_context(context):
    """The Thread around a ThreadContext."""
    offset = kernel.offset_of(gdb.lookup_type("k42::machine::Thread"), "context_")
    return kernel.pointer(int(context) - offset, "k42::machine::Thread")


def inside(thread):
    """The forwarded calls, counted ones, that the thread is in, innermost first: (method, policy's address)."""
    record = int(thread.value["context_"]["forward_records"])
    found = []
    while record and len(found) < chains.DEEPEST and kernel.read(record, 24):
        value = kernel.pointer(record, "k42::cobj::ForwardRecord")
        if int(value["policy"]):
            found.append((int(value["method"]), int(value["policy"])))
        record = int(value["outer"])
    return found
