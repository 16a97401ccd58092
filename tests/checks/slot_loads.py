#!/usr/bin/env python3
"""Disassembles whole kernels and modules: is every call through a Ref what it must be?

usage: slot_loads.py [ELF]...      (default: build/k42.elf, and the modules beside it)

- Each load from the local table (`mov %gs:(%reg), %reg`, only machine/local_table.h makes them) must
  be followed by an indirect call through the loaded object: its vtable is loaded from the object, and
  the call goes through a slot of it below 64. A direct call first (but of memcpy and the like) means that
  the compiler devirtualized it, and hot swap would not be seen.
- No vector or x87 instruction outside the platform: the registers are the interrupted program's.

First it looks at wrong code, compiled for the purpose: what it would not find there it cannot find here.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

from compilers import compile_text, for_compiler, kernel_flags

ROOT = pathlib.Path(__file__).resolve().parents[2]
FUNCTION = re.compile(r"^([0-9a-f]+) <(.+)>:$")
INSTRUCTION = re.compile(r"^\s*([0-9a-f]+):\s+(\S+)\s*(.*?)(?:\s+#.*)?$")
SLOT_LOAD = re.compile(r"^%gs:\((%r\w+)\),(%r\w+)$")
RELOCATION = re.compile(r"^\s*[0-9a-f]+: R_X86_64_(?:PLT32|PC32)\s+(.+?)(?:[-+]0x[0-9a-f]+)?$")
LOAD = re.compile(r"^(-?0x[0-9a-f]+)?\((%r\w+)\),(%r\w+)$")
COPY = re.compile(r"^(%r\w+),(%r\w+)$")
THROUGH_TABLE = re.compile(r"^\*(0x[0-9a-f]+)?\((%r\w+)\)$")
THROUGH_REGISTER = re.compile(r"^\*(%r\w+)$")
VECTOR = re.compile(r"%(?:[xyz]mm\d|mm\d|st\b)")
OF_PLATFORM = re.compile(r"^(non-virtual thunk to )?k42::machine::")
X87 = re.compile(r"^(f[a-z0-9]+|x(save|rstor)[a-z0-9]*|xsetbv|emms|(ld|st)mxcsr|vzero[a-z]+)$")
# What compilers call by themselves, while arguments are made ready (Clang does not know strlen of a literal).
LIBRARY = re.compile(r"<(strlen|mem(cpy|move|set|cmp|chr))>$")
LOST_BY_CALLS = {"%rax", "%rcx", "%rdx", "%rsi", "%rdi", "%r8", "%r9", "%r10", "%r11"}
PREFIXES = {"rep", "repz", "repnz", "lock", "data16", "notrack", "cs", "bnd"}
LONGEST = 120  # instructions between the load and its call


def disassemble(path):
    """(functions: name -> [index], instructions: [(address, mnemonic, operands, function)])"""
    text = subprocess.run(["objdump", "-dr", "-C", "--no-show-raw-insn", str(path)], check=True,
                          capture_output=True, text=True).stdout
    function, instructions, index_of = "", [], {}
    for line in text.splitlines():
        if match := FUNCTION.match(line):
            function = match.group(2)
        elif match := RELOCATION.match(line):  # a module's call: the instruction itself has no address yet
            address, mnemonic, operands, within = instructions[-1]
            if mnemonic.startswith(("call", "jmp")) and not operands.startswith("*"):
                instructions[-1] = (address, mnemonic, f"<{match.group(1)}>", within)
        elif match := INSTRUCTION.match(line):
            address, mnemonic, operands = int(match.group(1), 16), match.group(2), match.group(3)
            while mnemonic in PREFIXES and operands:
                mnemonic, _, operands = operands.partition(" ")
                operands = operands.strip()
            index_of[address] = len(instructions)
            instructions.append((address, mnemonic, operands, function))
    return instructions, index_of


def written(mnemonic, operands):
    """The 64-bit name of the register an instruction writes, roughly: its last operand."""
    if mnemonic.startswith(("cmp", "test", "push", "j", "call", "nop")):
        return None
    last = operands.rsplit(",", 1)[-1].strip()
    if not last.startswith("%"):
        return None
    name = last[1:]
    if re.fullmatch(r"r\d+[dwb]?", name):
        return "%" + re.match(r"r\d+", name).group()
    stem = {"a": "rax", "b": "rbx", "c": "rcx", "d": "rdx"}
    if re.fullmatch(r"[er]?[abcd]x|[abcd][lh]", name):
        return "%" + stem[name.strip("erxlh")[:1] or name[0]]
    for long in ("rsi", "rdi", "rbp", "rsp"):
        if name in (long, "e" + long[1:], long[1:], long[1:] + "l"):
            return "%" + long
    return None


def follow(instructions, index_of, start, target):
    """None if the slot load at `start` leads to its indirect call, else what is wrong."""
    objects, tables, methods = {target}, set(), set()
    at = start + 1
    for _ in range(LONGEST):
        if at >= len(instructions):
            return "runs off the end"
        _, mnemonic, operands, _ = instructions[at]
        at += 1
        if mnemonic.startswith(("call", "jmp")):
            if match := THROUGH_TABLE.match(operands):
                offset = int(match.group(1) or "0", 16)
                if match.group(2) not in tables:
                    return f"indirect call through {operands}, which is not the object's vtable"
                return None if offset % 8 == 0 and offset < 64 * 8 else f"vtable offset {offset}"
            if match := THROUGH_REGISTER.match(operands):
                return None if match.group(1) in methods else f"call through {operands}"
            if mnemonic.startswith("call"):
                if not LIBRARY.search(operands):
                    return f"direct call of {operands} first"
                for known in (objects, tables, methods):
                    known -= LOST_BY_CALLS
                continue
            destination = operands.split()[0]
            if not re.fullmatch(r"[0-9a-f]+", destination) or int(destination, 16) not in index_of:
                return f"jump to {operands} first"
            at = index_of[int(destination, 16)]
            continue
        if mnemonic.startswith("ret"):
            return "returns first"
        if mnemonic == "mov":
            if match := LOAD.match(operands):
                offset, base, to = int(match.group(1) or "0", 16), match.group(2), match.group(3)
                was_object, was_table = base in objects, base in tables
                for known in (objects, tables, methods):
                    known.discard(to)
                if was_object and offset == 0:
                    tables.add(to)
                elif was_table and 0 <= offset < 64 * 8:
                    methods.add(to)
                continue
            if (match := COPY.match(operands)) and match.group(1) != match.group(2):
                for known in (objects, tables, methods):
                    known.discard(match.group(2))
                    if match.group(1) in known:
                        known.add(match.group(2))
                continue
        gone = written(mnemonic, operands)
        for known in (objects, tables, methods):
            known.discard(gone)
        if not objects and not tables and not methods:
            return "the object is dropped"
    return f"no call within {LONGEST} instructions"


WRONG = {
    "jump to": """
