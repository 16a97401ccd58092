"""The rules of the language. Each broken one is an error that names its line and says why."""

from model import RIGHTS, SCALARS
from source import IdlError

MAX_METHODS = 64
MAX_WORDS = 6            # argument words of a native call
MAX_STRUCT = 1024        # bytes: copied through a kernel stack
MAX_WIRE = 4096          # bytes of a request or reply between nodes
MAX_BUFFER = 16 << 20    # bytes
CPP_KEYWORDS = set("""alignas alignof and asm auto bool break case catch char class const constexpr
continue default delete do double else enum explicit export extern false float for friend goto if
inline int long mutable namespace new not nullptr operator or private protected public register
requires return short signed sizeof static struct switch template this throw true try typedef typeid
typename union unsigned using virtual void volatile while xor""".split())
RESERVED = {"caller", "words", "ref", "result", "method"}  # names the generated code uses


def check(file, done=None):
    """Resolves names and enforces every rule, imports first."""
    done = set() if done is None else done
    if id(file) in done:
        return
    done.add(id(file))
    for other in file.imports:
        check(other, done)
    _Checker(file).run()


class _Checker:
    def __init__(self, file):
        self.file = file
        self.names = {}
        for other in file.imports:
            for item in other.enums + other.structs + other.natives + other.interfaces:
                self.names[f"{other.module}.{item.name}"] = item
                if other.module == file.module:
                    self.names[item.name] = item

    def run(self):
        file = self.file
        for item in file.constants:
            self.check_range(item.type, item.value, item.place)
        for item in file.enums + file.structs + file.natives + file.interfaces:
            if item.name in self.names:
                raise IdlError(item.place, f"{item.name} is declared twice")
            self.names[item.name] = self.names[f"{file.module}.{item.name}"] = item
        for enum in file.enums:
            self.enum(enum)
        for struct in file.structs:
            self.struct(struct)
        for interface in file.interfaces:
            self.interface(interface)

    def check_range(self, scalar, value, place):
        _, size, signed = SCALARS[scalar]
        low, high = (-(1 << size * 8 - 1), (1 << size * 8 - 1) - 1) if signed else (
            0, 1 if scalar == "bool" else (1 << size * 8) - 1)
        if not low <= value <= high:
            raise IdlError(place, f"{value} does not fit {scalar}")

    def lookup(self, name, place, kinds, what):
        item = self.names.get(name)
        if item is None:
            raise IdlError(place, f"unknown {what} '{name}' (missing import?)")
        if type(item).__name__ not in kinds:
            raise IdlError(place, f"'{name}' is a {type(item).__name__.lower()}, not {what}")
        return item

    def identifier(self, name, place):
        if name in CPP_KEYWORDS or name in RESERVED:
            raise IdlError(place, f"'{name}' is reserved")

    # -- declarations ---------------------------------------------------------------------------
    def enum(self, enum):
        if enum.underlying in ("bool", "handle"):
            raise IdlError(enum.place, f"an enum cannot be based on {enum.underlying}")
        if not enum.values:
            raise IdlError(enum.place, f"enum {enum.name} has no values")
        for name, value, _ in enum.values:
            self.check_range(enum.underlying, value, enum.place)
        if len({value for _, value, _ in enum.values}) != len(enum.values):
            raise IdlError(enum.place, f"enum {enum.name} has two names for one value")

    def resolve(self, kind):
        if kind.kind == "named":
            item = self.lookup(kind.name, kind.place, ("Enum", "Struct", "Native"), "a type")
            kind.kind, kind.target = type(item).__name__.lower(), item
        elif kind.kind == "ref" and kind.target is None:
            kind.target = self.lookup(kind.name, kind.place, ("Interface",), "an interface")
        if kind.indirection and kind.kind != "native":
            raise IdlError(kind.place, "only native types may be pointers or references")

    def struct(self, struct):
        """No implicit padding: bytes nobody wrote would leak what the stack held before."""
        offset, align = 0, 1
        for item in struct.fields:
            self.resolve(item.type)
            self.identifier(item.name, item.place)
            if item.type.name == "bool":
                raise IdlError(item.place, "a struct holds no bool (a byte from outside may be "
                               "neither 0 nor 1): use u8")
            if item.type.kind == "scalar":
                size = SCALARS[item.type.name][1]
                item_align = size
            elif item.type.kind == "enum":
                size = item_align = SCALARS[item.type.target.underlying][1]
            elif item.type.kind == "struct":
                size, item_align = item.type.target.size, item.type.target.align
                if not size:
                    raise IdlError(item.place, f"{item.type.name} must be declared before its use")
            else:
                raise IdlError(item.place, f"a struct cannot hold {item.type.kind}")
            if offset % item_align:
                raise IdlError(item.place, f"{struct.name}.{item.name} would need "
                               f"{item_align - offset % item_align} bytes of padding before it: "
                               "declare them")
            struct.offsets.append(offset)
            offset += size * (item.count or 1)
            align = max(align, item_align)
        if not struct.fields:
            raise IdlError(struct.place, f"struct {struct.name} is empty")
        if offset % align:
            raise IdlError(struct.place, f"struct {struct.name} would need {align - offset % align} "
                           "bytes of padding at its end: declare them")
        if offset > MAX_STRUCT:
            raise IdlError(struct.place, f"struct {struct.name} has {offset} bytes, the limit is "
                           f"{MAX_STRUCT}: use a buffer")
        struct.size, struct.align = offset, align

    def interface(self, interface):
        if interface.base_name:
            interface.base = self.lookup(interface.base_name, interface.place, ("Interface",),
                                         "an interface")
            if interface.base is interface or interface.base.file is self.file and \
                    interface.base not in self.file.interfaces[
                        :self.file.interfaces.index(interface)]:
                raise IdlError(interface.place, f"base {interface.base_name} must come first")
            if interface.base.is_local and not interface.is_local:
                raise IdlError(interface.place, "the base is [local], so this must be too")
            if interface.base.is_own and not interface.is_own:
                raise IdlError(interface.place, "the base is [own], so this must be too")
            if interface.is_global and not interface.base.is_global:
                raise IdlError(interface.place, f"[global], but its base {interface.base.name} "
                               "is not")
        inherited = interface.base.all_methods() if interface.base else []
        total = len(inherited) + len(interface.methods)
        if total > MAX_METHODS:
            raise IdlError(interface.place, f"{interface.name} has {total} methods, the limit is "
                           f"{MAX_METHODS} (one miss stub each)")
        if not total:
            raise IdlError(interface.place, f"{interface.name} has no methods")
        names = {method.name for method in inherited}
        for number, method in enumerate(interface.methods, len(inherited)):
            if method.name in names:
                raise IdlError(method.place, f"{method.name} is declared twice (no overloading)")
            names.add(method.name)
            method.number, method.owner = number, interface
            self.method(interface, method)

    def method(self, interface, method):
        method.local = method.local or interface.is_local
        if method.local and (method.rights or method.blocking):
            raise IdlError(method.place, f"{method.name} is [local]: rights and blocking are about "
                           "calls through a handle")
        for right in method.rights:
            if right not in RIGHTS:
                raise IdlError(method.place, f"unknown right '{right}'; known: {', '.join(RIGHTS)}")
        names = set()
        for param in method.params:
            self.param(interface, method, param)
            if param.name in names:
                raise IdlError(param.place, f"two parameters are called {param.name}")
            names.add(param.name)
        words = sum(words_of(param) for param in method.params) + method.blocking
        if words > MAX_WORDS:
            raise IdlError(method.place, f"{method.name} needs {words} argument words, a call "
                           f"carries {MAX_WORDS}: put some into a struct")
        if method.result:
            self.result(interface, method)
        if interface.is_global and not method.local:
            self.remote(method)

    def remote(self, method):
        """What a call from another node needs beyond a native call's rules."""
        buffers = [param for param in method.params if param.type.kind == "out_buffer"]
        if len(buffers) > 1:
            raise IdlError(method.place, f"{method.name} is called from other nodes: one out_buffer "
                           "at most")
        if buffers and not (method.result and method.result.name == "u64"):
            raise IdlError(method.place, f"{method.name} is called from other nodes: with an "
                           "out_buffer its result is u64, the bytes to send back")
        for what, size in (("request", request_bytes(method)), ("reply", reply_bytes(method))):
            if size > MAX_WIRE:
                raise IdlError(method.place, f"the {what} of {method.name} may have {size} bytes, "
                               f"a call between nodes carries {MAX_WIRE}")

    def param(self, interface, method, param):
        kind = param.type
        self.resolve(kind)
        self.identifier(param.name, param.place)
        if kind.name == "char":
            raise IdlError(param.place, "char is for arrays in structs; a parameter is u8 or i8")
        if param.optional and (kind.kind not in ("ref", "object") or param.direction == "out"):
            raise IdlError(param.place, "only a ref or object handed in may be optional")
        if kind.kind == "native" and not method.local:
            raise IdlError(param.place, f"{kind.name} is native: only [local] methods may take it")
        if kind.kind in ("in_buffer", "out_buffer"):
            if param.direction == "out":
                raise IdlError(param.place, f"{kind.kind} says its direction itself")
            if not 1 <= kind.limit <= MAX_BUFFER:
                raise IdlError(param.place, f"buffer limit {kind.limit} is not in 1..{MAX_BUFFER}")
        if kind.kind in ("native", "ticket") and param.direction == "out":
            raise IdlError(param.place, f"{kind.kind} cannot be an out parameter")
        if interface.is_global and not method.local and (
                kind.kind in ("ref", "object", "ticket") or kind.name == "handle"):
            raise IdlError(param.place, f"{interface.name} is [global]: a {kind.name or kind.kind} "
                           "has no meaning on another node")

    def result(self, interface, method):
        kind = method.result
        self.resolve(kind)
        if kind.kind == "native" and method.local:
            return  # C++ asserts its size: 8 bytes, trivially copyable
        if kind.kind == "ref" and interface.is_global and not method.local:
            raise IdlError(kind.place, f"{interface.name} is [global]: a ref has no meaning on "
                           "another node")
        if kind.kind not in ("scalar", "enum", "ref"):
            raise IdlError(kind.place, f"a result is a scalar, an enum or a ref (Result<T> fits "
                           f"16 bytes); pass {kind.name or kind.kind} as an out parameter")


def padded(size):
    return (size + 7) // 8 * 8


def request_bytes(method):
    """The most bytes of a request between nodes: emit_wire.py has the format."""
    total = 0
    for param in method.params:
        kind = param.type
        if kind.kind == "in_buffer":
            total += 8 + padded(kind.limit)
        elif kind.kind == "struct":
            total += padded(kind.target.size) if param.direction == "in" else 0
        elif param.direction == "in":
            total += 8
    return total


def reply_bytes(method):
    total = 16
    for param in method.params:
        kind = param.type
        if kind.kind == "out_buffer":
            total += 8 + padded(kind.limit)
        elif param.direction == "out":
            total += padded(kind.target.size) if kind.kind == "struct" else 8
    return total


def needs_validation(struct):
    """Whether some bit patterns of the struct are no value of it."""
    return any(item.type.kind == "enum" or
               item.type.kind == "struct" and needs_validation(item.type.target)
               for item in struct.fields)


def words_of(param):
    """Argument words of a native call that this parameter takes."""
    return 2 if param.type.kind in ("in_buffer", "out_buffer") else 1
