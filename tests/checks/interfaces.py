#!/usr/bin/env python3
"""What both compilers make of interfaces, and of a call through a reference.

- Method numbers: `&IFoo::Method` says which slot of the vtable a method has; it must be the number that
  the generator gave it, which native calls, miss stubs and forwarders use.
- The warm call: a call through a Ref is the plain virtual call, with one load more. No branch, no locked
  instruction, nothing else but widening the reference.
- A Ref to anything but an interface, whose calls a compiler might see through, does not compile.
- An error lies in the same bits of every Result<T>, and a result fits two registers.
"""
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "node-kernel/idl"))
from check import check  # noqa: E402
from compilers import compile_text, for_compiler, kernel_flags, not_refused  # noqa: E402
from parser import Loader  # noqa: E402

WARM = """
#include "cobj/ref.h"
#include "idl/counter.idl.h"
using k42::idl::ICounter;
// Arguments of both kinds: none, and one that must keep its register.
extern "C" k42::Result<std::uint64_t> plain_0(ICounter* object) { return object->Value(); }
extern "C" k42::Result<std::uint64_t> warm_0(k42::cobj::Ref<ICounter> ref) { return ref->Value(); }
extern "C" k42::Result<std::uint64_t> plain_1(ICounter* object, std::uint64_t n) { return object->Increment(n); }
extern "C" k42::Result<std::uint64_t> warm_1(k42::cobj::Ref<ICounter> ref, std::uint64_t n) { return ref->Increment(n); }
// Twice: the second call must look the object up again.
extern "C" void plain_2(ICounter* object) { (void)object->Value(); (void)object->Value(); }
extern "C" void warm_2(k42::cobj::Ref<ICounter> ref) { (void)ref->Value(); (void)ref->Value(); }
"""
CALLS = {0: 1, 1: 1, 2: 2}  # calls in each pair

NO_INTERFACE = """
#include "cobj/ref.h"
#include "idl/counter.idl.h"
struct Counter final : k42::idl::ICounter {
  k42::Result<std::uint64_t> Increment(std::uint64_t) override;
  k42::Result<std::uint64_t> Value() override;
};
k42::Result<std::uint64_t> Wrong(k42::cobj::Ref<Counter> ref) { return ref->Value(); }
"""

RESULTS = """
#include <cstdint>
#include "base/result.h"
template <typename T>
concept TwoRegisters = sizeof(k42::Result<T>) <= 16 && std::is_trivially_copyable_v<k42::Result<T>>;
enum class E : std::uint16_t { kA };
static_assert(TwoRegisters<std::uint8_t> && TwoRegisters<std::int64_t> && TwoRegisters<bool> && TwoRegisters<E> &&
              TwoRegisters<void*>);
extern "C" k42::Result<std::uint8_t> error_1() { return k42::Status::kDeleted; }
extern "C" k42::Result<E> error_2() { return k42::Status::kDeleted; }
extern "C" k42::Result<std::uint32_t> error_4() { return k42::Status::kDeleted; }
extern "C" k42::Result<std::uint64_t> error_8() { return k42::Status::kDeleted; }
extern "C" k42::Result<void*> error_p() { return k42::Status::kDeleted; }
extern "C" k42::Status error_s() { return k42::Status::kDeleted; }
extern "C" const std::uint64_t deleted = static_cast<std::uint64_t>(k42::Status::kDeleted);
"""


def interfaces():
    """(header, C++ class, [(method, number)]) of every interface there is."""
    loader = Loader([str(ROOT / "node-kernel"), str(ROOT / "tests")])
    for path in sorted([*ROOT.glob("node-kernel/*/*.idl"), *ROOT.glob("tests/*/*.idl")]):
        file = loader.load(str(path))
        check(file)
        for item in file.interfaces:
            yield (f"{file.module}/{file.stem}.idl.h", f"k42::{item.module}::I{item.name}",
                   [(method.name, method.number) for method in item.all_methods()])


