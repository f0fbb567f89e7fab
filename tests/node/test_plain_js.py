"""What is evaluated without the JavaScript engine is what the engine makes of it.

PLAIN_JS_EXAMPLES=1000000 makes so many expressions; PLAIN_JS_SEED other ones.
"""

import json
import os
import random
from typing import Any

import pytest
import quickjs

from mailnode.node.expression import Evaluator
from mailnode.node.javascript import _EVALUATE, _SHAPES
from mailnode.node.js_string import text_of_state_value, with_shortest_digits
from mailnode.node.plain_js import evaluate
from mailnode.node.plain_values import UNDEFINED, NeedsEngine, truth_of
from mailnode.node.template import Expression

EXAMPLES = int(os.environ.get("PLAIN_JS_EXAMPLES", "4000"))
SEED = int(os.environ.get("PLAIN_JS_SEED", "1"))

STATE: dict[str, Any] = {
    "input": {
        "name": "Jane",
        "empty": "",
        "accent": "Zoë",
        "face": "\U0001f600",
        "half": "\ud800",
        "digits": "12",
        "blank": " a\x1f ",
        "zero": 0,
        "one": 1,
        "cents": 12345,
        "price": 1.005,
        "tie": 0.125,
        "minus": -2.5,
        "tiny": 2**-24,
        "huge": 1e21,
        "most": 2**53 + 1,
        "vast": 10**30,
        "negative": -0.001,
        "yes": True,
        "no": False,
        "nothing": None,
        "list": ["a", "b", 3, None],
        "numbers": [1, 2.5],
        "empties": [],
        "nested": [[1]],
        "objects": [{"name": "x"}],
        "order": {"id": 17, "length": 3, "lines": [{"name": "cup"}], "customer": {"name": "Joe", "toString": "own"}},
        "length": 9,
        "constructor": "own",
        "toFixed": "own",
        "class": "keyword",
        "$x": 1,
        "_y": 2,
        "": "unnamed",
    },
    "context": {"mail": {"status": "sent", "attempts": 1}},
}
NAMES = (
    *STATE["input"],
    *("id", "lines", "customer", "status", "attempts", "missing", "length", "toString", "__proto__", "valueOf", "mail"),
)
LITERALS = (
    "0",
    "1",
    "2",
    "10",
    "0.1",
    ".5",
    "3.",
    "1e3",
    "100",
    "007",
    "1_0",
    "1n",
    "'a'",
    '"b c"',
    "''",
    '"Jane"',
    "true",
    "false",
    "null",
    "undefined",
    "NaN",
    "[]",
    "({})",
    "`t`",
    "'\\n'",
)
BINARY = (
    "+",
    "-",
    "*",
    "/",
    "%",
    "===",
    "!==",
    "==",
    "!=",
    "<",
    ">",
    "<=",
    ">=",
    "&&",
    "||",
    "??",
    "**",
    "<<",
    ",",
    "in",
    "=",
)
METHODS = (
    ".toFixed(2)",
    ".toFixed()",
    ".toFixed(0)",
    ".toFixed(20)",
    ".toFixed(21)",
    ".toUpperCase()",
    ".toLowerCase()",
    ".trim()",
    ".join()",
    '.join(", ")',
    ".toString()",
    ".join(1)",
    ".toFixed('1')",
    ".slice(1)",
    ".map(x => x)",
)


TEXTS = (
    *("", "0", "-0", "1.0", " 1 ", "NaN", "true", "Zoë", "e\u0301", "\u0130", "ß", "\U0001f600", "\ud83d", "\ude00"),
    *("a\0b", "\x1c\x1f", "\x85", "\u00a0x\ufeff", "\u180e", "\u2028", "\uffff", "\ufdd0", "<b>&\"'", "~", "\x7f"),
)
NUMBERS = (
    *(0, -0.0, 1, -1, 0.1, 0.2, 2.5, -2.5, 1.005, 8.345, 0.375, 1 / 3, -0.4, 1e-6, 1e-7, 2**-24, 5e-324, 1e308),
    *(2**53 - 1, 2**53 + 1, 10**15 - 1, 10**15, 1e16, 123456789012345680, 1e21 - 65536, 10**21, 2**64, 10**400),
)


