"""Values that no setting waits for, tampering with JavaScript itself, and ways out of the sandbox."""

import json
from contextlib import suppress
from email.message import EmailMessage

import pytest

from mailnode.errors import SettingsError
from mailnode.node.expression import Evaluator
from mailnode.node.template import Expression, parse_template
from support.flows import run, write_flow
from support.isolated_node import is_clear, made

ODD = [
    *("0/0", "1/0", "-0", "10n ** 30n", "-1e-7", "true", "Symbol('x')", "() => 1", "class A {}", "Math.max"),
    *("new Date(0)", "new Date(NaN)", "/x/", "new Map([[1, 2]])", "new Set([1])", "new WeakMap", "new Error('x')"),
    *("(a => (a.a = a, a))({})", "(a => (a.push(a), a))([])", "Object.create(null)", "({get a() { throw 1 }})"),
    *("new Proxy({}, {})", "new Proxy([], {})", "new Proxy(() => 1, {})", "Proxy.revocable([], {}).proxy"),
    *("(p => (p.revoke(), p.proxy))(Proxy.revocable([], {}))", "new Proxy([], {get() { throw new Error('x') }})"),
    *("[,, 1]", "new Array(3)", "[undefined]", "[null]", "[[]]", "[{}]", "[Symbol()]", "[() => 1]", "[1n]", "[]", "''"),
    *(
        "[{toString() { throw 1 }}]",
        "({toString: 1})",
        "({__proto__: null, toString: 1})",
        "new (class extends Array {})",
    ),
    *("new Uint8Array(3)", "new Float64Array([0/0])", "new ArrayBuffer(1)", "new DataView(new ArrayBuffer(1))"),
    *("'\\ud800'", "['\\udfff']", "'\\ude00\\ud83d'", "undefined", "null", "void 0", "new String('a')", "Object(1n)"),
    *("Promise.resolve(1)", "(async () => 1)()", "(function* () {})()", "(async function* () {})()", "[1].values()"),
    *("globalThis", "this", "Math", "JSON", "Reflect", "new WeakRef({})", "Atomics", "arguments", "new.target"),
    *(f"(() => {{ throw {what} }})()" for what in ("null", "undefined", "0", "''", "{}", "[]", "Symbol()", "() => 1")),
    *("(() => { throw {toString() { throw 1 }} })()", "(() => { throw Object.create(null) })()"),
    *("(() => { throw new Proxy({}, {get() { throw 1 }}) })()", "(() => { throw 'x\\r\\n\\x1b[31m'.repeat(1e5) })()"),
    *("(() => { throw Object.assign(new Error, {stack: {}, message: Symbol()}) })()", "(() => { throw '\\ud800' })()"),
    *("'a\\0b'", "'\\u202e\\u2066'", "'\\r\\nBcc: eve@example.org'", "'\\x1b[31m'", "Array(50).fill('x')"),
]
LARGE = ["'x'.repeat(2 ** 20)", "'é'.repeat(2 ** 20)", "Array(2 ** 14).fill('x')", "input.large", "(input.large)"]


def settings_of(value):
    """The settings that take expressions, each with this value."""
    plain = ("to", "cc", "bcc", "replyTo", "from", "envelopeFrom", "subject", "content", "textContent")
    more = ("inReplyTo", "references", "listUnsubscribe", "idempotencyKey")
    text = {"type": "text", "content": "x", "filename": "a.txt"}
    return {
        **{key: {key: value} for key in (*plain, *more)},
        "headers.X-A": {"headers": {"X-A": value}},
        **{f"attachments[0].{key}": {"attachments": [text | {key: value}]} for key in ("content", "filename", "cid")},
        "attachments[0].url": {"attachments": [{"type": "url", "url": f"data:,{value}"}]},
    }


@pytest.mark.parametrize("source", ODD)
async def test_a_value_that_nobody_waits_for_is_text_or_one_clear_error(source):
    for key, settings in settings_of(f"{{{{ {source} }}}}").items():
        for lenient in (False, True):
            mail = await made(lenient=lenient, **settings)
            if not isinstance(mail, EmailMessage):
                is_clear(mail, key)
            else:
                assert key == "to" or mail["To"] == "jane@example.org"


@pytest.mark.parametrize("source", LARGE)
@pytest.mark.parametrize("key", ["to", "subject", "content", "textContent", "attachments[0].content", "headers.X-A"])
async def test_a_megabyte_is_sent_whole_or_is_one_clear_error(source, key):
    state = {"large": "x" * 2**20}
    mail = await made(state, **settings_of(f"{{{{ {source} }}}}")[key])
    if not isinstance(mail, EmailMessage):
        is_clear(mail, key)
    over = await made(state | {"larger": "x" * (2**20 + 1)}, subject="{{ input.larger }}")
    is_clear(over, "subject", "expressionLimit")


async def test_a_thousand_expressions_stand_in_one_node():
    state = {"a": [{"b": number} for number in range(1000)]}
    text = "".join(f"{{{{ input.a[{number}].b + 1 }}}}," for number in range(1000))
    mail = await made(state, textContent=text)
    assert isinstance(mail, EmailMessage)
    body = mail.get_body(("plain",))
    assert body
    assert "".join(body.get_content().split()) == "".join(f"{number + 1}," for number in range(1000))


@pytest.mark.parametrize("depth", [100, 400, 900, 2000, 100_000])
async def test_a_deep_value_is_used_or_is_one_clear_error(tmp_path, depth):
    deep = json.loads("[" * min(depth, 900) + "]" * min(depth, 900))
    for _ in range(depth - 900):
        deep = [deep]
    for source in ("input.a", "(input.a)", "input.a.length"):
        evaluator = Evaluator({"a": deep}, {})
        for evaluated in (
            evaluator.value(Expression(source)),
            evaluator.truth(Expression(source)),
            evaluator.text(parse_template(f"{{{{ {source} }}}}")),
        ):
            with suppress(SettingsError):
                await evaluated


async def test_what_small_nodes_refuse_names_node_key_and_remedy(tmp_path):
    for node, key in (
        ({"type": "say", "settings": {"text": "{{ nobody }}"}}, "text"),
        ({"type": "setContext", "settings": {"key": "a", "value": {"b": [1, "{{ 1n }}"]}}}, "value.b[1]"),
    ):
        ran = await run(write_flow(tmp_path, {"id": "tell", **node}))
        assert ran.nodes[0].error
        is_clear(ran.nodes[0].error, key, "badExpression")
