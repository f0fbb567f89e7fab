"""MIME fields with parameters (RFC 2045 5.1): Content-Type and Content-Disposition, with the file's name in both."""

import re
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import quote

import pybase64

from mailnode.errors import HeaderError, PartError
from mailnode.message.header import LONGEST_TOKEN, check_characters, folded, text_field
from mailnode.printable import DIRECTION, quoted

# What turns the direction of writing makes a file name look like another.
_TURNING = re.compile(f"[{DIRECTION}]")
_PARAMETER = re.compile(r';\s*+([^\s;="]++)\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"|([^;"]*+))')
_TOKEN = re.compile(r"[A-Za-z0-9!#$&+.^_`{|}~-]+")  # less * ' %, which mean something in RFC 2231
_EXTENDED = re.compile(rf"[A-Za-z0-9!#$%&'+.^_`{{|}}~-]{{1,{LONGEST_TOKEN}}}")
_UNESCAPED = "!#$&+-.^_`|~"
_PIECE_CHARACTERS = 60
_WORD_BYTES = 39  # in Base64, with ` name="` before and `";` behind, a line of 76 (RFC 2047 2)


def content_type(media_type: str, parameters: Iterable[tuple[str, str]], filename: str = "") -> bytes:
    """Write Content-Type; the file's name stands in it too, for readers who know no RFC 2231.

    Raises:
        HeaderError: a parameter's value, or the name, contains a control character or half of a surrogate pair.
    """
    if not filename:
        return _field("Content-Type", media_type, parameters)
    others = [(key, value) for key, value in parameters if key != "name"]
    return _field("Content-Type", media_type, others, _name(filename))


def content_disposition(disposition: str, filename: str = "") -> bytes:
    """Write Content-Disposition (RFC 2183), with the file's name by RFC 2231 where it is not plain.

    Raises:
        HeaderError: the name contains a control character, half of a surrogate pair, or turns the direction of writing.
    """
    return _field("Content-Disposition", disposition, [("filename", filename)] if filename else ())


def repaired(name: str, value: str) -> bytes:
    """Write a Content- field that somebody wrote in UTF-8 in ASCII.

    Raises:
        PartError: it is not made of parameters where it should be.
    """
    value = without_turning(value)
    if name.lower() not in {"content-type", "content-disposition"}:
        return text_field(name, value)
    main, mark, _ = value.partition(";")
    found = list(_PARAMETER.finditer(value, len(main))) if mark else []
    if not main.isascii() or "".join(one[0] for one in found).rstrip() != value[len(main) :].rstrip("; \t"):
        raise PartError(f"{name} is not well formed: {quoted(value)}", hint="put file names in double quotes")
    parameters = [(one[1], re.sub(r"\\(.)", r"\1", one[2]) if one[2] is not None else one[3].strip()) for one in found]
    return _field(name, main.strip(), parameters)


def without_turning(text: str) -> str:
    """Remove the invisible characters that change the writing direction."""
    return text if text.isascii() else _TURNING.sub("", text)


def _field(name: str, value: str, parameters: Iterable[tuple[str, str]], *more: Iterable[str]) -> bytes:
    tokens = [value]
    for parameter in (*(_parameter(key, value) for key, value in parameters), *more):
        tokens[-1] += ";"
        tokens += parameter
    return folded(name, tokens)


def _parameter(name: str, value: str) -> list[str]:
    """Give a parameter as one token, or in pieces of percent-encoded UTF-8 (RFC 2231 3, 4); one in pieces stays so."""
    if name.endswith("*") and _EXTENDED.fullmatch(value):
        return [f"{name}={value}"]
    if plain := _plain(name, value):
        return [plain]
    _check(name, value)
    if len(escaped := quote(value, safe=_UNESCAPED)) <= _PIECE_CHARACTERS:
        return [f"{name}*=utf-8''{escaped}"]
    pieces = [quote(piece, safe=_UNESCAPED) for piece in _cut(value, _PIECE_CHARACTERS, _escaped_size)]
    pieces[0] = f"utf-8''{pieces[0]}"
    tokens = [f"{name}*{number}*={piece};" for number, piece in enumerate(pieces)]
    return [*tokens[:-1], tokens[-1][:-1]]


def _name(filename: str) -> list[str]:
    """Give the parameter `name` plainly, or with encoded-words where RFC 2047 5 has none and readers look for them.

    Base64, because some take the `_` of the other encoding for itself.
    """
    if plain := _plain("name", filename):
        return [plain]
    _check("filename", filename)
    octets = filename.encode()
    is_short = len(octets) <= _WORD_BYTES
    pieces = [octets] if is_short else [piece.encode() for piece in _cut(filename, _WORD_BYTES, _utf8_size)]
    words = [f"=?utf-8?b?{pybase64.b64encode(piece).decode()}?=" for piece in pieces]
    words[0] = f'name="{words[0]}'
    words[-1] += '"'
    return words


def _plain(name: str, value: str) -> str:
    """Give a parameter whose value is ASCII, as a token or a quoted string; "" for another."""
    if len(value) <= LONGEST_TOKEN and _TOKEN.fullmatch(value):
        return f"{name}={value}"
    if not (value.isascii() and value.isprintable()):
        return ""
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    # Many readers decode what looks like an encoded-word here.
    return f'{name}="{quoted}"' if len(quoted) <= LONGEST_TOKEN and "=?" not in value else ""


def _check(name: str, value: str) -> None:
    check_characters(name, value)
    if turning := _TURNING.search(value):
        raise HeaderError(
            f"{name} changes the writing direction (U+{ord(turning[0]):04X}): {quoted(value)}",
            hint="remove the invisible character",
        )


def _cut(text: str, room: int, size: Callable[[str], int]) -> Iterator[str]:
    """Cut a text into pieces that take so much room when they are encoded; no character is cut in two."""
    start = used = 0
    for at, letter in enumerate(text):
        more = size(letter)
        if used + more > room:
            yield text[start:at]
            start, used = at, 0
        used += more
    yield text[start:]


def _escaped_size(letter: str) -> int:
    return len(quote(letter, safe=_UNESCAPED))


def _utf8_size(letter: str) -> int:
    return len(letter.encode())