#include "cobj/ref.h"
#include "idl/counter.idl.h"
struct Counter final : k42::idl::ICounter {
  k42::Result<std::uint64_t> Increment(std::uint64_t) override;
  k42::Result<std::uint64_t> Value() override;
};
k42::Result<std::uint64_t> Wrong(k42::cobj::Ref<k42::idl::ICounter> ref) {
  return static_cast<Counter*>(ref.operator->())->Value();  // devirtualized: Counter is final
}""",
    "returns first": """
#include "cobj/ref.h"
#include "idl/counter.idl.h"
k42::idl::ICounter* Wrong(k42::cobj::Ref<k42::idl::ICounter> ref) { return ref.operator->(); }""",
    "the object is dropped": """
#include "cobj/ref.h"
#include "idl/counter.idl.h"
std::uint64_t Wrong(k42::cobj::Ref<k42::idl::ICounter> ref) {
  auto word = reinterpret_cast<std::uint64_t>(ref.operator->());
  asm("addq $8, %0" : "+r"(word));
  return word;
}""",
    "mm": """
#include "cobj/ref.h"
#include "idl/counter.idl.h"
k42::Result<std::uint64_t> Right(k42::cobj::Ref<k42::idl::ICounter> ref) {
  asm volatile("pxor %xmm0, %xmm0");
  return ref->Value();
}""",
    "fld1": """
#include "cobj/ref.h"
#include "idl/counter.idl.h"
k42::Result<std::uint64_t> Right(k42::cobj::Ref<k42::idl::ICounter> ref) {
  asm volatile("fld1");
  return ref->Value();
}""",
}


def check_itself():
    """The wrong code in which nothing wrong was found."""
    flags, missed = kernel_flags(), []
    with tempfile.TemporaryDirectory() as name:
        for number, (wanted, text) in enumerate(WRONG.items()):
            for compiler in ("g++", "clang++"):
                target = compile_text(for_compiler(compiler, flags), text, pathlib.Path(name), f"wrong_{number}")
                found = check(target, quiet=True)
                if len(found) != 1 or wanted not in found[0]:
                    missed.append(f"{compiler}: wrong code, wanted {wanted!r}, found {found}")
    return missed


def check(path, quiet=False):
    instructions, index_of = disassemble(path)
    faults, loads = [], 0
    for index, (address, mnemonic, operands, function) in enumerate(instructions):
        if mnemonic == "mov" and (match := SLOT_LOAD.match(operands)):
            if function.startswith("k42::cobj::Mediator::Enter"):
                continue  # hands the loaded object to the forwarder, which calls at once
            loads += 1
            if wrong := follow(instructions, index_of, index, match.group(2)):
                faults.append(f"{path}: {address:x} in {function}: slot load, but {wrong}")
        if (VECTOR.search(operands) or X87.match(mnemonic)) and not OF_PLATFORM.match(function):
            faults.append(f"{path}: {address:x} in {function}: {mnemonic} {operands}")
    if loads == 0 and path.suffix != ".ko":  # a module may call nobody
        faults.append(f"{path}: no slot load found: has the sequence changed?")
    if not quiet:
        print(f"{path}: {len(instructions)} instructions, {loads} slot loads")
    return faults


def main():
    paths = [pathlib.Path(name) for name in sys.argv[1:]]
    if not paths:
        paths = [ROOT / "build/k42.elf", *sorted((ROOT / "build/modules").glob("*.ko"))]
    faults = check_itself() + [fault for path in paths for fault in check(path)]
    print("\n".join(faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