class Made:
    """Expressions by chance: mostly of the grammar that is evaluated here, with what lies beside it."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def state(self) -> dict[str, Any]:
        """Make data in which the names are, with whatever values."""
        return {name: {one: self._value(2) for one in NAMES} for name in ("input", "context")}

    def _value(self, depth: int) -> Any:
        choice = self._random.random()
        if depth == 0 or choice < 0.6:
            values = self._random.choice((TEXTS, NUMBERS, NUMBERS, (True, False, None)))
            return self._random.choice(values)
        count = self._random.randrange(4)
        if choice < 0.8:
            return [self._value(depth - 1) for _ in range(count)]
        return {name: self._value(depth - 1) for name in self._random.sample(NAMES, 2 * count)}

    def expression(self, depth: int = 3) -> str:
        """Make one."""
        choice = self._random.random()
        if depth == 0 or choice < 0.3:
            return self._operand()
        if choice < 0.7:
            space, count = self._random.choice((" ", "", "\n", " ")), self._random.choice((15, 16, 21))
            operator = space + self._random.choice(BINARY[:count]) + space
            return self.expression(depth - 1) + operator + self.expression(depth - 1)
        if choice < 0.8:
            return f"({self.expression(depth - 1)}){self._suffix()}"
        if choice < 0.9:
            return f"{self._random.choice('!-+')}{self.expression(depth - 1)}"
        return f"{self.expression(depth - 1)} ? {self.expression(depth - 1)} : {self.expression(depth - 1)}"

    def _operand(self) -> str:
        if self._random.random() < 0.35:
            return self._random.choice(LITERALS) + (self._suffix() if self._random.random() < 0.2 else "")
        path = self._random.choice(("input", "input", "input", "context", "input.order", "input.order.customer"))
        for _ in range(self._random.choice((1, 1, 1, 2, 0))):
            path += self._random.choice((".", ".", ".", "?.")) + self._random.choice(NAMES)
        return path + (self._suffix() if self._random.random() < 0.4 else "")

    def _suffix(self) -> str:
        return self._random.choice(("", "[0]", "[1]", "[9]", ".length", "?.length", ".name", *METHODS[:11], *METHODS))


class Engine:
    """quickjs as the sandbox uses it, in this process."""

    def __init__(self, state: dict[str, Any] = STATE) -> None:
        context = quickjs.Context()
        self._evaluate = {form: context.eval(_EVALUATE % shape) for form, shape in _SHAPES.items()}
        self._state = [context.parse_json(json.dumps(state[name])) for name in ("input", "context")]

    def ask(self, source: str, form: str) -> tuple[str, Any]:
        """Give the answer as the sandbox does."""
        answer = json.loads(
            self._evaluate[form](source, *self._state), object_hook=lambda pair: (pair["kind"], pair["value"])
        )
        return with_shortest_digits(*answer)


def ours(source: str, state: dict[str, Any] = STATE) -> tuple[tuple[str, Any] | None, bool] | None:
    """Give `(kind, text)` and truth; None if the engine has to be asked."""
    try:
        value = evaluate(source, state)
    except NeedsEngine:
        return None
    return ("undefined", None) if value is UNDEFINED else text_of_state_value(value), truth_of(value)


def test_simple_expressions_have_the_value_that_the_engine_gives_them():
    made, known = Made(SEED), 0
    for number in range(EXAMPLES):
        if number % 100 == 0:  # every other time with data by chance
            state = made.state() if number % 200 else STATE
            engine = Engine(state)
        source = made.expression()
        if answer := ours(source, state):
            text, truth = answer
            known += 1
            assert engine.ask(source, "truth") == ("truth", truth), (source, state)
            assert text is None or text == engine.ask(source, "text"), (source, state)
    assert known > EXAMPLES / 10


def test_expressions_that_are_cut_off_have_no_other_value_here():
    made, engine = Made(SEED), Engine()
    for _ in range(EXAMPLES // 20):
        whole = made.expression()
        for source in (whole[:end] for end in range(len(whole))):
            if answer := ours(source):
                assert engine.ask(source, "truth") == ("truth", answer[1]), source


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("(input.cents / 100).toFixed(2)", ("string", "123.45")),
        ("input.price.toFixed(2)", ("string", "1.00")),
        ("input.tie.toFixed(2)", ("string", "0.13")),
        ("input.negative.toFixed(2)", ("string", "-0.00")),
        ("input.zero.toFixed(8)", ("string", "0.00000000")),
        ("input.name ?? 'friend'", ("string", "Jane")),
        ("input.missing?.name ?? 'friend'", ("string", "friend")),
        ("input.missing", ("undefined", None)),
        ("input.yes ? 'Dear ' + input.name : ''", ("string", "Dear Jane")),
        ("input.list.join(', ')", ("string", "a, b, 3, ")),
        ("input.order.lines.length * 2 + 1", ("number", "3")),
        ("input.empty || input.accent", ("string", "Zoë")),
        ("-input.zero", ("number", "0")),
        ("input.class", ("string", "keyword")),
    ],
)
def test_these_need_no_engine(source: str, expected: tuple[str, Any]) -> None:
    answer = ours(source)
    assert answer
    assert answer[0] == expected == Engine().ask(source, "text")


@pytest.mark.parametrize(
    "source",
    [
        *("input.toString", "input.__proto__", "input.missing.name", "input.face.length", "input.accent.toUpperCase()"),
        *(
            "input.name + input.tiny",
            "input.yes + 1",
            "input.one / 0",
            "input.order === input.order",
            "input.digits == 12",
        ),
        *(
            "input.one ?? 2 || 3",
            "input.one || 2 ?? 3",
            "1.toFixed()",
            "1--1",
            "010",
            "input.x // y",
            "input.nested.join()",
        ),
        *(
            "input.vast + 1",
            "input.name()",
            "input['name']",
            "(" * 50 + "1" + ")" * 50,
            "!" * 50 + "1",
            "1 +" * 200 + "1",
        ),
        *("input[", "input.list[0", "input.name.", "input.name?.", "input.list.join(", "input.list.join(1", "(", ""),
    ],
)
def test_these_are_left_to_the_engine(source: str) -> None:
    assert ours(source) is None


async def test_a_state_that_changes_between_runs_changes_the_value():
    expression = Expression("input.count * 2")
    texts = [(await Evaluator({"count": count}, {}).value_texts([expression]))[0].text for count in (1, 2, 0.5)]
    assert texts == ["2", "4", "1"]
