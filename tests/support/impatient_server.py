"""An SMTP server that reads so much of each content and no more, perhaps says why, and is gone."""

import asyncio
import ssl
import struct
from contextlib import suppress
from socket import SO_LINGER, SO_RCVBUF, SOL_SOCKET
from types import TracebackType
from typing import Literal, Self


class ImpatientServer:
    """The server; use it with `async with`.

    With `narrow` it has a receive buffer of a few KB, so that what it does not read stays with the client. `begun`
    counts the contents. Without `content_bytes` it reads none of it; once `released` it goes.
    """

    def __init__(
        self,
        *,
        content_bytes: int,
        words: str = "",
        end: Literal["close", "reset"] = "reset",
        tls: ssl.SSLContext | None = None,
        narrow: bool = False,
        hold: bool = False,
    ) -> None:
        self._content_bytes = content_bytes
        self._words = words
        self._end = end
        self._tls = tls
        self._narrow = narrow
        self._visits: list[asyncio.Task[None]] = []
        self.begun = 0
        self.reached = asyncio.Event()
        self.released = asyncio.Event()
        if not hold:
            self.released.set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._receive, "127.0.0.1", 0, ssl=self._tls, limit=1024)
        listener = self._server.sockets[0]
        if self._narrow:
            listener.setsockopt(SOL_SOCKET, SO_RCVBUF, 1)
        self.port = int(listener.getsockname()[1])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.close()
        self.released.set()
        await asyncio.gather(*self._visits)
        await self._server.wait_closed()

    def _receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._visits.append(asyncio.get_running_loop().create_task(self._visit(reader, writer)))

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):  # the client may go first
            await self._serve(reader, writer)
        writer.close()
        with suppress(OSError, TimeoutError):
            await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 impatient\r\n")
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                writer.write(b"354 go on\r\n")
                await self._leave(reader, writer)
                return
            writer.write(b"250-impatient\r\n250 PIPELINING\r\n" if verb == b"EHLO" else b"250 ok\r\n")

    async def _leave(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.begun += 1
        left = self._content_bytes
        while left and (read := await reader.read(left)):
            left -= len(read)
        self.reached.set()
        await self.released.wait()
        if self._words:
            writer.write(self._words.encode() + b"\r\n")
        if self._end == "reset":
            sock = writer.get_extra_info("socket")
            sock.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