def check_slots(command, folder, found):
    rows, text = [], "".join(f'#include "{header}"\n' for header in dict.fromkeys(row[0] for row in found))
    for _, name, methods in found:
        for method, number in methods:
            text += (f'extern const decltype(&{name}::{method}) slot_{len(rows)};\n'
                     f'[[gnu::used, gnu::section(".slots")]] const decltype(&{name}::{method}) '
                     f'slot_{len(rows)} = &{name}::{method};\n')
            rows.append((f"{name}::{method}", number))
    target = compile_text(command, text, folder, "slots")
    raw = folder / "slots.bin"
    subprocess.run(["objcopy", "-O", "binary", "-j", ".slots", str(target), str(raw)], check=True)
    content = raw.read_bytes()
    offsets = {}
    for line in subprocess.run(["nm", str(target)], capture_output=True, text=True, check=True).stdout.splitlines():
        if match := re.match(r"([0-9a-f]+) \w slot_(\d+)$", line):
            offsets[int(match.group(2))] = int(match.group(1), 16)
    faults = []
    for index, (what, number) in enumerate(rows):
        # A pointer to a virtual member function: 1 + the slot's offset in bytes; adjustment of `this`.
        function, adjustment = struct.unpack_from("<QQ", content, offsets[index])
        if function != 1 + 8 * number or adjustment != 0:
            faults.append(f"{command[0]}: {what} is number {number}, but its slot is "
                          f"{(function - 1) / 8:g}, its base at {adjustment}")
    return len(rows), faults


def disassembly(target):
    """function -> [(mnemonic, operands)], padding left out."""
    text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", str(target)], capture_output=True,
                          text=True, check=True).stdout
    functions, current = {}, None
    for line in text.splitlines():
        if match := re.match(r"[0-9a-f]+ <(\w+)>:$", line):
            current = functions.setdefault(match.group(1), [])
        elif (match := re.match(r"\s*[0-9a-f]+:\s+(.*\S)", line)) and current is not None:
            words = match.group(1).split(None, 1)
            current.append((words[0], words[1] if len(words) > 1 else ""))
    return functions


def loads(code):
    return sum("(" in operands and mnemonic not in ("lea", "nop", "nopw", "nopl", "cs", "data16")
               for mnemonic, operands in code)


def check_warm_call(command, folder):
    functions = disassembly(compile_text(command, WARM, folder, "warm"))
    faults, report = [], []
    for pair, calls in CALLS.items():
        plain, warm = functions[f"plain_{pair}"], functions[f"warm_{pair}"]
        more = loads(warm) - loads(plain)
        slots = sum("%gs:(" in operands for _, operands in warm)
        indirect = sum(mnemonic in ("call", "jmp") and operands.startswith("*") for mnemonic, operands in warm)
        strange = [f"{mnemonic} {operands}" for mnemonic, operands in warm
                   if mnemonic.startswith(("lock", "xchg", "cmpxchg")) or
                   (mnemonic.startswith("j") and mnemonic != "jmp")]
        report.append(f"{loads(plain)}+{more}")
        if more != calls or slots != calls or indirect != calls or strange:
            faults.append(f"{command[0]}: {calls} warm calls: {more} loads more than virtual calls, "
                          f"{slots} slot loads, {indirect} indirect calls, {strange or 'nothing strange'}:\n" +
                          "\n".join(f"    {mnemonic} {operands}" for mnemonic, operands in warm))
    return ", ".join(report), faults


def check_results(command, folder):
    target = compile_text(command, RESULTS, folder, "results")
    number = None
    for line in subprocess.run(["objdump", "-s", "-j", ".rodata", str(target)], capture_output=True,
                               text=True, check=True).stdout.splitlines():
        if match := re.match(r" 0000 ([0-9a-f]{8}) ([0-9a-f]{8})", line):
            number = int.from_bytes(bytes.fromhex(match.group(1) + match.group(2)), "little")
    faults = []
    for name, code in disassembly(target).items():
        if name.startswith("error_") and not any(
                mnemonic == "mov" and re.fullmatch(rf"\$0x{number:x},%rax", operands) for mnemonic, operands in code):
            faults.append(f"{command[0]}: {name}: the error {number:#x} does not come in RAX: {code}")
    return faults


def main():
    flags, found, faults = kernel_flags(), list(interfaces()), []
    with tempfile.TemporaryDirectory() as name:
        for compiler in ("g++", "clang++"):
            folder = pathlib.Path(name) / compiler
            folder.mkdir()
            command = for_compiler(compiler, flags)
            count, wrong = check_slots(command, folder, found)
            faults += wrong
            warm, wrong = check_warm_call(command, folder)
            faults += wrong
            faults += check_results(command, folder)
            if wrong := not_refused(command, NO_INTERFACE, folder, "no_interface", "a Ref names an interface"):
                faults.append(wrong)
            print(f"{compiler}: {len(found)} interfaces, {count} methods in their slots; loads of a virtual call + "
                  f"what a warm call adds: {warm}")
    print("\n".join(faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
