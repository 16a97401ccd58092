"""Spelling C++: names of types, parameters, headers. Shared by the emit_*.py files."""

from model import SCALARS


class Writer:
    def __init__(self):
        self.lines = []

    def __call__(self, text=""):
        for line in text.split("\n"):
            self.wrapped(line)

    def wrapped(self, line):
        """Long lines break after a comma or before ||, indented by four more."""
        indent = " " * (len(line) - len(line.lstrip()) + 4)
        while len(line) > 100:
            cut = max(line.rfind(", ", 0, 100) + 1, line.rfind(" ||", 0, 100))
            if cut <= len(indent):
                break
            self.lines.append(line[:cut])
            line = indent + line[cut:].lstrip()
        self.lines.append(line)

    def doc(self, doc, indent=""):
        for line in doc:
            self.lines.append(f"{indent}// {line}".rstrip())

    def text(self):
        return "\n".join(self.lines) + "\n"


def header(file, suffix, what, includes):
    """The first lines of a generated header."""
    out = Writer()
    out(f"// {what}\n// Generated from {file.module}/{file.stem}.idl by idl/generate.py; do not edit.")
    out("#pragma once\n")
    system = sorted({i for i in includes if i.startswith("<")})
    own = sorted({i for i in includes if not i.startswith("<")})
    for name in system:
        out(f"#include {name}")
    if system:
        out()
    for name in own:
        out(f'#include "{name}"')
    if own:
        out()
    out(f"namespace k42::{file.module} {{\n")
    return out


def imported(file, suffix):
    return [f"{other.module}/{other.stem}.{suffix}.h" for other in file.imports]


def qualified(file, item, prefix="", suffix=""):
    name = f"{prefix}{item.name}{suffix}"
    return name if item.module == file.module else f"{item.module}::{name}"


def interface_name(file, interface):
    return qualified(file, interface, "I")


def native_name(file, kind):
    name = kind.target.name
    if "::" not in name and kind.target.module != file.module:
        name = f"{kind.target.module}::{name}"
    const = "const " if kind.indirection.startswith("const") else ""
    return const + name + kind.indirection.replace("const", "").strip()


def value_type(file, kind):
    """The kernel's C++ type of a value of this type."""
    if kind.kind == "scalar":
        return SCALARS[kind.name][0]
    if kind.kind in ("enum", "struct"):
        return qualified(file, kind.target)
    if kind.kind == "native":
        return native_name(file, kind)
    return {"in_buffer": "BufferIn", "out_buffer": "BufferOut", "object": "cobj::ObjectRef",
            "ticket": "cobj::Ticket",
            "ref": f"cobj::Ref<{interface_name(file, kind.target)}>" if kind.target else ""}[kind.kind]


def result_type(file, method):
    kind = method.result
    if kind is None:
        return "Status"
    if kind.kind == "ref":
        return f"Result<cobj::Granted<{interface_name(file, kind.target)}>>"
    return f"Result<{value_type(file, kind)}>"


def out_type(file, kind):
    """What an out parameter refers to."""
    if kind.kind == "ref":
        return f"cobj::Granted<{interface_name(file, kind.target)}>"
    return value_type(file, kind)


def parameter(file, param):
    kind = param.type
    if param.direction == "out":
        return f"{out_type(file, kind)}& {param.name}"
    if kind.kind == "struct":
        return f"const {value_type(file, kind)}& {param.name}"
    return f"{value_type(file, kind)} {param.name}"


def parameters(file, method):
    items = ["const cobj::CallContext& caller"] if method.caller else []
    return ", ".join(items + [parameter(file, param) for param in method.params])


def arguments(method):
    return ", ".join((["caller"] if method.caller else []) + [p.name for p in method.params])


def camel(name):
    return "".join(part.capitalize() for part in name.split("_"))


def natives_of(file):
    return [native.header for native in file.natives]
