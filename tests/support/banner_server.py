"""A server of any protocol, as far as a client's first words."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

Answer = Callable[[asyncio.StreamWriter, bytes], None]


@dataclass(frozen=True)
class Place:
    """Where it listens."""

    port: int


@asynccontextmanager
async def served(answer: Answer, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Place]:
    """Run one: `answer` is called with b"" when somebody comes, and with what they say whenever they say something."""

    async def visit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        octets = b""
        try:
            while not writer.is_closing():
                answer(writer, octets)
                octets = await reader.read(1000)
                if not octets:
                    break
        except OSError:
            pass  # who only looked leaves without a word
        finally:
            writer.close()

    server = await asyncio.start_server(visit, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield Place(server.sockets[0].getsockname()[1])
