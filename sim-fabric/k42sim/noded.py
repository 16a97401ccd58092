"""Requests to a node's k42-noded over its control socket (cluster-services/control/README.md)."""
import asyncio
import json
import struct

REQUEST, REPLY, FAILED = 1, 2, 3


class Refused(Exception):
    """The daemon answered, and said no."""


async def ask(path, request, limit=2.0):
    """The daemon's answer. OSError or TimeoutError: it could not be asked; Refused: it said no."""
    async with asyncio.timeout(limit):
        reader, writer = await asyncio.open_unix_connection(str(path))
        try:
            body = json.dumps(request).encode()
            writer.write(struct.pack("<IB", len(body), REQUEST) + body)
            await writer.drain()
            size, kind = struct.unpack("<IB", await reader.readexactly(5))
            answer = json.loads(await reader.readexactly(size) or b"{}")
        except asyncio.IncompleteReadError as error:
            raise OSError("the daemon closed the connection") from error
        finally:
            writer.close()
    if kind == FAILED:
        raise Refused(answer.get("text") or answer.get("status"))
    return answer
