"""Values as text, as ECMAScript's ToString gives it, and errors for values that have none."""

import math
import re
from dataclasses import dataclass
from typing import Any

from mailnode.errors import ErrorCode, ExpressionError
from mailnode.node.template import Expression, without_line_ends
from mailnode.printable import CONTROL, quoted_ascii

RESULT_CHARACTERS = 2**20

# A double has all digits of these.
_WHOLE_UP_TO = 2**53
_CONTROL = re.compile(f"[{CONTROL}]")


@dataclass(frozen=True)
class ValueText:
    """An expression with the text of its value; of an array, one text for each item."""

    expression: Expression
    texts: tuple[str, ...]
    is_list: bool

    @property
    def text(self) -> str:
        """The text that takes the expression's place in its template."""
        return ", ".join(self.texts)


def text_of_state_value(value: Any) -> tuple[str, Any] | None:
    """Give a value of the state as the sandbox would, `(kind, text or items)`; None leaves it to the sandbox."""
    if not isinstance(value, list):
        return _scalar(value)
    items = [_scalar(item) for item in value]
    return None if None in items else ("list", items)


def _scalar(value: Any) -> tuple[str, Any] | None:
    match value:
        case None:
            return "null", None
        case bool():
            return "boolean", "true" if value else "false"
        case int() | float():
            return _number(value)
        case str() if value.isascii() or is_unicode(value):
            return "string", value
        case _:
            return None


def with_shortest_digits(kind: str, value: Any) -> tuple[str, Any]:
    """Give a result of the sandbox with numbers in the fewest digits; quickjs gives more for some, such as 2**-24."""
    if isinstance(value, list):
        return kind, [with_shortest_digits(*item) for item in value]
    return (kind, value) if kind != "number" else _number(float(value)) or (kind, value)


def _number(value: float) -> tuple[str, Any] | None:
    if type(value) is int and abs(value) <= _WHOLE_UP_TO:
        return "number", str(value)
    try:
        number = float(value)
    except OverflowError:
        return None
    return ("number", number_text(number)) if math.isfinite(number) else None


def is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def number_text(number: float) -> str:
    """ECMAScript's Number::toString for a finite number: `1e+21`, `0.000001`, `1e-7`, and `0` for minus zero."""
    if number == 0:
        return "0"
    sign = "-" if number < 0 else ""
    # repr has the same digits, the fewest that read back, and only sets them differently
    mantissa, _, exponent = repr(abs(number)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    point = len(whole) + int(exponent or 0)
    digits = (whole + fraction).lstrip("0")
    point -= len(whole + fraction) - len(digits)
    return sign + _set_point(digits.rstrip("0"), point)


def _set_point(digits: str, point: int) -> str:
    """Write `0.digits * 10**point`."""
    if len(digits) <= point <= 21:  # noqa: PLR2004 -- as ECMA-262 has it
        return digits.ljust(point, "0")
    if 0 < point <= 21:  # noqa: PLR2004
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:  # noqa: PLR2004
        return f"0.{'0' * -point}{digits}"
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{fraction}e{point - 1:+d}"


@dataclass(frozen=True)
class TextRules:
    """Which values may stand in a text, and how long and of which characters they may be."""

    empty_ok: bool
    control_ok: bool
    max_characters: int

    def value_text(self, expression: Expression, value: tuple[str, Any]) -> ValueText:
        kind, content = value
        is_list = kind == "list"
        texts = (
            [self._text(expression, *one) for one in content] if is_list else [self._text(expression, kind, content)]
        )
        result = ValueText(expression, tuple(texts), is_list)
        self._check(expression, result.text)
        return result

    def _text(self, expression: Expression, kind: str, text: str | None) -> str:
        if text is not None:
            return text if self.control_ok else without_line_ends(text)
        if self.empty_ok and kind in {"null", "undefined"}:
            return ""
        raise no_text_error(expression, kind)

    def _check(self, expression: Expression, text: str) -> None:
        if len(text) > self.max_characters:
            raise too_long_error(expression, len(text), self.max_characters)
        if not text.isascii() and not is_unicode(text):
            raise half_character_error(expression, text)
        if not self.control_ok and (control := _CONTROL.search(text)):
            raise ExpressionError(
                f"{expression} contains the control character {control[0]!a}, which is not allowed here",
                code=ErrorCode.BAD_HEADER,
                hint="remove it: value.replace(/\\s+/g, ' ')",
            )


def too_long_error(expression: Expression, length: int, limit: int) -> ExpressionError:
    return ExpressionError(
        f"{expression} is {length} characters long; the limit is {limit}",
        code=ErrorCode.EXPRESSION_LIMIT,
        hint="shorten it, or send it as an attachment",
    )


def half_character_error(expression: Expression, text: str) -> ExpressionError:
    return ExpressionError(
        f"{expression} contains half of a surrogate pair: {quoted_ascii(text)}",
        hint="cut text between characters: Array.from(text).slice(0, 10).join('')",
    )


def no_text_error(expression: Expression, kind: str) -> ExpressionError:
    if kind in {"null", "undefined"}:
        return ExpressionError(
            f"{expression} is {kind}",
            code=ErrorCode.NO_VALUE,
            hint='give it a value, or a default: {{ input.name ?? "customer" }}',
        )
    hint = {
        "object": "use one of its properties, or print it with JSON.stringify()",
        "list": "join the inner arrays, or flatten them with .flat()",
        "function": "call it: add () after its name",
    }
    article = "an" if kind == "object" else "a"
    what = "contains an array within an array" if kind == "list" else f"is {article} {kind}"
    return ExpressionError(
        f"{expression} {what}, which can't be written as text", hint=hint.get(kind, "use another value")
    )
