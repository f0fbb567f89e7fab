"""The value of expressions over `input` and `context`, as text, as JSON or as truth.

A plain path to a value of the state, and what else is simple, is answered here and now; everything else is JavaScript,
in a sandbox. All ways give the same text: that of ECMAScript's ToString.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from mailnode.collected import Collected
from mailnode.errors import ErrorCode, ExpressionError, SettingsError
from mailnode.node.js_string import (
    RESULT_CHARACTERS,
    TextRules,
    ValueText,
    half_character_error,
    is_unicode,
    no_text_error,
    text_of_state_value,
    too_long_error,
    with_shortest_digits,
)
from mailnode.node.plain_js import evaluate
from mailnode.node.plain_values import UNDEFINED, NeedsEngine, truth_of
from mailnode.node.program import Program, TapeReader, check_limits
from mailnode.node.sandbox import ResultForm, Sandbox, thrown_error
from mailnode.node.template import Expression, Template

_sandbox = Sandbox()
_ABSENT = object()


class Evaluator:
    """Evaluates the expressions of one node, each for itself: what one changes no other sees.

    With `lenient` an expression without a value is empty text, except where the caller says `required`.
    """

    def __init__(self, input: Any, context: Any, *, lenient: bool = False) -> None:  # noqa: A002 -- the flow's word
        """Take the state, JSON values that no expression can change."""
        self._state: dict[str, Any] = {"input": input, "context": context}
        self._lenient = lenient

    async def text(
        self,
        template: Template,
        *,
        required: bool = False,
        control_ok: bool = True,
        max_characters: int = RESULT_CHARACTERS,
    ) -> str:
        """Fill in a template, as `Template.filled` does; arguments and errors as for `value_texts`."""
        literal = template.literal if control_ok else template.literal_line
        if literal is not None:
            return literal
        values = await self.value_texts(
            template.expressions, required=required, control_ok=control_ok, max_characters=max_characters
        )
        return template.filled((value.text for value in values), control_ok=control_ok)

    async def value_texts(
        self,
        expressions: Sequence[Expression],
        *,
        required: bool = False,
        control_ok: bool = True,
        max_characters: int = RESULT_CHARACTERS,
    ) -> list[ValueText]:
        """Give the values of expressions as text.

        Args:
            expressions: those of one parsed setting.
            required: null and undefined are an error even when lenient.
            control_ok: a value may hold control characters; a header field's or an address's may not, and loses the
                line ends at its ends.
            max_characters: how long a value's text may be.

        Raises:
            ExpressionError: the first, with its `others`: `noValue` for null and undefined, `expressionLimit`,
                `badHeader` for a control character, `badExpression` for any other value that has no text, or none that
                UTF-8 can hold.
        """
        rules = self.rules(required=required, control_ok=control_ok, max_characters=max_characters)
        values = await self._values(expressions)
        texts = []
        wrong = Collected()
        for expression, (kind, value) in zip(expressions, values, strict=True):
            with wrong.collecting():
                if kind == "threw":
                    raise thrown_error(expression, value)
                texts.append(rules.value_text(expression, (kind, value)))
        wrong.raise_all()
        return texts

    def rules(
        self, *, required: bool = False, control_ok: bool = True, max_characters: int = RESULT_CHARACTERS
    ) -> TextRules:
        """Give what `value_texts` goes by."""
        return TextRules(self._lenient and not required, control_ok, max_characters)

    async def read(self, program: Program, list_key: str = "") -> TapeReader:
        """Run a program, whose expressions may stand within repetitions, and give a reader of what comes of it.

        `list_key` is the setting that the lists stand in, if they have one of their own.

        Raises:
            ExpressionError: it goes beyond a limit; what else is wrong the reader collects.
        """
        tape = await _sandbox.run(program.source, program.expressions, self._state_json)
        check_limits(program, tape)
        names = program.variables
        return TapeReader(tape, program.expressions, variables=names, lenient=self._lenient, list_key=list_key)

    async def value(self, expression: Expression) -> Any:
        """The JSON value of an expression, of its own type; a copy, never a part of the state.

        `undefined` is None when lenient, else an ExpressionError, as are values that JSON does not have.
        """
        found = self._own(expression)
        if found is not _ABSENT:
            return _copied(expression, found)
        kind, text = await self._one(expression, "value")
        if kind == "json":
            return _from_json(expression, text)
        if kind == "undefined" and self._lenient:
            return None
        raise no_text_error(expression, kind)

    async def truth(self, expression: Expression) -> bool:
        """Whether JavaScript takes the expression's value for true: `[]` and `"0"` are, `0`, `""` and null are not."""
        found = self._own(expression)
        if found is _ABSENT:
            found = self._simple(expression)
        if found is not _ABSENT:
            return truth_of(found)
        _, truth = await self._one(expression, "truth")
        return bool(truth)

    async def _values(self, expressions: Sequence[Expression]) -> list[tuple[str, Any]]:
        """Give the values as `(kind, text or items)`; those that need JavaScript are evaluated together."""
        found = [self._text(expression) for expression in expressions]
        wanting = [expression for expression, value in zip(expressions, found, strict=True) if value is None]
        computed = iter(await self._compute(wanting, "text") if wanting else [])
        return [value or next(computed) for value in found]

    def _text(self, expression: Expression) -> tuple[str, Any] | None:
        """Give the value of an expression as `(kind, text or items)`, None if it needs JavaScript."""
        value = self._own(expression)
        if value is _ABSENT:
            value = self._simple(expression)
        return ("undefined", None) if value is UNDEFINED else text_of_state_value(value)

    async def _one(self, expression: Expression, form: ResultForm) -> tuple[str, Any]:
        kind, value = (await self._compute([expression], form))[0]
        if kind == "threw":
            raise thrown_error(expression, value)
        return kind, value

    async def _compute(self, expressions: list[Expression], form: ResultForm) -> list[tuple[str, Any]]:
        return [with_shortest_digits(*one) for one in await _sandbox.evaluate(expressions, form, self._state_json)]

    @cached_property
    def _state_json(self) -> tuple[str, str]:
        return _to_json("input", self._state["input"]), _to_json("context", self._state["context"])

    def _simple(self, expression: Expression) -> Any:
        """Give the value of an expression that needs no JavaScript, else _ABSENT."""
        try:
            return evaluate(expression.source, self._state)
        except NeedsEngine:
            return _ABSENT

    def _own(self, expression: Expression) -> Any:
        """Give what a plain path leads to if each step is an object's own property, else _ABSENT."""
        value: Any = self._state
        for step in expression.path or ("",):
            if not isinstance(value, (dict, Mapping)) or step not in value:
                return _ABSENT
            value = value[step]
        return value


