#!/usr/bin/env python3
"""Prepares etcd's interface files for protoc.

etcd ships its protos with hints for Go (gogoproto) and for its HTTP gateway (google.api.http), which
need two more packages and change nothing on the wire: they are removed. Services this project does
not call (Auth, Cluster, Maintenance) are removed with the messages only they use; that halves the
time the C++ stubs take to compile.

usage: strip_protos.py ETCD_SOURCE_FOLDER OUTPUT_FOLDER   writes OUTPUT_FOLDER/etcd/{kv,rpc}.proto
"""
import pathlib
import re
import sys

SERVICES = ("KV", "Watch", "Lease")
BLOCK = re.compile(r"^(service|message|enum) (\w+) \{", re.M)


def matching_brace(text, start):
    """Index just after the brace that closes the one at `start`."""
    depth = 0
    for position in range(start, len(text)):
        if text[position] == "{":
            depth += 1
        elif text[position] == "}":
            depth -= 1
            if depth == 0:
                return position + 1
    raise SystemExit("unbalanced braces in a proto file")


def without_blocks(text, opening):
    """Removes `opening { ... };` wherever it occurs."""
    while (start := text.find(opening)) >= 0:
        end = matching_brace(text, text.index("{", start))
        text = text[:start] + text[end:].lstrip().removeprefix(";")
    return text


def without_hints(text):
    text = re.sub(r"//[^\n]*", "", text)
    text = without_blocks(text, "option (google.api.http)")
    text = re.sub(r"^(import|option) [^\n]*(gogoproto|google/api|authpb)[^\n]*\n", "", text, flags=re.M)
    text = re.sub(r"\s*\[\(gogoproto[^\]]*\]", "", text)
    text = re.sub(r"\n\s*\n+", "\n\n", text)
    return text.replace("etcd/mvcc/mvccpb/kv.proto", "etcd/kv.proto")


def blocks(text):
    """Top-level (kind, name, source) in order."""
    for match in BLOCK.finditer(text):
        yield match[1], match[2], text[match.start():matching_brace(text, match.end() - 1)]


def only_what_is_called(text):
    found = {name: (kind, source) for kind, name, source in blocks(text)}
    wanted, queue = set(), list(SERVICES)
    while queue:
        name = queue.pop()
        if name in wanted:
            continue
        wanted.add(name)
        queue += [word for word in re.findall(r"\w+", found[name][1])
                  if word in found and found[word][0] != "service"]
    header = text[:BLOCK.search(text).start()]
    return header + "\n\n".join(found[name][1] for name in found if name in wanted) + "\n"


def main():
    source, output = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]) / "etcd"
    output.mkdir(parents=True, exist_ok=True)
    kv = (source / "mvcc/mvccpb/kv.proto").read_text()
    rpc = (source / "etcdserver/etcdserverpb/rpc.proto").read_text()
    (output / "kv.proto").write_text(without_hints(kv))
    (output / "rpc.proto").write_text(only_what_is_called(without_hints(rpc)))


if __name__ == "__main__":
    main()
