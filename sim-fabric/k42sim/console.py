"""A node's serial console on this terminal."""
import os
import select
import socket
import sys
import termios
import tty

from . import places

ESCAPE = b"\x1d"  # Ctrl-]


def attach(path):
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(str(path))
    except OSError as error:
        raise places.Trouble(f"{path.parent.name} has no console now: {path}: {error.strerror}") from None
    terminal = sys.stdin.fileno() if sys.stdin.isatty() else None
    before = termios.tcgetattr(terminal) if terminal is not None else None
    print("connected; Ctrl-] leaves", file=sys.stderr)
    try:
        if before:
            tty.setraw(terminal)
        pump(connection)
    finally:
        if before:
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)
            print(file=sys.stderr)


def pump(connection):
    sources = [connection, sys.stdin]
    while True:
        ready, _, _ = select.select(sources, [], [])
        if connection in ready:
            data = connection.recv(65536)
            if not data:
                return
            os.write(sys.stdout.fileno(), data)
        if sys.stdin in ready:
            data = os.read(sys.stdin.fileno(), 4096)
            if ESCAPE in data:
                return
            if not data:
                sources.remove(sys.stdin)  # a script's end of input: go on showing
            connection.sendall(data)
