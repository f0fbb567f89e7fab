"""The tokens of address lists, and the two halves of an address in their form on the wire (RFC 5322 3, RFC 6531)."""

import ipaddress
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from mailnode.errors import MailboxError
from mailnode.printable import quoted, quoted_ascii

# RFC 5321 4.5.3.1.1 says 64; reply addresses of GitHub and Asana are longer, and are taken. A whole path has 256.
MAX_LOCAL_PART_BYTES = 254
MAX_DOMAIN_BYTES = 255  # RFC 5321 4.5.3.1.2

_ATEXT = r'[^\s"(),.:;<>@\[\\\]]'
_DOT_ATOM = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)*")
_QUOTED_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
_LDH = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9-]{1,63}(?<!-))*")
# Numbers with dots are an IP address, and no top-level domain is a number (RFC 3696 2).
_NUMBERED = re.compile(r"(?:.*\.)?[0-9]+")
# No zone index: it is another machine's.
_LITERAL = re.compile(r"\[\s*(ipv6:)?([0-9a-f:.]{1,64})\s*\]", re.IGNORECASE | re.ASCII)
# Printable to Python and seen by nobody: joiners, fillers and variation selectors. UTS-46 drops them from a domain, and
# a local part with one is another mailbox than the one it looks like.
_UNSEEN = re.compile(r"[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
_DOMAIN_HINT = "write a domain like example.org after the @"

MAX_COMMENT_DEPTH = 10
QUOTE_HINT = 'put a name with special characters in double quotes: "Foo [Bar]" <foo@example.org>'

# Blanks of any script are blanks: those of web pages (U+00A0) and of Japanese keyboards (U+3000) get into lists. So do
# the quotes that word processors set.
_TOKEN = re.compile(
    r"""(?P<blank>\s+)|(?P<literal>\[[^\[\]\\]*\])
      |(?P<quoted>"(?:[^"\\]|\\.)*"|\u201c[^\u201c-\u201e]*\u201d|\u201e[^\u201c-\u201e]*[\u201c\u201d])
      |(?P<atom>[^\s()<>\[\]:;@\\,"]+)|(?P<special>.)""",
    re.VERBOSE | re.DOTALL,
)

_LINE_END = re.compile(r"[\r\n]")


def local_part(text: str) -> str:
    """Give the part before the @: unquoted if it can be, else quoted with as few escapes as possible.

    Raises:
        MailboxError: it is neither a dot-atom nor a quoted string, is too long, or contains an invisible character.
    """
    _check_seen(text, "before the @")
    if text[:1] == '"' and (quoted_string := _QUOTED_STRING.fullmatch(text)):
        bare = re.sub(r"\\(.)", r"\1", quoted_string[1])
        text = bare if _DOT_ATOM.fullmatch(bare) else '"' + re.sub(r'(["\\])', r"\\\1", bare) + '"'
    elif not _DOT_ATOM.fullmatch(text):
        raise MailboxError(
            f"{quoted(text)} is not allowed before the @",
            hint='put an unusual one in double quotes: "a..b"@example.org',
        )
    if len(text.encode()) > MAX_LOCAL_PART_BYTES:
        raise MailboxError(
            f"{quoted(text)} before the @ is longer than {MAX_LOCAL_PART_BYTES} bytes",
            hint="check the address: no server takes a longer one",
        )
    # Some readers decode encoded-words even here, where RFC 2047 5 forbids them, and find another address.
    if "=?" in text:
        raise MailboxError(f"{quoted(text)} has an encoded-word before the @", hint="decode it first")
    return text


@lru_cache(maxsize=1024)
def domain(text: str, *, is_ascii: bool) -> str:
    """Give a domain in A-labels, or in U-labels if the local part beside it is not ASCII (RFC 6531 3.2).

    An address literal is given in its shortest form.

    Raises:
        MailboxError: it is neither a domain nor an address literal.
    """
    if text.startswith("["):
        return _literal(text)
    name = a_labels(text)
    if _NUMBERED.fullmatch(name):
        raise MailboxError(
            f"{quoted(text)} is not a valid domain", hint="write an IP address in brackets: jane@[192.0.2.1]"
        )
    return name if is_ascii or "xn--" not in name else _u_labels(name)


def a_labels(text: str) -> str:
    """Give a domain in A-labels (UTS-46, never transitional) and lower case; an address literal is returned unchanged.

    Raises:
        MailboxError: it is not a valid domain.
    """
    if text.startswith("["):
        return text
    name = text.lower()
    if len(text) <= MAX_DOMAIN_BYTES and (not text.isascii() or "xn--" in name):
        name = _uts46(text)
    if len(name) > MAX_DOMAIN_BYTES or not _LDH.fullmatch(name):
        raise MailboxError(f"{quoted(text)} is not a valid domain", hint=_DOMAIN_HINT)
    return name


def _uts46(text: str) -> str:
    import idna

    _check_seen(text, "after the @")
    try:
        return idna.encode(text, uts46=True, transitional=False).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError):
        raise MailboxError(f"{quoted(text)} is not a valid domain", hint=_DOMAIN_HINT) from None


