"""The folder of a test inbox: emails and their envelopes."""

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from email.parser import HeaderParser
from functools import cached_property
from pathlib import Path
from typing import Any

from mailnode.errors import ErrorCode, UsageError
from mailnode.inbox.opened import OpenedMail, OpenedPart
from mailnode.message.parsed import readable

_MAX_HEADER_OCTETS = 256 * 2**10
# How much of a field a list shows, before it is decoded.
_MAX_FIELD_CHARACTERS = 2_000
_FILE_NAME = re.compile(r"([0-9]{8,18})(\.eml|\.json)")


@dataclass(frozen=True)
class Received:
    """An email as it was received, with its envelope.

    `mail_from` is the envelope's sender, "" for `<>`, and `rcpt_to` its recipients. `received_at` is Unix time in ms,
    `size` is in bytes, and `path` is the file with the message. What is read from the message (`subject`, `sender`,
    `text`, `html`, `attachments`) is decoded as far as it can be.
    """

    number: int
    mail_from: str
    rcpt_to: tuple[str, ...]
    received_at: int
    size: int
    path: Path
    inbox: "InboxFolder" = field(repr=False, compare=False)  # a temporary folder lasts as long as this

    def octets(self) -> bytes:
        """Read the message, byte for byte as it was received, with CRLF line ends.

        Raises:
            UsageError: it was deleted, or can't be read.
        """
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            raise missing(self.number) from None
        except OSError as error:
            raise unusable(self.path, error) from None

    @property
    def subject(self) -> str:
        """The Subject field, decoded; "" when there is none."""
        return self._header.get("subject", "")

    @property
    def sender(self) -> str:
        """The From field, decoded; "" when there is none."""
        return self._header.get("from", "")

    @property
    def text(self) -> str | None:
        """The first plain text that is not a file; None when there is none."""
        return self._opened.text

    @property
    def html(self) -> str | None:
        """The first HTML that is not a file; None when there is none."""
        return self._opened.html

    @property
    def attachments(self) -> tuple[OpenedPart, ...]:
        """The files, with `filename`, `media_type`, `cid` and their `octets`; images within the HTML are among them."""
        return tuple(part for part in self._opened.root.walk() if part.is_attached)

    def has(self, words: Sequence[str]) -> bool:
        """Tell whether each of these words (in small letters) occurs in its subject or in an address."""
        if not words:
            return True
        said = " ".join((self.subject, self.sender, self.mail_from, *self.rcpt_to)).casefold()
        return all(word in said for word in words)

    def to_json(self) -> dict[str, Any]:
        """Give its entry in a list, as JSON."""
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
    def _opened(self) -> OpenedMail:
        return OpenedMail(self.octets())

    @cached_property
    def _header(self) -> dict[str, str]:
        try:
            with self.path.open("rb") as file:
                header = file.read(_MAX_HEADER_OCTETS).partition(b"\r\n\r\n")[0]
        except OSError:
            return {}
        # As text, because fields may contain UTF-8 (RFC 6532).
        parsed = HeaderParser().parsestr(header.decode("utf-8", "replace"))
        return {name: _shown(str(parsed[name] or "")) for name in ("subject", "from")}


class InboxFolder:
    """The mails kept in a folder, whether a server runs or not.

    Each is `NNNNNNNN.eml`, with its envelope in `NNNNNNNN.json`. What can't be read raises UsageError; an envelope that
    can't be read leaves the mail in its place, without recipients.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def messages(self) -> list[Received]:
        """Give all emails, oldest first."""
        return [received for number in self._numbers() if (received := self._read(number))]

    def latest(self, *, search: str = "", before: int | None = None) -> Iterator[tuple[Received, bool]]:
        """Give the emails, the newest first, from the one before number `before` on, each with whether it matches.

        It does if each word of `search` occurs in its subject or in an address; letters are read only as far as taken.
        """
        words = search.casefold().split()
        for number in reversed(self._numbers()):
            if (before is None or number < before) and (received := self._read(number)):
                yield received, received.has(words)

    def around(self, number: int) -> tuple[int | None, int | None]:
        """Give the numbers of the emails before and after one."""
        numbers = self._numbers()
        before = max((one for one in numbers if one < number), default=None)
        return before, min((one for one in numbers if one > number), default=None)

    def get(self, number: int) -> Received:
        """Give an email by its number."""
        received = self._read(number)
        if received is None:
            raise missing(number)
        return received

    def clear(self) -> int:
        """Delete all emails and give their number; a running server goes on counting."""
        numbers = self._numbers()
        self._remove(numbers)
        return len(numbers)

    def _read(self, number: int) -> Received | None:
        path = self._path(number, ".eml")
        try:
            stat = path.stat()
        except FileNotFoundError:
            return None  # deleted in the meantime
        except OSError as error:
            raise unusable(path, error) from None
        envelope = _read_envelope(self._path(number, ".json"))
        received_at = envelope.get("received_at")
        return Received(
            number=number,
            mail_from=str(envelope.get("mail_from") or ""),
            rcpt_to=tuple(map(str, rcpt_to)) if isinstance(rcpt_to := envelope.get("rcpt_to"), list) else (),
            received_at=received_at if isinstance(received_at, int) else stat.st_mtime_ns // 10**6,
            size=stat.st_size,
            path=path,
            inbox=self,
        )

    def _numbers(self, suffix: str = ".eml") -> list[int]:
        try:
            names = [entry.name for entry in os.scandir(self.folder)]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise unusable(self.folder, error) from None
        return sorted(int(found[1]) for name in names if (found := _FILE_NAME.fullmatch(name)) and found[2] == suffix)

    def _remove(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            for suffix in (".eml", ".json"):
                try:
                    self._path(number, suffix).unlink(missing_ok=True)
                except OSError as error:
                    raise unusable(self.folder, error) from None

    def _path(self, number: int, suffix: str) -> Path:
        return self.folder / f"{number:08}{suffix}"

    def _keep(self, number: int, envelope: dict[str, Any], content: bytes) -> int:
        """Store an email under the first free number from `number` on, and give it; raises OSError."""
        while True:
            try:
                file = os.open(self._path(number, ".json"), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                break
            except FileExistsError:  # another server uses this folder too
                number += 1
        with os.fdopen(file, "w", encoding="ascii") as opened:
            json.dump(envelope, opened)
        # The message comes last and atomically: where it exists, it is complete and so is its envelope.
        unfinished = self._path(number, ".tmp")
        unfinished.touch(mode=0o600)
        unfinished.write_bytes(content)
        unfinished.rename(self._path(number, ".eml"))
        return number


def _read_envelope(path: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError, RecursionError):
        envelope = json.loads(path.read_bytes())
        if isinstance(envelope, dict):
            return envelope
    return {}


def _shown(value: str) -> str:
    """Give a value for display; a very long one is cut at the end of a word."""
    if len(value) <= _MAX_FIELD_CHARACTERS:
        return readable(value)
    beginning = value[:_MAX_FIELD_CHARACTERS]
    words = beginning.rsplit(maxsplit=1) or [beginning]  # all of it may be blanks
    return f"{readable(words[0])} …"


def missing(number: int) -> UsageError:
    """Say that there is no such mail."""
    return UsageError(
        f"there is no email {number} in the inbox",
        code=ErrorCode.UNKNOWN_MAIL,
        hint="check its number",
    )


def unusable(path: Path, error: OSError) -> UsageError:
    """Make the error of a folder, or a file in it, that can't be used."""
    return UsageError(f"the inbox can't use {path}: {error.strerror}", hint="check that you may write to it")
