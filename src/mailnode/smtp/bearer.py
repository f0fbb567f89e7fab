"""Logins by access token: OAUTHBEARER (RFC 7628) and XOAUTH2, Google's older mechanism."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from mailnode.errors import ErrorCode, SettingsError, TokenError
from mailnode.printable import ASCII_CONTROL, MOST_SHOWN_LONG, SURROGATE, shortened, without_controls
from mailnode.smtp.sasl import Mechanism

# They would end a key of both mechanisms or a line; lone surrogates can't be encoded.
_UNSAYABLE = re.compile(f"[{ASCII_CONTROL}{SURROGATE}]")
# RFC 6749 A.12
_TOKEN = re.compile(r"[\x20-\x7e]+")
# The JSON has three or four short members.
_MOST_OCTETS = 4096


class Tokens(Protocol):
    """A source of access tokens for one account; equal sources give the same tokens."""

    def __hash__(self) -> int:
        """Distinguish sources, so that sessions of one are not used for another."""

    async def token(self) -> str:
        """Give a token that should be valid; what this raises is raised by `send`."""

    async def renewed(self, refused: str) -> str:
        """Give a new token in place of one that the server has refused, or raise why there is none."""


@dataclass(frozen=True, slots=True)
class TokenLogin:
    """A user name, and where its access tokens come from."""

    username: str
    tokens: Tokens

    def __post_init__(self) -> None:
        """Refuse a name that no mechanism can send."""
        _check_username(self.username)


@dataclass(frozen=True, slots=True)
class Bearer:
    """A user name and an access token; the token is never shown."""

    username: str
    token: str = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse what no mechanism can send."""
        _check_username(self.username)
        token: object = self.token  # a source is the user's own code, and may give anything
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise TokenError(
                "the access token is empty or contains a character that a login can't use",
                hint="give the token as the provider issued it, without line breaks",
            )


class TokenStatus(NamedTuple):
    """A server's error status for a refused token (RFC 7628 3.2.2), shortened and printable; "" where it gave none."""

    status: str = ""
    schemes: str = ""
    scope: str = ""

    @classmethod
    def parse(cls, challenge: bytes) -> "TokenStatus":
        """Read the JSON of a challenge; anything else gives an empty status."""
        try:
            status = json.loads(challenge) if len(challenge) <= _MOST_OCTETS else None
        except (ValueError, RecursionError):
            return cls()
        return cls(*(_shown(status.get(name)) for name in cls._fields)) if isinstance(status, dict) else cls()

    def __str__(self) -> str:
        """Give it in one line: `status 401, scope https://mail.example/`; "" where there is none."""
        return ", ".join(f"{name} {value}" for name, value in self._asdict().items() if value)


def oauthbearer(bearer: Bearer, host: str, port: int) -> Mechanism:
    """OAUTHBEARER, RFC 7628: all in the initial response; a challenge is a refusal and gets a lone ^A (3.2.3)."""
    name = bearer.username.replace("=", "=3D").replace(",", "=2C")
    refusal = yield f"n,a={name},\1host={host}\1port={port}\1auth=Bearer {bearer.token}\1\1".encode()
    if refusal:
        yield b"\1"


def xoauth2(bearer: Bearer, _host: str, _port: int) -> Mechanism:
    """XOAUTH2: all in the initial response; a challenge is a refusal and gets an empty line."""
    refusal = yield f"user={bearer.username}\1auth=Bearer {bearer.token}\1\1".encode()
    if refusal:
        yield b""


# Strongest first: OAUTHBEARER names the host that the token is meant for.
MECHANISMS: dict[str, Callable[[Bearer, str, int], Mechanism]] = {"OAUTHBEARER": oauthbearer, "XOAUTH2": xoauth2}


def _check_username(username: str) -> None:
    if not username or _UNSAYABLE.search(username):
        raise SettingsError(
            "the user name is empty or holds a control character",
            code=ErrorCode.BAD_SETTING,
            hint="give the address of the account that the tokens are for",
        ).locate(key="username")


def _shown(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return ""
    return shortened(without_controls(str(value)), MOST_SHOWN_LONG)
