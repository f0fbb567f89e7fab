"""Mailboxes and lists of them, as people write them (RFC 5322 3.4, RFC 6532), in one pass over the text.

An address is taken as it stands or refused, never repaired: a repaired one is somebody else's.
"""

import ipaddress
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from mailnode.errors import MailboxError

MAX_LOCAL_PART_OCTETS = 64  # RFC 5321 4.5.3.1.1
MAX_DOMAIN_OCTETS = 255  # RFC 5321 4.5.3.1.2
MAX_COMMENT_DEPTH = 10

_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-"
_DOT_ATOM = re.compile(rf"[{_ATEXT}]+(?:\.[{_ATEXT}]+)*")
_LDH = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(?:\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*")
_TOKEN = re.compile(
    r"""(?P<blank>[ \t]+)|(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<literal>\[[^\[\]\\]*\])
      |(?P<atom>[^\s()<>\[\]:;@\\,"]+)|(?P<special>.)""",
    re.VERBOSE | re.DOTALL,
)
# Most addresses are this plain, and then there is nothing to take apart.
_PLAIN = re.compile(
    r"(?:([A-Za-z0-9][A-Za-z0-9 ]*) <)?"
    r"([A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*)@([a-z0-9]+(?:[.-](?!xn--)[a-z0-9]+)*)(>)?"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_UNSEEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp"})
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One mailbox.

    `display_name` is bare text, "" when there is none. `local_part` stands as it does on the wire, quoted when it has
    to be. `domain` is in A-labels beside an ASCII local part, else in U-labels (RFC 6531 3.2), or an address literal.
    """

    display_name: str
    local_part: str
    domain: str

    @property
    def addr_spec(self) -> str:
        """The address alone, as in RCPT."""
        return f"{self.local_part}@{self.domain}"

    @property
    def is_ascii(self) -> bool:
        """Whether any server can be given the address; if not it must offer SMTPUTF8."""
        return self.local_part.isascii()


@dataclass(frozen=True, slots=True)
class Group:
    """A named group of mailboxes, perhaps of none."""

    display_name: str
    mailboxes: tuple[Mailbox, ...]


Address = Mailbox | Group
Addresses = str | Address | Sequence[str | Address]


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


def parse_mailbox(text: str) -> Mailbox:
    """Read exactly one mailbox.

    Raises:
        MailboxError: it is none, or several, or a group.
    """
    addresses = parse_addresses(text)
    if len(addresses) != 1 or not isinstance(addresses[0], Mailbox):
        what = "no mailbox" if not addresses else "a group" if len(addresses) == 1 else f"{len(addresses)} mailboxes"
        raise MailboxError(f"one mailbox is wanted, and {_shown(text)} is {what}", hint="give a single address")
    return addresses[0]


@lru_cache(maxsize=1024)
def parse_addresses(text: str) -> tuple[Address, ...]:
    """Read a list of mailboxes and groups, separated by commas or semicolons; blank text is an empty list.

    Raises:
        MailboxError: one of them is none; the message says which.
    """
    plain = _PLAIN.fullmatch(text)
    if plain and (plain[1] is None) == (plain[4] is None) and len(plain[2]) <= MAX_LOCAL_PART_OCTETS:
        return (Mailbox(plain[1] or "", plain[2], _domain(plain[3], is_ascii=True)),)
    text = text.strip()
    if unseen := _CONTROL.search(text):
        raise MailboxError(
            f"a control character (U+{ord(unseen[0]):04X}) stands in {_shown(text)}",
            hint="write the addresses on one line, without line breaks",
        )
    return tuple(_addresses(list(_tokens(text))))


def addresses(given: Addresses) -> tuple[Address, ...]:
    """Give what a caller said as a list: texts are read as lists, mailboxes and groups taken as they are.

    Raises:
        MailboxError: a text holds what is no mailbox.
    """
    if isinstance(given, str):
        return parse_addresses(given)
    if isinstance(given, Mailbox | Group):
        return (given,)
    return tuple(address for one in given for address in addresses(one))


def mailboxes(listed: Iterable[Address]) -> Iterator[Mailbox]:
    """Give the mailboxes of a list, those of its groups among them."""
    for address in listed:
        if isinstance(address, Group):
            yield from address.mailboxes
        else:
            yield address


def _tokens(text: str) -> Iterator[_Token]:
    position = 0
    while position < len(text):
        if text[position] == "(":
            end = _comment_end(text, position)
            yield _Token("comment", text[position:end])
            position = end
            continue
        found = _TOKEN.match(text, position)
        assert found
        assert found.lastgroup
        position = found.end()
        if found.lastgroup == "special" and found[0] in '"[]\\)':
            raise MailboxError(
                f"a {found[0]} stands alone in {_shown(text)}",
                hint='put names with special characters in double quotes: "Foo [Bar]" <foo@example.com>',
            )
        yield _Token(found.lastgroup, found[0])


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
            raise MailboxError(f"comments are nested too deeply in {_shown(text)}", hint="leave the comments out")
    raise MailboxError(f"a ( is not closed in {_shown(text)}", hint="close it with ), or quote the name")


def _addresses(tokens: list[_Token]) -> Iterator[Address]:
    """Cut the list at its separators; a group runs from its colon to its semicolon."""
    position, item, group, members = 1, list[_Token](), None, list[Mailbox]()
    for token in [*tokens, _Token("end", "")]:
        separates = token.kind in {"special", "end"} and token.text in {",", ";", ""}
        if token == _Token("special", ":") and _is_name(item):
            if group is not None:
                raise MailboxError(f"mailbox {position}: a group can't hold a group", hint="make it one group")
            group, item = _phrase(item), []
        elif not separates:
            item.append(token)
        else:
            if _words(item):
                mailbox = _mailbox(item, position, is_last=token.kind == "end")
                position += 1
                if group is None:
                    yield mailbox
                else:
                    members.append(mailbox)
            item = []
            if group is not None and token.text != ",":
                if token.kind == "end":
                    raise MailboxError(f"the group {_shown(group)} is not closed", hint="end it with a semicolon")
                yield Group(group, tuple(members))
                group, members = None, []


def _mailbox(item: list[_Token], position: int, *, is_last: bool) -> Mailbox:
    text = "".join(token.text for token in item).strip()
    try:
        opening = next((index for index, token in enumerate(item) if token.text == "<"), None)
        if opening is None:
            return _addr_spec(item, "")
        rest = item[opening + 1 :]
        closing = next((index for index, token in enumerate(rest) if token.text == ">"), len(rest))
        if closing == len(rest) or _words(rest[closing + 1 :]):
            raise MailboxError("an address in < > ends with >, and nothing follows it")
        return _addr_spec(rest[:closing], _phrase(item[:opening]))
    except MailboxError as error:
        hint = error.hint or "write it like jane@example.org or Jane Doe <jane@example.org>"
        if "@" not in text and not is_last:
            hint = f'a name that holds a comma goes in double quotes: "{text}, ..." <jane@example.org>'
        raise MailboxError(f"mailbox {position}, {_shown(text)}: {error.message}", hint=hint) from None


def _addr_spec(tokens: list[_Token], display_name: str) -> Mailbox:
    words = [token for token in tokens if token.kind != "comment"]
    while words and words[0].kind == "blank":
        del words[0]
    while words and words[-1].kind == "blank":
        del words[-1]
    if not any(token.text == "@" for token in words):
        raise MailboxError("there is no @ in it")
    if len(words) != 3 or words[1].text != "@" or len(words) != len(_joined(tokens)):  # noqa: PLR2004 -- local @ domain
        raise MailboxError("it is no address: one local part, one @, one domain, and nothing between them")
    local_part = _local_part(words[0])
    return Mailbox(display_name, local_part, _domain(words[2].text, is_ascii=local_part.isascii()))


def _joined(tokens: list[_Token]) -> list[_Token]:
    """The tokens with a comment counted as what it is in an address: a gap, unless it stands at an end."""
    kinds = [token for token in tokens if token.kind != "blank"]
    while kinds and kinds[0].kind == "comment":
        del kinds[0]
    while kinds and kinds[-1].kind == "comment":
        del kinds[-1]
    return kinds


def _local_part(token: _Token) -> str:
    text = token.text
    if token.kind == "quoted":
        bare = re.sub(r"\\(.)", r"\1", text[1:-1])
        text = bare if _DOT_ATOM.fullmatch(bare) else '"' + re.sub(r'(["\\])', r"\\\1", bare) + '"'
    elif token.kind != "atom" or not _DOT_ATOM.fullmatch(text):
        raise MailboxError(f"{_shown(text)} is no local part", hint='put an unusual one in double quotes: "a..b"@x.org')
    if not text.isascii() and any(unicodedata.category(letter) in _UNSEEN_CATEGORIES - {"Zs"} for letter in text):
        raise MailboxError("an invisible character stands before the @", hint="type the address anew")
    if len(text.encode()) > MAX_LOCAL_PART_OCTETS:
        raise MailboxError(f"what stands before the @ is longer than {MAX_LOCAL_PART_OCTETS} octets")
    return text


@lru_cache(maxsize=1024)
def _domain(text: str, *, is_ascii: bool) -> str:
    if text.startswith("["):
        return _literal(text)
    ascii_text = text.lower() if text.isascii() and "xn--" not in text.lower() else a_labels(text)
    if len(ascii_text) > MAX_DOMAIN_OCTETS or not _LDH.fullmatch(ascii_text):
        raise MailboxError(f"{_shown(text)} is no domain", hint="write a domain like example.org after the @")
    return ascii_text if is_ascii or "xn--" not in ascii_text else _u_labels(ascii_text)


def a_labels(text: str) -> str:
    """Give a domain in A-labels (UTS-46); an address literal is what it is.

    Raises:
        MailboxError: it is no domain.
    """
    if text.startswith("["):
        return text
    import idna

    try:
        return idna.encode(text, uts46=True, transitional=False).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError):
        raise MailboxError(
            f"{_shown(text)} is no domain", hint="write a domain like bücher.example after the @"
        ) from None


def _u_labels(text: str) -> str:
    import idna

    return idna.decode(text)


def _literal(text: str) -> str:
    inner = text[1:-1].strip()
    try:
        if inner.lower().startswith("ipv6:"):
            return f"[IPv6:{ipaddress.IPv6Address(inner[5:]).compressed}]"
        return f"[{ipaddress.IPv4Address(inner)}]"
    except ValueError:
        raise MailboxError(
            f"{_shown(text)} is no address literal", hint="write [192.0.2.1] or [IPv6:2001:db8::1]"
        ) from None


def _words(tokens: list[_Token]) -> list[_Token]:
    return [token for token in tokens if token.kind not in {"blank", "comment"}]


def _is_name(tokens: list[_Token]) -> bool:
    return all(token.kind in {"atom", "quoted"} for token in _words(tokens))


def _phrase(tokens: list[_Token]) -> str:
    words = _words(tokens)
    if not _is_name(words):
        raise MailboxError(
            "its name holds a special character", hint='put the name in double quotes: "Foo @ Bar" <foo@example.com>'
        )
    return " ".join(
        re.sub(r"\\(.)", r"\1", word.text[1:-1]) if word.kind == "quoted" else word.text for word in words
    ).strip()


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}...")
