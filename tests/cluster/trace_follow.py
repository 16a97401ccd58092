"""Follows a node's trace until its own input ends, and checks what comes: trace_follow.py SOCKET

Prints, for each CPU's buffer, how many events came, how many the daemon says were lost, the number of the
next one, and what was wrong: numbers out of order, times that go back, records that cannot be.
"""
import json
import socket
import struct
import sys
import threading

REQUEST, OUTPUT = 1, 5
CHUNK = struct.Struct("<IIQQQQQQ")


def main():
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(sys.argv[1])
    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    body = json.dumps({"request": "trace", "action": "read", "follow": True}).encode()
    connection.sendall(struct.pack("<IB", len(body), REQUEST) + body)
    stream = connection.makefile("rb")
    pending, cpus = b"", {}
    while not over.is_set():
        size, kind = struct.unpack("<IB", stream.read(5))
        payload = stream.read(size)
        if kind != OUTPUT:
            continue
        pending += payload
        while len(pending) >= CHUNK.size:
            source, number, _, _, seen, lost, dropped, words = CHUNK.unpack_from(pending)
            if len(pending) < CHUNK.size + 8 * words:
                break
            record = struct.unpack_from(f"<{words}Q", pending, CHUNK.size)
            pending = pending[CHUNK.size + 8 * words:]
            if source != 0:
                continue
            cpu = cpus.setdefault(number, {"seen": 0, "lost": 0, "next": 0, "time": 0, "faults": []})
            at = 0
            while at < words:
                sequence, header, stamp = record[at], record[at + 2], record[at + 3]
                length = header >> 20 & 0xfff
                if not 2 <= length <= 10:
                    cpu["faults"].append(f"event {sequence} is {length} words")
                    break
                if sequence < cpu["next"]:
                    cpu["faults"].append(f"event {sequence} after {cpu['next']}")
                if stamp < cpu["time"]:
                    cpu["faults"].append(f"event {sequence} before its predecessor")
                cpu["next"], cpu["time"] = sequence + 1, stamp
                cpu["seen"] += 1
                at += 2 + length
            if seen != cpu["seen"] or dropped:
                cpu["faults"].append(f"{cpu['seen']} events came, {seen} were sent, {dropped} dropped")
            cpu["lost"] = lost
    for cpu in cpus.values():
        cpu["faults"] = cpu["faults"][:5]
    print(json.dumps(cpus))


if __name__ == "__main__":
    main()
