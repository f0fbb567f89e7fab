"""Secrets that are known by sight, a connection of each type that holds them, and a look for them."""

import base64
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from support.token_endpoint import CLIENT_ID, USER


def _pem(key: RSAPrivateKey | Ed25519PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


ROBOT_KEY, DKIM_KEY = _pem(generate_private_key(65537, 2048)), _pem(Ed25519PrivateKey.generate())
PASSWORD, CLIENT_SECRET, ACCESS, REFRESH = (
    f"canary-{what}-9f2c" for what in ("password", "client", "access", "refresh")
)
PROXY_PASSWORD = "canary-proxy-9f2c"
NEW_ACCESS, NEW_REFRESH = "canary-new-access-9f2c", "canary-new-refresh-9f2c"
WEB_TOKEN = "canary-web-token-9f2c/+"
KEY = base64.b64encode(b"canary-secret-key-9f2c-canary-se").decode()

_SECRETS = {
    secret.encode()
    for secret in (
        *(PASSWORD, CLIENT_SECRET, ACCESS, REFRESH, PROXY_PASSWORD, NEW_ACCESS, NEW_REFRESH, WEB_TOKEN, KEY),
        *(line for key in (ROBOT_KEY, DKIM_KEY) for line in key.splitlines() if "-----" not in line),
    )
}
SHOWN = {
    *_SECRETS,
    *(secret.hex().encode() for secret in _SECRETS),
    *(quote(secret, safe="").encode() for secret in _SECRETS),
    # as they stand on the wire: whole, and any 16 letters of what is said by AUTH
    *(base64.b64encode(secret) for secret in _SECRETS),
    *(base64.b64encode(f"\0{USER}\0{PASSWORD}".encode())[at : at + 16] for at in (16, 24, 32)),
    *(base64.b64encode(f"user={USER}\1auth=Bearer {ACCESS}\1\1".encode())[at : at + 16] for at in (40, 48)),
}


def fields(kind: str, access_url: str) -> dict[str, Any]:
    """Give the fields of a connection of a type, each secret of which is a canary."""
    dkim = {"domain": "mail.example", "selector": "s", "privateKey": DKIM_KEY}
    where = {"hosts": ["127.0.0.1"], "dkim": dkim}
    app = {"clientId": CLIENT_ID, "clientSecret": CLIENT_SECRET, "accessUrl": access_url}
    robot = {"serviceClient": "robot", "privateKey": ROBOT_KEY, "accessUrl": access_url}
    own: dict[str, dict[str, Any]] = {
        "basic": {"username": USER, "password": PASSWORD},
        "oauth2": {**app, "user": USER, "accessToken": ACCESS, "refreshToken": REFRESH},
        "oauth2ClientCredentials": {**app, "user": USER},
        "oauth2ServiceAccount": {**robot, "user": USER},
    }
    return {**where, **own[kind]}


def scan(text: str | bytes) -> None:
    """Fail where a secret can be seen, showing what stands before it."""
    octets = text if isinstance(text, bytes) else text.encode("utf-8", "replace")
    found = [secret for secret in SHOWN if secret in octets]
    assert found == [], octets[max(0, octets.index(found[0]) - 200) :][:400]


def scan_files(folder: Path, *, but: tuple[str, ...] = ()) -> int:
    """Scan all files below a folder, and tell how many there were."""
    files = [file for file in folder.rglob("*") if file.is_file() and file.name not in but]
    for file in files:
        scan(file.read_bytes())
    return len(files)


@contextmanager
def listening() -> Iterator[list[str]]:
    """Collect everything that any logger says, at the lowest level."""
    records: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(self.format(record))

    ear, root = Ear(), logging.getLogger()
    level = root.level
    root.addHandler(ear)
    root.setLevel(logging.DEBUG)
    try:
        yield records
    finally:
        root.setLevel(level)
        root.removeHandler(ear)