def _u_labels(text: str) -> str:
    import idna

    return idna.decode(text)


def _check_seen(text: str, place: str) -> None:
    if not text.isprintable() or (not text.isascii() and _UNSEEN.search(text)):
        raise MailboxError(f"{quoted_ascii(text)} has an invisible character {place}", hint="type the address again")


def _literal(text: str) -> str:
    found = _LITERAL.fullmatch(text)
    try:
        if found and found[1]:
            return f"[IPv6:{ipaddress.IPv6Address(found[2]).compressed}]"
        return f"[{ipaddress.IPv4Address(found[2] if found else '')}]"
    except ValueError:
        raise MailboxError(
            f"{quoted(text)} is not an address literal", hint="write [192.0.2.1] or [IPv6:2001:db8::1]"
        ) from None


class Token(NamedTuple):
    """A piece of the text and its kind; an atom may contain dots, unlike RFC 5322's."""

    kind: str
    text: str


def tokenize(text: str) -> Iterator[Token]:
    """Cut a text into blanks, comments, quoted strings, literals, atoms and specials, then `end`.

    Raises:
        MailboxError: one of them is not closed, or comments are nested too deeply.
    """
    position = 0
    while position < len(text):
        if text[position] == "(":
            end = _comment_end(text, position)
            yield Token("comment", text[position:end])
            position = end
            continue
        found = _TOKEN.match(text, position)
        assert found
        assert found.lastgroup
        if found.lastgroup == "special" and found[0] in '"[]\\)':
            raise MailboxError(
                f"{quoted(text)} has an unmatched {found[0]} at character {position + 1}", hint=QUOTE_HINT
            )
        position = found.end()
        yield Token(found.lastgroup, found[0])
    yield Token("end", "")


def cut_at_line_ends(tokens: Iterable[Token]) -> Iterator[Token]:
    """Replace each line end by a comma, but one between a name and its address in < > by a blank."""
    has_address = False
    following = list(tokens)
    for token, after in zip(following, [*following[1:], following[-1]], strict=True):
        if token.kind == "blank" and _LINE_END.search(token.text):
            is_fold = not has_address and after.text == "<" and token.text[-1] in " \t"
            token = token if is_fold else Token("special", ",")  # noqa: PLW2901 -- it is this one in its other meaning
        has_address = (has_address or token.text == "@") and token.text not in {",", ";", ":"}
        yield token


def comment_text(comment: str) -> str:
    """Give the text of a comment on one line."""
    return " ".join(re.sub(r"\\(.)", r"\1", comment[1:-1], flags=re.DOTALL).split())


def _comment_end(text: str, start: int) -> int:
    depth, position = 0, start
    while position < len(text):
        match text[position]:
            case "(":
                depth += 1
            case ")":
                depth -= 1
            case "\\":
                position += 1
        position += 1
        if depth == 0:
            return position
        if depth > MAX_COMMENT_DEPTH:
            raise MailboxError(f"comments are nested too deeply in {quoted(text)}", hint="leave the comments out")
    raise MailboxError(
        f"the ( at character {start + 1} of {quoted(text)} is not closed",
        hint="close it with ), or put the name in double quotes",
    )


def trimmed(tokens: list[Token]) -> list[Token]:
    """Give tokens without the blanks and comments around them."""
    inked = [index for index, token in enumerate(tokens) if token.kind not in {"blank", "comment"}]
    return tokens[inked[0] : inked[-1] + 1] if inked else []


def words_of(tokens: list[Token]) -> list[Token]:
    """Give tokens without blanks and comments."""
    return [token for token in tokens if token.kind not in {"blank", "comment"}]


def name_behind(tokens: list[Token]) -> str:
    """Give the comment behind a bare address, where names stood before there were < > (RFC 5322 3.4)."""
    inked = max((index for index, token in enumerate(tokens) if token.kind not in {"blank", "comment"}), default=-1)
    comments = (token.text for token in tokens[inked + 1 :] if token.kind == "comment")
    return comment_text(next(comments, "()"))
