"""For checks that look at machine code: small sources, compiled as kernel sources are, by both compilers."""
import json
import pathlib
import shlex
import subprocess
import sys

BUILD = pathlib.Path(__file__).resolve().parents[2] / "build"


def kernel_flags():
    """The flags of a kernel source, without input, output and what only GCC knows."""
    entries = json.loads((BUILD / "compile_commands.json").read_text())
    entry = next(e for e in entries if e["file"].endswith("cobj/root.cc") and "k42_kernel_objects" in e["command"])
    words = shlex.split(entry["command"])
    words = words[next(i for i, word in enumerate(words) if word.endswith("++")) + 1:]
    flags, skip = [], False
    for word in words:
        if skip or word in ("-c", "-MD", "-MMD") or word.endswith(".cc"):
            skip = False
        elif word in ("-o", "-MF", "-MT", "-MQ"):
            skip = True
        else:
            flags.append(word)
    return flags


def for_compiler(name, flags):
    if name == "g++":
        return [name, *flags]
    only_gcc = ("-fno-devirtualize", "-Wno-psabi", "-Wno-interference-size")
    return [name, *[flag for flag in flags if not flag.startswith(only_gcc)], "-Wno-return-type-c-linkage"]


def compile_text(command, text, folder, name):
    source, target = folder / f"{name}.cc", folder / f"{name}.o"
    source.write_text(text)
    done = subprocess.run([*command, "-c", str(source), "-o", str(target)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{command[0]} does not compile {name}:\n{done.stderr}")
    return target
