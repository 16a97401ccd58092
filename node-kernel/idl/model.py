"""What an interface file declares, after parsing. Plain data: rules are in check.py."""

from dataclasses import dataclass, field
from typing import Optional

from source import Place

# name -> (C++ type, bytes, signed)
SCALARS = {
    "u8": ("std::uint8_t", 1, False), "u16": ("std::uint16_t", 2, False),
    "u32": ("std::uint32_t", 4, False), "u64": ("std::uint64_t", 8, False),
    "i8": ("std::int8_t", 1, True), "i16": ("std::int16_t", 2, True),
    "i32": ("std::int32_t", 4, True), "i64": ("std::int64_t", 8, True),
    "char": ("char", 1, True), "bool": ("bool", 1, False), "handle": ("abi::Handle", 4, False),
}

# Bits of a handle's rights mask: base/rights.h holds the same table.
RIGHTS = {"read": 0, "write": 1, "execute": 2, "map": 3, "control": 4, "signal": 5, "grant": 6}


@dataclass
class Type:
    """kind: scalar, enum, struct, in_buffer, out_buffer, ref, object, ticket, native."""
    kind: str
    name: str = ""
    place: Optional[Place] = None
    limit: int = 0               # buffers: most bytes
    target: object = None        # enum, struct, interface or native, once resolved
    indirection: str = ""        # native: "", "*", "&", "const &", "const *"


@dataclass
class Param:
    direction: str               # "in" or "out"
    optional: bool
    type: Type
    name: str
    place: Place


@dataclass
class Method:
    name: str
    params: list
    result: Optional[Type]       # None: Status only
    rights: list
    blocking: bool
    caller: bool                 # the implementation is handed the CallContext
    local: bool                  # never through a handle
    doc: list
    place: Place
    number: int = -1
    owner: object = None


@dataclass
class Interface:
    name: str
    base_name: str
    base: Optional["Interface"]
    methods: list
    is_global: bool
    is_local: bool
    is_own: bool                 # handles stay where they were made
    version: int
    doc: list
    place: Place
    module: str = ""
    file: object = None

    def all_methods(self):
        return (self.base.all_methods() if self.base else []) + self.methods


@dataclass
class Field:
    type: Type
    name: str
    count: int                   # 0: not an array
    doc: list
    place: Place


@dataclass
class Struct:
    name: str
    fields: list
    doc: list
    place: Place
    module: str = ""
    size: int = 0
    align: int = 1
    offsets: list = field(default_factory=list)


@dataclass
class Enum:
    name: str
    underlying: str
    values: list                 # (name, number, doc)
    doc: list
    place: Place
    module: str = ""


@dataclass
class Constant:
    name: str
    type: str
    value: int
    doc: list
    place: Place


@dataclass
class Native:
    """A C++ type of this address space; only [local] methods may mention it."""
    name: str
    header: str
    place: Place
    module: str = ""


@dataclass
class File:
    path: str
    module: str
    stem: str                    # "open_file" of fs/open_file.idl
    doc: list
    imports: list = field(default_factory=list)     # File
    constants: list = field(default_factory=list)
    enums: list = field(default_factory=list)
    structs: list = field(default_factory=list)
    natives: list = field(default_factory=list)
    interfaces: list = field(default_factory=list)
