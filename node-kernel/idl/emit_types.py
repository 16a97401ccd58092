"""foo.types.h: constants, enums, structs, method numbers and digests; for kernel and user alike."""

from check import needs_validation
from cpp import camel, header, imported, value_type
from digest import digest
from model import SCALARS


def emit(file):
    out = header(file, "types", "Constants, structs, method numbers, digests.",
                 ["<array>", "<cstddef>", "<cstdint>", "<type_traits>", "abi/native_call.h",
                  "base/digest.h"]
                 + imported(file, "types"))
    for item in file.constants:
        out.doc(item.doc)
        suffix = "u" if SCALARS[item.type][1] >= 4 and not SCALARS[item.type][2] else ""
        value = "true" if item.type == "bool" and item.value else str(item.value) + suffix
        out(f"inline constexpr {SCALARS[item.type][0]} {item.name} = {value};\n")
    for item in file.enums:
        _enum(out, item)
    for item in file.structs:
        _struct(out, file, item)
    for item in file.interfaces:
        _methods(out, item)
    out(f"}}  // namespace k42::{file.module}")
    return out.text()


def _enum(out, item):
    out.doc(item.doc)
    out(f"enum class {item.name} : {SCALARS[item.underlying][0]} {{")
    for name, value, doc in item.values:
        out.doc(doc, "  ")
        out(f"  {name} = {value},")
    out("};")
    tests = " || ".join(f"value == {value}" for _, value, _ in item.values)
    out(f"constexpr bool IsValid{item.name}(std::uint64_t word) {{\n"
        f"  const auto value = static_cast<{SCALARS[item.underlying][0]}>(word);\n"
        f"  return {tests};\n}}\n")


def _struct(out, file, struct):
    out.doc(struct.doc)
    out(f"struct {struct.name} {{")
    for item, offset in zip(struct.fields, struct.offsets):
        out.doc(item.doc, "  ")
        kind = value_type(file, item.type)
        out(f"  {kind} {item.name}{f'[{item.count}]' if item.count else ''};")
    out("};")
    out(f"static_assert(sizeof({struct.name}) == {struct.size});")
    out(f"static_assert(std::is_trivially_copyable_v<{struct.name}>);")
    for item, offset in zip(struct.fields, struct.offsets):
        out(f"static_assert(offsetof({struct.name}, {item.name}) == {offset});")
    if needs_validation(struct):
        _validity(out, struct)
    out()


def _validity(out, struct):
    """Enums inside a struct that came from outside: is every one of them an enumerator?"""
    out(f"constexpr bool IsValid{struct.name}(const {struct.name}& value) {{")
    for item in struct.fields:
        kind = item.type
        if kind.kind not in ("enum", "struct") or (
                kind.kind == "struct" and not needs_validation(kind.target)):
            continue
        prefix = "" if kind.target.module == struct.module else f"{kind.target.module}::"
        word = "static_cast<std::uint64_t>(%s)" if kind.kind == "enum" else "%s"
        if item.count:
            out(f"  for (const auto& item : value.{item.name})\n"
                f"    if (!{prefix}IsValid{kind.target.name}({word % 'item'}))\n      return false;")
        else:
            out(f"  if (!{prefix}IsValid{kind.target.name}({word % ('value.' + item.name)}))\n"
                "    return false;")
    out("  return true;\n}")


def _methods(out, interface):
    out(f"// Method numbers of {interface.name}: its place in the vtable, and in a native call.")
    out(f"enum class {interface.name}Method : std::uint32_t {{")
    for method in interface.all_methods():
        out(f"  k{method.name} = {method.number},")
    out("};")
    numbers = [f"0x{byte:02x}" for byte in digest(interface)]
    rows = ",\n     ".join(", ".join(numbers[at:at + 16]) for at in range(0, 32, 16))
    out(f"inline constexpr Digest k{interface.name}Digest = {{\n    {{{rows}}}}};")
    for method in interface.methods:
        for param in method.params:
            if param.type.limit:
                out(f"inline constexpr std::size_t k{interface.name}{method.name}"
                    f"{camel(param.name)}Max = {param.type.limit};")
    out()
