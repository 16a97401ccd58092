#!/usr/bin/env python3
"""Which classes can be upgraded in a running kernel: those that the kernel registers with its upgrader.

Such a class may be known outside its folder by its interface only: else code that was compiled against
one version's layout would meet objects of another. So the header that defines a registered class may be
included in its own folder only, and by modules (node-kernel/modules), which carry their own copy.

A registration looks like  Register("FabricStream", network.factory())  in boot/; the class of that
name is `class FabricStream` somewhere in node-kernel.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
KERNEL = ROOT / "node-kernel"
REGISTERED = re.compile(r'Register\(\s*"(\w+)"')
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def sources(folder, *suffixes):
    return [path for path in sorted(folder.rglob("*")) if path.suffix in suffixes]


def name_of(path):
    return str(path.relative_to(KERNEL))


def main():
    faults, found = [], []
    registered = sorted({name for path in sources(KERNEL / "boot", ".cc") for name in
                         REGISTERED.findall(path.read_text())})
    headers = {name_of(path): path.read_text() for path in sources(KERNEL, ".h")}
    for class_name in registered:
        defines = re.compile(rf"^class {class_name}\b[^;]*\{{", re.M)
        homes = [name for name, text in headers.items() if defines.search(text)]
        if len(homes) != 1:
            faults.append(f"{class_name} is registered for upgrades, and defined in {homes or 'no header'}")
            continue
        home = homes[0]
        folder = home.split("/")[0]
        outside = [name_of(path) for path in sources(KERNEL, ".h", ".cc")
                   if not name_of(path).startswith((folder + "/", "modules/")) and home in INCLUDE.findall(path.read_text())]
        found.append(f"{class_name} ({home})")
        faults += [f"{name} includes {home}: only the interface of {class_name} may be known there"
                   for name in outside]
    print("\n".join(faults))
    print(f"upgradable: {', '.join(found) or 'no class yet'}; {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
