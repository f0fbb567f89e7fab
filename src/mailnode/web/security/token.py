"""The token that opens the editor: given by MAILNODE_TOKEN, else kept in a file that only its owner may read."""

import os
import secrets
from pathlib import Path
from typing import NamedTuple

from mailnode.errors import UsageError

FILE_NAME = "token"
_FEWEST_CHARACTERS = 16


class Token(NamedTuple):
    """The token, and whether it was made just now: then whoever starts the server should read it once."""

    text: str
    is_new: bool


def access_token(home: Path, given: str | None) -> Token:
    """Give the token; the first call makes its file (0600).

    Raises:
        UsageError: it is too short to keep anybody out, or the file can't be made or read.
    """
    token, is_new = (given, False) if given else _kept(home)
    if len(token) < _FEWEST_CHARACTERS or not token.isascii() or not token.isprintable() or " " in token:
        where = "MAILNODE_TOKEN" if given else str(home / FILE_NAME)
        raise UsageError(
            f"{where} can't be the token of the editor",
            hint=f"use {_FEWEST_CHARACTERS} or more letters, digits and signs, or remove it and have one made",
        )
    return Token(token, is_new)


def _kept(home: Path) -> Token:
    path = home / FILE_NAME
    is_new = True
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
                file.write(secrets.token_urlsafe(32) + "\n")
        except FileExistsError:
            is_new = False
        return Token(path.read_text("ascii").strip(), is_new)
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise UsageError(f"the token's file {path} can't be used: {why}", hint="give MAILNODE_TOKEN instead") from None
