"""Address settings with expressions: no value adds a mailbox, or changes another part of one than its own.

The setting is parsed with a token in each expression's place; values are put into the mailboxes that come out. A value
is never parsed together with what stands around it, so no comma, quote or bracket in it means anything there.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from mailnode.errors import ErrorCode, ExpressionError, MailboxError
from mailnode.message.mailbox import Address, Group, Mailbox, parse_addresses, parse_mailbox
from mailnode.node.expression import Evaluator
from mailnode.node.js_string import ValueText
from mailnode.node.template import Expression, has_braces, parse_template
from mailnode.printable import quoted_ascii

# An expression is a whole address, not a part of one, between these.
_BEFORE_ADDRESS = (",", ";", ":", "<")
_LINE_END = re.compile(r"[\r\n]")
_AFTER_ADDRESS = re.compile(r"\s*[,;>]|[^\S\r\n]*[\r\n](?!\s*<)")
_SPECIAL = re.compile(r"[\s()<>\[\]:;@\\,\"]")
_SEPARATORS = re.compile(r"[,;]")
# More than any name and address together have; to read a megabyte of them takes seconds.
_MOST_CHARACTERS = 10_000
_LIST_HINT = "a string is one address; for several, use an array: value.split(',')"
_LINES_HINT = "a string is one address: remove the character, or make the lines an array: value.split('\\n')"
_EMPTY_HINT = 'give it an address, or a default: {{ input.email || "office@example.org" }}'
_NAME_HINT = "remove the name before < >, or give only the address"
_PART_HINT = "give only that part, or the whole address in one expression"


@dataclass(frozen=True, slots=True)
class AddressTemplate:
    """An address setting, parsed: its mailboxes, in which a token stands for each expression."""

    source: str
    expressions: tuple[Expression, ...]
    addresses: tuple[Address, ...]
    token: re.Pattern[str]


def parse_address_template(text: str) -> AddressTemplate:
    """Parse a list of mailboxes and groups, separated by commas, semicolons or line ends, with expressions in it.

    Raises:
        ExpressionError: as `parse_template`.
        MailboxError: the text around the expressions is not a list of mailboxes.
    """
    template = parse_template(text)
    expressions = template.expressions
    prefix = _unused_prefix(template.parts)
    token = re.compile(rf"{prefix}([0-9]+)z(?:@{prefix}\1z)?")
    try:
        # The line ends are the author's: a value stands here as one token.
        addresses = parse_addresses("".join(_with_tokens(template.parts, prefix)), by_line=True)
    except MailboxError as error:
        named = token.sub(lambda found: str(expressions[int(found[1])]), error.message)
        raise MailboxError(named, hint=error.hint) from None
    return AddressTemplate(text, expressions, addresses, token)


def parse_mailbox_template(text: str) -> AddressTemplate:
    """Parse a setting of exactly one mailbox; how many the expressions bring shows when they are evaluated.

    Raises:
        ExpressionError: as `parse_template`.
        MailboxError: as `parse_address_template`, or a text without expressions is not one mailbox.
    """
    if not has_braces(text):
        parse_mailbox(text, by_line=True)
    return parse_address_template(text)


async def render_addresses(
    parsed: AddressTemplate, evaluator: Evaluator, *, required: bool = False
) -> tuple[Address, ...]:
    """Fill in an address setting.

    A string is one mailbox, an array one an item; both may stand among others, in a group, or in < > behind a name. As
    a part of a mailbox (its name, what stands before or after the @) a value is that part and nothing else. An empty
    string is no mailbox, and an error when `required`.

    Raises:
        ExpressionError: `badMailbox` for a value that is not one mailbox, `badHeader` for a control character in one.
    """
    if not parsed.expressions:
        return parsed.addresses
    try:
        values = await evaluator.value_texts(parsed.expressions, required=required, control_ok=False)
    except ExpressionError as error:
        if error.code is ErrorCode.BAD_HEADER:
            error.hint = _LINES_HINT
        raise
    return _Filler(parsed, values, required=required).addresses()


async def render_mailbox(parsed: AddressTemplate, evaluator: Evaluator) -> Mailbox:
    """Fill in the setting of exactly one mailbox, as `render_addresses` with `required`."""
    addresses = await render_addresses(parsed, evaluator, required=True)
    match addresses:
        case (Mailbox() as mailbox,):
            return mailbox
    what = "a group" if len(addresses) == 1 else f"{len(addresses)} addresses"
    raise MailboxError(f"exactly one address is expected here, not {what}", hint="give one address")


def _unused_prefix(parts: tuple[str | Expression, ...]) -> str:
    """Give a prefix for tokens that no literal text of the setting contains."""
    literal = "".join(part for part in parts if isinstance(part, str)).casefold()
    prefix = "zq"
    while prefix in literal:
        prefix += "q"
    return prefix


def _with_tokens(parts: tuple[str | Expression, ...], prefix: str) -> Iterator[str]:
    number = 0
    for index, part in enumerate(parts):
        if isinstance(part, str):
            yield part
            continue
        token = f"{prefix}{number}z"
        yield f"{token}@{token}" if _is_address(parts, index) else token
        number += 1


def _is_address(parts: tuple[str | Expression, ...], index: int) -> bool:
    """Tell whether an expression is a whole address, by the text before and after it."""
    # The list's ends separate as its commas do.
    before, after = _literal(parts, index - 1), _literal(parts, index + 1)
    if index <= 1:
        before = f",{before}"
    if index >= len(parts) - 2:
        after = f"{after},"
    bare = before.rstrip()
    is_begun = bare.endswith(_BEFORE_ADDRESS) or bool(_LINE_END.search(before, len(bare)))
    return is_begun and bool(_AFTER_ADDRESS.match(after))


def _literal(parts: tuple[str | Expression, ...], index: int) -> str:
    part = parts[index] if 0 <= index < len(parts) else ""
    return part if isinstance(part, str) else "{}"


class _Filler:
    """Replaces tokens by values, in any part of a mailbox."""

    def __init__(self, parsed: AddressTemplate, values: list[ValueText], *, required: bool) -> None:
        self._addresses = parsed.addresses
        self._token = parsed.token
        self._values = values
        self._required = required
        for value in values:
            if (longest := max(map(len, value.texts), default=0)) > _MOST_CHARACTERS:
                raise _no_mailbox(value, f"is {longest} characters long, too long for an address", _LIST_HINT)

    def addresses(self) -> tuple[Address, ...]:
        return tuple(self._filled_in())

    def _value(self, token: re.Match[str]) -> ValueText:
        return self._values[int(token[1])]

    def _text(self, marked: str) -> str:
        return self._token.sub(lambda token: self._value(token).text, marked)

    def _filled_in(self) -> Iterator[Address]:
        for address in self._addresses:
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
            raise _no_mailbox(value, "is several addresses after one name", _NAME_HINT)
        for text in texts:
            yield self._named(_mailbox(value, text), display_name, value)

    def _named(self, mailbox: Mailbox, display_name: str, value: ValueText) -> Mailbox:
        if display_name and mailbox.display_name:
            what = f"has its own name, {quoted_ascii(mailbox.display_name)}, within < >"
            raise _no_mailbox(value, what, _NAME_HINT)
        return replace(mailbox, display_name=display_name or mailbox.display_name)

    def _filled(self, mailbox: Mailbox) -> Mailbox:
        """Put values into the local part and the domain."""
        tokens = list(self._token.finditer(mailbox.addr_spec))
        for token in tokens:
            if special := _SPECIAL.search(self._value(token).text):
                what = f"contains {special[0]!a}, but is only a part of an address"
                raise _no_mailbox(self._value(token), what, _PART_HINT)
        return _mailbox(self._value(tokens[0]), self._text(mailbox.addr_spec)) if tokens else mailbox


def _mailbox(value: ValueText, text: str) -> Mailbox:
    try:
        return parse_mailbox(text)
    except MailboxError as error:
        hint = _LIST_HINT if _is_list(text) else error.hint
        raise _no_mailbox(value, f"is not one address: {error.message}", hint) from None


def _is_list(text: str) -> bool:
    """Tell whether several addresses are meant, separated by commas, semicolons or blanks."""
    by_separators = sum("@" in piece for piece in _SEPARATORS.split(text))
    by_blanks = sum("@" in word and not word.startswith("<") for word in text.split())
    return max(by_separators, by_blanks) > 1


def _no_mailbox(value: ValueText, what: str, hint: str, code: ErrorCode = ErrorCode.BAD_MAILBOX) -> ExpressionError:
    return ExpressionError(f"{value.expression} {what}", code=code, hint=hint)
