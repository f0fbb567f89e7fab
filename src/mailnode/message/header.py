"""Header fields: folded at 76, nothing over 998, encoded where ASCII will not do (RFC 5322 2.2, RFC 2047)."""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

import pybase64

from mailnode.errors import HeaderError
from mailnode.message.mailbox import Address, Mailbox, parse_addresses
from mailnode.printable import CONTROL_BUT_TAB_AND_LF, LINE_SEPARATOR, LONE_SURROGATE, quoted

MAX_LINE = 76  # RFC 2047 2, where an encoded-word stands in it; 78 elsewhere (RFC 5322 2.1.1)
_ENCODED_WORD = 75  # RFC 2047 2
LONGEST_TOKEN = 900  # well under the 998 of RFC 5322 2.1.1, whatever stands around it
_QUOTED_CHARACTERS = 60

# A line break would end the field.
_CONTROL = re.compile(rf"[\n{CONTROL_BUT_TAB_AND_LF}{LINE_SEPARATOR}]")
_FIELD_NAME = re.compile(r"[!-9;-~]{1,76}")
_PHRASE = re.compile(r"[A-Za-z0-9!#$%&'*+/?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/?^_`{|}~-]+)*")
_URL = re.compile(
    r"https://[a-z0-9_\[][a-z0-9_.:\[\]-]*(?:[/?#][!-;=?-~]*)?|mailto:[!-;=A-~]+(?:@[!-;=A-~]+)+(?:\?[!-;=?-~]*)?",
    re.IGNORECASE | re.ASCII,  # without ASCII the long s would be an s
)
_IN_BRACKETS = re.compile(rf"<(?!=\?)[!-;=?-~]{{1,{LONGEST_TOKEN}}}>[,;]?")
_NEXT_URL = re.compile(r",(?=<?(?:https?|mailto):)", re.IGNORECASE)
_Q_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_ONE_CLICK = b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
_Q = ["_" if octet == ord(" ") else chr(octet) if octet in _Q_SAFE else f"={octet:02X}" for octet in range(256)]

