#!/usr/bin/env python3
"""Runs on a node: one side of a conversation over TCP whose every byte is checked.

stream_load.py serve PORT                answers what comes with the same, until its clients end
stream_load.py talk HOST PORT FILE       sends and compares until FILE exists; prints how often
"""
import os
import socket
import sys
import threading
import time

SIZES = (1, 17, 1000, 4096, 20000, 60000)


def receive(connection, size):
    data = bytearray()
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            break
        data += part
    return bytes(data)


def answer(connection):
    with connection:
        while part := connection.recv(65536):
            connection.sendall(part)


def serve(port):
    with socket.create_server(("", port)) as listener:
        print("serving", flush=True)
        threads = []
        while True:
            connection, _ = listener.accept()
            threads.append(threading.Thread(target=answer, args=(connection,), daemon=True))
            threads[-1].start()


def talk(host, port, until):
    turns = 0
    with socket.create_connection((host, port)) as connection:
        print("talking", flush=True)
        while not os.path.exists(until):
            size = SIZES[turns % len(SIZES)]
            sent = (turns.to_bytes(4, "little") * (size // 4 + 1))[:size]
            sender = threading.Thread(target=connection.sendall, args=(sent,))
            sender.start()
            got = receive(connection, size)
            sender.join()
            if got != sent:
                print(f"turn {turns}: {len(got)} of {size} bytes, not what was sent", flush=True)
                return 1
            turns += 1
            time.sleep(0.005)
        connection.shutdown(socket.SHUT_WR)
        rest = connection.recv(1)
    print(f"{turns} turns, {'good' if rest == b'' else 'a byte too much'}", flush=True)
    return 0 if rest == b"" else 1


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]))
    sys.exit(talk(sys.argv[2], int(sys.argv[3]), sys.argv[4]))
