"""JavaScript in quickjs-ng, in a process of its own: what sandbox.py starts, and the only place that knows quickjs.

Nothing of mailnode is imported here: the process has the standard library, quickjs and what comes in by its pipe. It
answers each line of JSON, a job, with a line for each of the job's expressions up to the first that fails. One that
neither ends nor looks at the engine's clock, `new Array(4e9).join()`, ends the process.
"""

import json
import signal
import sys
from typing import Any

import quickjs

# What leaves is JSON text, because quickjs hands over strings only up to a NUL, and no lone surrogates. Intrinsics are
# taken before an expression can touch them, and what is made JSON has no prototype, whose toJSON would have a say.
_EVALUATE = """(() => {
  "use strict";
  const make = Function, print = String, stringify = JSON.stringify, from = Array.from, isArray = Array.isArray;
  const bare = Object.setPrototypeOf;
  const answer = (kind, value) => ({__proto__: null, kind, value});
  const scalar = value => {
    const kind = value === null ? "null" : typeof value;
    if (kind === "string") return answer(kind, value);
    return answer(kind, kind === "number" || kind === "boolean" || kind === "bigint" ? print(value) : null);
  };
  const shape = %s;
  // What is thrown is printed here, where the limits hold: quickjs would do it outside, for ever if need be.
  return (source, input, context) => {
    try {
      return stringify(shape(make("input", "context", '"use strict";return (\\n' + source + '\\n)')(input, context)));
    } catch (error) {
      let said = "an error that has no text";
      try { said = print(error); } catch {}
      return stringify(answer("threw", said));
    }
  };
})()"""
_THREW = '{"kind":"threw",'
_SHAPES = {
    "text": """value => isArray(value)
      ? answer("list", bare(from(value, item => isArray(item) ? answer("list", null) : scalar(item)), null))
      : scalar(value)""",
    "value": """value => {
      const json = stringify(value, (key, inner) => {
        if (typeof inner === "number" && inner - inner !== 0) throw new RangeError(inner + " has no JSON form");
        return inner;
      });
      return json === undefined ? scalar(value) : answer("json", json);
    }""",
    "truth": """value => answer("truth", !!value)""",
}


def main() -> None:
    """Answer jobs until there are no more."""
    spare = _fresh()
    for line in sys.stdin.buffer:
        job = json.loads(line)
        # Its default is to end the process, whatever that is doing.
        signal.setitimer(signal.ITIMER_REAL, job["seconds"])
        for left, source in zip(reversed(range(len(job["sources"]))), job["sources"], strict=True):
            answer = _evaluate(source, job, *spare)
            is_over = not left or answer.startswith(_THREW)
            if is_over:
                signal.setitimer(signal.ITIMER_REAL, 0)
            sys.stdout.buffer.write(answer.encode() + b"\n")
            sys.stdout.buffer.flush()
            # Made while the other process is busy with the answer.
            spare = _fresh()
            if is_over:
                break


def _fresh() -> tuple[Any, Any]:
    """Make a context with the function that most jobs need: the one that gives text."""
    context = quickjs.Context()
    return context, context.eval(_EVALUATE % _SHAPES["text"])


def _evaluate(source: str, job: dict[str, Any], context: Any, as_text: Any) -> str:
    """Give `{kind, value}` in the form that the job asks for."""
    context.set_memory_limit(job["memoryOctets"])
    context.set_time_limit(job["cpuSeconds"])
    context.set_max_stack_size(job["stackOctets"])
    try:
        evaluate = as_text if job["form"] == "text" else context.eval(_EVALUATE % _SHAPES[job["form"]])
        answer: str = evaluate(source, *map(context.parse_json, job["state"]))
    except quickjs.StackOverflow:
        return _threw("RangeError: Maximum call stack size exceeded")
    except (quickjs.JSException, UnicodeError) as error:
        return _threw(str(error))
    return answer


def _threw(said: str) -> str:
    return f'{_THREW}"value":{json.dumps(said)}}}'


if __name__ == "__main__":
    main()
