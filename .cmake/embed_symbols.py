#!/usr/bin/env python3
"""Writes the symbol table of a linked kernel as assembly, to be linked into the final image.

embed_symbols.py NM IMAGE OUTPUT.S. Layout: platform/x86_64/kernel/symbols.cc. The table lies behind
everything else (kernel.ld), so that the second link moves no function.
"""
import subprocess
import sys


def short(name):
    """k42::Thing::Method without its argument list."""
    depth = 0
    for at, char in enumerate(name):
        if char == "<":
            depth += 1
        elif char == ">":
            depth -= 1
        elif char == "(" and depth <= 0 and at > 0 and not name.startswith("(anonymous", at) \
                and not name.startswith("operator", at - 8):
            return name[:at]
    return name


def main():
    nm, image, output = sys.argv[1:]
    listed = subprocess.run([nm, "-C", "--defined-only", "-n", image], capture_output=True, text=True,
                            check=True).stdout
    symbols, base = {}, None
    for line in listed.splitlines():
        address, kind, name = line.split(" ", 2)
        if name == "kernel_begin":
            base = int(address, 16)
        elif kind in "tTwW" and not name.startswith(".L"):
            symbols.setdefault(int(address, 16), short(name))
    ordered = sorted((address, name) for address, name in symbols.items() if address >= base)
    with open(output, "w") as out:
        out.write('    .section .symbols, "a"\n    .balign 8\n    .globl kernel_symbol_table\n')
        out.write(f"kernel_symbol_table:\n    .long {len(ordered)}, names_end - names\n")
        offset = 0
        for address, name in ordered:
            out.write(f"    .long {address - base:#x}, {offset}\n")
            offset += len(name.encode()) + 1
        out.write("names:\n")
        for _, name in ordered:
            out.write(f'    .asciz "{name}"\n')
        out.write('names_end:\n    .section .note.GNU-stack, "", @progbits\n')


if __name__ == "__main__":
    main()
