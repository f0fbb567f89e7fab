"""Mailboxes and lists of them, as people write them (RFC 5322 3.4, RFC 6532), in one pass over the text.

An address is taken as it is or refused, never repaired: a repaired one may be somebody else's.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from mailnode.errors import MailboxError
from mailnode.message.addr_spec import (
    QUOTE_HINT,
    Token,
    cut_at_line_ends,
    domain,
    local_part,
    name_behind,
    tokenize,
    trimmed,
    words_of,
)
from mailnode.printable import CONTROL, DIRECTION, LINE_SEPARATOR, SURROGATE, quoted

# A longer text may be a stranger's, and a cache of such ones would grow without measure.
MOST_CACHED_CHARACTERS = 200

# Most addresses are this plain, and then there is nothing to take apart.
_PLAIN = re.compile(
    r"(?:([A-Za-z0-9]+(?: [A-Za-z0-9]+)*) <)?"
    r"([A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*)@([A-Za-z0-9]+(?:[.-][A-Za-z0-9]+)*)(>)?"
)
# Line breaks would end a header field; what turns the direction of writing makes a name look like another.
_UNFIT = re.compile(f"[{CONTROL}{LINE_SEPARATOR}{DIRECTION}{SURROGATE}]")
_TAB_AS_BLANK = {ord("\t"): " "}
_AS_BLANKS = {**_TAB_AS_BLANK, ord("\r"): " ", ord("\n"): " "}
_UNFIT_HINT = "write the addresses on one line, without line breaks or invisible characters"
_COMMA_HINT = 'put a name that contains a comma in double quotes: "Doe, Jane" <jane@example.org>'
_MAILTO_HINT = "remove mailto:, and ?subject=... after the address"
_TWO_HINT = "put a comma between two addresses, and exactly one @ in each"
_WRITE_HINT = "write it like jane@example.org or Jane Doe <jane@example.org>"


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A mailbox; an invalid one can't be made.

    `display_name` is bare text, "" when there is none. `local_part` stands as it does on the wire, quoted when it has
    to be. `domain` is in A-labels beside an ASCII local part, else in U-labels (RFC 6531 3.2), or an address literal.

    Raises:
        MailboxError: one of the three is invalid.
    """

    display_name: str
    local_part: str
    domain: str

    def __post_init__(self) -> None:
        """Bring both halves of the address into their form on the wire."""
        if not self.display_name.isprintable():
            _check(self.display_name)
        local = local_part(self.local_part)
        if local != self.local_part:
            object.__setattr__(self, "local_part", local)
        name = domain(self.domain, is_ascii=local.isascii())
        if name != self.domain:
            object.__setattr__(self, "domain", name)

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
    """A named group of mailboxes; it may be empty.

    Raises:
        MailboxError: it has no name, or one that contains a control character.
    """

    display_name: str
    mailboxes: tuple[Mailbox, ...]

    def __post_init__(self) -> None:
        """Refuse a name that could not stand before the colon."""
        _check(self.display_name)
        if not self.display_name.strip():
            raise MailboxError("a group has no name", hint="write it like Friends: jane@example.org, joe@example.org;")


Address = Mailbox | Group
Addresses = str | Address | Sequence[str | Address]


_COLON = Token("special", ":")
_SEPARATORS = frozenset({Token("special", ","), Token("special", ";"), Token("end", "")})


def parse_mailbox(text: str, *, by_line: bool = False) -> Mailbox:
    """Read exactly one mailbox; `by_line` as in `parse_addresses`.

    Raises:
        MailboxError: it is invalid, empty, several mailboxes or a group.
    """
    found = parse_addresses(text, by_line=by_line)
    if len(found) == 1 and isinstance(found[0], Mailbox):
        return found[0]
    what = f"contains {len(found)}" if len(found) > 1 else "is a group" if found else "is empty"
    raise MailboxError(f"exactly one address is expected, but {quoted(text)} {what}", hint="give one address")


def parse_addresses(text: str, *, by_line: bool = False) -> tuple[Address, ...]:
    """Read a list of mailboxes and groups, separated by commas or semicolons; blank text is an empty list.

    With `by_line` a line end separates too. It is for what a person typed into a list: elsewhere a line end is an
    error, so that a text which should be one mailbox never becomes two.

    Raises:
        MailboxError: one of them is invalid; the message names it.
    """
    return _parse_cached(text, by_line) if len(text) <= MOST_CACHED_CHARACTERS else _parse(text, by_line)


def addresses(given: Addresses) -> tuple[Address, ...]:
    """Give addresses as a list: texts are parsed as lists, mailboxes and groups are taken as they are.

    Raises:
        MailboxError: a text contains an invalid mailbox; its `key` says which text of the list.
    """
    if isinstance(given, str):
        return parse_addresses(given)
    if isinstance(given, Mailbox | Group):
        return (given,)
    found: list[Address] = []
    for index, one in enumerate(given):
        try:
            found += addresses(one)
        except MailboxError as error:
            raise error.locate(key=f"[{index}]") from None
    return tuple(found)


def mailboxes(given: Addresses) -> Iterator[Mailbox]:
    """Give all mailboxes of an address field of an Email, including those of groups.

    Raises:
        MailboxError: as `addresses` does.
    """
    return members(addresses(given))


def members(listed: Sequence[Address]) -> Iterator[Mailbox]:
    """Give all mailboxes of a list that is read already, including those of groups."""
    for address in listed:
        if isinstance(address, Group):
            yield from address.mailboxes
        else:
            yield address


