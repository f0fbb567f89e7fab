"""Secrets that are easily found again, one for every secret field that there is, and a search for all their forms."""

import base64
import hashlib
from functools import cache
from typing import Any
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mailnode.connections import values
from mailnode.connections.fields import COMMON, DKIM, TYPE_FIELDS

# Whose values nobody may see.
SECRET_CHECKS = {values.to_secret, values.to_token, values.to_rsa_key, values.to_proxy}
# How much of a secret is one too many, in characters.
_PIECE = 12


def _canary(name: str) -> str:
    digest = hashlib.sha256(name.encode()).hexdigest()
    return f'{digest[:16]}&/+%"<{digest[16:32]}' if name == "password" else digest[:32]


@cache
def _pem(kind: str) -> str:
    key = generate_private_key(65537, 2048) if kind == "rsa" else Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _value(name: str) -> str:
    if name == "privateKey":
        return _pem("rsa")
    if name == "dkim.privateKey":
        return _pem("ed25519")
    return f"socks5://user:{_canary(name)}@127.0.0.1:9" if name == "proxy" else _canary(name)


def secret_fields(kind: str) -> set[str]:
    """Name the secret fields of a type of connections, as its table has them."""
    own = {name for name, check in {**TYPE_FIELDS[kind].checks, **COMMON}.items() if check in SECRET_CHECKS}
    return own | {f"dkim.{name}" for name, check in DKIM.items() if check in SECRET_CHECKS}


def connection_fields(kind: str, *, proxy: bool = False, **more: Any) -> dict[str, Any]:
    """Fill in a connection with a canary in each secret field; no mail gets through its proxy."""
    public: dict[str, Any] = {
        "username": "jane@mail.example",
        "user": "jane@mail.example",
        "clientId": "mailnode-app",
        "serviceClient": "robot@mail.example",
        "accessUrl": "http://127.0.0.1:9/token",
    }
    fields = {name: text for name, text in public.items() if name in TYPE_FIELDS[kind].checks}
    fields |= {name: _value(name) for name in secret_fields(kind) if "." not in name and (proxy or name != "proxy")}
    dkim = {"domain": "mail.example", "selector": "s", "privateKey": _value("dkim.privateKey")}
    return {**fields, "hosts": ["127.0.0.1"], "dkim": dkim, **more}


# Those of the environment, and what is given by hand.
ENVIRONMENT = {
    "MAILNODE_SECRET_KEY": base64.b64encode(hashlib.sha256(b"secret key").digest()).decode(),
    "MAILNODE_TOKEN": _canary("site token"),
    "MAILNODE_SMTP_PROXY": f"http://user:{_canary('environment proxy')}@127.0.0.1:9",
    "MAILNODE_NOTIFICATION_PASSWORD": _canary("notification"),
}
DATABASE_PASSWORD, PASSPHRASE, URL_PASSWORD = map(_canary, ("database", "passphrase", "url"))


def _words() -> dict[str, str]:
    fields = {name for kind in TYPE_FIELDS for name in secret_fields(kind)}
    told = {name: _canary(name) for name in fields if not name.endswith("privateKey")}
    told |= {f"{name} {n}": line for name in ("privateKey", "dkim.privateKey") for n, line in _lines(_value(name))}
    told |= {name: _canary(name) for name in ("site token", "environment proxy", "notification", "database")}
    return told | {name: _canary(name) for name in ("passphrase", "url")} | {"key": ENVIRONMENT["MAILNODE_SECRET_KEY"]}


def _lines(pem: str) -> list[tuple[int, str]]:
    return [(n, line) for n, line in enumerate(pem.splitlines()) if "-----" not in line and len(line) > _PIECE]


def _pieces(text: bytes) -> set[bytes]:
    middle = (len(text) - _PIECE) // 2
    return {text[:_PIECE], text[middle : middle + _PIECE], text[-_PIECE:]}


def _needles(word: str) -> set[bytes]:
    """The beginning, the middle and the end of a secret, plain, percent-encoded, and as Base64 wherever it stands."""
    plain = word.encode()
    found = _pieces(plain) | _pieces(quote(word, safe="").encode())
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + plain)
        found |= _pieces(encoded[4 if before else 0 : len(encoded) // 4 * 4 - 4])
    return found


_NEEDLES = {needle: name for name, word in _words().items() for needle in _needles(word)}


def scan(told: object, where: str = "") -> None:
    """See that no piece of a secret is there."""
    octets = told if isinstance(told, bytes) else str(told).encode("utf-8", "replace")
    for needle, name in _NEEDLES.items():
        at = octets.find(needle)
        assert at < 0, f"{where} tells {name}: {octets[max(0, at - 200) : at + 60]!r}"
