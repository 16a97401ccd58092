"""foo.dispatch.h: from a native call (a method number and six words) to a call of the object.

Every word comes from user space and is hostile: each is checked before the object sees it.
"""

from check import needs_validation, words_of
from cpp import arguments, header, imported, interface_name, out_type, value_type
from model import RIGHTS, SCALARS


def emit(file):
    out = header(file, "dispatch", "Native calls to these interfaces: check the words, call.",
                 ["cobj/dispatch.h", f"{file.module}/{file.stem}.idl.h"]
                 + imported(file, "dispatch"))
    for item in file.interfaces:
        if not item.is_local:
            out(f"extern const cobj::InterfaceInfo k{item.name}Info;")
    out()
    for item in file.interfaces:
        if not item.is_local:
            _invoke(out, file, item)
            _info(out, file, item)
    out(f"}}  // namespace k42::{file.module}")
    return out.text()


def _invoke(out, file, item):
    out(f"inline cobj::NativeResult Invoke{item.name}(cobj::RefBits bits, std::uint32_t method,\n"
        "    const cobj::Words& words, cobj::CallContext& caller) {")
    remote = [m for m in item.all_methods() if not m.local]
    if not remote:
        out("  (void)words, (void)caller, (void)bits, (void)method;")
    else:
        out(f"  const auto ref = cobj::Ref<I{item.name}>::FromBits(bits);")
        used = any(m.params for m in remote)
        if not used:
            out("  (void)words;")
        out(f"  switch (static_cast<{item.name}Method>(method)) {{")
        for method in remote:
            _case(out, file, item, method)
        out("    default:\n      break;\n  }")
    out("  return {Status::kNoMethod, 0};\n}\n")


def _case(out, file, item, method):
    out(f"    case {item.name}Method::k{method.name}: {{")
    pad = "      "
    if method.rights:
        mask = sum(1 << RIGHTS[right] for right in method.rights)
        out(f"{pad}TRY(caller.Require({mask}u));  // {', '.join(method.rights)}")
    elif not method.params and not method.caller:
        out(f"{pad}(void)caller;")
    word, after = 0, []
    for param in method.params:
        _argument(out, file, method, param, word, after, pad)
        word += words_of(param)
    if method.blocking:
        out(f"{pad}caller.ticket = static_cast<std::uint32_t>(words.at({word}));")
    call = f"ref->{method.name}({arguments(method)})"
    kind = method.result
    if not after and kind is None:
        out(f"{pad}return {{{call}, 0}};")
    elif kind is None:
        out(f"{pad}TRY({call});")
        for line in after:
            out(pad + line)
        out(f"{pad}return {{Status::kOk, 0}};")
    else:
        out(f"{pad}const auto value = TRY({call});")
        for line in after:
            out(pad + line)
        if kind.kind == "ref":
            out(f"{pad}return cobj::GrantHandle(caller, value, "
                f"{_info_name(file, kind.target)});")
        else:
            out(f"{pad}return {{Status::kOk, static_cast<std::uint64_t>(value)}};")
    out("    }")


def _argument(out, file, method, param, word, after, pad):
    kind, name, at = param.type, param.name, f"words.at({word})"
    if kind.kind == "in_buffer":
        out(f"{pad}const BufferIn {name} = TRY(cobj::UserBuffer<BufferIn>(words.at({word}), "
            f"words.at({word + 1}), {kind.limit}));")
    elif kind.kind == "out_buffer":
        out(f"{pad}const BufferOut {name} = TRY(cobj::UserBuffer<BufferOut>("
            f"words.at({word}), words.at({word + 1}), {kind.limit}));")
    elif param.direction == "out":
        out(f"{pad}{out_type(file, kind)} {name}{{}};")
        if kind.kind == "ref":
            after.append(f"TRY(cobj::PutHandle(caller, {at}, {name}, "
                         f"{_info_name(file, kind.target)}));")
        elif kind.kind == "object":
            after.append(f"TRY(cobj::PutObject(caller, {at}, {name}));")
        else:
            after.append(f"TRY(cobj::PutValue({at}, {name}));")
    elif kind.kind == "struct":
        out(f"{pad}{value_type(file, kind)} {name};")
        out(f"{pad}TRY(cobj::GetValue({name}, {at}));")
        if needs_validation(kind.target):
            prefix = "" if kind.target.module == file.module else f"{kind.target.module}::"
            out(f"{pad}if (!{prefix}IsValid{kind.target.name}({name}))\n"
                f"{pad}  return {{Status::kInvalidArgument, 0}};")
    elif kind.kind == "scalar":
        out(f"{pad}const auto {name} = TRY(cobj::Narrow<{SCALARS[kind.name][0]}>({at}));")
    elif kind.kind == "enum":
        enum = kind.target
        test = f"{'' if enum.module == file.module else enum.module + '::'}IsValid{enum.name}"
        out(f"{pad}const auto {name}_word = "
            f"TRY(cobj::Narrow<{SCALARS[enum.underlying][0]}>({at}));")
        out(f"{pad}if (!{test}(static_cast<std::uint64_t>({name}_word)))\n"
            f"{pad}  return {{Status::kInvalidArgument, 0}};")
        out(f"{pad}const auto {name} = static_cast<{value_type(file, kind)}>({name}_word);")
    elif kind.kind == "ref":
        what = "ResolveOptional" if param.optional else "Resolve"
        out(f"{pad}const auto {name} = TRY(cobj::{what}<{interface_name(file, kind.target)}>"
            f"(caller, {at}, {_info_name(file, kind.target)}));")
    elif kind.kind == "object":
        what = "ResolveOptionalObject" if param.optional else "ResolveObject"
        out(f"{pad}const auto {name} = TRY(cobj::{what}(caller, {at}));")
    elif kind.kind == "ticket":
        out(f"{pad}const auto {name} = TRY(cobj::TicketOf(caller, {at}));")


def _info_name(file, interface):
    name = f"k{interface.name}Info"
    return name if interface.module == file.module else f"{interface.module}::{name}"


def _info(out, file, item):
    out(f"inline constexpr cobj::MethodInfo k{item.name}Methods[] = {{")
    for method in item.all_methods():
        rights = sum(1 << RIGHTS[right] for right in method.rights)
        flags = " | ".join([f"cobj::MethodInfo::k{flag}" for flag, on in (
            ("Blocking", method.blocking), ("Local", method.local)) if on]) or "0"
        out(f'    {{"{method.name}", {rights}u, {flags}}},')
    out("};")
    base = f"&{_info_name(file, item.base)}" if item.base and not item.base.is_local else "nullptr"
    own, removable = ("true" if yes else "false" for yes in (item.is_own, item.is_global))
    out(f"inline constexpr cobj::InterfaceInfo k{item.name}Info = {{\n"
        f"    I{item.name}::kName, &k{item.name}Digest, {base}, k{item.name}Methods,\n"
        f"    I{item.name}::kMethodCount, &Invoke{item.name}, {own}, {removable}}};\n")
