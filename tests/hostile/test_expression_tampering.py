"""Tampering with JavaScript itself and with the state, and ways out of the sandbox."""

import json
from email.message import EmailMessage

import pytest

from mailnode.node.expression import Evaluator
from mailnode.node.html import HtmlTemplate, render_html
from mailnode.node.template import Expression, parse_template
from support.flows import run, write_flow
from support.isolated_node import all_is_well, made

TAMPERS = [
    "Array.prototype.map = () => ['evil']",
    "Array.prototype.join = () => 'evil'",
    "Array.prototype[Symbol.iterator] = function* () { yield 'evil' }",
    "Array.from = () => ['evil']",
    "Array.isArray = () => false",
    "Object.prototype.toString = () => 'evil'",
    "Object.prototype.evil = 'evil'",
    "Object.prototype.toJSON = () => 'evil'",
    "Object.defineProperty(Object.prototype, '0', {get: () => 'evil', set() {}})",
    "Object.defineProperty(Object.prototype, 'a', {set() {}})",
    "Object.setPrototypeOf(Array.prototype, new Proxy({}, {get: () => 'evil'}))",
    "String.prototype.toString = () => 'evil'",
    "String.prototype[Symbol.iterator] = () => { throw 'evil' }",
    "Number.prototype.toString = () => 'evil'",
    "Number.prototype.toJSON = () => 'evil'",
    "Function.prototype.call = Function.prototype.apply = () => 'evil'",
    "Object.defineProperty(Function.prototype, 'name', {get() { throw 'evil' }})",
    'JSON.stringify = () => \'["string", "evil"]\'',
    "JSON.parse = () => 'evil'",
    "(globalThis.String = globalThis.JSON = globalThis.Array = globalThis.Function = () => 'evil')",
    "(globalThis.input = globalThis.context = {a: 'evil'})",
    "(globalThis.undefined = 'evil')",
    "Object.defineProperty(globalThis, 'input', {get: () => 'evil', set() { throw 'evil' }})",
    "Object.freeze(globalThis)",
    "(Error.prepareStackTrace = () => 'evil', Error.stackTraceLimit = 0)",
    "(input.a = 'evil', context.a = 'evil')",
    "(delete input.a, input.__proto__.a = 'evil')",
    "Object.freeze(input)",
    "eval('var all = 1; input = {a: 2}; globalThis.all = 3')",
    "Object.getOwnPropertyNames(globalThis).forEach(name => { delete globalThis[name] })",
]
INTACT = (
    "{{ [input.a].map(x => x + 1).join() }} {{ JSON.stringify({...input, n: [1.5, 'x']}) }} {{ typeof all + {}.evil }}"
)
FINE = "3 {&quot;a&quot;:2,&quot;n&quot;:[1.5,&quot;x&quot;]} undefinedundefined"


@pytest.mark.parametrize("tamper", TAMPERS)
async def test_what_one_expression_changes_no_other_sees(tamper):
    evil = f"{{{{ ((() => {{ try {{ {tamper} }} catch {{}} }})(), '') }}}}"
    # The expressions of content with directives share one JavaScript.
    for before in (evil, evil + evil):
        for start in ("<p>", "<p data-if=1>"):
            mail = await made({"a": 2}, textContent="x", content=f"{start}{before}{INTACT}</p>")
            assert isinstance(mail, EmailMessage), mail
            html = mail.get_body(("html",))
            assert html
            assert html.get_content().strip() == f"<p>{FINE}</p>"
    await all_is_well()


async def test_a_node_s_state_is_changed_by_no_expression(tmp_path):
    evil = {"key": "b", "value": "{{ (input.a.push(9), context.c = 1, input.a) }}"}
    ran = await run(
        write_flow(
            tmp_path,
            {"id": "evil", "type": "setContext", "settings": evil},
            {"id": "next", "type": "say", "settings": {"text": "{{ input.a }} {{ typeof context.c }} {{ context.b }}"}},
        ),
        input={"a": [1]},
    )
    assert ran.output == ["1 undefined 1, 9"]
    assert (ran.state.input, ran.state.context) == ({"a": [1]}, {"b": [1, 9]})


async def test_a_stranger_s_keys_pollute_no_prototype():
    """A careless merge of the input into an object."""
    state = json.loads('{"__proto__": {"evil": 1}, "constructor": {"evil": 1}, "a": 2}')
    repeated = "<p data-each='i of [input, input]'>{{ (i.a = 3, typeof i.evil + Object.keys(i)) }}{{ i.a }}</p>"
    rendered = await render_html(HtmlTemplate(repeated), Evaluator(state, {}))
    assert rendered.html == "<p>undefined__proto__,constructor,a2</p>" * 2
    merge = "((o, i) => { for (const k in i) for (const j in i[k]) (o[k] ??= {})[j] = i[k][j]; return '' })({}, input)"
    evaluator = Evaluator(state, {})
    assert await evaluator.text(parse_template(f"{{{{ {merge} }}}}{{{{ typeof {{}}.evil }}}}")) == "undefined"


