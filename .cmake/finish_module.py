#!/usr/bin/env python3
"""Ends the building of a loadable module: writes the kernel's build id into its record, and refuses
what the kernel would refuse later, or what would go wrong silently.

finish_module.py NM KERNEL MODULE OUTPUT. Layout of the record: node-kernel/abi/module.h.
"""
import pathlib
import struct
import subprocess
import sys

RECORD_SECTION = b".k42.module"
RECORD_SIZE, BUILD_ID_AT, BUILD_ID_SIZE = 96, 64, 20
MAGIC = 0x444f4d32344b0001


class Elf:
    """Sections of an ELF64 file."""

    def __init__(self, path):
        self.bytes = pathlib.Path(path).read_bytes()
        (offset,) = struct.unpack_from("<Q", self.bytes, 0x28)
        size, count, names = struct.unpack_from("<HHH", self.bytes, 0x3A)
        self.sections = [struct.unpack_from("<IIQQQQIIQQ", self.bytes, offset + i * size) for i in range(count)]
        self.names = self.sections[names]

    def name(self, section):
        start = self.names[4] + section[0]
        return self.bytes[start:self.bytes.index(b"\0", start)]

    def find(self, name):
        found = [one for one in self.sections if self.name(one) == name]
        return found[0] if len(found) == 1 else None


def symbols(nm, path):
    """name -> kind."""
    lines = subprocess.run([nm, path], capture_output=True, text=True, check=True).stdout.splitlines()
    rows = [line.split() for line in lines]
    return {row[-1]: row[-2] for row in rows if len(row) >= 2}


def build_id(kernel):
    note = kernel.find(b".note.gnu.build-id")
    if note is None or note[5] != 16 + BUILD_ID_SIZE:
        sys.exit("the kernel has no build id")
    return kernel.bytes[note[4] + 16:note[4] + note[5]]


def exports(kernel, addresses):
    """Names in the kernel's export table (boot/kernel_exports.cc)."""
    section = kernel.find(b".symbols")
    at = section[4] + addresses["kernel_export_table"] - section[3]
    count, size = struct.unpack_from("<II", kernel.bytes, at)
    names = at + 8 + 8 * count
    return set(kernel.bytes[names:names + size].decode().split("\0"))


def main():
    nm, kernel_path, module_path, output = sys.argv[1:]
    kernel, module = Elf(kernel_path), Elf(module_path)
    listed = subprocess.run([nm, "--defined-only", kernel_path], capture_output=True, text=True, check=True).stdout
    rows = [line.split(" ", 2) for line in listed.splitlines()]
    addresses = {name: int(address, 16) for address, _, name in rows}
    kernel_kinds = {name: kind for _, kind, name in rows}
    allowed = exports(kernel, addresses)
    faults = []
    for name, kind in symbols(nm, module_path).items():
        if kind == "U" and name not in allowed:
            faults.append(f"imports {name}, which the kernel does not export (boot/exports.list)")
        # A variable in a header would be the module's own beside the kernel's: two where the source
        # says one. (Tables of virtual functions are alike wherever they stand.)
        is_data = kind in "VvuBbDd" or kind == "R"
        if is_data and kind not in "bd" and name in kernel_kinds and not name.startswith("_ZTV"):
            faults.append(f"has a variable {name} of its own, as the kernel has: a variable in a header")
    record = module.find(RECORD_SECTION)
    if record is None or record[5] != RECORD_SIZE:
        faults.append("has no record (cobj/module.h)")
    elif struct.unpack_from("<Q", module.bytes, record[4])[0] != MAGIC:
        faults.append("has a record of another format")
    if faults:
        sys.exit("\n".join(f"{module_path}: {fault}" for fault in faults))
    finished = bytearray(module.bytes)
    at = record[4] + BUILD_ID_AT
    finished[at:at + BUILD_ID_SIZE] = build_id(kernel)
    pathlib.Path(output).write_bytes(finished)


if __name__ == "__main__":
    main()
