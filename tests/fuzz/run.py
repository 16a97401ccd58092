#!/usr/bin/env python3
"""Builds a fuzz target (Clang, libFuzzer, AddressSanitizer and UBSan) and runs it for some seconds:
tests/fuzz/run.py TARGET [SECONDS]. Ends well if nothing was found; what it finds stays under build/fuzz."""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def hosted_platform():
    return [str(path.relative_to(ROOT)) for path in sorted((ROOT / "node-kernel/platform/hosted").glob("*.cc"))]


# What each needs of the sources; libraries by name.
TARGETS = {
    "ninep_message": (["node-kernel/fs/ninep_message.cc"], []),
    "handshake": (["interconnect/handshake.cc"], ["-lcrypto"]),
    "packets": (["interconnect/unix_socket.cc"], []),
    "link": (["interconnect/link_host.cc", "interconnect/arena.cc", "interconnect/memory_operation.cc"], []),
    "link_port": (["node-kernel/global/link_port.cc", "node-kernel/global/link_memory.cc", "node-kernel/trace/trace.cc",
                   "node-kernel/base/format.cc", "node-kernel/base/status.cc", *hosted_platform()], []),
    "ucx_address": (["interconnect/ucx_address.cc"], []),
    "stream": (["node-kernel/io/fabric_stream.cc", "node-kernel/io/fabric_stream_actions.cc"], []),
}
FLAGS = ["-std=gnu++20", "-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=fuzzer,address,undefined",
         "-fno-sanitize-recover=all", "-fno-sanitize=vptr", "-I.", "-Itests", "-Inode-kernel/platform/hosted",
         "-Inode-kernel", "-Ibuild/generated"]


def build(name):
    """As every source with these flags is built, but for the coverage that libFuzzer wants."""
    folder = ROOT / "build/fuzz" / name
    (folder / "corpus").mkdir(parents=True, exist_ok=True)
    sources, libraries = TARGETS[name]
    objects = []
    for source in [f"tests/fuzz/{name}_fuzz.cc", *sources]:
        objects.append(folder / (pathlib.Path(source).name + ".o"))
        subprocess.run(["ccache", "clang++", *FLAGS, "-c", source, "-o", objects[-1]], cwd=ROOT, check=True)
    subprocess.run(["clang++", *FLAGS, *objects, *libraries, "-o", folder / "fuzz"], cwd=ROOT, check=True)
    return folder


def main():
    if len(sys.argv) not in (2, 3) or sys.argv[1] not in TARGETS:
        print(__doc__, "\ntargets:", *TARGETS)
        return 2
    name, seconds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) == 3 else 60
    folder = build(name)
    # Beyond the largest of what is parsed (a ring of 64 KiB); the fuzzer grows lengths by itself.
    done = subprocess.run([folder / "fuzz", f"-max_total_time={seconds}", "-max_len=70000", "-timeout=10",
                           "-print_final_stats=1", f"-artifact_prefix={folder}/", folder / "corpus"], cwd=ROOT,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    runs = re.search(r"number_of_executed_units: (\d+)", done.stderr)
    covered = re.findall(r"cov: (\d+)", done.stderr)
    if done.returncode != 0 or runs is None or not covered:
        print(done.stderr[-6000:])
        print(f"{name}: FAILED ({done.returncode})")
        return 1
    print(f"{name}: {runs[1]} inputs in {seconds} s, {covered[-1]} edges covered, nothing found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
