"""Mailboxes from settings with expressions in them, so that no value brings a mailbox more than its place has.

The setting is parsed with a token in each expression's place; values are put into the mailboxes that come out. A value
is never parsed together with what stands around it, so no comma, quote or bracket in it means anything there.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

from mailnode.errors import ErrorCode, ExpressionError, MailboxError
from mailnode.message.mailbox import Address, Group, Mailbox, parse_addresses, parse_mailbox
from mailnode.node.expression import Evaluator
from mailnode.node.js_string import Printed
from mailnode.node.template import Template
from mailnode.printable import quoted_ascii

# An expression is a whole address, not a part of one, between these.
_BEFORE_ADDRESS = (",", ";", ":", "<")
_LINE_END = re.compile(r"[\r\n]")
_AFTER_ADDRESS = re.compile(r"\s*[,;>]|[^\S\r\n]*[\r\n](?!\s*<)")
_SPECIAL = re.compile(r"[\s()<>\[\]:;@\\,\"]")
_SEPARATORS = re.compile(r"[,;]")
# More than any name and address together have; to read a megabyte of them takes seconds.
_MOST_CHARACTERS = 10_000
_LIST_HINT = "a string is one mailbox; make the list an array, one mailbox an item: value.split(',')"
_LINES_HINT = "a string is one mailbox: take the character out, or make the lines an array: value.split('\\n')"
_EMPTY_HINT = 'give it an address, or say what stands in for it: {{ input.email || "office@example.org" }}'
_NAME_HINT = "leave out the name before < >, or bring the address alone"
_PART_HINT = "give that part alone, or the whole address in one expression"


async def render_addresses(template: Template, evaluator: Evaluator, *, required: bool = False) -> tuple[Address, ...]:
    """Fill in an address setting.

    A string is one mailbox, an array one an item; both may stand among others, in a group, or in < > behind a name. As
    a part of a mailbox (its name, what stands before or after the @) a value is that part and nothing else. An empty
    string is no mailbox, and an error when `required`.

    Raises:
        ExpressionError: `badMailbox` for a value that is not one mailbox, `badHeader` for a control character in one.
        MailboxError: the literal text around the expressions is not a list of mailboxes.
    """
    try:
        pieces = await evaluator.pieces(template, required=required, control_ok=False)
    except ExpressionError as error:
        if error.code is ErrorCode.BAD_HEADER:
            error.hint = _LINES_HINT
        raise
    return _Recipients(pieces, required).addresses()


async def render_mailbox(template: Template, evaluator: Evaluator) -> Mailbox:
    """Fill in the setting of exactly one mailbox, as `render_addresses` with `required`."""
    addresses = await render_addresses(template, evaluator, required=True)
    match addresses:
        case (Mailbox() as mailbox,):
            return mailbox
    what = "a group" if len(addresses) == 1 else f"{len(addresses)} mailboxes"
    raise MailboxError(f"one mailbox is wanted here, not {what}", hint="give a single address")


class _Recipients:
    """A setting with its values, each behind a token that can stand in any part of a mailbox."""

    def __init__(self, pieces: list[str | Printed], required: bool) -> None:
        self._pieces = pieces
        self._required = required
        self._values = [piece for piece in pieces if isinstance(piece, Printed)]
        for value in self._values:
            if (longest := max(map(len, value.texts), default=0)) > _MOST_CHARACTERS:
                raise _no_mailbox(value, f"is {longest} characters long, which no mailbox is", _LIST_HINT)
        literal = "".join(piece for piece in pieces if isinstance(piece, str)).casefold()
        prefix = "zq"
        while prefix in literal:
            prefix += "q"
        self._prefix = prefix
        self._token = re.compile(rf"{prefix}([0-9]+)z(?:@{prefix}\1z)?")

    def addresses(self) -> tuple[Address, ...]:
        try:
            # The line ends are the author's: a value stands here as one token.
            parsed = parse_addresses("".join(self._marked()), by_line=True)
        except MailboxError as error:
            named = self._token.sub(lambda token: str(self._value(token).expression), error.message)
            raise MailboxError(named, hint=error.hint) from None
        return tuple(self._restored(parsed))

    def _marked(self) -> Iterator[str]:
        number = 0
        for index, piece in enumerate(self._pieces):
            if isinstance(piece, str):
                yield piece
                continue
            token = f"{self._prefix}{number}z"
            yield f"{token}@{token}" if self._is_address(index) else token
            number += 1

    def _is_address(self, index: int) -> bool:
        # The list's ends separate as its commas do.
        before, after = self._literal(index - 1), self._literal(index + 1)
        if index <= 1:
            before = f",{before}"
        if index >= len(self._pieces) - 2:
            after = f"{after},"
        bare = before.rstrip()
        is_begun = bare.endswith(_BEFORE_ADDRESS) or bool(_LINE_END.search(before, len(bare)))
        return is_begun and bool(_AFTER_ADDRESS.match(after))

    def _literal(self, index: int) -> str:
        piece = self._pieces[index] if 0 <= index < len(self._pieces) else ""
        return piece if isinstance(piece, str) else "{}"

    def _value(self, token: re.Match[str]) -> Printed:
        return self._values[int(token[1])]

    def _text(self, marked: str) -> str:
        return self._token.sub(lambda token: self._value(token).text, marked)

    def _restored(self, addresses: tuple[Address, ...]) -> Iterator[Address]:
        for address in addresses:
            if isinstance(address, Group):
                members = tuple(mailbox for member in address.mailboxes for mailbox in self._mailboxes(member))
                yield Group(self._text(address.display_name), members)
            else:
                yield from self._mailboxes(address)

    def _mailboxes(self, mailbox: Mailbox) -> Iterator[Mailbox]:
        whole = self._token.fullmatch(mailbox.addr_spec)
        display_name = self._text(mailbox.display_name).strip()
        if whole is None:
            yield replace(self._filled(mailbox), display_name=display_name)
            return
        value = self._value(whole)
        texts = [text for text in value.texts if text.strip()]
        if not texts and self._required:
            raise _no_mailbox(value, "is empty", _EMPTY_HINT, code=ErrorCode.NO_VALUE)
        if display_name and len(texts) > 1:
            raise _no_mailbox(value, "is several addresses behind one name", _NAME_HINT)
        for text in texts:
            yield self._named(_mailbox(value, text), display_name, value)

    def _named(self, mailbox: Mailbox, display_name: str, value: Printed) -> Mailbox:
        if display_name and mailbox.display_name:
            what = f"has a name of its own, {quoted_ascii(mailbox.display_name)}, within < >"
            raise _no_mailbox(value, what, _NAME_HINT)
        return replace(mailbox, display_name=display_name or mailbox.display_name)

    def _filled(self, mailbox: Mailbox) -> Mailbox:
        """Put values into the local part and the domain."""
        tokens = list(self._token.finditer(mailbox.addr_spec))
        for token in tokens:
            if special := _SPECIAL.search(self._value(token).text):
                what = f"holds {special[0]!a}, and is only a part of an address"
                raise _no_mailbox(self._value(token), what, _PART_HINT)
        return _mailbox(self._value(tokens[0]), self._text(mailbox.addr_spec)) if tokens else mailbox


def _mailbox(value: Printed, text: str) -> Mailbox:
    try:
        return parse_mailbox(text)
    except MailboxError as error:
        hint = _LIST_HINT if _is_list(text) else error.hint
        raise _no_mailbox(value, f"is not one mailbox: {error.message}", hint) from None


def _is_list(text: str) -> bool:
    """Whether several addresses are meant: behind separators, or behind blanks without a name."""
    by_separators = sum("@" in piece for piece in _SEPARATORS.split(text))
    by_blanks = sum("@" in word and not word.startswith("<") for word in text.split())
    return max(by_separators, by_blanks) > 1


def _no_mailbox(value: Printed, what: str, hint: str, code: ErrorCode = ErrorCode.BAD_MAILBOX) -> ExpressionError:
    return ExpressionError(f"{value.expression} {what}", code=code, hint=hint)
