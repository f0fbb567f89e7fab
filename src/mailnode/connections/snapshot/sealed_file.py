"""The snapshot file: a first line with its format, a readable header, an encrypted body, and a checksum.

    mailnode snapshot 1
    {"createdAt": ..., "kdf": {"n": ..., "r": ..., "p": ..., "salt": ...}, "nonce": ..., "bodyOctets": ...}
    <AES-256-GCM of the body, with both lines as associated data><SHA-256 of all before>

The key is derived from a passphrase by scrypt (RFC 7914). The checksum tells damage from a wrong passphrase.
"""

import base64
import hashlib
import json
import os
import re
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from mailnode.errors import SnapshotError
from mailnode.store.files import write_atomically

# 2 has files and layouts beside the flows, which a reader of 1 would lose.
VERSION = 2
# Many flows with large attachments in them.
MAX_BYTES = 256 * 2**20

_FIRST_LINE = re.compile(rb"mailnode snapshot ([1-9][0-9]{0,8})\n")
_LONGEST_FIRST_LINE = 32
_MAX_HEADER_BYTES = 4096
_CHECKSUM_BYTES = 32
_TAG_BYTES = 16
_SALT_BYTES = 16
_NONCE_BYTES = 12


class Kdf(NamedTuple):
    """The cost parameters of scrypt: it takes 128 * n * r bytes of memory, p times."""

    n: int
    r: int
    p: int

    @property
    def is_bearable(self) -> bool:
        """Whether the cost is acceptable: at most half a gigabyte, and some seconds."""
        in_range = 1 < self.n <= 2**20 and 1 <= self.r <= 2**5 and 1 <= self.p <= 2**4
        return (
            in_range and self.n & (self.n - 1) == 0 and self.n * self.r <= 2**22 and self.n * self.r * self.p <= 2**24
        )


# 128 MiB and about half a second.
KDF = Kdf(n=2**17, r=8, p=1)


@dataclass(frozen=True, slots=True)
class Header:
    """What can be read from a snapshot without its passphrase; `created_at` is Unix ms."""

    created_at: int
    kdf: Kdf
    salt: bytes
    nonce: bytes
    body_size: int
    lines: bytes

    def check_size(self, size: int) -> None:
        """Check that a file of this size is complete."""
        expected = len(self.lines) + self.body_size + _CHECKSUM_BYTES
        if size < expected:
            raise _cut()
        if size > expected:
            raise _damaged("it is longer than its header says")


def seal(body: bytes, passphrase: str, created_at: int, *, version: int = 1) -> bytes:
    """Encrypt the body of a snapshot of this version, and give the bytes of its file.

    Raises:
        SnapshotError: the body is too large.
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if len(body) > MAX_BYTES - _MAX_HEADER_BYTES:
        raise SnapshotError(
            f"the snapshot would be larger than {MAX_BYTES // 2**20} MB",
            hint="make several snapshots, each with fewer flows",
        )
    salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
    said = {
        "createdAt": created_at,
        "kdf": {**KDF._asdict(), "salt": base64.b64encode(salt).decode()},
        "nonce": base64.b64encode(nonce).decode(),
        "bodyOctets": len(body) + _TAG_BYTES,
    }
    lines = f"mailnode snapshot {version}\n{json.dumps(said)}\n".encode()
    sealed = lines + AESGCM(_key(passphrase, KDF, salt)).encrypt(nonce, body, lines)
    return sealed + hashlib.sha256(sealed).digest()


def unseal(content: bytes, passphrase: str) -> tuple[Header, bytes]:
    """Decrypt a snapshot file, and give its header and body.

    Raises:
        SnapshotError: it is not a snapshot, has a newer format, is incomplete or damaged, or the passphrase is wrong.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    header = read_header(content)
    header.check_size(len(content))
    sealed, checksum = content[:-_CHECKSUM_BYTES], content[-_CHECKSUM_BYTES:]
    if hashlib.sha256(sealed).digest() != checksum:
        raise _damaged("its checksum is wrong")
    key = _key(passphrase, header.kdf, header.salt)
    try:
        return header, AESGCM(key).decrypt(header.nonce, sealed[len(header.lines) :], header.lines)
    except InvalidTag:
        raise SnapshotError(
            "the snapshot can't be decrypted: the passphrase is wrong, or the file was tampered with",
            hint="give the passphrase that it was created with; without it nobody can decrypt it",
        ) from None


