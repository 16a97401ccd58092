"""foo.stub.h: what user space calls. A stub is a handle with a typed face; it owns nothing."""

from check import words_of
from cpp import header, imported, qualified
from model import SCALARS


def emit(file):
    out = header(file, "stub", "User stubs: one native call per method.",
                 ["<cstddef>", "base/result.h", "machine/native_call.h",
                  f"{file.module}/{file.stem}.types.h"] + imported(file, "stub"))
    items = [item for item in file.interfaces if not item.is_local]
    for item in items:
        out(f"class {item.name}Stub;")
    out()
    for item in items:
        _class(out, file, item)
    for item in items:
        for method in item.methods:
            if not method.local:
                _body(out, file, item, method)
    out(f"}}  // namespace k42::{file.module}")
    return out.text()


def _stub(file, interface):
    return qualified(file, interface, suffix="Stub")


def _value(file, kind):
    if kind.kind == "scalar":
        return SCALARS[kind.name][0]
    if kind.kind == "ref":
        return _stub(file, kind.target)
    if kind.kind == "object":
        return "abi::Handle"
    if kind.kind == "ticket":
        return "std::uint32_t"
    return qualified(file, kind.target)


def _result(file, method):
    return f"Result<{_value(file, method.result)}>" if method.result else "Status"


def _params(file, method):
    items = []
    for param in method.params:
        kind, name = param.type, param.name
        if kind.kind == "in_buffer":
            items += [f"const void* {name}", f"std::size_t {name}_size"]
        elif kind.kind == "out_buffer":
            items += [f"void* {name}", f"std::size_t {name}_size"]
        elif param.direction == "out":
            items.append(f"{_value(file, kind)}* {name}")
        elif kind.kind == "struct":
            items.append(f"const {_value(file, kind)}& {name}")
        else:
            items.append(f"{_value(file, kind)} {name}")
    if method.blocking:
        items.append("std::uint32_t ticket")
    return ", ".join(items)


def _class(out, file, item):
    out.doc(item.doc)
    base = f" : public {_stub(file, item.base)}" if item.base else ""
    out(f"class {item.name}Stub{base} {{\n public:")
    out(f"  constexpr {item.name}Stub() = default;")
    if item.base:
        out(f"  explicit constexpr {item.name}Stub(abi::Handle handle) : "
            f"{_stub(file, item.base).split('::')[-1]}(handle) {{}}")
    else:
        out(f"  explicit constexpr {item.name}Stub(abi::Handle handle) : handle_(handle) {{}}")
        out("  constexpr abi::Handle handle() const { return handle_; }")
        out("  // Handle 0 is the dispatcher itself, no object: it stands for \"none\".")
        out("  explicit constexpr operator bool() const { return handle_ != 0; }")
    out()
    for method in item.methods:
        if not method.local:
            out.doc(method.doc, "  ")
            out(f"  {_result(file, method)} {method.name}({_params(file, method)}) const;")
    if not item.base:
        out("\n private:\n  abi::Handle handle_ = 0;")
    out("};\n")


def _word(param):
    kind, name = param.type, param.name
    if kind.kind in ("in_buffer", "out_buffer"):
        return [f"reinterpret_cast<std::uint64_t>({name})", f"{name}_size"]
    if param.direction == "out":
        return [f"reinterpret_cast<std::uint64_t>({name})"]
    if kind.kind == "struct":
        return [f"reinterpret_cast<std::uint64_t>(&{name})"]
    if kind.kind == "ref":
        return [f"{name}.handle()"]
    return [f"static_cast<std::uint64_t>({name})"]


def _body(out, file, item, method):
    out(f"inline {_result(file, method)} {item.name}Stub::{method.name}"
        f"({_params(file, method)}) const {{")
    words = [word for param in method.params for word in _word(param)]
    if method.blocking:
        words.append("ticket")
    call = ", ".join([f"abi::NativeNumber(handle(), {method.number})"] + words)
    kind = method.result
    if not kind:
        out(f"  return machine::NativeCall({call}).status;\n}}\n")
        return
    out(f"  const auto result = machine::NativeCall({call});")
    out("  if (result.status != Status::kOk)\n    return result.status;")
    if kind.kind == "ref":
        out(f"  return {_value(file, kind)}(static_cast<abi::Handle>(result.value));\n}}\n")
    else:
        out(f"  return static_cast<{_value(file, kind)}>(result.value);\n}}\n")
