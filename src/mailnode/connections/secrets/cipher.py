"""Encryption of stored secrets: AES-256-GCM, bound to connection, field and key."""

import base64
import hashlib
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Self

from mailnode.connections.secrets.key_file import decode_keys, read_keys
from mailnode.errors import ErrorCode, StoreError
from mailnode.printable import quoted

_NONCE_BYTES = 12
_VERSION = "v1"


class Cipher:
    """Encrypts with its first key and decrypts with any of them.

    An encrypted secret is the text `v1.<key id>.<nonce and ciphertext>`. Connection id, field and key id are associated
    data: a secret that was moved to another connection or field can't be decrypted.
    """

    def __init__(self, keys: list[bytes], source: Callable[[], list[bytes]] | None = None) -> None:
        """Take keys of 32 bytes; the first one encrypts. `source` gives the keys of a later time."""
        self._source = source
        self._keys: dict[str, bytes] = {}
        self._take(keys)

    @property
    def key_ids(self) -> frozenset[str]:
        """The ids of all keys; an id reveals nothing about its key."""
        return frozenset(self._keys)

    @classmethod
    def open(cls, home: Path, given: str | None) -> Self:
        """Take the keys of MAILNODE_SECRET_KEY, 32 bytes in Base64 and comma-separated, or of the home's key file.

        The file (0600) is created by the first call, and read again when a key is missing.

        Raises:
            StoreError: a key is invalid, or the file can't be read or created.
        """
        if given:
            return cls(decode_keys(given.split(","), "MAILNODE_SECRET_KEY"))
        source = partial(read_keys, home)
        return cls(source(), source)

    def reread(self) -> None:
        """Read the key file again; earlier keys are kept.

        Raises:
            StoreError: the file can't be read.
        """
        if self._source:
            self._take(self._source())

    def seal(self, secret: str, connection_id: str, field: str) -> str:
        """Encrypt a secret for this field of this connection."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(_NONCE_BYTES)
        about = _about(connection_id, field, self.key_id)
        sealed = AESGCM(self._keys[self.key_id]).encrypt(nonce, secret.encode(), about)
        return f"{_VERSION}.{self.key_id}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def unseal(self, sealed: str, connection_id: str, field: str) -> str:
        """Decrypt what `seal` gave for this field of this connection.

        Raises:
            StoreError: it was encrypted with a key that is not available, or it was changed.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        version, _, rest = sealed.partition(".")
        key_id, _, text = rest.partition(".")
        key = self._key(key_id) if version == _VERSION else None
        if key is None:
            raise _wrong_key(f"the secret was encrypted with key {quoted(key_id)}, which is not available")
        try:
            data = base64.urlsafe_b64decode(text)
            nonce, ciphertext = data[:_NONCE_BYTES], data[_NONCE_BYTES:]
            return AESGCM(key).decrypt(nonce, ciphertext, _about(connection_id, field, key_id)).decode()
        except (InvalidTag, ValueError):
            raise _wrong_key(
                "a stored secret can't be decrypted: it was changed, or moved from another connection"
            ) from None

    def _key(self, key_id: str) -> bytes | None:
        if key_id not in self._keys:
            self.reread()
        return self._keys.get(key_id)

    def _take(self, keys: list[bytes]) -> None:
        # Replaced at once, since two threads read it.
        self._keys = {**self._keys, **{_key_id(key): key for key in keys}}
        self.key_id = _key_id(keys[0])


def _key_id(key: bytes) -> str:
    return hashlib.sha256(b"mailnode key id\0" + key).hexdigest()[:12]


def _about(connection_id: str, field: str, key_id: str) -> bytes:
    return f"{connection_id}\0{field}\0{key_id}".encode()


def _wrong_key(message: str) -> StoreError:
    return StoreError(
        message,
        code=ErrorCode.WRONG_SECRET_KEY,
        hint="give the key that this database was written with: MAILNODE_SECRET_KEY (new,old after a change of the key;"
        " then restart), or secret.key of its home",
    )
