"""DKIM signatures (RFC 6376, 8301, 8463): relaxed/relaxed, rsa-sha256 and ed25519-sha256."""

import re
from base64 import b64encode
from collections.abc import Callable, Iterable
from datetime import UTC
from hashlib import sha256
from typing import TYPE_CHECKING

from mailnode.errors import DkimError
from mailnode.printable import quoted

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

# The order of `h=`. What gives the message its meaning (RFC 6376 5.4.1), and what a mailbox provider acts upon
# (RFC 8058 4 wants List-Unsubscribe and List-Unsubscribe-Post signed).
_SIGNED_FIELDS = (
    b"from",
    b"to",
    b"cc",
    b"reply-to",
    b"subject",
    b"date",
    b"message-id",
    b"in-reply-to",
    b"references",
    b"list-unsubscribe",
    b"list-unsubscribe-post",
    b"auto-submitted",
    b"mime-version",
    b"content-type",
    b"content-transfer-encoding",
)
# Named once more than they occur, so that nobody can add a second one above the signed one and have it shown (8.15).
_OVERSIGNED_FIELDS = frozenset({b"from", b"to", b"cc", b"reply-to", b"subject", b"date", b"content-type"})

_MIN_RSA_BITS = 1024  # verifiers take a shorter key for no signature (RFC 8301 3.2)
_MAX_DOMAIN_OCTETS = 253
_LINE_OCTETS = 76
_FOLD = re.compile(rb"\r\n(?=[ \t])")
_WSP_RUN = re.compile(rb"\t[ \t]*| [ \t]+")
_NAME = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_NEW_KEY_HINT = "make a key with `openssl genrsa 2048` and give the whole PEM text, from -----BEGIN to END-----"


class DkimSigner:
    """Signs messages for one domain and selector.

    `private_key` is PEM text (PKCS #8 or PKCS #1, RSA of 1024 bits or more, or Ed25519); `password` opens it when it
    is encrypted. An internationalised `domain` is written as A-labels. `skip_fields` are left out of the signature, for
    a relay that changes them on the way. Raises DkimError for anything that could only give a signature that no
    verifier accepts: a mail is never sent unsigned in its place.
    """

    def __init__(
        self,
        domain: str,
        selector: str,
        private_key: str,
        password: str | None = None,
        *,
        skip_fields: Iterable[str] = (),
    ) -> None:
        self.domain = _dns_name(domain, "domain")
        if "." not in self.domain:
            raise DkimError(
                f"the DKIM domain {quoted(domain)} has no dot",
                hint="give the whole domain whose DNS holds the key, such as example.com",
            ).locate(key="domain")
        self.selector = _dns_name(selector, "selector")
        self._signed_fields = _without(skip_fields)
        self.algorithm, self._sign = _signing(_load_key(private_key, password))

    def sign(self, header: bytes, body_blocks: Iterable[bytes], *, timestamp: int | None = None) -> bytes:
        """Make the DKIM-Signature field, folded, with its CRLF, to be put on top of `header`.

        `header` holds the message's header fields, `body_blocks` everything after the empty line, cut anywhere; both
        have CRLF at each line end and no bare CR or LF, as `compose` writes them. `timestamp` (Unix seconds) is `t=`;
        left out it is the Date field's, so that the same message always gets the same signature.
        """
        fields = _relaxed_fields(header)
        if b"from" not in fields:
            raise DkimError("a message without a From field can't be signed (RFC 6376 5.4)", hint="give it a From")
        if timestamp is None:
            timestamp = _date(fields)
        names, signed = _select(fields, self._signed_fields)
        field = self._unsigned_field(names, _body_hash(body_blocks), timestamp)
        signature = self._sign(signed + _relaxed(field)[1])
        return field + _fold(b64encode(signature).decode("ascii")) + b"\r\n"

    def _unsigned_field(self, names: list[str], body_hash: bytes, timestamp: int | None) -> bytes:
        # RFC 6376 3.7: `b=` is empty while signing. Standing last, it is filled in by appending.
        tags = [
            f"DKIM-Signature: v=1; a={self.algorithm}; c=relaxed/relaxed;",
            f" d={self.domain};",
            f" s={self.selector};",
            *([] if timestamp is None else [f" t={timestamp};"]),
            *_fold_names(names),
            f" bh={b64encode(body_hash).decode('ascii')};",
            " b=",
        ]
        return "\r\n".join(tags).encode("ascii")


def _without(skipped: Iterable[str]) -> tuple[bytes, ...]:
    names = {name.lower().encode(errors="replace"): name for name in skipped}
    for lower, name in names.items():
        if lower == b"from":
            raise DkimError("From is always signed (RFC 6376 5.4)", hint="skip only other fields").locate(
                key="skipFields"
            )
        if lower not in _SIGNED_FIELDS:
            signed = ", ".join(field.decode("ascii") for field in _SIGNED_FIELDS[1:])
            raise DkimError(f"{quoted(name)} is not signed anyway", hint=f"name one of {signed}").locate(
                key="skipFields"
            )
    return tuple(field for field in _SIGNED_FIELDS if field not in names)


def _dns_name(name: str, what: str) -> str:
    ascii_name = name if name.isascii() else _to_a_labels(name, what)
    if len(ascii_name) > _MAX_DOMAIN_OCTETS or not _NAME.fullmatch(ascii_name):
        raise DkimError(
            f"{quoted(name)} is not a valid DKIM {what}",
            hint=f"write the {what} as it is in DNS: letters, digits and hyphens, joined by dots",
        ).locate(key=what)
    return ascii_name.lower()


def _to_a_labels(name: str, what: str) -> str:
    import idna

    try:
        return idna.encode(name, uts46=True).decode("ascii")
    except idna.IDNAError:
        raise DkimError(
            f"{quoted(name)} is not a valid DKIM {what}", hint="check its spelling; give it in its xn-- form if need be"
        ).locate(key=what) from None


