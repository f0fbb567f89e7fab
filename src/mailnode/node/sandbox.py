"""The processes that evaluate JavaScript, and their limits of time, memory and stack.

Only expression.py comes here. A process, javascript.py, is started with the first expression that is no plain path.
It has nothing of this one's environment, and is ended when it hangs or has run out of memory; the next one is another.
"""

import json
import re
import signal
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from time import monotonic
from typing import Any, Literal

from mailnode.confined import ConfinedPool, ConfinedProcess
from mailnode.errors import ErrorCode, ExpressionError
from mailnode.node.template import Expression
from mailnode.printable import MOST_SHOWN_LONG, shortened

ResultForm = Literal["text", "value", "truth", "program"]

CPU_SECONDS = 1.0
# For all of a node's expressions that are evaluated together; some loops inside quickjs never look at the engine's
# clock: new Array(4e9).join().
JOB_SECONDS = 5.0
SECONDS_AN_EXPRESSION = 0.002  # ten times what the plainest one takes
MOST_PROCESSES = 4
MEMORY_BYTES = 32 * 2**20  # beside the state, which is parsed again for each expression
MEMORY_PER_STATE_BYTE = 16
STACK_BYTES = 256 * 2**10

_PROGRAM = Path(__file__).with_name("javascript.py")


