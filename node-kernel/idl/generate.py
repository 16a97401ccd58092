#!/usr/bin/env python3
"""Interface files to C++ headers.

usage: generate.py FILE.idl [--search DIR]... -o OUT/foo.idl.h

Writes OUT/foo.idl.h and its siblings (foo.types.h, ...) beside it.
What each holds, and the grammar: README.md here.
"""

import argparse
import os
import sys

import emit_dispatch
import emit_forward
import emit_interface
import emit_serve
import emit_stub
import emit_types
import emit_wire
from check import check
from parser import Loader
from source import IdlError

EMITTERS = {"types": emit_types, "idl": emit_interface, "dispatch": emit_dispatch,
            "stub": emit_stub, "forward": emit_forward, "wire": emit_wire,
            "serve": emit_serve}


def main():
    options = argparse.ArgumentParser(description="Interface files to C++ headers.")
    options.add_argument("file")
    options.add_argument("--search", action="append", default=[], help="where imports are found")
    options.add_argument("-o", dest="output", required=True, help="OUT/foo.idl.h")
    options = options.parse_args()
    try:
        file = Loader(options.search).load(options.file)
        check(file)
    except IdlError as error:
        print(error, file=sys.stderr)
        return 1
    folder = os.path.dirname(options.output)
    os.makedirs(folder or ".", exist_ok=True)
    for suffix, emitter in EMITTERS.items():
        with open(os.path.join(folder, f"{file.stem}.{suffix}.h"), "w", encoding="utf-8") as out:
            out.write(emitter.emit(file))
    return 0


if __name__ == "__main__":
    sys.exit(main())
