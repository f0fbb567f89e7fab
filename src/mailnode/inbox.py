"""A catch-all SMTP server that keeps what it is sent, and what it has kept."""

import asyncio
import errno
import json
import os
import re
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.parser import HeaderParser
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiosmtpd.smtp import SMTP, Envelope
from aiosmtpd.smtp import Session as Client

from mailnode.errors import UsageError

# Above mailnode's own limit for a message, so that the limit one meets is one's own.
_MAX_MESSAGE_OCTETS = 50 * 2**20
_MAX_HEADER_OCTETS = 256 * 2**10
_FILE_NAME = re.compile(r"([0-9]{8,18})(\.eml|\.json)")


@dataclass(frozen=True)
class Received:
    """A mail as it was received, with its envelope; `received_at` is Unix time in ms, `mail_from` "" for `<>`.

    What is read from its header (`subject`, `sender`) is for people: decoded as far as it can be.
    """

    number: int
    mail_from: str
    rcpt_to: tuple[str, ...]
    received_at: int
    size: int
    path: Path

    def octets(self) -> bytes:
        """Read the message, octet for octet as it was received, with CRLF line ends."""
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            raise _missing(self.number) from None
        except OSError as error:
            raise _unusable(self.path, error) from None

    @property
    def subject(self) -> str:
        """The Subject field, decoded; "" when there is none."""
        return self._header.get("subject", "")

    @property
    def sender(self) -> str:
        """The From field, decoded; "" when there is none."""
        return self._header.get("from", "")

    def to_json(self) -> dict[str, Any]:
        """Give what a listing shows."""
        return {
            "number": self.number,
            "mailFrom": self.mail_from,
            "rcptTo": list(self.rcpt_to),
            "receivedAt": self.received_at,
            "size": self.size,
            "from": self.sender,
            "subject": self.subject,
        }

    @cached_property
    def _header(self) -> dict[str, str]:
        try:
            with self.path.open("rb") as file:
                header = file.read(_MAX_HEADER_OCTETS).partition(b"\r\n\r\n")[0]
        except OSError:
            return {}
        # As text, because fields may hold bare UTF-8 (RFC 6532).
        parsed = HeaderParser().parsestr(header.decode("utf-8", "replace"))
        return {name: _readable(str(parsed[name] or "")) for name in ("subject", "from")}