def _parse(text: str, by_line: bool) -> tuple[Address, ...]:
    plain = _PLAIN.fullmatch(text)
    if plain and (plain[1] is None) == (plain[4] is None):
        try:
            return (Mailbox(plain[1] or "", plain[2], plain[3]),)
        except MailboxError:
            pass  # the slow way says where it stands
    return _parse_slowly(text, by_line=by_line)


_parse_cached = lru_cache(maxsize=1024)(_parse)


def _parse_slowly(text: str, *, by_line: bool) -> tuple[Address, ...]:
    text = text.strip()
    _check(text.translate(_AS_BLANKS if by_line else _TAB_AS_BLANK))
    tokens = tokenize(text)
    return tuple(_addresses(cut_at_line_ends(tokens) if by_line else tokens))


def _check(text: str) -> None:
    if unfit := _UNFIT.search(text):
        what = f"a control character (U+{ord(unfit[0]):04X}) at character {unfit.start() + 1}"
        raise MailboxError(f"{quoted(text)} has {what}", hint=_UNFIT_HINT)


def _addresses(tokens: Iterator[Token]) -> Iterator[Address]:
    """Cut the list at its separators; a group runs from its colon to its semicolon."""
    position, item, group, members = 1, list[Token](), None, list[Mailbox]()
    for token in tokens:
        if token == _COLON:
            group, item = _group_name(item, position, group), []
        elif token not in _SEPARATORS:
            item.append(token)
        else:
            if words_of(item):
                is_last = token.kind == "end"
                place = "the address" if is_last and position == 1 else f"address {position}"
                mailbox = _mailbox(item, place, is_last=is_last)
                position += 1
                if group is None:
                    yield mailbox
                else:
                    members.append(mailbox)
            item = []
            if group is not None and token.text != ",":
                if token.kind == "end":
                    raise MailboxError(
                        f"the group {quoted(group)} is not closed",
                        hint="end a group with a semicolon, or put a name that contains a colon in double quotes",
                    )
                yield Group(group, tuple(members))
                group, members = None, []


def _group_name(item: list[Token], position: int, outer: str | None) -> str:
    """Read a group's name, before the colon; only address literals contain another colon."""
    if item and item[-1].text.lower() == "mailto":
        raise MailboxError(f"address {position} begins with mailto:", hint=_MAILTO_HINT)
    if any(token.text == "<" for token in item):
        # RFC 5321 appendix C: a route is ignored at best; at worst it is followed.
        raise MailboxError(
            f"address {position}: {_shown(item)} contains a source route",
            hint="write only the address in < >, without a route",
        )
    if outer is not None:
        raise MailboxError(
            f"address {position}: there is a group within the group {quoted(outer)}", hint="end the first group with ;"
        )
    name = _phrase(item, f"address {position}")
    if not name:
        raise MailboxError(f"address {position}: there is no group name before the colon", hint=QUOTE_HINT)
    return name


def _mailbox(item: list[Token], place: str, *, is_last: bool) -> Mailbox:
    opening = next((index for index, token in enumerate(item) if token.text == "<"), None)
    if opening is None:
        if not is_last and not any(token.text == "@" for token in item):
            raise MailboxError(f"{place} ({_shown(item)}) has no @", hint=_COMMA_HINT)
        return _located(item, place, name_behind(item))
    rest = item[opening + 1 :]
    closing = next((index for index, token in enumerate(rest) if token.text == ">"), len(rest))
    if closing == len(rest) or words_of(rest[closing + 1 :]):
        raise MailboxError(
            f"{place} ({_shown(item)}): an address in < > ends with >, and nothing may follow",
            hint=_WRITE_HINT,
        )
    before, address = item[:opening], rest[:closing]
    # Some programs write the address where they know no name.
    name = "" if _is_same_address(before, address) else _phrase(before, place)
    return _located(address, place, name)


def _is_same_address(one: list[Token], other: list[Token]) -> bool:
    if not any(token.text == "@" for token in one):
        return False
    try:
        return _located(one, "", "").addr_spec.lower() == _located(other, "", "").addr_spec.lower()
    except MailboxError:
        return False


def _located(tokens: list[Token], place: str, display_name: str) -> Mailbox:
    """Make a mailbox of local part, @ and domain; comments and blanks may only stand around the three."""
    parts = trimmed(tokens)
    if [part.text == "@" for part in parts] != [False, True, False]:
        what = "is not an address" if any(part.text == "@" for part in parts) else "has no @"
        hint = _TWO_HINT if sum(part.text == "@" for part in parts) > 1 else _WRITE_HINT
        raise MailboxError(f"{place} ({_shown(tokens)}) {what}", hint=hint)
    try:
        return Mailbox(display_name, parts[0].text, parts[2].text)
    except MailboxError as error:
        raise MailboxError(f"{place}: {error.message}", hint=error.hint) from None


def _phrase(tokens: list[Token], place: str) -> str:
    words = words_of(tokens)
    if any(word.kind not in {"atom", "quoted"} for word in words):
        raise MailboxError(f"{place}: the name {_shown(tokens)} contains a special character", hint=QUOTE_HINT)
    return " ".join(_unquoted(word, is_all=len(words) == 1) for word in words).strip()


def _unquoted(word: Token, *, is_all: bool) -> str:
    """Give a word of a name; typographic quotes around a part of it are the name's own."""
    if word.kind != "quoted" or (word.text[0] != '"' and not is_all):
        return word.text
    return re.sub(r"\\(.)", r"\1", word.text[1:-1]) if word.text[0] == '"' else word.text[1:-1]


def _shown(tokens: list[Token]) -> str:
    return quoted("".join(token.text for token in tokens).strip())
