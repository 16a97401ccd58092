"""For checks that compile something: how the build compiles its sources, by both compilers."""
import json
import pathlib
import shlex
import subprocess
import sys

BUILD = pathlib.Path(__file__).resolve().parents[2] / "build"


def entries():
    """What the build compiles in C++, in its order."""
    return [entry for entry in json.loads((BUILD / "compile_commands.json").read_text())
            if entry["file"].endswith(".cc")]


def command_of(entry):
    """Compiler and flags of one entry, without its input and outputs."""
    words = shlex.split(entry["command"])
    words = words[next(i for i, word in enumerate(words) if word.endswith("++")):]  # not ccache
    command, skip = [], False
    for word in words:
        if skip or word in ("-c", "-MD", "-MMD") or word.endswith(".cc"):
            skip = False
        elif word in ("-o", "-MF", "-MT", "-MQ"):
            skip = True
        else:
            command.append(word)
    return command


def kernel_flags():
    """Those of a kernel source."""
    return command_of(next(entry for entry in entries() if entry["file"].endswith("cobj/root.cc")
                           and "k42_kernel_objects" in entry["command"]))[1:]


def for_compiler(name, flags):
    if name == "g++":
        return [name, *flags]
    only_gcc = ("-fno-devirtualize", "-Wno-psabi", "-Wno-interference-size")
    return [name, *[flag for flag in flags if not flag.startswith(only_gcc)], "-Wno-return-type-c-linkage"]


def _compile(command, text, folder, name):
    source, target = folder / f"{name}.cc", folder / f"{name}.o"
    source.write_text(text)
    return target, subprocess.run([*command, "-c", str(source), "-o", str(target)], capture_output=True, text=True)


def compile_text(command, text, folder, name):
    target, done = _compile(command, text, folder, name)
    if done.returncode != 0:
        sys.exit(f"{command[0]} does not compile {name}:\n{done.stderr}")
    return target


def not_refused(command, text, folder, name, wanted):
    """Code that must not compile, for the reason `wanted`. None, or what is wrong."""
    _, done = _compile(command, text, folder, name)
    if done.returncode == 0:
        return f"{command[0]} compiles {name}, which must be refused: {wanted}"
    return None if wanted in done.stderr else f"{command[0]} refuses {name}, but not for {wanted!r}:\n{done.stderr}"
