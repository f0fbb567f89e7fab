"""SMTP on stdin and stdout (`-bs`): every byte goes to the server, and back."""

import os
import select
import socket

_BLOCK = 65536


def relay(connection: socket.socket, given: int, told: int) -> None:
    """Carry bytes from the file `given` to the server, and its bytes to `told`, until the server has ended.

    When the program has said all, the server is told so, and what it still says is carried.
    """
    sources = [connection.fileno(), given]
    while True:
        ready, _, _ = select.select(sources, [], [])
        if given in ready:
            if block := os.read(given, _BLOCK):
                connection.sendall(block)
            else:
                sources.remove(given)
                connection.shutdown(socket.SHUT_WR)
        if connection.fileno() in ready:
            if not (block := connection.recv(_BLOCK)):
                return
            while block:
                block = block[os.write(told, block) :]
