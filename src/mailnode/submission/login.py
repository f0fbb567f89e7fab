"""The mechanisms PLAIN and LOGIN from the server's side (RFC 4616, RFC 4954), without I/O."""

import binascii
from base64 import b64decode, b64encode
from typing import NamedTuple

from mailnode.submission.commands import Refused
from mailnode.submission.gate import Reply
from mailnode.submission.replies import LINE_TOO_LONG

MECHANISMS = ("PLAIN", "LOGIN")
_CANCEL = b"*"
_EMPTY = "="  # RFC 4954 4: an initial response of no bytes


class Credentials(NamedTuple):
    """What a client logs in with."""

    login: str
    password: str


class LoginExchange:
    """One exchange: `begin` and `take` give the next challenge in Base64, or the credentials."""

    def __init__(self, mechanism: str) -> None:
        """Begin with a mechanism, in any case.

        Raises:
            Refused: it is not offered.
        """
        self._mechanism = mechanism.upper()
        if self._mechanism not in MECHANISMS:
            raise Refused(Reply(504, "5.5.4", "Error: this authentication mechanism is not offered"))
        self._login: str | None = None

    def begin(self, initial: str | None) -> str | Credentials:
        """Start, with the initial response if there is one."""
        if initial is not None:
            return self._answer(b"" if initial == _EMPTY else _decoded(initial.encode()))
        return "" if self._mechanism == "PLAIN" else _encoded("Username:")

    def take(self, line: bytes) -> str | Credentials:
        """Take a response: a line, ended by LF; b"" stands for one that was too long.

        Raises:
            Refused: the client cancels, or it can't be read.
        """
        if not line:
            raise Refused(LINE_TOO_LONG)
        if line.strip() == _CANCEL:
            raise Refused(Reply(501, "5.7.0", "Authentication aborted"))
        return self._answer(_decoded(line.strip()))

    def _answer(self, response: bytes) -> str | Credentials:
        try:
            text = response.decode()
        except UnicodeDecodeError:
            raise _unreadable() from None
        if self._mechanism == "LOGIN":
            if self._login is None:
                self._login = text
                return _encoded("Password:")
            return Credentials(self._login, text)
        match text.split("\0"):
            case ["", login, password]:
                return Credentials(login, password)
            case [other, login, password] if other == login:
                return Credentials(login, password)
            case [_, _, _]:
                raise Refused(Reply(535, "5.7.8", "Error: authentication failed: nobody may act for another login"))
        raise _unreadable()


def _encoded(challenge: str) -> str:
    return b64encode(challenge.encode()).decode()


def _decoded(response: bytes) -> bytes:
    try:
        return b64decode(response, validate=True)
    except (binascii.Error, ValueError):
        raise _unreadable() from None


def _unreadable() -> Refused:
    return Refused(Reply(501, "5.5.2", "Error: the authentication response can't be read"))
