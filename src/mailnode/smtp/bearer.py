"""Who we are by an access token: OAUTHBEARER (RFC 7628) and XOAUTH2, which is older and Google's."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from mailnode.errors import ErrorCode, SettingsError, TokenError
from mailnode.printable import ASCII_CONTROL, MOST_SHOWN_LONG, SURROGATE, shortened, without_controls
from mailnode.smtp.sasl import Mechanism

# What would end a key of both mechanisms, or a line, and lone surrogates, which have no octets.
_UNSAYABLE = re.compile(f"[{ASCII_CONTROL}{SURROGATE}]")
# RFC 6749 A.12; what else may stand in a token is left to whoever gave it.
_TOKEN = re.compile(r"[\x20-\x7e]+")
# An honest server's JSON has three or four short members.
_MOST_OCTETS = 4096


class Tokens(Protocol):
    """Gives the access tokens of one account; sources that are equal give the same ones."""

    def __hash__(self) -> int:
        """Tell sources apart, so that sessions of one are not used for another."""

    async def token(self) -> str:
        """Give a token that should be good; what this raises is raised where the session is wanted."""

    async def renewed(self, refused: str) -> str:
        """Give another token than the one that a server has refused, or raise why there is none."""


@dataclass(frozen=True, slots=True)
class TokenLogin:
    """A user name, and where its access tokens come from."""

    username: str
    tokens: Tokens

    def __post_init__(self) -> None:
        """Refuse a name that no mechanism can carry."""
        _check_username(self.username)


@dataclass(frozen=True, slots=True)
class Bearer:
    """A user name and an access token at hand; the token is never shown."""

    username: str
    token: str = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse what no mechanism can carry."""
        _check_username(self.username)
        token: object = self.token  # a source is somebody's own program, and may give anything
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise TokenError(
                "the access token is empty or contains a character that a login can't use",
                hint="give the token as the provider issued it, without line breaks",
            )


class TokenStatus(NamedTuple):
    """What a server says of a token that it refuses (RFC 7628 3.2.2), shortened and harmless; "" where it says none."""

    status: str = ""
    schemes: str = ""
    scope: str = ""

    @classmethod
    def parse(cls, challenge: bytes) -> "TokenStatus":
        """Read the JSON of a challenge; what is no such JSON says nothing."""
        try:
            said = json.loads(challenge) if len(challenge) <= _MOST_OCTETS else None
        except (ValueError, RecursionError):
            return cls()
        return cls(*(_shown(said.get(name)) for name in cls._fields)) if isinstance(said, dict) else cls()

    def __str__(self) -> str:
        """Give it in one line: `status 401, scope https://mail.example/`; "" where nothing was said."""
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


# Strongest first: OAUTHBEARER tells the server for which host the token is meant.
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