def _load_key(private_key: str, password: str | None) -> "PrivateKeyTypes":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    # `from None` and words of our own: nothing of the key may stand in an error.
    try:
        return load_pem_private_key(private_key.strip().encode(), password.encode() if password else None)
    except TypeError:
        if password:
            raise DkimError("the DKIM key is not encrypted, but a password is given", hint="leave it out") from None
        raise DkimError("the DKIM key is encrypted", hint="give its password, or decrypt it first") from None
    except (ValueError, UnsupportedAlgorithm):
        raise DkimError("the DKIM key can't be read", hint=_unreadable_key_hint(private_key, password)) from None


def _unreadable_key_hint(private_key: str, password: str | None) -> str:
    if "\\n" in private_key:
        return r"put true line ends where the PEM text now has the two characters \n"
    if "-----BEGIN OPENSSH" in private_key:
        return "turn the OpenSSH key into PEM: ssh-keygen -p -m PEM -f FILE"
    if "-----BEGIN PUBLIC" in private_key or "-----BEGIN CERT" in private_key:
        return "give the private key, not the public one (which belongs in DNS)"
    if "ENCRYPTED" in private_key and password:
        return "check the password: it does not open this key"
    return _NEW_KEY_HINT


def _signing(key: "PrivateKeyTypes") -> tuple[str, Callable[[bytes], bytes]]:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.hashes import SHA256

    if isinstance(key, Ed25519PrivateKey):
        # RFC 8463 3: what Ed25519 signs is the SHA-256 hash of the data.
        return "ed25519-sha256", lambda data: key.sign(sha256(data).digest())
    if not isinstance(key, RSAPrivateKey):
        raise DkimError("the DKIM key is neither RSA nor Ed25519", hint=_NEW_KEY_HINT)
    if key.key_size < _MIN_RSA_BITS:
        raise DkimError(
            f"the DKIM key has {key.key_size} bits; verifiers ignore RSA keys below {_MIN_RSA_BITS} (RFC 8301)",
            hint=_NEW_KEY_HINT,
        )
    padding, algorithm = PKCS1v15(), SHA256()
    return "rsa-sha256", lambda data: key.sign(data, padding, algorithm)


def _relaxed_fields(header: bytes) -> dict[bytes, list[bytes]]:
    """Canonicalise each field (RFC 6376 3.4.2), by name, from the top of the header down."""
    fields: dict[bytes, list[bytes]] = {}
    for field in filter(None, _FOLD.sub(b"", header).split(b"\r\n")):
        name, canonical = _relaxed(field)
        fields.setdefault(name, []).append(canonical)
    return fields


def _relaxed(field: bytes) -> tuple[bytes, bytes]:
    name, _, value = _FOLD.sub(b"", field).partition(b":")
    name = name.rstrip(b" \t").lower()
    return name, name + b":" + _WSP_RUN.sub(b" ", value).strip(b" ")


def _select(fields: dict[bytes, list[bytes]], signed: tuple[bytes, ...]) -> tuple[list[str], bytes]:
    """Name the signed fields, and join them as they are hashed: of one name the lowest first (RFC 6376 5.4.2)."""
    names: list[str] = []
    lines: list[bytes] = []
    for name in signed:
        found = fields.get(name, [])
        names += [name.decode("ascii")] * (len(found) + (name in _OVERSIGNED_FIELDS))
        lines += reversed(found)
    return names, b"".join(line + b"\r\n" for line in lines)


def _date(fields: dict[bytes, list[bytes]]) -> int | None:
    from email.utils import parsedate_to_datetime

    try:
        date = parsedate_to_datetime(fields[b"date"][-1].partition(b":")[2].decode("ascii"))
        # `-0000` is UTC said from somewhere else (RFC 5322 3.3); naive, it would be read as this machine's time.
        return int((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp())
    except (KeyError, ValueError, OverflowError):
        return None  # `t=` is recommended only (RFC 6376 3.5)


def _body_hash(blocks: Iterable[bytes]) -> bytes:
    """Hash the relaxed body (RFC 6376 3.4.4) as it comes, keeping no more than the white space at a block's end."""
    digest = sha256()
    is_empty = True
    empty_lines = 0  # CRLFs that count only when text follows
    pending = b""  # white space that may go on in the next block
    for block in blocks:
        unread = pending + block
        text = unread.rstrip(b" \t\r\n")
        if text:
            digest.update(b"\r\n" * empty_lines)
            digest.update(_relaxed_text(text))
            is_empty, empty_lines = False, 0
        *ends, pending = unread[len(text) :].split(b"\r\n")
        empty_lines += len(ends)
        pending = _WSP_RUN.sub(b" ", pending)
    if not is_empty:
        digest.update(b"\r\n")
    return digest.digest()


def _relaxed_text(text: bytes) -> bytes:
    # Base64 has no white space: looking first spares large attachments the two passes.
    if b" " not in text and b"\t" not in text:
        return text
    return _WSP_RUN.sub(b" ", text).replace(b" \r\n", b"\r\n")


def _fold_names(names: list[str]) -> list[str]:
    """Write `h=` in lines, folded behind a colon."""
    lines = [" h=" + names[0]]
    for name in names[1:]:
        lines[-1] += ":"
        if len(lines[-1]) + len(name) > _LINE_OCTETS:
            lines.append("  ")
        lines[-1] += name
    lines[-1] += ";"
    return lines


def _fold(signature: str) -> bytes:
    lines = [signature[i : i + _LINE_OCTETS - 2] for i in range(0, len(signature), _LINE_OCTETS - 2)]
    return "\r\n  ".join(["", *lines]).encode("ascii")
