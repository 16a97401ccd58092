"""The version digest: SHA-256 over the canonical form, which holds everything that two sides of a
call must agree on (order, names, types, sizes, attributes) and nothing else (no comments)."""

import hashlib

from model import SCALARS


def canonical(interface):
    lines, structs, enums = [], {}, {}

    def type_text(kind):
        if kind.kind == "struct":
            visit_struct(kind.target)
        elif kind.kind == "enum":
            enums[f"{kind.target.module}.{kind.target.name}"] = kind.target
        if kind.kind in ("in_buffer", "out_buffer"):
            return f"{kind.kind}<{kind.limit}>"
        if kind.kind == "ref":
            return f"ref<{kind.target.module}.{kind.target.name}>"
        if kind.target is not None:
            return f"{kind.target.module}.{kind.target.name}{kind.indirection}"
        return kind.name or kind.kind

    def visit_struct(struct):
        name = f"{struct.module}.{struct.name}"
        if name not in structs:
            structs[name] = struct
            for item in struct.fields:
                type_text(item.type)

    head = f"interface {interface.module}.{interface.name} version {interface.version}"
    lines.append(head + (" global" if interface.is_global else ""))
    for method in interface.all_methods():
        params = ",".join(f"{p.direction} {'optional ' if p.optional else ''}{type_text(p.type)} "
                          f"{p.name}" for p in method.params)
        result = type_text(method.result) if method.result else "-"
        flags = "".join([" blocking" * method.blocking, " caller" * method.caller,
                         " local" * method.local])
        lines.append(f"{method.number} {method.name}({params}) {result} "
                     f"rights({','.join(sorted(method.rights))}){flags}")
    for name, struct in sorted(structs.items()):
        fields = ";".join(f"{type_text(f.type)} {f.name}[{f.count}]@{offset}"
                          for f, offset in zip(struct.fields, struct.offsets))
        lines.append(f"struct {name} {struct.size} {fields}")
    for name, enum in sorted(enums.items()):
        values = ",".join(f"{item}={value}" for item, value, _ in enum.values)
        lines.append(f"enum {name}:{SCALARS[enum.underlying][1]} {values}")
    return "\n".join(lines) + "\n"


def digest(interface):
    return hashlib.sha256(canonical(interface).encode()).digest()
