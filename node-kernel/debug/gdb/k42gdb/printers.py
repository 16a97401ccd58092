"""Pretty printers: references, slots, roots and their reps, atomics, results, per-CPU arrays."""
import re

import gdb
import gdb.printing

from . import kernel, objects


def _rep(address):
    """A rep as a value for GDB: typed if its class is known."""
    whole = kernel.as_object(address)
    return whole.address if whole is not None else gdb.Value(address).cast(gdb.lookup_type("void").pointer())


def _what(address):
    name = kernel.class_of(address)
    return f"{kernel.short(name) if name else '?'} at {address:#x}"


class RefPrinter:
    """Ref 0x10450 to SharedRoot<proc::NodeObject>, and its reps by CPU."""

    def __init__(self, value):
        self.bits = int(value["bits_"])
        self.type = kernel.short(str(value.type.strip_typedefs().unqualified()))
        self.reps = {}
        self.root = 0
        if self.bits:
            try:
                self.root, self.reps = objects.root_of(self.bits), objects.reps_of(self.bits)
            except (gdb.error, gdb.GdbError):
                pass  # too early, or the table is broken: the number is all there is

    def to_string(self):
        if not self.bits:
            return f"{self.type} to nothing"
        return f"{self.type} {self.bits:#x} to {_what(self.root) if self.root else 'no object'}"

    def children(self):
        for cpus, rep in objects.by_rep(self.reps):
            yield f"cpu {objects.cpu_list(cpus)}", _what(rep)


class SlotPrinter:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        rep = int(self.value["object"])
        at = self.value.address
        empty = rep == int(at) + 8 if at is not None else False
        return "empty" if empty or not rep else f"filled: {_what(rep)}"


class RootPrinter:
    """What every root has in a line; then what its kind adds."""
    STATE = re.compile(r"k(\w+)$")

    def __init__(self, value):
        self.value = value

    def to_string(self):
        bits = int(self.value["bits_"])
        state = self.STATE.search(str(self.value["state_"]))
        cpus = objects.cpu_list(cpu for cpu in range(64) if int(self.value["translation_set_"]["bits_"]) >> cpu & 1)
        name = kernel.short(str(self.value.type.strip_typedefs().unqualified()))
        return (f"{name} of {bits:#x}, {state[1].lower() if state else '?'}, "
                f"{'slots filled on CPU ' + cpus if cpus else 'no slot was ever filled'}")

    def children(self):
        for field in self.value.type.strip_typedefs().fields():
            if field.is_base_class or field.name is None or field.name.startswith("_vptr") or \
                    not hasattr(field, "bitpos"):
                continue
            if field.name == "reps_":
                low, high = self.value["reps_"].type.range()
                for i in range(low, high + 1):
                    rep = kernel.plain(self.value["reps_"][i])
                    if int(rep):
                        yield f"rep {i}", rep
            else:
                yield field.name, self.value[field]


class AtomicPrinter:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        return kernel.plain(self.value).format_string()


class CpuSetPrinter:
    def __init__(self, value):
        self.bits = int(kernel.plain(value["bits_"]))

    def to_string(self):
        return "CPUs {" + objects.cpu_list(cpu for cpu in range(64) if self.bits >> cpu & 1) + "}"


class ResultPrinter:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        status = self.value["status_"]
        return (self.value["value_"] if int(status) == 0 else status).format_string()


class PerCpuPrinter:
    """An array with a place for each CPU there could be: those that there are."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        return "by CPU"

    def children(self):
        for cpu in range(kernel.cpu_count()):
            yield f"cpu {cpu}", self.value[cpu]

    def display_hint(self):
        return None


BY_NAME = (
    (re.compile(r"^k42::cobj::Ref<.*>$"), RefPrinter),
    (re.compile(r"^k42::cobj::Slot$"), SlotPrinter),
    (re.compile(r"^(const )?k42::cobj::(SharedRoot|ReplicatedRoot|MediatorFor)<.*>$|^k42::cobj::Root$"), RootPrinter),
    (re.compile(r"^std::atomic<.*>$"), AtomicPrinter),
    (re.compile(r"^k42::(CpuSet|BasicAtomicCpuSet<.*>)$"), CpuSetPrinter),
    (re.compile(r"^k42::Result<.*>$"), ResultPrinter),
)
PER_CPU = re.compile(r"::(PerCpu|CpuState|CpuNmi|FreeIds)$")


def lookup(value):
    type_ = value.type
    if type_.code == gdb.TYPE_CODE_REF:
        type_ = type_.target()
    type_ = type_.strip_typedefs().unqualified()
    if type_.code == gdb.TYPE_CODE_ARRAY:
        element = type_.target().strip_typedefs()
        if type_.range()[1] + 1 == kernel.layout("max_cpus") and element.name and PER_CPU.search(element.name):
            return PerCpuPrinter(value)
        return None
    name = type_.name
    if type_.code != gdb.TYPE_CODE_STRUCT or name is None:
        return None
    for pattern, printer in BY_NAME:
        if pattern.match(name):
            return printer(value)
    return None


lookup.name = "k42"
lookup.enabled = True


def register():
    gdb.printing.register_pretty_printer(None, lookup, replace=True)
