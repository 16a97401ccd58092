"""What everything here knows of a kernel: variables, memory, the CPUs and their areas.

The layout comes from the image and its debug information, so a kernel with another one is read as it is.
"""
import re
import struct

import gdb

MOST = 100_000  # elements of any list: one that runs in a circle ends
WORD = struct.Struct("<Q")


class Unreadable(gdb.GdbError):
    """What a command cannot show; GDB prints the sentence."""


def variable(name, file=None):
    """A variable of the kernel. Names in anonymous namespaces may be there twice: then `file`."""
    found = [one for one in (gdb.lookup_global_symbol(name), *gdb.lookup_static_symbols(name))
             if one is not None and (file is None or one.symtab.filename.endswith(file))]
    if not found:
        raise Unreadable(f"{name} is not in the image: is this a kernel, with its debug information?")
    return found[0].value()


def layout(name):
    """A constant of the address layout (platform/x86_64/kernel/debug_layout.cc)."""
    return int(variable("k42::machine::(anonymous namespace)::debug_layout")[name])


def read(address, size):
    """Bytes, or None where there is no memory."""
    try:
        return bytes(gdb.selected_inferior().read_memory(address, size))
    except gdb.MemoryError:
        return None


def word(address):
    data = read(address, 8)
    return WORD.unpack(data)[0] if data else None


def plain(value):
    """What is in a std::atomic; anything else as it is."""
    while value.type.strip_typedefs().name and value.type.strip_typedefs().name.startswith("std::"):
        fields = {field.name or "": field for field in value.type.strip_typedefs().fields()}
        inner = next((fields[name] for name in ("_M_i", "_M_p", "_M_b", "_M_base") if name in fields), None)
        inner = inner or next((field for field in fields.values() if field.is_base_class), None)
        if inner is None:
            return value
        value = value[inner]
    return value


def pointer(address, type_name):
    return gdb.Value(address).cast(gdb.lookup_type(type_name).pointer())


def offset_of(type_, *path):
    """Bytes from the start of the type to a member of a member."""
    offset = 0
    for name in path:
        field = next(one for one in type_.strip_typedefs().fields() if one.name == name)
        offset += field.bitpos // 8
        type_ = field.type
    return offset


# -- CPUs ------------------------------------------------------------------------------------------
def cpu_count():
    return int(plain(variable("k42::machine::(anonymous namespace)::started", "start_cpus.cc")))


def check_cpu(cpu):
    if not 0 <= cpu < cpu_count():
        raise Unreadable(f"there are CPUs 0 to {cpu_count() - 1}")
    return cpu


def area_address(cpu):
    return layout("cpu_area_base") + cpu * layout("cpu_area_stride")


def area(cpu):
    """The CPU's CpuArea."""
    return pointer(area_address(cpu), "k42::machine::CpuArea").dereference()


def state(cpu):
    """The CPU's CpuState."""
    return variable("k42::machine::(anonymous namespace)::cpu_states")[cpu]


def cpu_thread(cpu):
    """GDB's thread that is the CPU: number N + 1 in cores, and at QEMU's gdbstub."""
    return next((one for one in gdb.selected_inferior().threads() if one.ptid[1] == cpu + 1), None)


# -- names -----------------------------------------------------------------------------------------
_SYMBOL = re.compile(r"^(.*?)(?: \+ (\d+))? in section ")


def symbol_at(address):
    """(name, offset) of what lies there in the image; (None, 0)."""
    found = _SYMBOL.match(gdb.execute(f"info symbol {address:#x}", to_string=True))
    return (found[1], int(found[2] or 0)) if found else (None, 0)


def class_of(address):
    """The class of the object there, by its vtable; None without one. Module's classes have none."""
    table = word(address)
    name = symbol_at(table)[0] if table else None
    return name[len("vtable for "):] if name and name.startswith("vtable for ") else None


def as_object(address):
    """The whole object of which this is an interface, typed; None if its class is not known."""
    name = class_of(address)
    if name is None:
        return None
    try:
        type_ = gdb.lookup_type(name)
    except gdb.error:
        return None
    to_top = word(word(address) - 16)
    if to_top is None:
        return None
    return gdb.Value((address + to_top) & (1 << 64) - 1).cast(type_.pointer()).dereference()


def short(name):
    """Without our own name spaces, where nothing is lost by it."""
    return re.sub(r"\bk42::", "", name).replace("(anonymous namespace)::", "")
