"""JavaScript in quickjs-ng, fenced in: fresh contexts, one thread, limits of time, memory and stack.

Only expression.py comes here. quickjs is imported with the first context, as its import starts a thread.
"""

import asyncio
import json
import re
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import SimpleQueue
from time import monotonic
from typing import Any, Literal, TypeVar

from mailnode.errors import ErrorCode, ExpressionError
from mailnode.node.template import Expression

T = TypeVar("T")
Door = Literal["text", "value", "truth"]

CPU_SECONDS = 1.0  # of the whole process, as quickjs measures: other busy threads use it up too
HANG_SECONDS = 5.0  # some loops inside quickjs never look at the time: new Array(4e9).join()
MEMORY_OCTETS = 32 * 2**20  # beside the state, which is parsed anew for each expression
MEMORY_PER_STATE_OCTET = 16
STACK_OCTETS = 256 * 2**10
THREAD_STACK_OCTETS = 8 * 2**20  # musl's default is smaller than what quickjs believes to have

# What leaves is JSON text, because quickjs hands over strings only up to a NUL, and no lone surrogates. Intrinsics are
# taken before an expression can touch them. A door is compiled when it is first used: that is a third of a node's time.
_DOOR = """(() => {
  "use strict";
  const make = Function, print = String, stringify = JSON.stringify, from = Array.from, isArray = Array.isArray;
  const scalar = value => {
    const kind = value === null ? "null" : typeof value;
    if (kind === "string") return [kind, value];
    return [kind, kind === "number" || kind === "boolean" || kind === "bigint" ? print(value) : null];
  };
  const shape = %s;
  // What is thrown is printed here, where the limits hold: quickjs would do it outside, for ever if need be.
  return (source, input, context) => {
    try {
      return stringify(shape(make("input", "context", '"use strict";return (\\n' + source + '\\n)')(input, context)));
    } catch (error) {
      let said = "an error that has no text";
      try { said = print(error); } catch {}
      return stringify(["threw", said]);
    }
  };
})()"""
_THREW = '["threw",'
_SHAPES: dict[Door, str] = {
    "text": """value => isArray(value)
      ? ["list", from(value, item => isArray(item) ? ["list", null] : scalar(item))]
      : scalar(value)""",
    "value": """value => {
      const json = stringify(value, (key, inner) => {
        if (typeof inner === "number" && inner - inner !== 0) throw new RangeError(inner + " has no JSON form");
        return inner;
      });
      return json === undefined ? scalar(value) : ["json", json];
    }""",
    "truth": """value => ["truth", !!value]""",
}


class Sandbox:
    """A fresh context for the expressions of one node; used in the thread of `run` only."""

    def __init__(self, input_json: str, context_json: str) -> None:
        """Keep the state; the context is made with the first expression."""
        self._state = (input_json, context_json)
        self._context: Any = None
        self._doors: dict[Door, Any] = {}
        self._busy = False

    def evaluate(self, expressions: Sequence[Expression], door: Door) -> list[str]:
        """Give each expression's value as JSON text, `[kind, value]`, in the shape of the door.

        Every expression has its own copy of the state, so what one changes no other sees.

        Raises:
            ExpressionError: the first that fails.
        """
        if self._busy:
            raise _limit(expressions[0], "waits for another one of its node that hangs")
        self._busy = True
        try:
            return [self._evaluate(expression, door) for expression in expressions]
        finally:
            self._busy = False

    def discard(self) -> None:
        """Let the context go, in the thread that made it."""
        self._context = None
        self._doors = {}

    def _evaluate(self, expression: Expression, door: Door) -> str:
        import quickjs

        try:
            # Held on to here: should this thread be given up, its context must die in it all the same.
            context = self._context = self._context or self._open(quickjs.Context())
            shape = self._doors[door] = self._doors.get(door) or context.eval(_DOOR % _SHAPES[door])
            result: str = shape(expression.source, *map(context.parse_json, self._state))
        except quickjs.StackOverflow:
            raise _limit(expression, "recurses too deeply") from None
        except (quickjs.JSException, UnicodeError) as error:
            raise _translated(expression, str(error)) from None
        if result.startswith(_THREW):
            raise _translated(expression, json.loads(result)[1])
        return result

    def _open(self, context: Any) -> Any:
        context.set_memory_limit(MEMORY_OCTETS + MEMORY_PER_STATE_OCTET * sum(map(len, self._state)))
        context.set_time_limit(CPU_SECONDS)
        context.set_max_stack_size(STACK_OCTETS)
        return context


