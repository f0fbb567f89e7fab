"""A loopback redirect (RFC 8252 7.3): a listener on this very machine, for the one answer that a browser brings."""

import asyncio
import errno
import html
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from mailnode.errors import TokenError, UsageError

REQUEST_SECONDS = 10.0
# An answer of Microsoft's can take a few thousand octets, cookies for localhost some more.
MAX_HEAD_OCTETS = 32 * 1024

# Reads the query of a callback: the code in it, or None when it answers something else; TokenError when it says no.
ReadQuery = Callable[[str], str | None]

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>mailnode: {title}</title>
<style>
  :root {{ color-scheme: light dark; font: 1.1rem/1.5 system-ui, sans-serif }}
  body {{ max-width: 34rem; margin: 15vh auto; padding: 0 1rem }}
</style>
<h1>{title}</h1>
<p>{text}</p>
</html>
"""


@dataclass(frozen=True, slots=True)
class Page:
    """What the browser is shown."""

    status: str
    title: str
    text: str

    def response(self) -> bytes:
        """Give it as an HTTP response: nothing of it is kept, and the address it stands at is told to nobody."""
        body = _PAGE.format(title=html.escape(self.title), text=html.escape(self.text)).encode()
        return (
            f"HTTP/1.1 {self.status}\r\n"
            "Content-Type: text/html; charset=utf-8\r\n"
            f"Content-Length: {len(body)}\r\n"
            "Cache-Control: no-store\r\n"
            "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n"
            "Referrer-Policy: no-referrer\r\n"
            "X-Content-Type-Options: nosniff\r\n"
            "Connection: close\r\n\r\n"
        ).encode("ascii") + body


_TAKEN = Page("200 OK", "Thank you", "mailnode has its answer and goes on in the terminal. You may close this window.")
_REFUSED = Page("200 OK", "No consent", "The terminal says what came back. You may close this window.")
_STRANGE = Page(
    "400 Bad Request", "Not this one", "This is not the answer that mailnode waits for; perhaps an older one."
)
_NOWHERE = Page("404 Not Found", "Nothing here", "mailnode waits for one answer here, and this is not its address.")
_NO_GET = Page("405 Method Not Allowed", "Not in this way", "mailnode waits for one answer here, by GET.")
_NO_HTTP = Page("400 Bad Request", "Not understood", "mailnode waits for one answer here, by HTTP.")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the answer comes to: sockets that listen already, and the address that leads there."""

    sockets: tuple[socket.socket, ...]
    redirect_uri: str

    def close(self) -> None:
        """Give the port back."""
        for each in self.sockets:
            each.close()


def open_callback_port(template: str, port: int = 0) -> Place:
    """Listen on this machine only, at a port or at any that is free; `{port}` in the template becomes it.

    Raises:
        UsageError: the port can't be had.
    """
    first = _listen(socket.AF_INET, "127.0.0.1", port)
    place = Place((first,), template.replace("{port}", str(first.getsockname()[1])))
    if urlsplit(place.redirect_uri).hostname != "localhost":
        return place
    try:
        # A browser may take localhost for ::1: there, too, nobody else must be able to listen.
        second = _listen(socket.AF_INET6, "::1", first.getsockname()[1])
    except UsageError:
        place.close()
        raise
    except OSError:
        return place  # this machine has no IPv6
    return Place((first, second), place.redirect_uri)


def _listen(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=family)
    except (PermissionError, OverflowError):
        raise UsageError(f"the port {port} can't be listened on here", hint="give another port, or none") from None
    except OSError as error:
        if family == socket.AF_INET6 and not _is_taken(error):
            raise
        what = "is taken" if _is_taken(error) else f"can't be had: {error.strerror or error}"
        raise UsageError(f"the port {port} of this machine {what}", hint="give another port, or none") from None


def _is_taken(error: OSError) -> bool:
    return error.errno == errno.EADDRINUSE


@asynccontextmanager
async def listening(place: Place, read_query: ReadQuery) -> AsyncIterator["asyncio.Future[str]"]:
    """Wait at a place for the answer; what is given holds its code, or raises what it says."""
    listener = _Listener(urlsplit(place.redirect_uri).path or "/", read_query)
    servers = [await asyncio.start_server(listener.serve, sock=each, limit=MAX_HEAD_OCTETS) for each in place.sockets]
    try:
        yield listener.code
    finally:
        for server in servers:
            server.close()
        await listener.close()


class _Listener:
    """Answers whoever comes, until the right one has come; later ones learn that it has."""

    def __init__(self, path: str, read_query: ReadQuery) -> None:
        self.code: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._path = path
        self._read_query = read_query
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        outcome: str | TokenError | None = None
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                page, outcome = self._answer(await _request_line(reader))
                writer.write(page.response())
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # who leaves before its page has said all the same what it came for
        except asyncio.CancelledError:
            pass  # by `close`; asyncio's own callback of Python 3.11 would fail at a task that ends so
        finally:
            writer.close()
            self._settle(outcome)

    async def close(self) -> None:
        # A browser opens connections in advance, and leaves them idle.
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.code.done() and not self.code.cancelled():
            self.code.exception()

    def _answer(self, line: str) -> tuple[Page, str | TokenError | None]:
        method, _, rest = line.partition(" ")
        target, _, version = rest.partition(" ")
        if not version.startswith("HTTP/1."):
            return _NO_HTTP, None
        if method != "GET":
            return _NO_GET, None
        path, _, query = target.partition("?")
        if path != self._path:
            return _NOWHERE, None
        try:
            code = self._read_query(query)
        except TokenError as error:
            return _REFUSED, error
        return (_STRANGE, None) if code is None else (_TAKEN, code)

    def _settle(self, outcome: str | TokenError | None) -> None:
        if outcome is None or self.code.done():
            return
        if isinstance(outcome, TokenError):
            self.code.set_exception(outcome)
        else:
            self.code.set_result(outcome)


async def _request_line(reader: asyncio.StreamReader) -> str:
    """Read the head of a request and give its first line; "" where there is too much of it."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        return ""
    return head.partition(b"\r\n")[0].decode("latin-1")
