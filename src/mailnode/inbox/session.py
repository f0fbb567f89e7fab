"""One client's session with an inbox: aiosmtpd's, but for how it takes the content of a mail."""

import asyncio
import re

from aiosmtpd.smtp import SMTP, syntax

# Above mailnode's own limit for a message, so that the limit one meets is one's own.
MAX_MESSAGE_OCTETS = 50 * 2**20

_END = b"\r\n.\r\n"
# RFC 5321 4.5.3.1.6.
_TOO_LONG = re.compile(rb"(?:\A|\n)[^\n]{1001}")
# What has come so far, however much.
_ALL = 2**30


class Session(SMTP):
    """A session which can be ended; it is in `live` while it lasts."""

    def __init__(self, handler: object, live: set["Session"]) -> None:
        """Tell `handler`, in aiosmtpd's words."""
        # Without a hostname it would ask the resolver for this machine's.
        super().__init__(
            handler,
            hostname="localhost",
            ident="mailnode inbox",
            enable_SMTPUTF8=True,
            data_size_limit=MAX_MESSAGE_OCTETS,
            loop=asyncio.get_running_loop(),
        )
        self._live = live

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        super().connection_made(transport)
        self._live.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        """End."""
        self._live.discard(self)
        super().connection_lost(error)

    async def end(self) -> None:
        """Drop the client, and see the session's task end before its loop does."""
        assert isinstance(self.transport, asyncio.WriteTransport)
        assert self._handler_coroutine is not None
        self.transport.abort()
        await asyncio.wait([self._handler_coroutine])

    @syntax("DATA")
    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802 -- aiosmtpd's name
        """Take the content as a whole: aiosmtpd makes an object of each line, and lets nobody else go on meanwhile."""
        if await self.check_helo_needed() or await self.check_auth_needed("DATA"):
            return
        assert self.envelope is not None
        if not self.envelope.rcpt_tos or arg:
            await self.push("501 Syntax: DATA" if arg else "503 Error: need RCPT command")
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        content = await read_content(self._reader)
        if content is None:
            answer = "552 Error: Too much mail data"
        elif _TOO_LONG.search(content):
            answer = "500 Line too long (see RFC5321 4.5.3.1.6)"
        else:
            self.envelope.content = self.envelope.original_content = content
            answer = await self._call_handler_hook("DATA")
        self._set_post_data_state()  # type: ignore[no-untyped-call]  # aiosmtpd's
        await self.push(answer)


async def read_content(reader: asyncio.StreamReader, most: int = MAX_MESSAGE_OCTETS) -> bytes | None:
    """Read up to the line that is one dot, and leave what is behind it; None when there are more than `most` octets.

    Raises:
        ConnectionError: the client is gone.
    """
    content = bytearray(b"\r\n")  # the end of the command, which the end of the content may begin with
    is_too_much = False
    while True:
        seen = max(len(content) - len(_END) + 1, 0)
        if not (piece := await reader.read(_ALL)):
            raise ConnectionResetError
        content += piece
        if (end := content.find(_END, seen)) >= 0:
            break
        if len(content) > most:
            is_too_much = True
            del content[: 1 - len(_END)]
    if len(content) > end + len(_END):
        # Nothing was put back before: all that there was is here.
        reader.feed_data(bytes(content[end + len(_END) :]))
    if is_too_much or end > most:
        return None
    return bytes(content[: end + 2]).replace(b"\r\n.", b"\r\n")[2:]
