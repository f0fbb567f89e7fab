"""Operators, properties and methods of JavaScript for the values where Python agrees with it.

All raise NeedsEngine for any other value.
"""

import math
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any, NoReturn

from mailnode.node.js_string import is_unicode, number_text


class NeedsEngine(Exception):
    """Only JavaScript knows the value."""


class _Undefined:
    """JavaScript's undefined; None is its null."""


UNDEFINED = _Undefined()

_MOST_FIXED = 20
_FIXED_BELOW = 1e21
# In these quickjs has the same digits as everybody.
_WHOLE_BELOW = 1e15
_EXACT = Context(prec=60)
# What each object has without being given it.
_INHERITED = frozenset(
    {"constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString", "toString", "valueOf"}
    | {"__proto__", "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__"}
)


def leave() -> NoReturn:
    """Leave it to the engine."""
    raise NeedsEngine


def truth_of(value: Any) -> bool:
    """Tell whether JavaScript takes a value for true."""
    return isinstance(value, (dict, list)) or (value is not UNDEFINED and bool(value))


def property_of(of: Any, name: str) -> Any:
    """Give what stands at a name, or how long a text or list is."""
    if name in _INHERITED:
        raise NeedsEngine
    if isinstance(of, dict):
        return of.get(name, UNDEFINED)
    if name == "length" and isinstance(of, list):
        return float(len(of))
    # It counts the halves of what is beyond 16 bits.
    if name == "length" and isinstance(of, str) and (of.isascii() or max(of) <= "\uffff"):
        return float(len(of))
    raise NeedsEngine


def item_of(of: Any, number: int) -> Any:
    """Give an item of a list."""
    if isinstance(of, list):
        return of[number] if number < len(of) else UNDEFINED
    raise NeedsEngine


def number_of(value: Any) -> float:
    """Give the double of a number."""
    if type(value) is float and math.isfinite(value):
        return value
    if type(value) is int and abs(value) < _FIXED_BELOW:
        return float(value)
    raise NeedsEngine


def _finite(value: float) -> float:
    return value if math.isfinite(value) else leave()


def _text(value: Any) -> str:
    if isinstance(value, str) and (value.isascii() or is_unicode(value)):
        return value
    number = number_of(value)
    # quickjs has more digits than the fewest in some numbers.
    return number_text(number) if number.is_integer() and abs(number) < _WHOLE_BELOW else leave()


def _plus(left: Any, right: Any) -> Any:
    if isinstance(left, str) or isinstance(right, str):
        return _text(left) + _text(right)
    return _finite(number_of(left) + number_of(right))


def _divided(left: Any, right: Any) -> float:
    return _finite(number_of(left) / (number_of(right) or leave()))


def _remainder(left: Any, right: Any) -> float:
    return math.fmod(number_of(left), number_of(right) or leave())


def _kind(value: Any) -> str:
    if value is None or value is UNDEFINED:
        return "none"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    return "string" if isinstance(value, str) else "object"


def _is_same(left: Any, right: Any) -> bool:
    kind = _kind(left)
    if kind != _kind(right):
        return False
    if kind == "none":
        return left is right
    if kind == "object":  # what is one object here may be two there
        raise NeedsEngine
    if kind == "number":
        return number_of(left) == number_of(right)
    return bool((_text(left) == _text(right)) if kind == "string" else left is right)


def _is_alike(left: Any, right: Any) -> bool:
    kinds = {_kind(left), _kind(right)}
    if "none" in kinds:
        return len(kinds) == 1
    return _is_same(left, right) if len(kinds) == 1 else leave()


def _order(left: Any, right: Any) -> int:
    """Compare two numbers, or two texts by their characters."""
    if isinstance(left, str) and isinstance(right, str) and left.isascii() and right.isascii():
        return (left > right) - (left < right)
    one, other = number_of(left), number_of(right)
    return (one > other) - (one < other)


# From the loosest to the tightest.
LEVELS: tuple[dict[str, Callable[[Any, Any], Any]], ...] = (
    {
        "===": _is_same,
        "!==": lambda left, right: not _is_same(left, right),
        "==": _is_alike,
        "!=": lambda left, right: not _is_alike(left, right),
    },
    {
        "<": lambda left, right: _order(left, right) < 0,
        ">": lambda left, right: _order(left, right) > 0,
        "<=": lambda left, right: _order(left, right) <= 0,
        ">=": lambda left, right: _order(left, right) >= 0,
    },
    {"+": _plus, "-": lambda left, right: _finite(number_of(left) - number_of(right))},
    {"*": lambda left, right: _finite(number_of(left) * number_of(right)), "/": _divided, "%": _remainder},
)


def _to_fixed(of: Any, digits: str | int | None) -> str:
    number = number_of(of)
    if isinstance(digits, str) or (digits or 0) > _MOST_FIXED or abs(number) >= _FIXED_BELOW:
        raise NeedsEngine
    # Exactly: the double nearest to 1.005 is less than that, and what lies between two is rounded away from zero.
    exact = Decimal(number or 0.0)
    return f"{exact.quantize(Decimal(1).scaleb(-(digits or 0)), rounding=ROUND_HALF_UP, context=_EXACT):f}"


def _ascii(of: Any, argument: object) -> str:
    return of if isinstance(of, str) and of.isascii() and argument is None else leave()


def _joined(of: Any, separator: str | int | None) -> str:
    if not isinstance(of, list) or isinstance(separator, int):
        raise NeedsEngine
    return ("," if separator is None else separator).join("" if item is None else _text(item) for item in of)


METHODS: dict[str, Callable[[Any, str | int | None], Any]] = {
    "toFixed": _to_fixed,
    "toUpperCase": lambda of, argument: _ascii(of, argument).upper(),
    "toLowerCase": lambda of, argument: _ascii(of, argument).lower(),
    "trim": lambda of, argument: _ascii(of, argument).strip(" \t\n\v\f\r"),
    "join": _joined,
}
