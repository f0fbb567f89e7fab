"""Expressions that are evaluated together, some of them once for each item of a list, in one call to the engine.

A program names each expression once, with the variables that it sees, and says in what order they are wanted. What the
engine answers is a tape: the values one after the other, before each element with directives how often it comes.
"""

import json
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from mailnode.collected import Collected
from mailnode.errors import ErrorCode, ExpressionError
from mailnode.node.directives import Loop
from mailnode.node.js_string import RESULT_CHARACTERS, TextRules, no_text_error, number_text, text_of_state_value
from mailnode.node.sandbox import thrown_error
from mailnode.node.template import Expression
from mailnode.printable import shortened

MOST_REPETITIONS = 10_000
MOST_CHARACTERS = 5 * 2**20
_MOST_FAILURES = 100
_WHOLE_UP_TO = 2**53
_STATE = ("input", "context")

Node = int | list[Any]
_BEYOND = frozenset({"tooManyRepetitions", "tooLong"})


@dataclass(frozen=True, slots=True)
class Program:
    """A program as the engine takes it, its expressions by number, and the names of all variables."""

    source: str
    expressions: tuple[Expression, ...]
    variables: frozenset[str]
    most_repetitions: int
    most_characters: int


class ProgramMaker:
    """Makes a program; the first expressions have the numbers that their order gives them."""

    def __init__(self, expressions: Sequence[Expression] = ()) -> None:
        """Begin with the expressions that have numbers already."""
        self._expressions = [*expressions]
        self._names: dict[int, tuple[str, ...]] = {}
        self._variables: set[str] = set()

    def value(self, number: int, names: tuple[str, ...]) -> int:
        """Give the node of an expression that sees variables of these names."""
        self._names[number] = names
        return number

    def new(self, expression: Expression, names: tuple[str, ...]) -> int:
        """Give the node of one more expression."""
        self._expressions.append(expression)
        return self.value(len(self._expressions) - 1, names)

    def enter(
        self, loop: Loop | None, condition: Expression | None, names: tuple[str, ...], *, is_else: bool = False
    ) -> tuple[list[Any], tuple[str, ...]]:
        """Give the node of an element, whose last item takes the nodes within, and the names that those see.

        A variable of the same name as one around it hides that.
        """
        each, within = -1, names
        if loop:
            each = self.new(loop.items, names)
            self._variables.update(loop.names)
            within = (*names, *(name for name in loop.names if name not in names))
        places = [len(_STATE) + within.index(name) for name in loop.names] if loop else []
        item, index = [*places, -1, -1][:2]
        judged = self.new(condition, within) if condition else -1
        return [is_else, each, item, index, judged, []], within

    def made(
        self, nodes: Sequence[Node], most_repetitions: int = MOST_REPETITIONS, most_characters: int = MOST_CHARACTERS
    ) -> Program:
        """Make the program of all nodes, which may repeat so often and give so much text, all together."""
        sites = [
            (expression.source, (*_STATE, *self._names.get(number, ())))
            for number, expression in enumerate(self._expressions)
        ]
        limits = {
            "mostRepetitions": most_repetitions,
            "mostCharacters": most_characters,
            "mostFailures": _MOST_FAILURES,
        }
        source = json.dumps({"sites": sites, "nodes": nodes, **limits})
        variables = frozenset(self._variables)
        return Program(source, tuple(self._expressions), variables, most_repetitions, most_characters)


