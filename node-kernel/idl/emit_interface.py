"""foo.idl.h: the abstract classes that objects implement and Ref<I> calls."""

from cpp import header, imported, interface_name, natives_of, parameters, result_type


def emit(file):
    includes = ["base/buffer.h", "base/result.h", "cobj/call_context.h", "cobj/ref.h",
                f"{file.module}/{file.stem}.types.h"] + imported(file, "idl") + natives_of(file)
    out = header(file, "idl", "The interfaces, as the kernel implements and calls them.", includes)
    for item in file.interfaces:
        out(f"class I{item.name};")
    out()
    for item in file.interfaces:
        _interface(out, file, item)
    out(f"}}  // namespace k42::{file.module}")
    return out.text()


def _interface(out, file, item):
    out.doc(item.doc)
    base = f" : public {interface_name(file, item.base)}" if item.base else ""
    out(f"class I{item.name}{base} {{")
    out(" public:")
    out(f"  using ThisInterface = I{item.name};  // not that of a class which implements it")
    out(f'  static constexpr const char* kName = "{item.module}.{item.name}";')
    out(f"  static constexpr std::uint32_t kMethodCount = {len(item.all_methods())};")
    out(f"  static constexpr std::uint32_t kVersion = {item.version};")
    out(f"  static constexpr const Digest& kDigest = k{item.name}Digest;")
    for method in item.methods:
        out()
        out.doc(method.doc, "  ")
        out(f"  virtual {result_type(file, method)} {method.name}({parameters(file, method)}) = 0;")
    out("\n protected:\n"
        f"  ~I{item.name}() = default;  // whoever made the object destroys it, never a caller\n"
        "};")
    for method in item.methods:
        if method.result and method.result.kind == "native":
            out(f"static_assert(sizeof({result_type(file, method)}) <= 16, "
                f'"{method.name}: result too large");')
    out()
