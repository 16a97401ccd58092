"""Requests of the k42-sim command to a cluster's supervisor."""
import json
import socket

from . import places


def connect(place, limit=None):
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(limit)
    try:
        connection.connect(str(place.control))
    except OSError as error:
        connection.close()
        raise places.Trouble(f"cluster {place.name} does not answer ({error.strerror}); "
                             f"see {place.log}, or remove it with: k42-sim down --cluster {place.name}")
    return connection


def listens(place):
    """Whether a supervisor answers there: its socket has a name a moment before it listens."""
    try:
        connect(place).close()
        return True
    except places.Trouble:
        return False


def lines(place, request, limit=None):
    """Every line of the answer, decoded."""
    try:
        with connect(place, limit) as connection:
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as stream:
                for line in stream:
                    yield json.loads(line)
    except OSError as error:
        raise places.Trouble(f"the supervisor of {place.name} does not answer ({error.strerror or error})") from None


def ask(place, request, limit=30.0):
    for answer in lines(place, request, limit):
        if not answer.get("ok"):
            raise places.Trouble(answer.get("text", "refused"))
        return answer
    raise places.Trouble(f"cluster {place.name} closed the connection without an answer")
