"""foo.wire.h: calls between nodes. For [global] interfaces: a rep that sends its calls away, and the
serving side, which parses bytes that another node wrote.

A request is the arguments in order, a reply is status, value and out parameters in order; each item is
padded to 8 bytes: a scalar is a word, a struct its bytes, an in_buffer a length and its bytes, an
out_buffer its capacity (request) or its length and bytes (reply).
"""

from check import needs_validation, reply_bytes, request_bytes
from cpp import arguments, header, imported, out_type, parameters, result_type, value_type
from model import SCALARS


def emit(file):
    items = [item for item in file.interfaces if item.is_global]
    includes = ["cobj/wire.h", f"{file.module}/{file.stem}.idl.h"] + imported(file, "wire")
    out = header(file, "wire", "Calls between nodes: the sending rep and the serving side.",
                 includes if items else ["<cstdint>"])
    for item in items:
        methods = [method for method in item.all_methods() if not method.local]
        out(f"inline constexpr std::size_t k{item.name}RequestMax = "
            f"{max(map(request_bytes, methods), default=0)};")
        out(f"inline constexpr std::size_t k{item.name}ReplyMax = "
            f"{max(map(reply_bytes, methods), default=16)};\n")
        _remote(out, file, item)
        _serve(out, file, item, methods)
        _class(out, item)
    out(f"}}  // namespace k42::{file.module}")
    return out.text()


def _class(out, item):
    out(f"inline constexpr cobj::GlobalClass k{item.name}Class = {{\n"
        f"    I{item.name}::kName, &k{item.name}Digest, I{item.name}::kVersion,\n"
        "    [](cobj::RefBits bits, std::uint32_t method, const cobj::CallContext& caller,\n"
        "       cobj::WireReader& request, cobj::ReplyWriter& reply) {\n"
        f"      Serve{item.name}(cobj::Ref<I{item.name}>::FromBits(bits), method, caller, request, reply);\n"
        "    }};\n")


# -- the sending side -----------------------------------------------------------------------------

def _remote(out, file, item):
    out("// A rep whose object lives on another node: each method is one message and its reply.")
    out(f"class Remote{item.name} final : public I{item.name} {{\n public:")
    out(f"  using Interface = I{item.name};")
    out(f"  static constexpr const Digest& kClassDigest = k{item.name}Digest;")
    out(f"  explicit Remote{item.name}(cobj::RemoteTarget& target) : target_(target) {{}}")
    for method in item.all_methods():
        out()
        out(f"  {result_type(file, method)} {method.name}({parameters(file, method)}) override {{")
        if method.local:
            for param in method.params:
                out(f"    (void){param.name};")
            out("    return Status::kNotSupported;  // [local]\n  }")
            continue
        if method.caller:
            out("    (void)caller;  // the home learns the calling node from the message")
        _send(out, file, method)
        out("  }")
    out("\n private:\n  cobj::RemoteTarget& target_;\n};\n")


def _send(out, file, method):
    out(f"    cobj::RemoteCall<{request_bytes(method)}, {reply_bytes(method)}> call;")
    for param in method.params:
        kind, name = param.type, param.name
        if kind.kind == "in_buffer":
            out(f"    TRY(call.request().PutBuffer({name}, {kind.limit}));")
        elif kind.kind == "out_buffer":
            out(f"    call.request().PutWord({name}.size() < {kind.limit} ? {name}.size() "
                f": {kind.limit});")
        elif param.direction == "out":
            continue
        elif kind.kind == "struct":
            out(f"    call.request().PutValue({name});")
        else:
            out(f"    call.request().PutWord(static_cast<std::uint64_t>({name}));")
    kind = method.result
    value = "const std::uint64_t value = " if kind else ""
    out(f"    {value}TRY(call.Send(target_, {method.number}));")
    for param in method.params:
        if param.type.kind == "out_buffer":
            out(f"    TRY(call.reply().GetBuffer({param.name}));")
        elif param.direction == "out" and param.type.kind == "struct":
            out(f"    TRY(call.reply().GetValue({param.name}));")
            if needs_validation(param.type.target):
                out(f"    if (!{_valid(file, param.type)}({param.name}))\n"
                    "      return Status::kCorrupt;")
        elif param.direction == "out":
            out(f"    {param.name} = TRY({_get(file, param.type, 'call.reply()')});")
    out("    TRY(call.reply().End());")
    if kind is None:
        out("    return Status::kOk;")
    elif kind.kind == "enum":
        out(f"    if (!{_valid(file, kind)}(value))\n      return Status::kCorrupt;")
        out(f"    return static_cast<{value_type(file, kind)}>(value);")
    elif kind.name == "u64":
        out("    return value;")
    else:
        out(f"    return cobj::NarrowReply<{value_type(file, kind)}>(value);")