class TapeReader:
    """Reads a tape in the order of its program; what is wrong is collected, so that an author learns of all of it."""

    def __init__(
        self,
        tape: Sequence[Any],
        expressions: Sequence[Expression],
        *,
        variables: AbstractSet[str] = frozenset(),
        lenient: bool = False,
        list_key: str = "",
    ) -> None:
        """Read the tape of a program over `expressions`."""
        self.expressions = expressions
        self.characters = sum(len(entry) for entry in tape if type(entry) is str)
        self._tape = iter(tape)
        self._variables = variables
        self._lenient = lenient
        self._list_key = list_key
        self._rules = TextRules(lenient, control_ok=True, max_characters=RESULT_CHARACTERS)
        self._rows: list[tuple[Loop, int]] = []
        self._errors: dict[str, tuple[ExpressionError, list[str]]] = {}

    @property
    def place(self) -> str:
        """Where the reader is: `row 3 of input.items`; "" outside of all repetitions."""
        return " in ".join(f"row {number} of {_source(loop.items)}" for loop, number in reversed(self._rows))

    def text(self, number: int, rules: TextRules | None = None, key: str = "") -> str:
        """Give the text of an expression's value, the next on the tape; "" for one that has none, which is an error.

        `key` is the setting that it stands in, of several.
        """
        entry = self._next()
        # Nearly all values are such.
        if rules is None:
            if type(entry) is str and entry.isascii() and len(entry) <= RESULT_CHARACTERS:
                return entry
            if type(entry) is int and abs(entry) <= _WHOLE_UP_TO:
                return str(entry)
        expression = self.expressions[number]
        kind, value = _pair(entry)
        try:
            if kind == "threw":
                raise thrown_error(expression, value, self._variables)
            return (rules or self._rules).value_text(expression, (kind, value)).text
        except ExpressionError as error:
            self._fail(error.locate(key=key))
        return ""

    def times(self, loop: Loop | None, condition: Expression | None) -> Iterator[None]:
        """Give a turn for each time that an element with these directives is put in."""
        if not loop:
            if self._passes(condition):
                yield
            return
        count = self._next()
        if type(count) is not int:
            self._refuse(loop.items, *count)
            return
        for number in range(1, count + 1):
            self._rows.append((loop, number))
            if self._passes(condition):
                yield
            self._rows.pop()

    def check(self) -> None:
        """Raise what was wrong.

        Raises:
            ExpressionError: the first, which knows the others.
        """
        wrong = Collected()
        wrong.errors += [_placed(error, places) for error, places in self._errors.values()]
        wrong.raise_all()

    def _next(self) -> Any:
        entry = next(self._tape)
        if type(entry) is tuple and entry[0] == "tooManyFailures":
            self.check()
        return entry

    def _passes(self, condition: Expression | None) -> bool:
        if not condition:
            return True
        truth = self._next()
        if type(truth) is tuple:
            self._fail(thrown_error(condition, truth[1], self._variables))
        return truth is True

    def _refuse(self, items: Expression, kind: str, said: str | None) -> None:
        """Refuse what is no list, unless it is nothing."""
        if kind == "threw":
            error = thrown_error(items, said or "", self._variables)
        elif kind not in {"null", "undefined"}:
            error = _not_a_list(items, kind)
        elif self._lenient:
            return
        else:
            error = no_text_error(items, kind)
            error.hint = f"give it a list, or none: {items.source.strip()} ?? []"
        self._fail(error.locate(key=self._list_key))

    def _fail(self, error: ExpressionError) -> None:
        self._errors.setdefault(str(error), (error, []))[1].append(self.place)


def _pair(entry: Any) -> tuple[str, Any]:
    """Give an entry of a tape as the sandbox gives the value of a single expression."""
    if type(entry) is tuple:
        kind, value = entry
        return (kind, [_pair(item) for item in value]) if kind == "list" and value is not None else entry
    if type(entry) is int and abs(entry) > _WHOLE_UP_TO:
        return "number", number_text(float(entry))
    return text_of_state_value(entry) or ("string", entry)


def _placed(error: ExpressionError, places: Sequence[str]) -> ExpressionError:
    """Say where something is wrong: where it was first, and how often."""
    error.message = with_places(error.message, places)
    return error


def with_places(text: str, places: Sequence[str]) -> str:
    """Say in which row something was first, and in how many more."""
    where, more = f" ({places[0]})" if places[0] else "", len(places) - 1
    return f"{text}{where}, and {more:,} more time{'s' if more > 1 else ''}" if more else f"{text}{where}"


def check_limits(program: Program, tape: Sequence[Any]) -> None:
    """Check that a tape was written to its end.

    Raises:
        ExpressionError: the program went beyond its limits.
    """
    if not tape or type(tape[-1]) is not tuple or tape[-1][0] not in _BEYOND:
        return
    kind, number = tape[-1]
    if kind == "tooLong":
        what = f"makes more than {program.most_characters // 2**20} MB of text"
    else:
        what = f"repeats more than {program.most_repetitions:,} times, all repetitions together"
    raise ExpressionError(
        f"{program.expressions[number]} {what}",
        code=ErrorCode.EXPRESSION_LIMIT,
        hint="take the first ones only: input.items.slice(0, 100), or send a link instead",
    )


def _source(expression: Expression) -> str:
    return shortened(" ".join(expression.source.split()))


def _not_a_list(items: Expression, kind: str) -> ExpressionError:
    remedies = {
        "object": f"repeat its values: Object.values({items.source})",
        "string": f"split it: {items.source}.split(',')",
        "function": "call it: add () after its name",
    }
    what = {"string": "text", "object": "an object"}.get(kind, f"a {kind}")
    return ExpressionError(
        f"{items} can't repeat: {_source(items)} is {what}, not a list",
        hint=remedies.get(kind, "give it a list: [1, 2]"),
    )
