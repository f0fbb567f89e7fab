"""Header fields: folded at 78, nothing over 998, encoded where ASCII will not do (RFC 5322 2.2, RFC 2047, RFC 2231)."""

import re
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote

import pybase64

from mailnode.errors import HeaderError
from mailnode.message.mailbox import Address, Mailbox

MAX_LINE = 78
_ENCODED_WORD = 75  # RFC 2047 2
_ENCODED_LINE = 76
_LONGEST_TOKEN = 900  # well under the 998 of RFC 5322 2.1.1, whatever stands around it
_PARAMETER_PIECE = 60

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_FIELD_NAME = re.compile(r"[!-9;-~]{1,76}")
_PHRASE = re.compile(r"[A-Za-z0-9!#$%&'*+/?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/?^_`{|}~-]+)*")
_MSG_ID = re.compile(r"<[!-;=?A-~]+@[!-;=?A-Z^-~\[\]]+>")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]+")
_URL = re.compile(r"(?:https://|mailto:)[!-;=?-~]+")
_Q_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_Q = ["_" if octet == ord(" ") else chr(octet) if octet in _Q_SAFE else f"={octet:02X}" for octet in range(256)]
_SHOWN = 60

# Fields that mailnode writes itself, and the setting that speaks for each.
_OWN = {
    "from": "from",
    "to": "to",
    "cc": "cc",
    "bcc": "bcc",
    "reply-to": "replyTo",
    "subject": "subject",
    "in-reply-to": "inReplyTo",
    "references": "references",
    "importance": "priority",
    "x-priority": "priority",
    "x-msmail-priority": "priority",
    "return-path": "envelopeFrom",
    "list-unsubscribe": "listUnsubscribe",
    "list-unsubscribe-post": "listUnsubscribe",
    "date": "",
    "message-id": "",
    "auto-submitted": "",
    "dkim-signature": "the connection's dkim",
    "received": "",
}


def check_own_field_name(name: str) -> None:
    """Refuse a name that is none (RFC 5322 2.2), or whose field mailnode writes itself.

    Raises:
        HeaderError: with the setting to use instead as its hint.
    """
    if not _FIELD_NAME.fullmatch(name):
        raise HeaderError(f"{name!r:.80} is no name of a header field", hint="use letters, digits and hyphens: X-Order")
    lower = name.lower()
    if lower in _OWN or lower.startswith(("mime-", "content-")):
        setting = _OWN.get(lower, "")
        hint = f"use {setting} instead" if setting else "leave it out"
        raise HeaderError(f"mailnode writes the header field {name} itself", hint=hint)


def text_field(name: str, value: str) -> bytes:
    """Write an unstructured field; what is not plain ASCII becomes encoded-words.

    Raises:
        HeaderError: the value holds a control character or half of a surrogate pair.
    """
    line = f"{name}: {value}"
    if (
        value.isascii()
        and value.isprintable()
        and len(line) <= MAX_LINE
        and "=?" not in value
        and value == value.strip()
    ):
        return line.encode("ascii") + b"\r\n"
    _check(name, value)
    words = value.split(" ")
    if not value.isascii() or "=?" in value or value != value.strip() or max(map(len, words)) > _LONGEST_TOKEN:
        return _folded(name, list(encoded_words(value, len(name) + 2)))
    return _folded(name, words)


def address_field(name: str, listed: Sequence[Address]) -> bytes:
    """Write a list of mailboxes and groups, folded between them."""
    tokens: list[str] = []
    for index, address in enumerate(listed):
        tokens += _address_tokens(name, address, len(name) + 2 if index == 0 else 1)
        tokens[-1] += ","
    tokens[-1] = tokens[-1][:-1]
    return _folded(name, tokens)


def message_id_field(name: str, ids: Iterable[str]) -> bytes:
    """Write a field of Message-IDs."""
    return _folded(name, list(ids))


def message_ids(name: str, given: str | Sequence[str]) -> tuple[str, ...]:
    """Read Message-IDs separated by white space or commas; angle brackets that are missing are added.

    Raises:
        HeaderError: one of them is none.
    """
    text = given if isinstance(given, str) else " ".join(given)
    _check(name, text)
    ids = [one if one.startswith("<") else f"<{one}>" for one in text.replace(",", " ").split()]
    for one in ids:
        if not _MSG_ID.fullmatch(one) or len(one) > _LONGEST_TOKEN:
            hint = "write it as it stands in the other mail's Message-ID: <left@right>"
            raise HeaderError(f"{one!r:.80} is no Message-ID for {name}", hint=hint)
    return tuple(ids)


