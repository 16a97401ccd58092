"""foo.forward.h: Forwarder<IFoo>, which stands in for an object and passes its calls on.

An ordinary class: the call chain stays readable, a debugger and TSan see through it.
"""

from cpp import arguments, header, parameters, result_type


def emit(file):
    out = header(file, "forward", "Forwarders: they count calls and pass them on.",
                 ["cobj/forwarder.h", f"{file.module}/{file.stem}.idl.h"])
    out.lines[-2:] = ["namespace k42::cobj {", ""]  # a specialization lives beside its template
    for item in file.interfaces:
        _forwarder(out, file, item)
    out("}  // namespace k42::cobj")
    return out.text()


def _forwarder(out, file, item):
    name = f"{item.module}::I{item.name}"
    out(f"template <>\nclass Forwarder<{name}> final : public {name} {{")
    out(" public:")
    out(f"  using Interface = {name};")
    out("  explicit Forwarder(ForwardPolicy& policy) : policy_(policy) {}")
    for method in item.all_methods():
        # Names are written as in the interface's own namespace.
        out()
        out(f"  {_spell(file, method, result_type)} {method.name}({_spell(file, method, parameters)})"
            " override {")
        out(f"    ForwardedCall call(policy_, {method.number});")
        out("    if (call.status() != Status::kOk)\n      return call.status();")
        out(f"    return call.object<Interface>()->{method.name}({arguments(method)});")
        out("  }")
    out("\n private:\n  ForwardPolicy& policy_;\n};\n")


class _Elsewhere:
    """A file of no module: makes cpp.py qualify every name."""
    module = None


def _spell(file, method, spell):
    return spell(_Elsewhere, method)
