#!/usr/bin/env python3
"""Holds the order of layers on every #include (node-kernel/README.md, "Layers")."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
KERNEL = ROOT / "node-kernel"
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)

# What each room may include, beside itself. `machine` is the platform behind its contract.
LOW = {"base", "abi", "platform", "machine"}
OBJECTS = LOW | {"sync", "cobj", "trace"}
MEMORY = OBJECTS | {"mem"}
CALLS = MEMORY | {"sched", "ipc"}
PROCESSES = CALLS | {"proc"}
SERVICES = PROCESSES | {"fs", "io", "global"}
DEVICES = SERVICES | {"drivers"}
MAY = {
    "base": {"machine"},  # asserts and logs end in the machine
    "abi": {"base"},
    "platform": LOW | {"trace"},
    "sync": LOW,
    "cobj": OBJECTS, "trace": OBJECTS,
    "mem": MEMORY,
    "sched": CALLS, "ipc": CALLS,
    "proc": PROCESSES,
    "fs": SERVICES, "io": SERVICES, "global": SERVICES | {"global-policy"},
    "modules": SERVICES,  # what the folder of the class may
    "drivers": DEVICES,
    "boot": DEVICES | {"boot", "global-policy"},
    "user": LOW | {"cobj", "trace", "user"},
    "interconnect": {"base", "abi", "machine"},
    "global-policy": {"base"},
    "cluster-services": {"base", "abi", "machine", "interconnect", "global-policy"},
    "sim-fabric": {"base", "abi", "machine", "interconnect", "global-policy", "cluster-services"},
}
# Generated stubs may be used by user space: they carry the interface, not its implementation.
STUB = re.compile(r"\.(idl|stub|types|serve)\.h$|\.idl\.\w+\.h$")


def room_of(path):
    parts = path.relative_to(ROOT).parts
    return parts[1] if parts[0] == "node-kernel" else parts[0]


def room_of_include(name, source):
    first = name.split("/")[0]
    if "/" not in name:
        return room_of(source)
    if first == "machine" or (KERNEL / first).is_dir():
        return first
    if (ROOT / first).is_dir():
        return first
    return room_of(source)


def main():
    faults = []
    count = 0
    for top in ("node-kernel", "interconnect", "cluster-services", "global-policy", "sim-fabric"):
        for path in sorted((ROOT / top).rglob("*")):
            if path.suffix not in (".h", ".cc", ".S"):
                continue
            room = room_of(path)
            for name in INCLUDE.findall(path.read_text()):
                count += 1
                target = room_of_include(name, path)
                if target == room or target in MAY[room]:
                    continue
                if room == "user" and STUB.search(name):
                    continue
                faults.append(f"{path.relative_to(ROOT)}: {room} may not include {target} ({name})")
    print("\n".join(faults))
    print(f"{count} includes, {len(faults)} against the order of layers")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
