"""Octets said to an HTTP server, and all that it answers."""

import asyncio
import socket
from contextlib import suppress

SECONDS = 60


async def ask(port: int, octets: bytes) -> bytes:
    """Write octets, with the port for each PORT, and give all that is said until the server hangs up."""
    return await asyncio.to_thread(_asked, port, octets.replace(b"PORT", str(port).encode()))


def _asked(port: int, octets: bytes) -> bytes:
    # A server that has refused need not read on, and its system then resets the connection. The answer has arrived
    # before: a socket gives it, where asyncio's streams give the error alone.
    said = b""
    with socket.create_connection(("127.0.0.1", port), SECONDS) as connection, suppress(ConnectionError):
        with suppress(ConnectionError):
            connection.sendall(octets)
        while piece := connection.recv(65536):
            said += piece
    return said
