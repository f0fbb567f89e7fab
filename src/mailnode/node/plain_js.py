"""Simple expressions without the JavaScript engine: paths, literals, operators and a few methods.

Most expressions are `input.cents / 100` or `input.name ?? "friend"`, and the way to the engine's process and back takes
ten times what the rest of a setting does. Whatever is not sure to give JavaScript's value here, in the grammar or for a
value, is left to the engine: there is no second JavaScript, only a part of it that Python agrees with.
`tests/node/test_plain_js.py` compares the two.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from mailnode.node.plain_values import (
    LEVELS,
    METHODS,
    UNDEFINED,
    NeedsEngine,
    item_of,
    leave,
    number_of,
    property_of,
    truth_of,
)

State = Mapping[str, Any]
Evaluate = Callable[[State], Any]

_MOST_CHARACTERS = 300
_MOST_DEPTH = 12
_MOST_EXPRESSIONS = 1000

_TOKEN = re.compile(
    r"""[ \t\r\n\u00a0]*+(?:
      (?P<other>\+\+|--|\*\*|<<|>>|//|/\*|\?\?=|&&=|\|\|=)
    | (?P<number>(?:(?:0|[1-9][0-9]*+)(?:\.[0-9]*+)?+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?(?![\w$\\]))
    | (?P<string>"[^"\\\n\r\u2028\u2029]*+"|'[^'\\\n\r\u2028\u2029]*+')
    | (?P<name>[A-Za-z_$][A-Za-z0-9_$]*+(?![^\x00-\x7f]|\\))
    | (?P<operator>===|!==|==|!=|<=|>=|&&|\|\||\?\?|\?\.(?![0-9])|[-+*/%<>!?:().\[\]])
    | (?P<end>\Z))""",
    re.VERBOSE,
)
_LITERALS = {"true": True, "false": False, "null": None, "undefined": UNDEFINED}


def evaluate(source: str, state: State) -> Any:
    """Give the value of an expression over the state.

    A number is an int or a float, and stands for the double that is nearest.

    Raises:
        NeedsEngine: it has to be asked.
    """
    compiled = _compiled(source)
    return compiled(state) if compiled else leave()


@lru_cache(maxsize=_MOST_EXPRESSIONS)
def _compiled(source: str) -> Evaluate | None:
    if len(source) > _MOST_CHARACTERS:
        return None
    try:
        return _Parser(source).whole()
    except NeedsEngine:
        return None


class _Parser:
    """Reads an expression by the grammar of JavaScript, as far as it is known here."""

    def __init__(self, source: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        position = 0
        while not self._tokens or self._tokens[-1][0] != "end":
            found = _TOKEN.match(source, position)
            if found is None or found.lastgroup in (None, "other"):
                raise NeedsEngine
            self._tokens.append((found.lastgroup or "", found[found.lastgroup or 0]))
            position = found.end()
        self._at = 0
        self._depth = 0
        self._is_mixed = False  # whether what was read last has || or && outside of brackets

    def whole(self) -> Evaluate:
        made = self._expression()
        return made if self._tokens[self._at][0] == "end" else leave()

    def _take(self, *operators: str) -> str:
        kind, text = self._tokens[self._at]
        if kind == "operator" and text in operators:
            self._at += 1
            return text
        return ""

    def _next(self) -> tuple[str, str]:
        """Take the next token, whatever it is; nothing stands behind the end."""
        token = self._tokens[self._at]
        if token[0] == "end":
            raise NeedsEngine
        self._at += 1
        return token

    def _expect(self, operator: str) -> None:
        if not self._take(operator):
            raise NeedsEngine

    def _expression(self) -> Evaluate:
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise NeedsEngine
        made = self._choice()
        self._depth -= 1
        return made

    def _choice(self) -> Evaluate:
        condition = self._short_circuit()
        if not self._take("?"):
            return condition
        first = self._expression()
        self._expect(":")
        second = self._expression()
        return lambda state: first(state) if truth_of(condition(state)) else second(state)

    def _short_circuit(self) -> Evaluate:
        """Read what `??` joins, or what `||` and `&&` do: JavaScript allows no mixture."""
        left = self._either()
        is_mixed = self._is_mixed
        while self._take("??"):
            right = self._either()
            if is_mixed or self._is_mixed:
                raise NeedsEngine
            left = _default(left, right)
        return left

    def _either(self) -> Evaluate:
        left = self._both()
        is_mixed = self._is_mixed
        while self._take("||"):
            left, is_mixed = _either(left, self._both()), True
        self._is_mixed = is_mixed
        return left

    def _both(self) -> Evaluate:
        left = self._binary(0)
        is_mixed = False
        while self._take("&&"):
            left, is_mixed = _both(left, self._binary(0)), True
        self._is_mixed = is_mixed
        return left

    def _binary(self, level: int) -> Evaluate:
        if level == len(LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        while operator := self._take(*LEVELS[level]):
            left = _operation(LEVELS[level][operator], left, self._binary(level + 1))
        return left

    def _unary(self) -> Evaluate:
        operator = self._take("!", "-", "+")
        if not operator:
            return self._chain()
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise NeedsEngine
        operand = self._unary()
        self._depth -= 1
        if operator == "!":
            return lambda state: not truth_of(operand(state))
        sign = -1.0 if operator == "-" else 1.0
        return lambda state: sign * number_of(operand(state))

    def _chain(self) -> Evaluate:
        base = self._primary()
        steps: list[tuple[bool, Callable[[Any], Any]]] = []
        while operator := self._take(".", "?.", "["):
            steps.append((operator == "?.", self._item() if operator == "[" else self._member()))
        return _chained(base, tuple(steps)) if steps else base

    def _item(self) -> Callable[[Any], Any]:
        kind, text = self._next()
        self._expect("]")
        if kind != "number" or not text.isdigit():
            raise NeedsEngine
        number = int(text)
        return lambda of: item_of(of, number)

    def _member(self) -> Callable[[Any], Any]:
        kind, name = self._next()
        if kind != "name":
            raise NeedsEngine
        if self._take("("):
            method = METHODS.get(name) or leave()
            argument = None if self._take(")") else self._argument()
            return lambda of: method(of, argument)
        return lambda of: property_of(of, name)

    def _argument(self) -> str | int:
        kind, text = self._next()
        self._expect(")")
        if kind == "string":
            return text[1:-1]
        return int(text) if kind == "number" and text.isdigit() else leave()

    def _primary(self) -> Evaluate:
        if self._take("("):
            made = self._expression()
            self._expect(")")
            return made
        kind, text = self._next()
        if kind == "name" and text in ("input", "context"):
            return lambda state: state[text]
        if kind == "name" and text in _LITERALS:
            value: Any = _LITERALS[text]
        elif kind == "number":
            value = float(text)
        elif kind == "string":
            value = text[1:-1]
        else:
            raise NeedsEngine
        return lambda _: value


def _default(left: Evaluate, right: Evaluate) -> Evaluate:
    def made(state: State) -> Any:
        value = left(state)
        return right(state) if value is None or value is UNDEFINED else value

    return made


def _either(left: Evaluate, right: Evaluate) -> Evaluate:
    def made(state: State) -> Any:
        value = left(state)
        return value if truth_of(value) else right(state)

    return made


def _both(left: Evaluate, right: Evaluate) -> Evaluate:
    def made(state: State) -> Any:
        value = left(state)
        return right(state) if truth_of(value) else value

    return made


def _operation(operate: Callable[[Any, Any], Any], left: Evaluate, right: Evaluate) -> Evaluate:
    return lambda state: operate(left(state), right(state))


def _chained(base: Evaluate, steps: tuple[tuple[bool, Callable[[Any], Any]], ...]) -> Evaluate:
    def made(state: State) -> Any:
        value = base(state)
        for is_optional, step in steps:
            if value is None or value is UNDEFINED:
                # The whole chain ends here, what stands behind it too.
                return UNDEFINED if is_optional else leave()
            value = step(value)
        return value

    return made
