"""Keys as text, and the file that holds them: one a line, the first writes, replaced whole or not at all."""

import base64
import os
from contextlib import suppress
from pathlib import Path

from mailnode.errors import ErrorCode, StoreError
from mailnode.store.files import put_in_place, write_atomically, written_beside

KEY_OCTETS = 32
FILE_NAME = "secret.key"


def new_key() -> bytes:
    """Make a key."""
    return os.urandom(KEY_OCTETS)


def decode_keys(texts: list[str], source: str) -> list[bytes]:
    """Read keys, Base64 of 32 octets each; StoreError, without any of their text, where one is none."""
    return [_decode(text.strip(), source) for text in texts]


def read_keys(home: Path) -> list[bytes]:
    """Give the keys of a home's file (0600), which is made with one at the first call.

    Raises:
        StoreError: a line is no key, or the file can't be read or made.
    """
    path = home / FILE_NAME
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _make(path)
        lines = path.read_text("ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise StoreError(f"the key file {path} can't be read: {why}", hint="give MAILNODE_SECRET_KEY instead") from None
    return decode_keys(lines or [""], str(path))


def write_keys(home: Path, keys: list[bytes]) -> None:
    """Replace the file; whoever reads it meanwhile, or after a crash, finds the old keys or the new ones.

    Only one may do so at a time.

    Raises:
        StoreError: it can't be written.
    """
    path = home / FILE_NAME
    try:
        with written_beside(path, _encode(keys), name=f"{FILE_NAME}.new") as beside:
            put_in_place(beside, path)
    except OSError as error:
        raise StoreError(
            f"the key file {path} can't be written: {error.strerror}",
            hint="see that the disk has room and that this user may write there; then run the command again",
        ) from None


def _make(path: Path) -> None:
    """Write a new key; of several processes that try, the first one's key stays, whole and on the disk."""
    with suppress(FileExistsError):
        write_atomically(path, _encode([new_key()]), overwrite=False)


def _encode(keys: list[bytes]) -> bytes:
    return b"".join(base64.b64encode(key) + b"\n" for key in keys)


def _decode(text: str, source: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_OCTETS:
        raise StoreError(
            f"{source} holds no key: it must be Base64 of {KEY_OCTETS} bytes",
            code=ErrorCode.WRONG_SECRET_KEY,
            hint="make one with `openssl rand -base64 32`, or give back the one that was there",
        )
    return key