def _to_json(name: str, value: Any) -> str:
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    except RecursionError:
        hint = "flatten the value before the flow gets it"
        raise SettingsError(f"{name} is nested too deeply", phase="expression", hint=hint) from None
    except (TypeError, ValueError) as error:
        raise SettingsError(
            f"{name} is not JSON: {error}", phase="expression", hint="put only JSON values into input and context"
        ) from None


def _copied(expression: Expression, value: Any) -> Any:
    try:
        return json.loads(json.dumps(value))
    except RecursionError:
        raise _too_deep(expression) from None


def _from_json(expression: Expression, text: str) -> Any:
    if len(text) > RESULT_CHARACTERS:
        raise too_long_error(expression, len(text), RESULT_CHARACTERS)
    try:
        value = json.loads(text)
    except RecursionError:
        raise _too_deep(expression) from None
    # JSON.stringify escapes nothing beyond ASCII but halves of surrogate pairs.
    if "\\ud" in text and not is_unicode(json.dumps(value, ensure_ascii=False)):
        raise half_character_error(expression, text)
    return value


def _too_deep(expression: Expression) -> ExpressionError:
    return ExpressionError(
        f"{expression} is nested too deeply", code=ErrorCode.EXPRESSION_LIMIT, hint="flatten the value"
    )