class Sandbox:
    """Evaluates jobs, a few at once."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self.pool = ConfinedPool(_PROGRAM, MOST_PROCESSES)

    async def evaluate(self, expressions: Sequence[Expression], form: ResultForm, state: tuple[str, str]) -> list[Any]:
        """Give each expression's `(kind, value)` in the wanted form; `state` is the JSON of input and context.

        Every expression has its own copy of the state and of JavaScript itself, so what one changes no other sees. For
        one that fails it is `("threw", what)`, of which `thrown_error` makes an error.

        Raises:
            ExpressionError: one breaks a limit.
        """
        sources = tuple(expression.source for expression in expressions)
        line = _job(sources, form, state)
        # The same expressions are those of one node: a flow that hangs shares processes with itself.
        return await self.pool.run(lambda process: _answers(process, expressions, line), sources)

    async def run(self, program: str, expressions: Sequence[Expression], state: tuple[str, str]) -> list[Any]:
        """Run a program over `expressions`, and give its tape; both are explained in program.py.

        Raises:
            ExpressionError: it takes too long, or too much memory.
        """
        line = _job((program,), "program", state)
        return await self.pool.run(lambda process: _tape(process, expressions, line), program)


def _job(sources: Sequence[str], form: ResultForm, state: tuple[str, str]) -> bytes:
    job = {
        "sources": sources,
        "form": form,
        "state": state,
        "memoryOctets": MEMORY_BYTES + MEMORY_PER_STATE_BYTE * sum(map(len, state)),
        "stackOctets": STACK_BYTES,
        "cpuSeconds": CPU_SECONDS,
        "seconds": JOB_SECONDS + SECONDS_AN_EXPRESSION * len(sources),
    }
    return json.dumps(job).encode() + b"\n"


def _answers(process: ConfinedProcess, expressions: Sequence[Expression], job: bytes) -> list[Any]:
    answers: list[Any] = []
    begun = monotonic()
    heard = process.send(job)
    for expression in expressions:
        line = heard.readline()
        if not line.endswith(b"\n"):
            raise _limit(expression, _last_words(process, begun))
        kind, value, *at = json.loads(line, object_hook=_kind_and_more)
        if kind == "threw" and (at or _TOO_LARGE.match(value)):
            raise _thrown(process, expression, value)
        answers.append((kind, value))
        begun = monotonic()
    return answers


def _tape(process: ConfinedProcess, expressions: Sequence[Expression], job: bytes) -> list[Any]:
    begun = monotonic()
    line = process.send(job).readline()
    if not line.endswith(b"\n"):
        raise _limit(expressions[0], _last_words(process, begun))
    kind, value, *at = json.loads(line, object_hook=_kind_and_more)
    if kind == "threw":
        raise _thrown(process, expressions[at[0]], value)
    if any(type(entry) is tuple and entry[0] == "threw" and _TOO_LARGE.match(entry[1]) for entry in value):
        process.end()
    tape: list[Any] = value
    return tape


def _kind_and_more(answer: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(answer.values())


def thrown_error(expression: Expression, output: str, variables: AbstractSet[str] = frozenset()) -> ExpressionError:
    """Give the error for what an expression has thrown; others than it may see `variables`."""
    return _translated(expression, output.partition("\n")[0], variables)


def _last_words(process: ConfinedProcess, begun: float) -> str:
    took = monotonic() - begun
    if process.end() != -signal.SIGALRM:
        return "crashes the JavaScript engine"
    return "hangs" if took > JOB_SECONDS / 2 else "takes too long together with those before it"


def _thrown(process: ConfinedProcess, expression: Expression, output: str) -> ExpressionError:
    message = output.partition("\n")[0]
    if _TOO_LARGE.fullmatch(message):
        process.end()  # quickjs forgets some of what it had when it runs out: 'ﷺ'.repeat(1e6).normalize('NFKC')
    return _translated(expression, message)


_SIZE_HINT = "an expression may take one second, 32 MB of memory and 1 MB of text: prepare large values in the flow"
_DEPTH_HINT = "an expression may nest about 100 calls, or 200 brackets, and values 900 levels deep: make it flatter"


def _limit(expression: Expression, what: str, hint: str = _SIZE_HINT) -> ExpressionError:
    return ExpressionError(f"{expression} {what}", code=ErrorCode.EXPRESSION_LIMIT, hint=hint)


# It says `null` when no memory is left for saying more, and `[uninitialized]` when normalize() ran out of it.
_TOO_LARGE = re.compile(
    r"InternalError: (?:out of memory|string too long)|RangeError: (?:invalid string length|BigInt is too large.*)"
    r"|null|\[uninitialized\]"
)
# The second is output of regular expressions.
_UNKNOWN = re.compile(r"ReferenceError: '?([\w$]+)'? is not defined")
_TYPOGRAPHIC = re.compile("[\u2018-\u201e]")
_QUOTES_HINT = 'use straight quotes around text, "like this": a word processor has changed them'
_TOO_DEEP = frozenset({"RangeError: Maximum call stack size exceeded", "SyntaxError: stack overflow"})
_NO_VALUE = re.compile(r"TypeError: (?:cannot (?:read|set) property .* of |Cannot convert )(?:undefined|null)")


def _translated(expression: Expression, message: str, variables: AbstractSet[str] = frozenset()) -> ExpressionError:
    """Translate an error of quickjs."""
    if message == "InternalError: interrupted":
        return _limit(expression, "takes too long")
    if message in _TOO_DEEP:
        return _limit(expression, "recurses too deeply", _DEPTH_HINT)
    if _TOO_LARGE.fullmatch(message):
        return _limit(expression, "takes too much memory")
    if _NO_VALUE.match(message):
        return ExpressionError(
            f"{expression} has no value: {shortened(message, MOST_SHOWN_LONG)}",
            code=ErrorCode.NO_VALUE,
            hint='give it a value, or a default: {{ input.customer?.name ?? "customer" }}',
        )
    return ExpressionError(
        f"{expression} can't be evaluated: {shortened(message, MOST_SHOWN_LONG)}",
        hint=_hint(expression.source, message, variables),
    )


def _hint(source: str, message: str, variables: AbstractSet[str]) -> str:
    if message.startswith("SyntaxError") and _TYPOGRAPHIC.search(source):
        return _QUOTES_HINT
    if unknown := _UNKNOWN.fullmatch(message):
        if unknown[1] in variables:
            return f"use {unknown[1]} within the element whose data-each names it"
        if re.search(rf"(?<!\|)\|\s*{re.escape(unknown[1])}\b", source):
            return "there are no filters: call a method, such as {{ input.name.toUpperCase() }}"
        return f"use input or context: {{{{ input.{unknown[1]} }}}}"
    return "write a JavaScript expression over input and context, without statements"
