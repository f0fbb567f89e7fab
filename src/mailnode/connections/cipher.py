"""Secrets at rest: AES-256-GCM, each bound to its connection, its field and the key that sealed it."""

import base64
import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Self

from mailnode.errors import ErrorCode, StoreError

KEY_OCTETS = 32
_NONCE_OCTETS = 12
_VERSION = "v1"


class Cipher:
    """Seals with its first key and opens with any of them.

    A sealed secret is the text `v1.<key id>.<nonce and ciphertext>`. Connection id, field and key id are associated
    data: a sealed secret that is moved to another connection or field does not open.
    """

    def __init__(self, keys: list[bytes]) -> None:
        """Take keys of 32 octets; the first one writes."""
        self._keys = {_key_id(key): key for key in keys}
        self.key_id = _key_id(keys[0])

    @property
    def key_ids(self) -> frozenset[str]:
        """The ids of all keys, the one that writes among them; an id tells nothing of its key."""
        return frozenset(self._keys)

    @classmethod
    def open(cls, home: Path, given: str | None) -> Self:
        """Take the keys of MAILNODE_SECRET_KEY, Base64 of 32 octets and comma-separated, or the key file of the home.

        The file (0600) is made at the first call.

        Raises:
            StoreError: a key is none, or the file can't be read or made.
        """
        if given:
            return cls([_decode(text.strip(), "MAILNODE_SECRET_KEY") for text in given.split(",")])
        return cls([_decode(_key_file(home / "secret.key"), str(home / "secret.key"))])

    def seal(self, secret: str, connection_id: str, field: str) -> str:
        """Encrypt a secret for this field of this connection."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(_NONCE_OCTETS)
        about = _about(connection_id, field, self.key_id)
        sealed = AESGCM(self._keys[self.key_id]).encrypt(nonce, secret.encode(), about)
        return f"{_VERSION}.{self.key_id}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def unseal(self, sealed: str, connection_id: str, field: str) -> str:
        """Decrypt what `seal` gave for this field of this connection.

        Raises:
            StoreError: it was sealed with a key that is not here, or it was changed.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        version, _, rest = sealed.partition(".")
        key_id, _, text = rest.partition(".")
        key = self._keys.get(key_id)
        if version != _VERSION or key is None:
            raise _wrong_key(f"the secret was sealed with key {key_id!r:.20}, which is not here")
        try:
            octets = base64.urlsafe_b64decode(text)
            nonce, ciphertext = octets[:_NONCE_OCTETS], octets[_NONCE_OCTETS:]
            return AESGCM(key).decrypt(nonce, ciphertext, _about(connection_id, field, key_id)).decode()
        except (InvalidTag, ValueError):
            raise _wrong_key("a stored secret does not open: it was changed, or moved from elsewhere") from None


def _key_id(key: bytes) -> str:
    return hashlib.sha256(b"mailnode key id\0" + key).hexdigest()[:12]


def _about(connection_id: str, field: str, key_id: str) -> bytes:
    return f"{connection_id}\0{field}\0{key_id}".encode()


def _decode(text: str, source: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_OCTETS:
        raise StoreError(
            f"{source} holds no key: it must be Base64 of {KEY_OCTETS} octets",
            code=ErrorCode.WRONG_SECRET_KEY,
            hint="make one with `openssl rand -base64 32`, or give back the one that was there",
        )
    return key


def _wrong_key(message: str) -> StoreError:
    return StoreError(
        message,
        code=ErrorCode.WRONG_SECRET_KEY,
        hint="give the key that this database was written with: MAILNODE_SECRET_KEY, or secret.key of its home",
    )


def _key_file(path: Path) -> str:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _make_key_file(path)
        return path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise StoreError(f"the key file {path} can't be read: {why}", hint="give MAILNODE_SECRET_KEY instead") from None


def _make_key_file(path: Path) -> None:
    """Write a new key; of several processes that try, the first one's key stays, whole and on the disk."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f"{path.name}.") as ours:  # 0600
        ours.write(base64.b64encode(os.urandom(KEY_OCTETS)) + b"\n")
        ours.flush()
        os.fsync(ours.fileno())
        with suppress(FileExistsError):
            os.link(ours.name, path)