def _valid(file, kind):
    prefix = "" if kind.target.module == file.module else f"{kind.target.module}::"
    return f"{prefix}IsValid{kind.target.name}"


def _get(file, kind, reader):
    if kind.kind == "enum":
        return (f"{reader}.GetEnum<{value_type(file, kind)}>(&{_valid(file, kind)})")
    return f"{reader}.GetWord<{SCALARS[kind.name][0]}>()"


# -- the serving side -----------------------------------------------------------------------------

def _serve(out, file, item, methods):
    out("// Serves one request from another node. Whatever the bytes say, the reply is well formed: a "
        "request")
    out("// that is not what this interface sends answers kCorrupt, and the object is not called.")
    out(f"inline void Serve{item.name}(cobj::Ref<I{item.name}> ref, std::uint32_t method,\n"
        "    const cobj::CallContext& caller, cobj::WireReader& request, cobj::ReplyWriter& reply) {")
    out("  (void)caller;")
    out(f"  switch (static_cast<{item.name}Method>(method)) {{")
    for method in methods:
        out(f"    case {item.name}Method::k{method.name}:")
        out("      return reply.Finish([&]() -> Result<std::uint64_t> {")
        _serve_method(out, file, method)
        out("      }());")
    out("    default:\n      return reply.Finish(Status::kNoMethod);\n  }\n}\n")


def _serve_method(out, file, method):
    pad = "        "
    after = []
    for param in method.params:
        kind, name = param.type, param.name
        if kind.kind == "in_buffer":
            out(f"{pad}const BufferIn {name} = TRY(request.GetBytes({kind.limit}));")
        elif kind.kind == "out_buffer":
            out(f"{pad}const auto {name}_size = TRY(request.GetWord<std::uint64_t>());")
            out(f"{pad}const BufferOut {name} = TRY(reply.Space({name}_size, {kind.limit}));")
            after.append(f"TRY(reply.Used({name}, value));")
        elif param.direction == "out":
            out(f"{pad}{out_type(file, kind)} {name}{{}};")
            put = "PutValue" if kind.kind == "struct" else "PutWord"
            word = name if kind.kind == "struct" else f"static_cast<std::uint64_t>({name})"
            after.append(f"TRY(reply.{put}({word}));")
        elif kind.kind == "struct":
            out(f"{pad}{value_type(file, kind)} {name};")
            out(f"{pad}TRY(request.GetValue({name}));")
            if needs_validation(kind.target):
                out(f"{pad}if (!{_valid(file, kind)}({name}))\n{pad}  return Status::kCorrupt;")
        else:
            out(f"{pad}const auto {name} = TRY({_get(file, kind, 'request')});")
    out(f"{pad}TRY(request.End());")
    call = f"ref->{method.name}({arguments(method)})"
    if method.result:
        out(f"{pad}const auto value = TRY({call});")
    else:
        out(f"{pad}TRY({call});")
    for line in after:
        out(pad + line)
    out(f"{pad}return static_cast<std::uint64_t>({'value' if method.result else '0'});")