# What the language has; `performance` is a clock, and `queueMicrotask` asks for what never runs.
KNOWN = {
    *("AggregateError", "Array", "ArrayBuffer", "AsyncDisposableStack", "Atomics", "BigInt", "BigInt64Array"),
    *("BigUint64Array", "Boolean", "DOMException", "DataView", "Date", "DisposableStack", "Error", "EvalError"),
    *("FinalizationRegistry", "Float16Array", "Float32Array", "Float64Array", "Function", "Infinity", "Int16Array"),
    *("Int32Array", "Int8Array", "InternalError", "Iterator", "JSON", "Map", "Math", "NaN", "Number", "Object"),
    *("Promise", "Proxy", "RangeError", "ReferenceError", "Reflect", "RegExp", "Set", "SharedArrayBuffer"),
    *("String", "SuppressedError", "Symbol", "SyntaxError", "TypeError", "URIError", "Uint16Array", "Uint32Array"),
    *("Uint8Array", "Uint8ClampedArray", "WeakMap", "WeakRef", "WeakSet", "atob", "btoa", "decodeURI"),
    *("decodeURIComponent", "encodeURI", "encodeURIComponent", "escape", "eval", "globalThis", "isFinite", "isNaN"),
    *("parseFloat", "parseInt", "performance", "queueMicrotask", "undefined", "unescape"),
}
WAYS_OUT = [
    "import('os')",
    "import('std')",
    "import('/etc/passwd')",
    "import('data:text/javascript,1')",
    "import.meta.url",
    "require('child_process')",
    "process.env",
    "constructor.constructor('return process')().env",
    "(() => {}).constructor('return require')()('fs')",
    "(async () => {}).constructor('return await import(\"os\")')()",
    "(function* () {}).constructor('return std')().next().value",
    "eval('std.loadFile(\"/etc/passwd\")')",
    "new Function('return os.exec([\"id\"])')()",
    "Error.prepareStackTrace.constructor",
    "arguments.callee.caller",
    "(function () { return arguments.callee.caller })()",
    "(function f() { return f.caller })()",
    "this.constructor.constructor('return this')().process.mainModule",
    "input.constructor.constructor('return globalThis.os')().getenv('MAILNODE_SECRET_KEY')",
    "new Worker('data:,1')",
    "fetch('http://127.0.0.1')",
    "new XMLHttpRequest",
    "new WebSocket('ws://127.0.0.1')",
    "Deno.env",
    "Bun.env",
    "scriptArgs",
    "print(1)",
    "load('/etc/passwd')",
    "read('/etc/passwd')",
    "$262.agent",
    "__import__('os')",
    "input.__class__.__mro__",
    "input.__globals__.os",
]


async def test_there_is_nothing_but_the_language():
    assert set(await Evaluator({}, {}).value(Expression("Object.getOwnPropertyNames(globalThis)"))) <= KNOWN


async def test_every_function_that_can_be_reached_is_the_language_s_own():
    """No object of Python's is among them: all are JavaScript's by their prototypes, and native by their text."""
    walk = """(() => {
      const seen = new Set, todo = [globalThis, input, context], strange = [];
      for (let at; (at = todo.pop());) {
        if (seen.has(at)) continue;
        seen.add(at);
        const kind = Object.prototype.toString.call(at);
        const text = typeof at === "function" && Function.prototype.toString.call(at);
        if (text && !text.includes("[native code]")) strange.push(kind);
        for (const key of Reflect.ownKeys(at)) {
          const found = Object.getOwnPropertyDescriptor(at, key);
          for (const next of [found.value, found.get, found.set, Object.getPrototypeOf(at)])
            if (next !== null && (typeof next === "object" || typeof next === "function")) todo.push(next);
        }
      }
      return {strange, count: seen.size};
    })()"""
    found = await Evaluator({"a": {}}, {}).value(Expression(walk))
    assert found["strange"] == []
    assert found["count"] > 400


@pytest.mark.parametrize("source", WAYS_OUT)
async def test_no_way_leads_to_the_host(source, monkeypatch):
    monkeypatch.setenv("MAILNODE_SECRET_KEY", "a-canary-of-the-environment")
    told = await made(textContent=f"{{{{ {source} }}}}")
    if isinstance(told, EmailMessage):
        body = told.get_body(("plain",))
        assert body
        assert body.get_content().strip() == ""
    else:
        assert told["code"] in {"badExpression", "noValue"}
        assert "root:" not in told["message"]