def _limit(expression: Expression, what: str) -> ExpressionError:
    return ExpressionError(
        f"{expression} {what}",
        code=ErrorCode.EXPRESSION_LIMIT,
        hint="an expression has a second, 32 MB and 1 MB of text: let the flow prepare large values",
    )


# It says `null` when no memory is left for saying more, and `[uninitialized]` when normalize() ran out of it.
_TOO_LARGE = re.compile(
    r"InternalError: (?:out of memory|string too long)|RangeError: (?:invalid string length|BigInt is too large.*)"
    r"|null|\[uninitialized\]"
)
_NO_VALUE = re.compile(r"TypeError: (?:cannot (?:read|set) property .* of |Cannot convert )(?:undefined|null)")


def _translated(expression: Expression, said: str) -> ExpressionError:
    """Make ours of what quickjs said."""
    message = said.partition("\n")[0]
    if message == "InternalError: interrupted":
        return _limit(expression, "takes too long")
    if message == "RangeError: Maximum call stack size exceeded":
        return _limit(expression, "recurses too deeply")
    if _TOO_LARGE.fullmatch(message):
        return _limit(expression, "takes too much memory")
    if _NO_VALUE.match(message):
        return ExpressionError(
            f"{expression} has no value: {message:.120}",
            code=ErrorCode.NO_VALUE,
            hint='give it a value, or say what stands in for it: {{ input.customer?.name ?? "customer" }}',
        )
    return ExpressionError(
        f"{expression} can't be evaluated: {message:.120}",
        hint="an expression is JavaScript over input and context, without statements",
    )


class _Job:
    """Work for the thread, and the task that awaits it."""

    def __init__(self, work: Callable[[], Any], expression: Expression) -> None:
        self._work = work
        self._expression = expression
        self._loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self._loop.create_future()

    def __call__(self) -> None:
        try:
            result = self._work()
        except Exception as error:  # noqa: BLE001 -- raised where the future is awaited
            # Its frames hold the quickjs context, which must die in this thread.
            error.__context__ = None
            self._settle(self.future.set_exception, error.with_traceback(None))
        else:
            self._settle(self.future.set_result, result)

    def give_up(self) -> None:
        self._settle(self.future.set_exception, _limit(self._expression, "hangs"))

    def _settle(self, setter: Callable[[Any], None], value: Any) -> None:
        def settle() -> None:
            if not self.future.done():
                setter(value)

        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(settle)


class SandboxThread:
    """Runs jobs one after another in a daemon thread; a job that hangs is given up together with its thread."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._queue: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._running: tuple[Callable[[], None], float] | None = None

    async def run(self, work: Callable[[], T], expression: Expression) -> T:
        """Have `work` done; `expression` is whom the ExpressionError names when it hangs."""
        job = _Job(work, expression)
        self.post(job)
        try:
            while not job.future.done():
                self._keep_going()
                await asyncio.wait([job.future], timeout=HANG_SECONDS)
        finally:
            job.future.cancel()
        result: T = job.future.result()
        return result

    def post(self, work: Callable[[], None]) -> None:
        """Have `work` done when the next job is; takes no lock, so that a finalizer may call it at any moment."""
        self._queue.put(work)

    def _keep_going(self) -> None:
        """Start the thread, or another one when it hangs."""
        with self._lock:
            if self._thread is None:
                self._start()
            elif self._running and monotonic() - self._running[1] >= HANG_SECONDS:
                work, _ = self._running
                self._start()
                if isinstance(work, _Job):
                    work.give_up()

    def _start(self) -> None:
        self._running = None
        self._thread = threading.Thread(target=self._serve, name="mailnode-expressions", daemon=True)
        usual = threading.stack_size(THREAD_STACK_OCTETS)
        try:
            self._thread.start()
        finally:
            threading.stack_size(usual)

    def _serve(self) -> None:
        me = threading.current_thread()
        while self._thread is me:
            work = self._queue.get()
            self._running = (work, monotonic())
            work()
            del work  # or it would keep a context alive until the next one
            with self._lock:
                if self._thread is me:
                    self._running = None