def read_header(content: bytes) -> Header:
    """Read the header of a snapshot file from its first bytes.

    Raises:
        SnapshotError: it is not a snapshot, has a newer format, is incomplete or damaged.
    """
    first = _FIRST_LINE.match(content[:_LONGEST_FIRST_LINE])
    if first is None:
        raise _no_snapshot(content)
    if int(first[1]) > VERSION:
        raise SnapshotError(
            f"the snapshot has format {int(first[1])}, and this version of mailnode reads formats up to {VERSION}",
            hint="use the version of mailnode that it was created with, or a newer one",
        )
    line, end, _ = content[first.end() : first.end() + _MAX_HEADER_BYTES].partition(b"\n")
    if not end:
        raise _cut() if len(content) < first.end() + _MAX_HEADER_BYTES else _damaged("its header is too long")
    return _header(line, first[0] + line + end)


def read_file(path: Path) -> bytes:
    """Read a snapshot file after a check of its size.

    Raises:
        SnapshotError: it can't be read, is too large or incomplete.
    """
    try:
        with path.open("rb") as file:
            start = file.read(_LONGEST_FIRST_LINE + _MAX_HEADER_BYTES)
            size = os.fstat(file.fileno()).st_size
            read_header(start).check_size(size)
            if size > MAX_BYTES:
                raise _damaged(f"it is larger than {MAX_BYTES // 2**20} MB")
            return start + file.read(size - len(start))
    except OSError as error:
        raise unreadable(path, error) from None


def read_file_header(path: Path) -> tuple[Header, int]:
    """Give the header and size of a snapshot file.

    Raises:
        SnapshotError: it can't be read, or is not a snapshot.
    """
    try:
        with path.open("rb") as file:
            start = file.read(_LONGEST_FIRST_LINE + _MAX_HEADER_BYTES)
            size = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise unreadable(path, error) from None
    header = read_header(start)
    header.check_size(size)
    return header, size


def write_file(path: Path, content: bytes) -> None:
    """Write a new file (0400) atomically.

    Raises:
        SnapshotError: a file of this name exists, or it can't be written.
    """
    try:
        write_atomically(path, content, mode=0o400, overwrite=False)
    except FileExistsError:
        raise SnapshotError(
            f"the file {str(path)!r} already exists", hint="choose another name: a snapshot is never overwritten"
        ) from None
    except OSError as error:
        with suppress(OSError):
            if path.read_bytes() == content:
                path.unlink()
        raise SnapshotError(
            f"the snapshot can't be written to {str(path)!r}: {error.strerror}",
            hint="check that the folder exists, that you may write to it, and that the disk has space",
        ) from None


def unreadable(path: Path, error: OSError) -> SnapshotError:
    """Make the error of a file that can't be read."""
    return SnapshotError(
        f"the snapshot {str(path)!r} can't be read: {error.strerror}",
        hint="check the path, and that you may read the snapshot",
    )


def _header(line: bytes, lines: bytes) -> Header:
    try:
        said = json.loads(line)
        kdf = Kdf(*(_whole(said["kdf"][key]) for key in Kdf._fields))
        salt, nonce = (base64.b64decode(text, validate=True) for text in (said["kdf"]["salt"], said["nonce"]))
        header = Header(_whole(said["createdAt"]), kdf, salt, nonce, _whole(said["bodyOctets"]), lines)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _damaged("its header is invalid") from None
    if len(salt) != _SALT_BYTES or len(nonce) != _NONCE_BYTES or header.body_size < _TAG_BYTES:
        raise _damaged("its header is invalid")
    if not kdf.is_bearable:
        raise _damaged("opening it would take more memory or time than any snapshot needs")
    return header


def _whole(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**53:
        raise ValueError
    return value


def _key(passphrase: str, kdf: Kdf, salt: bytes) -> bytes:
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    # Keyboards differ in how they compose letters: the passphrase is the same.
    content = unicodedata.normalize("NFC", passphrase).encode("utf-8", "surrogatepass")
    return Scrypt(salt=salt, length=32, n=kdf.n, r=kdf.r, p=kdf.p).derive(content)


def _no_snapshot(content: bytes) -> SnapshotError:
    start = b"mailnode snapshot "
    if content and (start.startswith(content) or (content.startswith(start) and b"\n" not in content)):
        return _cut()
    return SnapshotError("this is not a mailnode snapshot", hint="give a file that mailnode has created as a snapshot")


def _cut() -> SnapshotError:
    return SnapshotError("the snapshot is incomplete", hint="copy it again from its source")


def _damaged(why: str) -> SnapshotError:
    return SnapshotError(f"the snapshot is damaged: {why}", hint="copy it again from its source")