class InboxFolder:
    """The mails kept in a folder, whether a server runs or not.

    Each is `NNNNNNNN.eml`, with its envelope in `NNNNNNNN.json`. What can't be read raises UsageError; an envelope that
    can't be read leaves the mail in its place, without recipients.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def messages(self) -> list[Received]:
        """Give what is kept, the oldest first."""
        return [received for number in self._numbers() if (received := self._read(number))]

    def get(self, number: int) -> Received:
        """Give one mail by its number."""
        received = self._read(number)
        if received is None:
            raise _missing(number)
        return received

    def clear(self) -> int:
        """Throw all mails away and say how many there were; numbers go on where they stopped while a server runs."""
        numbers = self._numbers()
        self._remove(numbers)
        return len(numbers)

    def _read(self, number: int) -> Received | None:
        path = self._path(number, ".eml")
        try:
            stat = path.stat()
        except FileNotFoundError:
            return None  # thrown away meanwhile
        except OSError as error:
            raise _unusable(path, error) from None
        envelope = _read_envelope(self._path(number, ".json"))
        received_at = envelope.get("received_at")
        return Received(
            number=number,
            mail_from=str(envelope.get("mail_from") or ""),
            rcpt_to=tuple(map(str, rcpt_to)) if isinstance(rcpt_to := envelope.get("rcpt_to"), list) else (),
            received_at=received_at if isinstance(received_at, int) else stat.st_mtime_ns // 10**6,
            size=stat.st_size,
            path=path,
        )

    def _numbers(self, suffix: str = ".eml") -> list[int]:
        try:
            names = [entry.name for entry in os.scandir(self.folder)]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _unusable(self.folder, error) from None
        return sorted(int(found[1]) for name in names if (found := _FILE_NAME.fullmatch(name)) and found[2] == suffix)

    def _remove(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            for suffix in (".eml", ".json"):
                try:
                    self._path(number, suffix).unlink(missing_ok=True)
                except OSError as error:
                    raise _unusable(self.folder, error) from None

    def _path(self, number: int, suffix: str) -> Path:
        return self.folder / f"{number:08}{suffix}"

    def _keep(self, number: int, envelope: dict[str, Any], content: bytes) -> int:
        """Keep a mail under the first free number from `number` on, and say which; raises OSError."""
        while True:
            try:
                file = os.open(self._path(number, ".json"), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                break
            except FileExistsError:  # another server keeps its mails here, too
                number += 1
        with os.fdopen(file, "w", encoding="ascii") as opened:
            json.dump(envelope, opened)
        # The mail comes last and at once: where there is one, it is whole and so is its envelope.
        unfinished = self._path(number, ".tmp")
        unfinished.touch(mode=0o600)
        unfinished.write_bytes(content)
        unfinished.rename(self._path(number, ".eml"))
        return number


class Inbox(InboxFolder):
    """A server on a loopback port that accepts every recipient and keeps each mail in its folder.

    It runs on the current event loop for as long as it is entered; `port` 0 takes a free one, and `port` tells which.
    Of more than `keep` mails the oldest go. It offers PIPELINING, SMTPUTF8 and SIZE. A port or folder that can't be
    used raises UsageError.
    """

    def __init__(self, folder: Path, *, hostname: str = "127.0.0.1", port: int = 0, keep: int = 1000) -> None:
        super().__init__(folder)
        self.hostname = hostname
        self.port = port
        self.keep = keep
        self._next_number = 1
        self._caught = 0
        self._arrival = asyncio.Condition()
        self._sessions: set[_Session] = set()

    async def wait_for(self, count: int) -> None:
        """Wait until this server has kept `count` mails since it was entered."""
        async with self._arrival:
            await self._arrival.wait_for(lambda: self._caught >= count)

    async def __aenter__(self) -> Self:
        """Make the folder and listen."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _unusable(self.folder, error) from None
        self._next_number = max([0, *self._numbers(), *self._numbers(".json")]) + 1
        loop = asyncio.get_running_loop()
        handler = _Handler(self._take)
        try:
            self._server = await loop.create_server(lambda: _Session(handler, self._sessions), self.hostname, self.port)
        except (OSError, OverflowError) as error:
            raise _not_listening(self.hostname, self.port, error) from None
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the port and every session."""
        self._server.close()
        for session in list(self._sessions):
            await session.end()
        await self._server.wait_closed()

    async def _take(self, envelope: Envelope) -> str:
        said = {
            "mail_from": (envelope.mail_from or "").removeprefix("<>"),
            "rcpt_to": envelope.rcpt_tos,
            "received_at": time.time_ns() // 10**6,
            "size": len(content := envelope.original_content or b""),
        }
        try:
            number = self._keep(self._next_number, said, content)
        except OSError:
            return "452 4.3.1 can't keep it: no room, or no access to the folder"
        with suppress(UsageError):  # this mail is kept, whether the old ones can be thrown away or not
            self._remove(self._numbers()[: -self.keep])
        self._next_number = number + 1
        self._caught += 1
        async with self._arrival:
            self._arrival.notify_all()
        return f"250 2.0.0 kept as {number}"


class _Session(SMTP):
    """One client's session, which can be ended."""

    def __init__(self, handler: "_Handler", live: set["_Session"]) -> None:
        # Without a hostname it would ask the resolver for this machine's.
        super().__init__(
            handler,
            hostname="localhost",
            ident="mailnode inbox",
            enable_SMTPUTF8=True,
            data_size_limit=_MAX_MESSAGE_OCTETS,
            loop=asyncio.get_running_loop(),
        )
        self._live = live

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._live.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._live.discard(self)
        super().connection_lost(error)

    async def end(self) -> None:
        """Drop the client, and see the session's task end before its loop does."""
        assert isinstance(self.transport, asyncio.WriteTransport)
        assert self._handler_coroutine is not None
        self.transport.abort()
        await asyncio.wait([self._handler_coroutine])


class _Handler:
    """What aiosmtpd asks, in its words."""

    def __init__(self, take: Callable[[Envelope], Awaitable[str]]) -> None:
        self._take = take

    async def handle_EHLO(  # noqa: N802
        self, _server: SMTP, client: Client, _envelope: Envelope, name: str, keywords: list[str]
    ) -> list[str]:
        # aiosmtpd does take groups of commands; it only does not say so.
        client.host_name = name
        return [keywords[0], "250-PIPELINING", *keywords[1:]]

    async def handle_DATA(self, _server: SMTP, _client: Client, envelope: Envelope) -> str:  # noqa: N802
        return await self._take(envelope)


def _read_envelope(path: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError, RecursionError):
        envelope = json.loads(path.read_bytes())
        if isinstance(envelope, dict):
            return envelope
    return {}


def _readable(value: str) -> str:
    value = " ".join(value.split())
    with suppress(HeaderParseError, LookupError, ValueError):
        return str(make_header(decode_header(value)))
    return value


def _missing(number: int) -> UsageError:
    return UsageError(
        f"there is no mail {number} in the inbox", hint="see `mailnode inbox list` for those that are kept"
    )


def _unusable(path: Path, error: OSError) -> UsageError:
    return UsageError(f"the inbox can't use {path}: {error.strerror}", hint="make it a folder that you may write to")


def _not_listening(hostname: str, port: int, error: OSError | OverflowError) -> UsageError:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        reason, hint = "it is taken", "stop the server that listens there, or choose another port"
    else:
        reason, hint = getattr(error, "strerror", None) or "there is no such port", "choose another port"
    return UsageError(f"the inbox can't listen on port {port} of {hostname}: {reason}", hint=hint)
