"""A loopback redirect (RFC 8252 7.3): a listener on this machine for the one answer of a browser."""

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
MAX_HEAD_BYTES = 32 * 1024

# Reads the query of a callback: gives its code, None when it answers another request; TokenError for a refusal.
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
class _Page:
    """A page that the browser shows."""

    status: str
    title: str
    text: str

    def response(self) -> bytes:
        """Give it as an HTTP response that is not stored, and whose address is not passed on as a referrer."""
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


_ACCEPTED = _Page(
    "200 OK", "Thank you", "mailnode has received the answer and continues in the terminal. You can close this window."
)
_REFUSED = _Page("200 OK", "No consent", "The terminal shows the reason. You can close this window.")
_UNEXPECTED = _Page(
    "400 Bad Request", "Unexpected answer", "This is not the answer that mailnode waits for. It may be an older one."
)
_NOT_FOUND = _Page("404 Not Found", "Not found", "mailnode expects one answer at another address.")
_NO_GET = _Page("405 Method Not Allowed", "Method not allowed", "mailnode expects one answer here, by GET.")
_NO_HTTP = _Page("400 Bad Request", "Bad request", "mailnode expects one answer here, by HTTP.")


@dataclass(frozen=True, slots=True)
class CallbackSockets:
    """Listening sockets for the answer, and the address of them that the provider redirects to."""

    sockets: tuple[socket.socket, ...]
    redirect_uri: str

    def close(self) -> None:
        """Close the sockets."""
        for each in self.sockets:
            each.close()


def open_callback_sockets(template: str, port: int = 0) -> CallbackSockets:
    """Listen on this machine only, at `port` or at any free one, which replaces `{port}` in the template.

    Raises:
        UsageError: the port is not available.
    """
    first = _listen(socket.AF_INET, "127.0.0.1", port)
    callback = CallbackSockets((first,), template.replace("{port}", str(first.getsockname()[1])))
    if urlsplit(callback.redirect_uri).hostname != "localhost":
        return callback
    try:
        # A browser may resolve localhost to ::1: nobody else may listen there either.
        second = _listen(socket.AF_INET6, "::1", first.getsockname()[1])
    except UsageError:
        callback.close()
        raise
    except OSError:
        return callback  # this machine has no IPv6
    return CallbackSockets((first, second), callback.redirect_uri)


def _listen(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=family)
    except (PermissionError, OverflowError):
        raise UsageError(f"can't listen on port {port}: not permitted", hint="choose another port, or none") from None
    except OSError as error:
        if family == socket.AF_INET6 and not _is_taken(error):
            raise
        why = "it is in use" if _is_taken(error) else error.strerror or error
        raise UsageError(f"can't listen on port {port}: {why}", hint="choose another port, or none") from None


def _is_taken(error: OSError) -> bool:
    return error.errno == errno.EADDRINUSE


@asynccontextmanager
async def awaiting_callback(callback: CallbackSockets, read_query: ReadQuery) -> AsyncIterator["asyncio.Future[str]"]:
    """Wait for the answer; gives a future of its code, or of the error that it brings."""
    listener = _CallbackServer(urlsplit(callback.redirect_uri).path or "/", read_query)
    servers = [await asyncio.start_server(listener.serve, sock=each, limit=MAX_HEAD_BYTES) for each in callback.sockets]
    try:
        yield listener.code
    finally:
        for server in servers:
            server.close()
        await listener.close()


class _CallbackServer:
    """Answers every request, until one brings the code; later ones are told that it has come."""

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
            pass  # a client that left before its page has delivered its answer all the same
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

    def _answer(self, line: str) -> tuple[_Page, str | TokenError | None]:
        method, _, rest = line.partition(" ")
        target, _, version = rest.partition(" ")
        if not version.startswith("HTTP/1."):
            return _NO_HTTP, None
        if method != "GET":
            return _NO_GET, None
        path, _, query = target.partition("?")
        if path != self._path:
            return _NOT_FOUND, None
        try:
            code = self._read_query(query)
        except TokenError as error:
            return _REFUSED, error
        return (_UNEXPECTED, None) if code is None else (_ACCEPTED, code)

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
