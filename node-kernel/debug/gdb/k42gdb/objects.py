"""The node's object table: every clustered object, its root, and its rep on each CPU."""
import dataclasses

import gdb

from . import kernel


@dataclasses.dataclass
class Object:
    bits: int  # of its references
    root: int
    reps: dict  # CPU -> address, where its slot is filled


def system():
    found = kernel.variable("k42::cobj::node_objects")
    if not int(found):
        raise kernel.Unreadable("there are no objects yet")
    return found.dereference()


def chunk_ids():
    """How many entries a chunk of the table has."""
    low, high = gdb.lookup_type("k42::cobj::ObjectTable::Chunk")["entry"].type.range()
    return high - low + 1


def slot_size():
    return kernel.layout("object_slot_size")


def rep_in(slot_address, data, at):
    """The rep that a slot leads to; None: empty, or there is no slot."""
    if data is None:
        return None
    found = kernel.WORD.unpack_from(data, at)[0]
    return found if found not in (0, slot_address + 8) else None


def slot(bits, cpu):
    address = kernel.area_address(cpu) + bits
    return rep_in(address, kernel.read(address, slot_size()), 0)


def root_of(bits):
    """Address of the object's root; 0: there is no such object."""
    table = system()["table_"]
    index, rest = divmod(bits - kernel.layout("object_table_offset"), slot_size())
    size = chunk_ids()
    if rest or index < 0 or index // size >= int(kernel.plain(table["chunk_count_"])):
        return 0
    entry = kernel.plain(table["chunks_"][index // size])["entry"][index % size]
    return int(kernel.plain(entry["gate"]["root_"]))


def reps_of(bits):
    reps = {}
    for cpu in range(kernel.cpu_count()):
        found = slot(bits, cpu)
        if found is not None:
            reps[cpu] = found
    return reps


def all_objects():
    """A chunk of the table at a time: word by word it takes minutes over the gdbstub."""
    table = system()["table_"]
    size, step = chunk_ids(), slot_size()
    entry = gdb.lookup_type("k42::cobj::ObjectTable::Entry")
    root_at = kernel.offset_of(entry, "gate", "root_")
    cpus = range(kernel.cpu_count())
    for chunk in range(int(kernel.plain(table["chunk_count_"]))):
        entries = kernel.read(int(kernel.plain(table["chunks_"][chunk])), size * entry.sizeof)
        if entries is None:
            continue
        first = kernel.layout("object_table_offset") + chunk * size * step
        slots = {cpu: kernel.read(kernel.area_address(cpu) + first, step * size) for cpu in cpus}
        for i in range(size):
            root = kernel.WORD.unpack_from(entries, i * entry.sizeof + root_at)[0]
            if not root:
                continue
            bits = first + step * i
            reps = {cpu: rep_in(kernel.area_address(cpu) + bits, slots[cpu], step * i) for cpu in cpus}
            yield Object(bits, root, {cpu: rep for cpu, rep in reps.items() if rep is not None})


def by_rep(reps):
    """[(CPUs, rep)]: a rep that several share is one."""
    found = {}
    for cpu, rep in reps.items():
        found.setdefault(rep, []).append(cpu)
    return [(cpus, rep) for rep, cpus in found.items()]


def cpu_list(cpus):
    """0-2,5"""
    cpus = sorted(cpus)
    runs = []
    for cpu in cpus:
        if runs and runs[-1][1] == cpu - 1:
            runs[-1][1] = cpu
        else:
            runs.append([cpu, cpu])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
