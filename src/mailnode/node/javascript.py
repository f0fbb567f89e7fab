"""JavaScript in quickjs-ng, in a process of its own: what sandbox.py starts, and the only place that knows quickjs.

Nothing of mailnode is imported here: the process has the standard library, quickjs and what comes in by its pipe. It
answers each line of JSON, a job, with a line for each of the job's expressions up to the first that breaks a limit. One
that neither ends nor looks at the engine's clock, `new Array(4e9).join()`, ends the process.
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

# Content with directives (program.py): `nodes` are numbers of expressions, and elements with more nodes in them. What
# comes is written to a tape in the order in which it is read. All see one state and one language, both frozen; one that
# fails is tried again with copies of the state, which it may change. Called with nothing it says at which it is.
_REPEAT = """(() => {
  "use strict";
  const make = Function, print = String, {stringify, parse} = JSON, {from, isArray} = Array, {apply} = Reflect;
  const {defineProperty, freeze, getOwnPropertyDescriptor, getPrototypeOf, isFrozen, keys, prototype} = Object;
  const {setPrototypeOf} = Object, {ownKeys} = Reflect;
  const halt = {};
  const odd = (kind, value) => ({__proto__: null, kind, value});
  const scalar = value => {
    const kind = value === null ? "null" : typeof value;
    if (kind === "string" || kind === "boolean" || (kind === "number" && value - value === 0)) return value;
    return odd(kind, kind === "number" || kind === "bigint" ? print(value) : null);
  };
  const text = value => isArray(value)
    ? odd("list", setPrototypeOf(from(value, item => isArray(item) ? odd("list", null) : scalar(item)), null))
    : scalar(value);
  const truth = value => !!value;
  const list = value => {
    if (!isArray(value)) return odd(value === null ? "null" : typeof value, null);
    lock(value);
    return value;
  };
  const said = error => { try { return print(error); } catch { return "an error that has no text"; } };
  const isPlain = value => {
    if (typeof value !== "object" || value === null) return false;
    const made = getPrototypeOf(value);
    return made === prototype || made === null || isArray(value);
  };
  const lock = value => {
    const left = [value];
    while (left.length) {
      const one = left.pop();
      if (!isPlain(one) || isFrozen(one)) continue;
      freeze(one);
      for (const key of keys(one)) if (typeof one[key] === "object") left[left.length] = one[key];
    }
  };
  const copied = (value, copies) => {
    if (!isPlain(value)) return value;
    if (!copies.has(value)) {
      const copy = isArray(value) ? [] : {};
      copies.set(value, copy);
      for (const key of keys(value)) {
        const own = {__proto__: null, value: copied(value[key], copies)};
        defineProperty(copy, key, {...own, configurable: true, enumerable: true, writable: true});
      }
    }
    return copies.get(value);
  };
  // The language itself, with what no name leads to: the prototypes of iterators and of functions of each kind.
  const lockLanguage = () => {
    const left = [globalThis, [].keys(), "".matchAll(/x/g), ""[Symbol.iterator](), new Map().keys(), new Set().keys()];
    left.push(function* () {}, async () => {}, async function* () {}, (function* () {})(), [].values().map(text));
    const known = new Set();
    while (left.length) {
      const one = left.pop();
      if ((typeof one !== "object" && typeof one !== "function") || one === null || known.has(one)) continue;
      known.add(one);
      left.push(getPrototypeOf(one));
      for (const key of ownKeys(one)) {
        const {value, get, set} = getOwnPropertyDescriptor(one, key);
        left.push(value, get, set);
      }
      freeze(one);
    }
  };
  lockLanguage();
  let at = 0;
  return (program, input, context) => {
    if (program === undefined) return at;
    const {sites, nodes, mostRepetitions, mostCharacters, mostFailures} = parse(program);
    const functions = [], tape = [];
    let repetitions = 0, characters = 0, failures = 0;
    const stop = (kind, number) => { tape[tape.length] = odd(kind, number); throw halt; };
    const compile = number => {
      const [source, names] = sites[number];
      return functions[number] = make(...names, '"use strict";return (\\n' + source + '\\n)');
    };
    const evaluate = (number, args) => {
      at = number;
      const site = functions[number] ?? compile(number);
      try { return apply(site, null, args); } catch {
        const copies = new Map();
        return apply(site, null, args.map(value => copied(value, copies)));
      }
    };
    const get = (shape, number, args) => {
      try { return shape(evaluate(number, args)); } catch (error) { return odd("threw", said(error)); }
    };
    const put = value => {
      tape[tape.length] = value;
      if (typeof value === "string" && (characters += value.length) > mostCharacters) stop("tooLong", at);
      if (value.kind === "threw" && ++failures >= mostFailures) stop("tooManyFailures", at);
      return value;
    };
    const passes = (condition, args) => condition < 0 || put(get(truth, condition, args)) === true;
    const walk = (nodes, args) => {
      let isShown = false;
      for (const node of nodes) {
        if (typeof node === "number") { put(get(text, node, args)); continue; }
        const [isElse, each, item, index, condition, inner] = node;
        if (isElse && isShown) continue;
        isShown = false;
        if (each < 0) {
          isShown = passes(condition, args);
          if (isShown) walk(inner, args);
          continue;
        }
        const items = get(list, each, args);
        if (!isArray(items)) { put(items); continue; }
        const length = items.length >>> 0;  // a proxy's may be anything
        put(length);
        for (let number = 0; number < length; number++) {
          if (++repetitions > mostRepetitions) stop("tooManyRepetitions", each);
          const own = args.slice();
          own[item] = items[number];
          if (index >= 0) own[index] = number;
          if (!passes(condition, own)) continue;
          isShown = true;
          walk(inner, own);
        }
      }
    };
    lock(input);
    lock(context);
    try { walk(nodes, [input, context]); } catch (error) { if (error !== halt) throw error; }
    return stringify(odd("tape", setPrototypeOf(tape, null)));
  };
})()"""
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

_FORMS = {**{form: _EVALUATE % shape for form, shape in _SHAPES.items()}, "program": _REPEAT}


def main() -> None:
    """Answer jobs until there are no more."""
    spares = {"text": _fresh("text")}
    for line in sys.stdin.buffer:
        job = json.loads(line)
        kind = "program" if job["form"] == "program" else "text"
        # Its default is to end the process, whatever that is doing.
        signal.setitimer(signal.ITIMER_REAL, job["seconds"])
        for left, source in zip(reversed(range(len(job["sources"]))), job["sources"], strict=True):
            answer, is_limit = _evaluate(source, job, *(spares.pop(kind, None) or _fresh(kind)))
            is_over = is_limit or not left
            if is_over:
                signal.setitimer(signal.ITIMER_REAL, 0)
            sys.stdout.buffer.write(answer.encode() + b"\n")
            sys.stdout.buffer.flush()
            # Made while the other process is busy with the answer.
            spares[kind] = _fresh(kind)
            if is_over:
                break


def _fresh(form: str) -> tuple[Any, Any]:
    """Make a context with the function for a form; that of programs has locked the language in it."""
    context = quickjs.Context()
    return context, context.eval(_FORMS[form])


def _evaluate(source: str, job: dict[str, Any], context: Any, evaluate: Any) -> tuple[str, bool]:
    """Give `{kind, value}` in the form that the job asks for, and whether a limit ended it, `at` a program's number."""
    context.set_memory_limit(job["memoryOctets"])
    context.set_time_limit(job["cpuSeconds"])
    context.set_max_stack_size(job["stackOctets"])
    try:
        if job["form"] in {"value", "truth"}:
            evaluate = context.eval(_FORMS[job["form"]])
        answer: str = evaluate(source, *map(context.parse_json, job["state"]))
    except (quickjs.StackOverflow, quickjs.JSException, UnicodeError) as error:
        is_deep = isinstance(error, quickjs.StackOverflow)
        said = "RangeError: Maximum call stack size exceeded" if is_deep else str(error)
        at = int(evaluate()) if job["form"] == "program" else 0
        return f'{{"kind":"threw","value":{json.dumps(said)},"at":{at}}}', True
    return answer, False


if __name__ == "__main__":
    main()
