#!/usr/bin/env python3
"""Each rule of the interface language, broken once: the generator must refuse it, naming file and line.
Also: the same text gives the same digest, comments do not matter, everything else does."""
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
GENERATOR = ROOT / "node-kernel/idl/generate.py"
METHODS = "".join(f"M{i}();" for i in range(65))

# (text after "module t;", part of the message, its line)
REFUSED = [
    # The rules of interfaces, one by one: single inheritance, from an interface, at offset 0 ...
    ("struct S { u64 a; }\ninterface B : S { Y(); }", "'S' is a struct, not an interface", 2),
    ("interface B : A { Y(); }\ninterface A { X(); }", "base A must come first", 1),
    ("interface A : A { X(); }", "base A must come first", 1),
    # ... no data, no destructor, no overloading, no covariant result, at most 64 with the inherited ...
    ("interface A { u64 count; X(); }", "expected '('", 1),
    ("interface A {\n X();\n ~A(); }", "unexpected character '~'", 3),
    ("interface A { X() -> u32; }\ninterface B : A { X() -> u64; }", "X is declared twice", 2),
    ("interface C { Z(); }\ninterface D : C { W(); }\ninterface A { X() -> ref<C>; }\n"
     "interface B : A { X() -> ref<D>; }", "X is declared twice", 4),
    (f"interface A {{ {METHODS[:-len('M64();')]} }}\ninterface B : A {{ X(); }}",
     "65 methods, the limit is 64", 2),
    ("interface A { }", "has no methods", 1),
    # ... arguments bounded and typed, results of at most 16 bytes.
    ("interface A { X(blob b); }", "unknown a type 'blob'", 1),
    ("interface A { X(u64 a, ...); }", "expected a type, found '.'", 1),
    ("interface A { X(out_buffer<0> b); }", "buffer limit 0 is not in 1..", 1),
    ("interface A { X(char c); }", "char is for arrays in structs", 1),
    ("interface A { X() -> in_buffer<8>; }", "a result is a scalar, an enum or a ref", 1),
    ("interface A { X() -> object; }", "a result is a scalar, an enum or a ref", 1),
    ("interface A { X(out ticket t); }", "ticket cannot be an out parameter", 1),
    ("interface A { X(optional u32 a); }", "only a ref or object handed in may be optional", 1),
    ("interface A [local] { X(); }\ninterface B : A { Y(); }", "the base is [local], so this must be too", 2),
    ("interface A { X(); }\ninterface B : A [global] { Y(); }", "its base A is not", 2),
    ("struct S { }", "struct S is empty", 1),
    ("enum E : u8 { }", "has no values", 1),
    ("struct S { u8 a; }\nenum S : u8 { kA = 1 }", "S is declared twice", 1),
    ("interface A : B {\n X(); }", "unknown an interface 'B'", 1),
    ("interface A { X(); }\ninterface B : A, A { Y(); }", "at most one base", 2),
    (f"interface A {{ {METHODS} }}", "65 methods, the limit is 64", 1),
    ("interface A {\n X(u32 a, u32 a); }", "two parameters are called a", 2),
    ("interface A {\n X(); X(); }", "declared twice (no overloading)", 2),
    ("interface A { X(u64 a, u64 b, u64 c, u64 d, u64 e, u64 f, u64 g); }", "needs 7 argument words", 1),
    ("interface A { X(in_buffer<8> a, in_buffer<8> b, u64 c, u64 d, u64 e); }", "needs 7", 1),
    ("interface A { X(u64 a, u64 b, u64 c, u64 d, u64 e, u64 f) [blocking]; }", "needs 7", 1),
    ("struct S { u64 a; u64 b; }\ninterface A { X() -> S; }", "pass S as an out parameter", 2),
    ("interface A { X() -> ticket; }", "a result is a scalar, an enum or a ref", 1),
    ("struct S {\n u8 a; u32 b; }", "3 bytes of padding before it", 2),
    ("struct S { u32 a; u8 b; }", "3 bytes of padding at its end", 1),
    ("struct S { bool a; }", "a struct holds no bool", 1),
    ("struct S { u64 a[200]; }", "1600 bytes, the limit is 1024", 1),
    ("interface A { X(in_buffer b); }", "needs its limit", 1),
    ("interface A { X(in_buffer<99999999> b); }", "not in 1..", 1),
    ("interface A { X(u64* p); }", "only native types may be pointers", 1),
    ('native T from "t.h";\ninterface A { X(T* p); }', "only [local] methods may take it", 2),
    ("interface A { X() [rights(fly)]; }", "unknown right 'fly'", 1),
    ("interface A { X() [fast]; }", "unknown attribute 'fast'", 1),
    ("interface A { X() [local, blocking]; }", "rights and blocking are about calls through a handle", 1),
    ("interface A { X(u32 class); }", "'class' is reserved", 1),
    ("enum E : u8 { kA = 300 }", "300 does not fit u8", 1),
    ("enum E : u8 { kA = 1, kB = 1 }", "two names for one value", 1),
    ("interface A [global] { X(ref<A> a); }", "has no meaning on another node", 1),
    ("interface A [global] { X(out_buffer<8> a); }", "with an out_buffer its result is u64", 1),
    ("interface A [global] { X(in_buffer<5000> a); }", "a call between nodes carries 4096", 1),
    ("interface A { X()\n Y(); }", "expected ';'", 2),
    ('import "t/none.idl";', 'no file "t/none.idl"', 1),
]


def generate(folder, text):
    source = folder / "t" / "a.idl"
    source.parent.mkdir(exist_ok=True)
    source.write_text(text)
    run = subprocess.run([sys.executable, GENERATOR, "--search", folder, source, "-o",
                          folder / "out" / "a.idl.h"], capture_output=True, text=True)
    return run.returncode, run.stderr


def digest_line(folder, text):
    code, error = generate(folder, text)
    assert code == 0, error
    types = (folder / "out" / "a.types.h").read_text()
    return types[types.index("kADigest"):]


def main():
    faults = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for text, wanted, line in REFUSED:
            code, error = generate(folder, f"module t; {text}\n")
            if code == 0 or wanted not in error or f"a.idl:{line}: error:" not in error:
                faults.append(f"{text!r}: wanted {wanted!r} at line {line}, got {error!r}")
        base = digest_line(folder, "module t; interface A { X(u32 a); Y(); }")
        if digest_line(folder, "module t;\n// why\ninterface A {\n  X(u32 a);\n  // what\n Y();\n}") != base:
            faults.append("comments change the digest")
        for other in ("X(u64 a); Y();", "X(u32 b); Y();", "Y(); X(u32 a);", "X(u32 a); Y() [blocking];",
                      "X(u32 a) [rights(read)]; Y();"):
            if digest_line(folder, f"module t; interface A {{ {other} }}").split("}}")[0] == \
                    base.split("}}")[0]:
                faults.append(f"{other!r} has the digest of another interface")
    print("\n".join(faults))
    print(f"{len(REFUSED)} rules, {len(faults)} not held")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