def unsubscribe_fields(given: str | Sequence[str]) -> bytes:
    """Write List-Unsubscribe (RFC 2369), and with an https URL the one-click field (RFC 8058 3.1).

    Raises:
        HeaderError: one of the URLs is neither https nor mailto.
    """
    text = given if isinstance(given, str) else " ".join(given)
    urls = [one.strip("<>") for one in re.split(r"[\s,]+(?=<?(?:https?|mailto):)|\s+", text.strip())]
    for url in urls:
        if not _URL.fullmatch(url) or len(url) > _LONGEST_TOKEN:
            raise HeaderError(
                f"{url!r:.80} can't stand in List-Unsubscribe",
                hint="give https and mailto URLs: https://example.com/leave?id=7, mailto:leave@example.com",
            )
    tokens = [f"<{url}>," for url in urls]
    tokens[-1] = tokens[-1][:-1]
    one_click = b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    return _folded("List-Unsubscribe", tokens) + (one_click if any(url.startswith("https") for url in urls) else b"")


def parameter(name: str, value: str) -> str:
    """Write a parameter of a MIME field: a token, a quoted string, or RFC 2231 pieces, each behind its own fold.

    Raises:
        HeaderError: the value holds a control character or half of a surrogate pair.
    """
    _check(name, value)
    if value.isascii() and len(value) <= _PARAMETER_PIECE and "\t" not in value:
        if _TOKEN.fullmatch(value):
            return f"; {name}={value}"
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f';\r\n {name}="{escaped}"'
    encoded = quote(value, safe="!#$&+-.^_`|~")
    if len(encoded) <= _PARAMETER_PIECE:
        return f";\r\n {name}*=utf-8''{encoded}"
    pieces = re.findall(rf"(?:%..|[^%]){{1,{_PARAMETER_PIECE // 3}}}", encoded)
    first = f";\r\n {name}*0*=utf-8''{pieces[0]}"
    return first + "".join(f";\r\n {name}*{number}*={piece}" for number, piece in enumerate(pieces[1:], start=1))


def encoded_words(text: str, column: int) -> Iterator[str]:
    """Cut a text into encoded-words, by Q or B, whichever is shorter; no character is split (RFC 2047 5)."""
    octets = text.encode()
    escapes = sum(len(_Q[octet]) > 1 for octet in octets)
    is_q = len(octets) + 2 * escapes <= (len(octets) + 2) // 3 * 4
    room = min(_ENCODED_WORD, _ENCODED_LINE - column) - len("=?utf-8?q??=")
    piece, size = bytearray(), 0
    for letter in text:
        coded = letter.encode()
        cost = sum(len(_Q[octet]) for octet in coded) if is_q else 0
        grown = size + cost if is_q else (len(piece) + len(coded) + 2) // 3 * 4
        if piece and grown > room:
            yield _encoded_word(bytes(piece), is_q=is_q)
            piece.clear()
            size, room = 0, _ENCODED_WORD - len("=?utf-8?q??=")
        piece += coded
        size += cost
    yield _encoded_word(bytes(piece), is_q=is_q)


def _encoded_word(octets: bytes, *, is_q: bool) -> str:
    if is_q:
        return "=?utf-8?q?" + "".join(_Q[octet] for octet in octets) + "?="
    return "=?utf-8?b?" + pybase64.b64encode(octets).decode() + "?="


def _address_tokens(name: str, address: Address, column: int) -> list[str]:
    if isinstance(address, Mailbox):
        if not address.display_name:
            return [address.addr_spec]
        return [*_phrase(name, address.display_name, column), f"<{address.addr_spec}>"]
    tokens = _phrase(name, address.display_name, column)
    tokens[-1] += ":"
    for mailbox in address.mailboxes:
        tokens += _address_tokens(name, mailbox, 1)
        tokens[-1] += ","
    tokens[-1] = tokens[-1].removesuffix(",") + ";"
    return tokens


def _phrase(name: str, text: str, column: int) -> list[str]:
    """A display name as atoms, as a quoted string, or as encoded-words."""
    if len(text) < _PARAMETER_PIECE and "=?" not in text:
        if _PHRASE.fullmatch(text):
            return [text]
        if text.isascii() and text.isprintable():
            escaped = text.replace("\\", "\\\\").replace('"', '\\"')
            return [f'"{escaped}"']
    _check(name, text)
    return list(encoded_words(text, column))


def _folded(name: str, tokens: Sequence[str]) -> bytes:
    """Join tokens by blanks, each line no longer than 78 where a blank allows it."""
    lines, line = [], f"{name}:"
    for index, token in enumerate(tokens):
        if index and len(line) + 1 + len(token) > MAX_LINE and line.strip():
            lines.append(line)
            line = ""
        line += f" {token}"
    lines.append(line)
    return "\r\n".join(lines).encode() + b"\r\n"


def _check(name: str, value: str) -> None:
    if found := _CONTROL.search(value):
        raise HeaderError(
            f"a control character (U+{ord(found[0]):04X}) stands in {name}: {value[:_SHOWN]!r}",
            hint="a header field is one line: remove line breaks and other control characters",
        )
    if _SURROGATE.search(value):
        raise HeaderError(f"{name} holds half a character: {value[:_SHOWN]!r}", hint="cut texts at whole characters")
