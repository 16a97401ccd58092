#!/usr/bin/env python3
"""Writes two tables of a linked kernel as assembly, to be linked into the final image: its symbols,
for backtraces, and what loadable modules may import.

embed_symbols.py NM CXXFILT IMAGE EXPORTS OUTPUT.S. Layout: platform/x86_64/kernel/image_table.h. EXPORTS holds patterns over demangled names (boot/exports.list). Both tables lie
behind everything else (kernel.ld), so that the second link moves no function.
"""
import fnmatch
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


def run(words, text=None):
    return subprocess.run(words, input=text, capture_output=True, text=True, check=True).stdout


def listed(nm, cxxfilt, image):
    """(address, kind, mangled, demangled) of the image's symbols."""
    lines = [line.split(" ", 2) for line in run([nm, "--defined-only", "-n", image]).splitlines()]
    plain = run([cxxfilt], "".join(f"{name}\n" for _, _, name in lines)).splitlines()
    return [(int(address, 16), kind, name, text) for (address, kind, name), text in zip(lines, plain)]


def patterns_of(path):
    lines = (line.split("#", 1)[0].strip() for line in open(path))
    return [line for line in lines if line]


def exported(symbols, patterns):
    """Mangled name -> address, of global symbols (upper-case kinds) that some pattern names."""
    found = {}
    used = set()
    for address, kind, name, text in symbols:
        if kind not in "TBDRVW":
            continue
        plain = short(text)
        for pattern in patterns:
            if fnmatch.fnmatchcase(plain, pattern):
                found[name] = address
                used.add(pattern)
    unused = [pattern for pattern in patterns if pattern not in used]
    if unused:
        sys.exit(f"exports that the kernel does not define: {', '.join(unused)}")
    return found


def table(out, label, rows, base):
    """A count, the size of the names, (address - base, offset of the name) by row, the names."""
    out.write(f"    .balign 8\n    .globl {label}\n{label}:\n"
              f"    .long {len(rows)}, {label}_end - {label}_names\n")
    offset = 0
    for address, name in rows:
        out.write(f"    .long {address - base:#x}, {offset}\n")
        offset += len(name.encode()) + 1
    out.write(f"{label}_names:\n")
    for _, name in rows:
        out.write(f'    .asciz "{name}"\n')
    out.write(f"{label}_end:\n")


def main():
    nm, cxxfilt, image, exports, output = sys.argv[1:]
    symbols = listed(nm, cxxfilt, image)
    base = next(address for address, _, name, _ in symbols if name == "kernel_begin")
    functions = {}
    for address, kind, name, text in symbols:
        if address >= base and kind in "tTwW" and not name.startswith(".L"):
            functions.setdefault(address, short(text))
    allowed = exported(symbols, patterns_of(exports))
    with open(output, "w") as out:
        out.write('    .section .symbols, "a"\n')
        table(out, "kernel_symbol_table", sorted(functions.items()), base)
        # By name, as bytes: the loader searches by halves.
        by_name = sorted(((address, name) for name, address in allowed.items()), key=lambda row: row[1].encode())
        table(out, "kernel_export_table", by_name, base)
        out.write('    .section .note.GNU-stack, "", @progbits\n')


if __name__ == "__main__":
    main()