# Of the fields of a body part the one that mailnode has no word on (RFC 3282).
_LANGUAGE = "content-language"
_LANGUAGES = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*(?:, ?[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)*")

# Fields of a caller's own that hold addresses: an encoded-word around an address would hide it (RFC 2047 5).
_OF_ADDRESSES = frozenset(
    {
        "sender",
        "resent-from",
        "resent-sender",
        "resent-to",
        "resent-cc",
        "resent-reply-to",
        "disposition-notification-to",
        "return-receipt-to",
        "errors-to",
        "mail-reply-to",
        "mail-followup-to",
    }
)

# Fields that mailnode writes itself, and the setting that speaks for each.
_OWN = {
    "from": "from",
    "to": "to",
    "cc": "cc",
    "bcc": "bcc",
    "resent-bcc": "bcc",
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
    "auto-submitted": "autoSubmitted",
    "dkim-signature": "the connection's dkim",
    "received": "",
}


def check_own_field_name(name: str) -> None:
    """Refuse an invalid field name (RFC 5322 2.2), and one whose field mailnode writes itself.

    Raises:
        HeaderError: with the setting to use instead as its hint.
    """
    if not _FIELD_NAME.fullmatch(name):
        raise HeaderError(
            f"{quoted(name)} is not a valid header field name", hint="use letters, digits and hyphens: X-Order"
        )
    lower = name.lower()
    if lower in _OWN or (lower.startswith(("mime-", "content-")) and lower != _LANGUAGE):
        setting = _OWN.get(lower, "")
        hint = f"use {setting} instead" if setting else "leave it out"
        raise HeaderError(f"mailnode writes the header field {name} itself", hint=hint)


def own_field(name: str, value: str) -> bytes:
    """Write an additional field: as addresses if its name says so, else as text whose `<tokens>` stay as they are.

    Raises:
        HeaderError: the value can't stand in a header field, or contains no address or language where one belongs.
        MailboxError: it contains an invalid address.
    """
    if name.lower() == _LANGUAGE and not _LANGUAGES.fullmatch(value):
        raise HeaderError(
            f"{quoted(value)} is not a language tag", hint="write tags like de or en-GB, separated by commas"
        )
    if name.lower() not in _OF_ADDRESSES:
        return _field_with_tokens(name, value)
    if listed := parse_addresses(value):
        return address_field(name, listed)
    raise HeaderError(f"{name} contains no address", hint="give one, or leave the field out")


def text_field(name: str, value: str) -> bytes:
    """Write an unstructured field; what is not plain ASCII becomes encoded-words.

    Raises:
        HeaderError: the value contains a control character or half of a surrogate pair.
    """
    is_plain = _is_plain(value)
    if is_plain and len(name) + 2 + len(value) <= MAX_LINE:
        return f"{name}: {value}\r\n".encode("ascii")
    words = value.split(" ")
    if is_plain and max(map(len, words)) <= LONGEST_TOKEN:
        return folded(name, words)
    check_characters(name, value)
    return folded(name, list(encoded_words(value, len(name) + 2)))


def _is_plain(value: str) -> bool:
    # Blanks at an end or in a row would be lost where the field is folded again, or make a line of blanks.
    return (
        value.isascii() and value.isprintable() and "=?" not in value and "  " not in value and value == value.strip()
    )


def _field_with_tokens(name: str, value: str) -> bytes:
    """Write a text in which programs look for what stands in angle brackets, as in List-ID (RFC 2919 2)."""
    if _is_plain(value) or not (_IN_BRACKETS.match(value) or " <" in value):
        return text_field(name, value)
    check_characters(name, value)
    tokens: list[str] = []
    for is_token, words in groupby(value.strip(" ").split(" "), lambda word: bool(_IN_BRACKETS.fullmatch(word))):
        run = list(words)
        text = " ".join(run)
        if not any(run):
            continue  # blanks between two tokens could become a line of their own
        if is_token or (_is_plain(text) and max(map(len, run)) <= LONGEST_TOKEN):
            tokens += run
        else:
            tokens += encoded_words(text, 1 if tokens else len(name) + 2)
    return folded(name, tokens)


def address_field(name: str, listed: Sequence[Address]) -> bytes:
    """Write a list of mailboxes and groups, folded between them."""
    tokens: list[str] = []
    for address in listed:
        tokens += _address_tokens(address, 1 if tokens else len(name) + 2)
        tokens[-1] += ","
    tokens[-1] = tokens[-1][:-1]
    return folded(name, tokens)


def unsubscribe_fields(given: str | Sequence[str]) -> bytes:
    """Write List-Unsubscribe (RFC 2369), and the one-click field for an https URL (RFC 8058 3.1); b"" for no URL.

    Raises:
        HeaderError: one of the URLs is neither https nor mailto.
    """
    text = given if isinstance(given, str) else " ".join(given)
    words = [word.strip(",") for word in _NEXT_URL.sub(" ", text).split()]
    urls = [word[1:-1] if word.startswith("<") and word.endswith(">") else word for word in words if word]
    for url in urls:
        if not _URL.fullmatch(url) or len(url) > LONGEST_TOKEN:
            raise HeaderError(
                f"{quoted(url)} is not allowed in List-Unsubscribe",
                hint="give https and mailto URLs: https://example.com/leave?id=7, mailto:leave@example.com",
            )
    if not urls:
        return b""
    tokens = [f"<{url}>," for url in urls]
    tokens[-1] = tokens[-1][:-1]
    with_https = any(url.lower().startswith("https") for url in urls)
    return folded("List-Unsubscribe", tokens) + (_ONE_CLICK if with_https else b"")


def encoded_words(text: str, column: int) -> Iterator[str]:
    """Cut a text into encoded-words, by Q or B, whichever is shorter; no character is split (RFC 2047 5)."""
    octets = text.encode()
    escapes = sum(len(_Q[octet]) > 1 for octet in octets)
    is_q = len(octets) + 2 * escapes <= (len(octets) + 2) // 3 * 4
    room = min(_ENCODED_WORD, MAX_LINE - column) - len("=?utf-8?q??=")
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


def _address_tokens(address: Address, column: int) -> list[str]:
    if isinstance(address, Mailbox):
        if not address.display_name:
            return [address.addr_spec]
        return [*_phrase(address.display_name, column), f"<{address.addr_spec}>"]
    tokens = _phrase(address.display_name, column)
    if tokens[-1].endswith("?="):
        tokens.append("")  # a blank stands between an encoded-word and the colon (RFC 2047 5)
    tokens[-1] += ":"
    for mailbox in address.mailboxes:
        tokens += _address_tokens(mailbox, 1)
        tokens[-1] += ","
    tokens[-1] = tokens[-1].removesuffix(",") + ";"
    return tokens


def _phrase(text: str, column: int) -> list[str]:
    """A display name as atoms, as a quoted string, or as encoded-words."""
    if len(text) < _QUOTED_CHARACTERS and "=?" not in text:
        if _PHRASE.fullmatch(text):
            return [text]
        if text.isascii():
            escaped = text.replace("\\", "\\\\").replace('"', '\\"')
            return [f'"{escaped}"']
    return list(encoded_words(text, column))


def folded(name: str, tokens: Sequence[str]) -> bytes:
    """Join tokens by blanks to a field, each line no longer than 76 where a blank allows it."""
    lines, line = [], f"{name}: {tokens[0]}"
    for token in tokens[1:]:
        if len(line) + 1 + len(token) > MAX_LINE:
            lines.append(line)
            line = f" {token}"
        else:
            line = f"{line} {token}"
    lines.append(line)
    return "\r\n".join(lines).encode() + b"\r\n"


def check_characters(name: str, value: str) -> None:
    """Refuse characters that no header field may contain.

    Raises:
        HeaderError: a control character, a line break, or half of a surrogate pair.
    """
    if found := _CONTROL.search(value):
        raise HeaderError(
            f"{name} contains a control character (U+{ord(found[0]):04X}): {quoted(value)}",
            hint="remove line breaks and other control characters: a header field is one line",
        )
    if LONE_SURROGATE.search(value):
        raise HeaderError(f"{name} contains half a character: {quoted(value)}", hint="don't cut a character in half")
