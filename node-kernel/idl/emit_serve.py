"""foo.serve.h: what a program implements that serves the interface to others (abi/served_call.h).

The same numbers, words and checks as dispatch; but the words that were addresses in the caller are
addresses in the call's bulk, where the kernel put, once, what they named.
"""

from check import needs_validation, words_of
from cpp import camel, header, imported, qualified, value_type
from model import RIGHTS, SCALARS


def emit(file):
    out = header(file, "serve", "Serving these interfaces from a program: implement, export.",
                 ["<cstddef>", "<cstdint>", "<span>", "abi/native_result.h", "abi/served_call.h",
                  "base/narrow.h", "base/result.h", f"{file.module}/{file.stem}.types.h"]
                 + imported(file, "types"))
    for item in file.interfaces:
        if not item.is_local and any(not method.local for method in item.all_methods()):
            _class(out, file, item)
            _serve(out, file, item)
            _methods(out, item)
    out(f"}}  // namespace k42::{file.module}")
    return out.text()


def _served(method):
    """Objects and tickets are the caller's: a program cannot be handed them."""
    return not method.local and all(
        param.type.kind not in ("ref", "object", "ticket") for param in method.params)


def _type(file, kind):
    if kind.kind == "ref":
        return "abi::Handle"
    if kind.kind == "scalar":
        return SCALARS[kind.name][0]
    return qualified(file, kind.target)


def _result(file, method):
    return f"Result<{_type(file, method.result)}>" if method.result else "Status"


def _params(file, method):
    items = ["const abi::ServedCall& served"]
    for param in method.params:
        kind, name = param.type, param.name
        if kind.kind == "in_buffer":
            items.append(f"std::span<const std::byte> {name}")
        elif kind.kind == "out_buffer":
            items.append(f"std::span<std::byte> {name}")
        elif param.direction == "out":
            items.append(f"{_type(file, kind)}& {name}")
        elif kind.kind == "struct":
            items.append(f"const {_type(file, kind)}& {name}")
        else:
            items.append(f"{_type(file, kind)} {name}")
    return ", ".join(items)


def _class(out, file, item):
    out.doc(item.doc)
    out(f"class {item.name}Server {{\n public:")
    for method in item.all_methods():
        if _served(method):
            out(f"  virtual {_result(file, method)} {method.name}({_params(file, method)}) = 0;")
    out(f"\n protected:\n  ~{item.name}Server() = default;\n}};\n")


def _serve(out, file, item):
    out(f"inline abi::NativeResult Serve{item.name}(void* object_, std::uint32_t method,\n"
        "    const abi::ServedCall& served) {")
    if any(_served(method) for method in item.all_methods()):
        out(f"  auto& server_ = *static_cast<{item.name}Server*>(object_);")
    else:
        out("  (void)object_, (void)served;")
    out(f"  switch (static_cast<{item.name}Method>(method)) {{")
    for method in item.all_methods():
        if _served(method):
            _case(out, file, item, method)
    out("    default:\n      break;\n  }\n  return {Status::kNotSupported, 0};\n}\n")


def _case(out, file, item, method):
    out(f"    case {item.name}Method::k{method.name}: {{")
    pad, word, names = "      ", 0, ["served"]
    for param in method.params:
        kind, name, at = param.type, param.name, f"served.words[{word}]"
        if kind.kind in ("in_buffer", "out_buffer"):
            byte = "const std::byte" if kind.kind == "in_buffer" else "std::byte"
            out(f"{pad}const std::span<{byte}> {name}(reinterpret_cast<{byte}*>({at}),\n"
                f"{pad}    served.words[{word + 1}]);")
        elif param.direction == "out":
            out(f"{pad}auto& {name} = *reinterpret_cast<{_type(file, kind)}*>({at});\n"
                f"{pad}{name} = {{}};")
        elif kind.kind == "struct":
            out(f"{pad}const auto& {name} = *reinterpret_cast<const {_type(file, kind)}*>({at});")
            if needs_validation(kind.target):
                prefix = "" if kind.target.module == file.module else f"{kind.target.module}::"
                out(f"{pad}if (!{prefix}IsValid{kind.target.name}({name}))\n"
                    f"{pad}  return {{Status::kInvalidArgument, 0}};")
        elif kind.kind == "enum":
            enum = kind.target
            test = f"{'' if enum.module == file.module else enum.module + '::'}IsValid{enum.name}"
            out(f"{pad}const auto {name}_word = TRY(Narrow<{SCALARS[enum.underlying][0]}>({at}));\n"
                f"{pad}if (!{test}(static_cast<std::uint64_t>({name}_word)))\n"
                f"{pad}  return {{Status::kInvalidArgument, 0}};\n"
                f"{pad}const auto {name} = static_cast<{value_type(file, kind)}>({name}_word);")
        else:
            out(f"{pad}const auto {name} = TRY(Narrow<{SCALARS[kind.name][0]}>({at}));")
        names.append(name)
        word += words_of(param)
    call = f"server_.{method.name}({', '.join(names)})"
    if method.result:
        out(f"{pad}return {{Status::kOk, static_cast<std::uint64_t>(TRY({call}))}};\n    }}")
    else:
        out(f"{pad}return {{{call}, 0}};\n    }}")


def _bytes(kind):
    if kind.kind == "struct":
        return kind.target.size
    return SCALARS[kind.target.underlying if kind.kind == "enum" else kind.name][1]


def _words(method):
    """What the kernel is told of each word."""
    words = []
    for param in method.params:
        kind = param.type
        if kind.kind in ("in_buffer", "out_buffer"):
            words += [f"abi::ServedWord(abi::WordKind::k{camel(kind.kind)}, {kind.limit})",
                      "abi::ServedWord(abi::WordKind::kSize)"]
        elif param.direction == "out":
            words.append(f"abi::ServedWord(abi::WordKind::kOut, {_bytes(kind)})")
        elif kind.kind == "struct":
            words.append(f"abi::ServedWord(abi::WordKind::kIn, {kind.target.size})")
        else:
            words.append("0")
    return words


def _methods(out, item):
    out(f"inline constexpr abi::ServedMethod k{item.name}Served[] = {{")
    for method in item.all_methods():
        rights = sum(1 << RIGHTS[right] for right in method.rights)
        flags, words = [], []
        if _served(method):
            words = _words(method)
            buffers = [param for param in method.params if param.type.kind == "out_buffer"]
            if method.result and method.result.kind == "ref":
                flags.append("abi::kServedHandle")
            elif len(buffers) == 1 and method.result and method.result.name in ("u32", "u64"):
                flags.append("abi::kServedSize")
        out(f"    {{{rights}u, {' | '.join(flags) or '0'}, {{{', '.join(words)}}}}},  // {method.name}")
    out("};\n")
