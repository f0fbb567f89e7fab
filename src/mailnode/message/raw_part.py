"""Ready-made body parts and messages: parsed, checked and made 7-bit clean.

One that is clean already goes out as it came, so that a signature in it holds.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pybase64

from mailnode.errors import PartError
from mailnode.message.encoding import crlf, encode_base64, longest_line
from mailnode.message.parameter import repaired
from mailnode.message.tree import BuiltPart, Part, checked_cid
from mailnode.printable import quoted, shortened

if TYPE_CHECKING:
    from email.message import Message

    Parsed = Message[str, str]

MAX_DEPTH = 20
MAX_LINE = 998  # RFC 5322 2.1.1

_FOLD = re.compile(r"\r\n(?=[ \t])")
_PART_FIELD = re.compile(r"content-[a-z0-9-]+", re.IGNORECASE)
_FIELD = re.compile(rb"([^:\r]*):[^\r]*\r\n(?:[ \t][^\r]*\r\n)*")
_ENCODINGS = frozenset({"7bit", "8bit", "binary", "quoted-printable", "base64"})
# Line breaks are folds here; readers take the others for line breaks too, or for nothing.
_CONTROL = re.compile(r"[^\t\r\n\x20-\x7e\x80-\U0010ffff]")
_PLAIN_ENCODINGS = frozenset({"7bit", "8bit", "binary"})
_HINT = "give a whole body part: Content- header fields, an empty line, then the body"
_MOST_NAMES = 10
# What the standard library calls them is no word of a person's.
_DEFECTS = {
    "CloseBoundaryNotFoundDefect": "the boundary that ends it is missing",
    "FirstHeaderLineIsContinuationDefect": "its first line is not a header field",
    "InvalidMultipartContentTransferEncodingDefect": "a multipart is encoded",
    "MisplacedEnvelopeHeaderDefect": "its header contains a line that begins with From",
    "MissingHeaderBodySeparatorDefect": "a line of its header is not a header field",
    "MultipartInvariantViolationDefect": "a multipart has no parts",
    "NoBoundaryInMultipartDefect": "a multipart has no boundary, or too many parameters",
    "StartBoundaryNotFoundDefect": "its boundary never appears",
}
_ENCODE_HINT = "encode it (RFC 2047, RFC 2231)"


def raw_part(content: bytes, cid: str = "") -> BuiltPart:
    """Build a body part of its own bytes; header fields that belong to a message are left out, with a warning.

    Raises:
        PartError: it is no well-formed body part.
    """
    data = _ended(crlf(content.lstrip(b"\r\n")))
    if b"\r\n\r\n" not in data:
        raise PartError("the body part has no empty line between header fields and body", hint=_HINT)
    part = _parse_with_fields(data)
    kept, left_out = _own_fields(data, part)
    data, part = _cleaned(kept, part if kept == data else _parse(kept))
    head, body = _split(data)
    own = _cid(part)
    if cid and own and cid != own:
        raise PartError(
            f"the body part has the Content-ID {quoted(own)} and the cid {quoted(cid)}", hint="leave out the cid"
        )
    if cid and not own:
        head += f"Content-ID: <{checked_cid(cid)}>\r\n".encode()
    return BuiltPart(head, (body,), _view(part, len(body), cid), _warnings(left_out))


def clean_message(content: bytes) -> bytes:
    """Give a message/rfc822 body as 7-bit clean bytes; it may not be Base64 (RFC 2046 5.2.1).

    Raises:
        PartError: it is no well-formed message.
    """
    data = _ended(crlf(content))
    return _cleaned(data, _parse_with_fields(data))[0]


def _ended(data: bytes) -> bytes:
    return data if data.endswith(b"\r\n") else data + b"\r\n"


def _split(data: bytes) -> tuple[bytes, bytes]:
    """Give the header fields, each with its CRLF, and the body."""
    if data.startswith(b"\r\n"):
        return b"", data[2:]
    head, end, body = data.partition(b"\r\n\r\n")
    return head + end[:2], body


def _own_fields(data: bytes, part: "Parsed") -> tuple[bytes, list[str]]:
    """Remove the header fields that do not belong in a body part, and name them.

    Where the part is all of the mail, its fields are the message's: a From, a Bcc or a signature would be ours.
    """
    head, body = _split(data)
    fields, at = list[tuple[str, bytes]](), 0
    while found := _FIELD.match(head, at):
        fields.append((found[1].decode("ascii", "replace"), found[0]))
        at = found.end()
    # What begins with `From ` at the end of a head is body to the standard library.
    if at < len(head) or [name for name, _ in fields] != part.keys():
        raise PartError("the body part is not well formed: a line of its header is not a header field", hint=_HINT)
    kept = b"".join(_in_ascii(name, field) for name, field in fields if _PART_FIELD.fullmatch(name))
    left_out = {name.lower(): name for name, _ in fields if not _PART_FIELD.fullmatch(name)}
    # Where the part is all of the mail, the mail has that field already.
    left_out.pop("mime-version", None)
    return kept + b"\r\n" + body, list(left_out.values())


def _in_ascii(name: str, field: bytes) -> bytes:
    if field.isascii():
        return field
    try:
        return repaired(name, _FOLD.sub("", field.decode().partition(":")[2]).strip())
    except UnicodeDecodeError:
        raise PartError(f"{shortened(name)} is neither ASCII nor UTF-8", hint=_ENCODE_HINT) from None


def _warnings(left_out: Sequence[str]) -> tuple[str, ...]:
    if not left_out:
        return ()
    shown = ", ".join(shortened(name) for name in left_out[:_MOST_NAMES])
    more = f" and {len(left_out) - _MOST_NAMES} more" if len(left_out) > _MOST_NAMES else ""
    return (f"left out {shown}{more}: only Content- header fields belong to a body part",)


def _cleaned(data: bytes, part: "Parsed") -> tuple[bytes, "Parsed"]:
    """Give the bytes to send, and how a receiver parses them."""
    if _is_clean(data):
        return data, part
    if not _is_clean(_split(data)[0]):
        raise PartError("a header field of the body part is not ASCII, or is too long", hint=_ENCODE_HINT)
    data = _written(part)
    if not _is_clean(data):
        raise PartError("a header field within the body part is not ASCII, or is too long", hint=_ENCODE_HINT)
    return data, _parse(data)


def _is_clean(data: bytes) -> bool:
    return data.isascii() and longest_line(data) <= MAX_LINE


def _parse_with_fields(data: bytes) -> "Parsed":
    part = _parse(data)
    if not part.keys():
        raise PartError("the body part does not begin with a header field", hint=_HINT)
    return part


def _parse(data: bytes) -> "Parsed":
    from mailnode.message.parsed import parse

    if data.startswith(b"From "):
        raise PartError("the first line is the From line of a mailbox file", hint="remove that line")
    if b"\x00" in data:
        raise PartError("the body part contains a NUL character", hint="encode binary content as Base64")
    try:
        part = parse(data)
    except RecursionError:
        raise _too_deep() from None
    _check(part, 0)
    return part


def _check(part: "Parsed", depth: int) -> None:
    if depth > MAX_DEPTH:
        raise _too_deep()
    if part.defects:
        what = _DEFECTS.get(type(part.defects[0]).__name__, "a header field has no name")
        raise PartError(f"the body part is not well formed: {what}", hint=_HINT)
    _check_fields(part)
    encoding = _encoding(part)
    if encoding not in _ENCODINGS:
        raise PartError(
            f"there is no transfer encoding {quoted(encoding)}", hint="use 7bit, 8bit, base64 or quoted-printable"
        )
    if part.get_content_maintype() == "multipart" and not part.is_multipart():
        raise PartError("the multipart has no boundary, or no part between its boundaries", hint=_HINT)
    if not part.is_multipart():
        _check_base64(part, encoding)
        return
    if encoding not in _PLAIN_ENCODINGS:
        raise PartError(
            f"a {part.get_content_type()} can't be encoded (RFC 2045 6.4)", hint="encode what is in it instead"
        )
    for inner in part.get_payload():
        _check(inner, depth + 1)  # type: ignore[arg-type]  # typeshed does not know that these are parts


def _check_fields(part: "Parsed") -> None:
    for name, value in part.items():
        if found := _CONTROL.search(f"{name}{value}"):
            code = f"U+{ord(found[0]):04X}"
            raise PartError(f"the field {quoted(name)} contains a control character ({code})", hint="remove it")
    names = [name.lower() for name in part if _PART_FIELD.fullmatch(name)]
    if len(names) != len(set(names)):
        raise PartError("the body part has the same Content- field twice", hint="keep only one of them")


def _check_base64(leaf: "Parsed", encoding: str) -> None:
    payload = leaf.get_payload()
    assert isinstance(payload, str)
    try:
        if encoding == "base64":
            pybase64.b64decode("".join(payload.split()), validate=True)
    except ValueError:
        raise PartError("the Base64 in the body part can't be decoded", hint="encode its content again") from None


def _encoding(part: "Parsed") -> str:
    return str(part.get("Content-Transfer-Encoding", "")).strip().lower() or "7bit"


def _cid(part: "Parsed") -> str:
    return str(part.get("Content-ID", "")).strip().strip("<>")


def _written(part: "Parsed") -> bytes:
    """Write the part again, with Base64 for those of its leaves that are not 7-bit clean."""
    from email.generator import BytesGenerator
    from email.policy import compat32
    from io import BytesIO

    for one in part.walk():
        if one.get_content_type() == "multipart/signed":
            raise PartError(
                "a signed part is not 7-bit clean, and encoding it would break its signature (RFC 1847 2.1)",
                hint="encode what is in it before it is signed, or attach it as a file of application/octet-stream",
            )
        if not one.is_multipart():
            _encode(one)
        elif one["Content-Transfer-Encoding"]:
            one.replace_header("Content-Transfer-Encoding", "7bit")
    written = BytesIO()
    try:
        BytesGenerator(written, mangle_from_=False, policy=compat32.clone(linesep="\r\n", max_line_length=0)).flatten(
            part
        )
    except (ValueError, LookupError):
        raise PartError("the body part can't be made 7-bit clean", hint=_ENCODE_HINT) from None
    return crlf(written.getvalue())


def _encode(leaf: "Parsed") -> None:
    payload = leaf.get_payload()
    assert isinstance(payload, str)
    if _is_clean(payload.encode(errors="replace")):
        return
    data = leaf.get_payload(decode=True)
    assert isinstance(data, bytes)
    del leaf["Content-Transfer-Encoding"]
    leaf["Content-Transfer-Encoding"] = "base64"
    leaf.set_payload(encode_base64(data).decode("ascii"))


def _view(part: "Parsed", size: int, cid: str) -> Part:
    inner = part.get_payload() if part.is_multipart() else ()
    return Part(
        part.get_content_type(),
        "" if inner else _encoding(part),
        size,
        part.get_filename() or "",
        _cid(part) or cid,
        part.get_content_disposition() or "",
        tuple(_view(one, len(one.as_bytes()), "") for one in inner),  # type: ignore[union-attr, arg-type]  # as above
    )


def _too_deep() -> PartError:
    return PartError("the body part is nested too deeply", hint=f"nest it at most {MAX_DEPTH} deep")
