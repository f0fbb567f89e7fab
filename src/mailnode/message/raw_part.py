"""Ready-made body parts and messages: parsed and checked before they are trusted, and made 7-bit clean.

One that is clean already goes out as it came, so that a signature in it holds.
"""

import re
from email.message import Message
from typing import TYPE_CHECKING

from mailnode.errors import PartError
from mailnode.message.encoding import crlf, encode_base64
from mailnode.message.part import Built, Part, checked_cid

if TYPE_CHECKING:
    Parsed = Message[str, str]

_PART_FIELDS = re.compile(r"content-[a-z0-9-]+|mime-version", re.IGNORECASE)
_MULTIPART_ENCODINGS = frozenset({"", "7bit", "8bit", "binary"})
_UNCLEAN = re.compile(rb"[\x00\x80-\xff]|[^\r\n]{999}")
_HINT = "give a whole body part: Content- header fields, an empty line, then the body"
MAX_DEPTH = 20


def raw_part(content: bytes, cid: str = "") -> Built:
    """Build a body part of its own octets.

    Raises:
        PartError: it is no well-formed body part, or has header fields that belong to a message.
    """
    octets = crlf(content.lstrip(b"\r\n"))
    if not octets.endswith(b"\r\n"):
        octets += b"\r\n"
    part = _parse(octets)
    for name in part:
        if not _PART_FIELDS.fullmatch(name):
            raise PartError(f"a body part has no header field {name!r:.60}", hint="leave only Content- fields in it")
    head, body = _halves(_clean(part, octets))
    if cid and not part["Content-ID"]:
        head += f"Content-ID: <{checked_cid(cid)}>\r\n".encode()
    return Built(head, (body,), _view(part, len(body), cid))


def clean_message(content: bytes) -> bytes:
    """Give a message/rfc822 body as 7-bit clean octets; it may not be Base64 (RFC 2046 5.2.1).

    Raises:
        PartError: it is no well-formed message.
    """
    octets = crlf(content)
    return _clean(_parse(octets), octets)


def _parse(octets: bytes) -> "Parsed":
    from email.parser import BytesParser
    from email.policy import compat32

    if b"\x00" in octets:
        raise PartError("a NUL stands in the body part", hint="encode binary content as Base64 in it")
    if b"\r\n\r\n" not in octets and not octets.startswith(b"\r\n"):
        raise PartError("the body part has no empty line between header fields and body", hint=_HINT)
    part = BytesParser(policy=compat32).parsebytes(octets)
    _check(part, 0)
    if not part.keys():
        raise PartError("the body part begins with no header field", hint=_HINT)
    return part


def _check(part: "Parsed", depth: int) -> None:
    if depth > MAX_DEPTH:
        raise PartError("the body part is nested too deeply", hint=f"nest it at most {MAX_DEPTH} deep")
    if part.defects:
        raise PartError(f"the body part is not well formed: {type(part.defects[0]).__name__}", hint=_HINT)
    if part.get_content_maintype() == "multipart":
        if not part.is_multipart():
            raise PartError("the multipart has no boundary, or no part between its boundaries", hint=_HINT)
        if str(part.get("Content-Transfer-Encoding", "")).lower() not in _MULTIPART_ENCODINGS:
            raise PartError("a multipart can't be encoded (RFC 2045 6.4)", hint="encode the parts in it")
    if part.is_multipart():
        for inner in part.get_payload():
            _check(inner, depth + 1)  # type: ignore[arg-type]  # typeshed does not know that these are parts


def _clean(part: "Parsed", octets: bytes) -> bytes:
    head, _ = _halves(octets)
    if _UNCLEAN.search(head):
        raise PartError(
            "a header field of the body part is not ASCII, or too long", hint="encode it (RFC 2047, RFC 2231)"
        )
    if not _UNCLEAN.search(octets):
        return octets
    from email.generator import BytesGenerator
    from email.policy import compat32
    from io import BytesIO

    for leaf in part.walk():
        if not leaf.is_multipart():
            _encode(leaf)
        elif leaf["Content-Transfer-Encoding"]:
            leaf.replace_header("Content-Transfer-Encoding", "7bit")
    written = BytesIO()
    BytesGenerator(written, mangle_from_=False, policy=compat32.clone(linesep="\r\n", max_line_length=0)).flatten(part)
    cleaned = crlf(written.getvalue())
    if _UNCLEAN.search(cleaned):
        raise PartError("the body part can't be made 7-bit clean", hint="encode its header fields and bodies")
    return cleaned


def _encode(leaf: "Parsed") -> None:
    octets = leaf.get_payload(decode=True)
    assert isinstance(octets, bytes)
    del leaf["Content-Transfer-Encoding"]
    leaf["Content-Transfer-Encoding"] = "base64"
    leaf.set_payload(encode_base64(octets).decode("ascii"))


def _halves(octets: bytes) -> tuple[bytes, bytes]:
    head, _, body = (b"\r\n" + octets).partition(b"\r\n\r\n")
    return head[2:] + b"\r\n" if head else b"", body


def _view(part: "Parsed", size: int, cid: str) -> Part:
    inner = part.get_payload() if part.is_multipart() else ()
    return Part(
        part.get_content_type(),
        str(part.get("Content-Transfer-Encoding", "7bit")).lower(),
        size,
        part.get_filename() or "",
        (part["Content-ID"] or "").strip("<> ") or cid,
        part.get_content_disposition() or "",
        tuple(_view(one, len(one.as_bytes()), "") for one in inner),  # type: ignore[union-attr, arg-type]  # as above
    )
