"""A server that takes all mail and forgets it, and every login, which Postfix's smtp-sink does not; it is slower.

python -m benchmarks.plain_sink PORT [-c]    with -c it tells how many it has taken
"""

import asyncio
import sys
from typing import cast

import uvloop

END = b"\r\n.\r\n"
REPLIES = {
    b"EHLO": b"250-sink\r\n250-AUTH PLAIN\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n",
    b"AUTH": b"235 welcome\r\n",
    b"HELO": b"250 sink\r\n",
    b"DATA": b"354 go on\r\n",
    b"QUIT": b"221 bye\r\n",
}


class Sink(asyncio.Protocol):
    """One session; the replies to all that came at once leave at once."""

    taken = 0
    tells = False

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._in_content = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        """Take commands and content as far as they are whole."""
        assert self._transport is not None
        self._received += data
        replies = bytearray()
        while reply := self._content_taken() if self._in_content else self._command_taken():
            replies += reply
        if replies:
            self._transport.write(bytes(replies))
            if Sink.tells:
                sys.stdout.write(f"mesg={Sink.taken}\n")
                sys.stdout.flush()
        if replies.endswith(REPLIES[b"QUIT"]):
            self._transport.close()

    def _command_taken(self) -> bytes:
        line, end, rest = self._received.partition(b"\r\n")
        if not end:
            return b""
        verb = line[:4].upper()
        self._in_content = verb == b"DATA"
        # The content begins as if after a line, so that a lone dot ends it.
        self._received = b"\r\n" + rest if self._in_content else rest
        return REPLIES.get(verb, b"250 fine\r\n")

    def _content_taken(self) -> bytes:
        _, end, rest = self._received.partition(END)
        if not end:
            self._received = self._received[-len(END) :]
            return b""
        self._in_content = False
        self._received = rest
        Sink.taken += 1
        return b"250 taken\r\n"


async def main(port: int) -> None:
    """Serve for ever."""
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    Sink.tells = "-c" in sys.argv
    uvloop.run(main(int(sys.argv[1])))
