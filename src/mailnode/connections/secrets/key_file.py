"""Keys as text, and their file: one per line, the first encrypts; the file is replaced atomically."""

import base64
import os
from contextlib import suppress
from pathlib import Path

from mailnode.errors import ErrorCode, StoreError
from mailnode.store.files import put_in_place, write_atomically, written_beside

KEY_BYTES = 32
FILE_NAME = "secret.key"


def new_key() -> bytes:
    """Create a key."""
    return os.urandom(KEY_BYTES)


def decode_keys(texts: list[str], source: str) -> list[bytes]:
    """Read keys, each 32 bytes in Base64; StoreError, without any of their text, where one is invalid."""
    return [_decode(text.strip(), source) for text in texts]


def read_keys(home: Path) -> list[bytes]:
    """Give the keys of the home's key file (0600), which the first call creates with a new key.

    Raises:
        StoreError: a line is not a key, or the file can't be read or created.
    """
    path = home / FILE_NAME
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _make(path)
        lines = path.read_text("ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not a text file"
        raise StoreError(f"the key file {path} can't be read: {why}", hint="give MAILNODE_SECRET_KEY instead") from None
    return decode_keys(lines or [""], str(path))


def write_keys(home: Path, keys: list[bytes]) -> None:
    """Replace the file atomically: a reader, or a crash, finds the old keys or the new ones.

    The caller holds the lock of the file.

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
            hint="check that the disk has space and that this user may write there, and run the command again",
        ) from None


def _make(path: Path) -> None:
    """Create the file with a new key; of several processes at once the first one wins."""
    with suppress(FileExistsError):
        write_atomically(path, _encode([new_key()]), overwrite=False)


def _encode(keys: list[bytes]) -> bytes:
    return b"".join(base64.b64encode(key) + b"\n" for key in keys)


def _decode(text: str, source: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise StoreError(
            f"{source} contains no valid key: it must be {KEY_BYTES} bytes in Base64",
            code=ErrorCode.WRONG_SECRET_KEY,
            hint="create one with `openssl rand -base64 32`, or restore the earlier one",
        )
    return key
