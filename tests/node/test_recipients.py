import asyncio
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailnode.errors import ErrorCode, ExpressionError, MailboxError, MailnodeError
from mailnode.message.mailbox import Group, Mailbox, mailboxes
from mailnode.node.expression import Evaluator
from mailnode.node.recipients import (
    parse_address_template,
    parse_mailbox_template,
    render_addresses,
    render_mailbox,
)

ANN = Mailbox("", "ann", "x.example")
BOB = Mailbox("", "bob", "y.example")


async def addresses(template, state, *, required=True, lenient=False):
    evaluator = Evaluator(state, {}, lenient=lenient)
    return await render_addresses(parse_address_template(template), evaluator, required=required)


async def refusal(template, state, **options):
    with pytest.raises(ExpressionError) as caught:
        await addresses(template, state, **options)
    assert caught.value.hint
    return caught.value


async def test_literal_mailboxes_need_no_expression():
    assert await addresses("ann@x.example; bob@y.example", {}) == (ANN, BOB)


@pytest.mark.parametrize("expression", ["input.email", "input.email + ''", "[input.email]"])
@pytest.mark.parametrize(
    ("email", "mailbox"),
    [
        ("ann@x.example", ANN),
        (" ann@x.example ", ANN),
        ("ann@x.example\r\n", ANN),
        ("\n\tann@x.example \t\n\n", ANN),
        ("ann@x.example (Ann)", Mailbox("Ann", "ann", "x.example")),
        ("Ann@X.example <ann@x.example>", ANN),
        ("Ann <ann@x.example>", Mailbox("Ann", "ann", "x.example")),
        ('"Doe, Ann" <ann@x.example>', Mailbox("Doe, Ann", "ann", "x.example")),
    ],
)
async def test_a_string_is_one_mailbox(expression, email, mailbox):
    assert await addresses(f"{{{{ {expression} }}}}, bob@y.example", {"email": email}) == (mailbox, BOB)


@pytest.mark.parametrize(
    "email",
    [
        "ann@x.example, evil@y.example",
        "ann@x.example;evil@y.example",
        "ann@x.example>, <evil@y.example",
        "Team: ann@x.example, bob@y.example;",
        "ann@x.example (",
        "ann",
        '"',
        ",",
        "<>",
    ],
)
async def test_a_string_that_is_not_one_mailbox_is_an_error_that_names_the_expression(email):
    for template in (
        "{{ input.email }}",
        "boss@x.example, {{ input.email }}",
        "Boss <{{ input.email }}>",
        "T: {{ input.email }};",
    ):
        if email == "zq0z@zq0z":
            assert [box.addr_spec for box in mailboxes(await addresses(template, {"email": email}))][-1] == email
            continue
        error = await refusal(template, {"email": email})
        assert error.code is ErrorCode.BAD_MAILBOX
        assert "{{ input.email }}" in error.message
        assert "zq" not in error.message


async def test_a_value_that_looks_like_our_token_is_a_value():
    assert await addresses("{{ input.a }}, {{ input.b }}", {"a": "zq1z@zq1z", "b": "ann@x.example"}) == (
        Mailbox("", "zq1z", "zq1z"),
        ANN,
    )
    assert await addresses("zq0z@x.example, {{ input.a }}", {"a": "ann@x.example"}) == (
        Mailbox("", "zq0z", "x.example"),
        ANN,
    )


async def test_an_array_is_many_mailboxes():
    state = {"list": "ann@x.example, bob@y.example,", "array": ["ann@x.example", "bob@y.example"]}
    for expression in ("input.list.split(',')", "input.array"):
        assert await addresses(f"{{{{ {expression} }}}}", state) == (ANN, BOB)
        assert await addresses(f"bob@y.example, {{{{ {expression} }}}}", state) == (BOB, ANN, BOB)
        assert await addresses(f"Team: {{{{ {expression} }}}};", state) == (Group("Team", (ANN, BOB)),)
    await refusal("{{ input.array }}", {"array": ["ann@x.example, evil@y.example"]})
    await refusal("Team <{{ input.array }}>", state)


@pytest.mark.parametrize(
    "name",
    [
        "Ann",
        "Doe, Ann",
        'Ann "the" O\'Neil',
        "a <evil@x.example>",
        "x@y.example, z@y.example",
        "zq1z",
        "=?utf-8?q?x?=",
        "Änn",
    ],
)
async def test_a_name_is_a_name_whatever_is_in_it(name):
    state = {"name": name, "email": "ann@x.example"}
    named = Mailbox(name, "ann", "x.example")
    for template in (
        "{{ input.name }} <{{ input.email }}>",
        '"{{ input.name }}" <{{ input.email }}>',
        "{{ input.name }} <ann@x.example>",
        "{{ input.name + '' }} <{{ input.email + '' }}>, ",
    ):
        assert await addresses(template, state) == (named,)
    assert await addresses('"Dr, {{ input.name }}, PhD" <ann@x.example>', state) == (
        Mailbox(f"Dr, {name}, PhD", "ann", "x.example"),
    )


async def test_a_name_may_have_several_parts():
    state = {"first": "Ann, A.", "last": "Doe", "email": "ann@x.example"}
    for template in (
        "{{ input.first }} {{ input.last }} <{{ input.email }}>",
        '"{{ input.first }} {{ input.last }}" <{{ input.email }}>',
    ):
        assert await addresses(template, state) == (Mailbox("Ann, A. Doe", "ann", "x.example"),)


async def test_an_address_within_brackets_brings_no_name():
    assert "its own name" in (await refusal("Ann <{{ input.e }}>", {"e": "Eve <eve@x.example>"})).message


async def test_a_value_may_be_a_part_of_an_address():
    state = {"user": "ann", "host": "x", "domain": "x.example", "id": 7}
    assert await addresses("{{ input.user }}@{{ input.domain }}", state) == (ANN,)
    assert await addresses("{{ input.user }}@{{ input.host }}.example", state) == (ANN,)
    assert await addresses("Ann <{{ input.user }}@x.example>", state) == (Mailbox("Ann", "ann", "x.example"),)
    assert await addresses("order-{{ input.id }}.{{ input.user }}@x.example", state) == (
        Mailbox("", "order-7.ann", "x.example"),
    )
    assert await addresses("x@{{ input.host }}.bücher.example", state) == (Mailbox("", "x", "x.xn--bcher-kva.example"),)
    assert (await addresses("{{ input.user }}@bücher.example", {"user": "ö"}))[0] == Mailbox("", "ö", "bücher.example")


@pytest.mark.parametrize(
    "part",
    [
        "evil@z.example",
        "evil@z.example,x",
        "a b",
        "x <evil@z.example>",
        "evil@z.example (",
        "a\\b",
        '"a"',
        "a:b",
        "a;b",
        "",
        ".a",
    ],
)
async def test_a_part_of_an_address_is_no_more_than_that(part):
    for template in (
        "{{ input.part }}@x.example",
        "ann@{{ input.part }}",
        "A <{{ input.part }}@x.example>",
        "ann@{{ input.part }}.example",
    ):
        assert (await refusal(template, {"part": part})).code is ErrorCode.BAD_MAILBOX


@pytest.mark.parametrize("value", ["ann@x.example\r\nBcc: evil@y.example", "a\tb@x.example", "ann@x.example\0"])
async def test_a_control_character_is_an_error(value):
    for template in ("{{ input.v }}", "{{ input.v }} <ann@x.example>", "{{ input.v }}@x.example"):
        assert (await refusal(template, {"v": value})).code is ErrorCode.BAD_HEADER


@pytest.mark.parametrize("template", ["{{ input.x }}", "{{ input.x }} <a@b.example>", "{{ input.x }}@b.example"])
async def test_a_value_that_is_longer_than_any_mailbox_is_not_read(template):
    for value in ("a:;" * 100_000, ["a@b.example", "<" * 100_000]):
        error = await refusal(template, {"x": value})
        assert error.code is ErrorCode.BAD_MAILBOX
        assert "characters long, too long for an address" in error.message


async def test_what_is_empty_is_no_mailbox_unless_one_is_required():
    for value in ("", "  ", [], ["", " "]):
        for template in ("{{ input.v }}, bob@y.example", "Ann <{{ input.v }}>, bob@y.example"):
            assert await addresses(template, {"v": value}, required=False) == (BOB,)
            assert (await refusal(template, {"v": value})).code is ErrorCode.NO_VALUE
    assert await addresses("{{ input.v }}", {"v": ""}, required=False) == ()
    assert await addresses("T: {{ input.v }};", {"v": ""}, required=False) == (Group("T", ()),)


async def test_no_value_is_empty_only_when_lenient_and_not_required():
    assert await addresses("{{ input.cc }}", {}, required=False, lenient=True) == ()
    assert (await refusal("{{ input.cc }}", {}, required=False)).code is ErrorCode.NO_VALUE
    assert (await refusal("{{ input.to }}", {}, lenient=True)).code is ErrorCode.NO_VALUE


async def test_an_error_of_the_literal_text_shows_the_expression_and_no_token():
    with pytest.raises(MailboxError) as caught:
        await addresses("{{ input.a }} nobody, x@y.example", {"a": "b"})
    assert "{{ input.a }}" in caught.value.message
    assert "zq" not in caught.value.message


async def test_exactly_one_mailbox_where_one_is_wanted():
    async def mailbox(template, state):
        return await render_mailbox(parse_mailbox_template(template), Evaluator(state, {}))

    assert await mailbox("{{ input.a }}", {"a": "ann@x.example"}) == ANN
    for template, a in (
        ("{{ input.a }}", ["a@x.example", "b@x.example"]),
        ("T: {{ input.a }};", "a@x.example"),
        ("a@b.example, {{ input.a }}", "a@x.example"),
    ):
        with pytest.raises(MailboxError, match="exactly one address is expected"):
            await mailbox(template, {"a": a})
    with pytest.raises(MailnodeError):
        await mailbox("{{ input.a }}", {"a": ""})


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("bob@y.example\n{{ input.a }}\n", (BOB, ANN)),
        ("{{ input.a }}\r\nbob@y.example", (ANN, BOB)),
        ("  {{ input.a }}\n  {{ input.b }}\n", (ANN, BOB)),
        ("{{ input.n }}\n <{{ input.a }}>\nbob@y.example", (Mailbox("Ann, A.", "ann", "x.example"), BOB)),
        ("T:\n{{ input.a }}\n{{ input.b }};", (Group("T", (ANN, BOB)),)),
    ],
)
async def test_the_author_may_write_one_a_line(template, expected):
    state = {"a": "ann@x.example\n", "b": "bob@y.example", "n": "Ann, A."}
    assert await addresses(template, state) == expected


@pytest.mark.parametrize("value", ["ann@x.example\nevil@y.example", "ann@x.example\r\n <evil@y.example>"])
async def test_a_value_may_not(value):
    for template in ("{{ input.v }}", "bob@y.example\n{{ input.v }}\n", "T: {{ input.v }};", "{{ [input.v] }}"):
        error = await refusal(template, {"v": value})
        assert error.code is ErrorCode.BAD_HEADER
        assert "value.split('\\n')" in error.hint


@pytest.mark.parametrize(
    ("template", "value", "hint"),
    [
        ("{{ input.v }}", "a@x.example, b@x.example", "value.split(',')"),
        ("{{ input.v }}", "a@x.example b@x.example", "value.split(',')"),
        ("{{ input.v }}", "Doe, Ann <a@x.example>", "in double quotes"),
        ("{{ input.v }}", "mailto:a@x.example", "remove mailto:"),
        ("{{ input.v }}", "a@x.example <b@x.example>", "in double quotes"),
        ("{{ input.v }}", "ann", "write it like"),
        ("{{ input.v }}", "", "or a default:"),
        ("Ann <{{ input.v }}>", "Eve <eve@x.example>", "remove the name"),
        ("{{ input.v }}@x.example", "ann@x.example", "give only that part"),
    ],
)
async def test_the_remedy_speaks_of_arrays_only_where_a_list_was_meant(template, value, hint):
    assert hint in (await refusal(template, {"v": value})).hint


templates = st.sampled_from(
    [
        ("{{ input.v }}", 1),
        ("a@x.example, {{ input.v }}, b@x.example", 3),
        ("{{ input.v }} <a@x.example>", 1),
        ('"N, {{ input.v }}" <a@x.example>', 1),
        ("N <{{ input.v }}>", 1),
        ("{{ input.v }}@x.example", 1),
        ("a@{{ input.v }}", 1),
        ("{{ input.v }} {{ input.v }} <{{ input.v }}@x.example>", 1),
        ("G: {{ input.v }}, a@x.example;", 2),
        ("a@x.example ({{ input.v }})", 1),
        ("a@x.example\n{{ input.v }}\nb@x.example\n", 3),
        ("{{ input.v }}\n <a@x.example>", 1),
        ("G:\n{{ input.v }}\na@x.example;", 2),
        ("\u201c{{ input.v }}\u201d <a@x.example>", 1),
    ]
)


@given(templates, st.text(alphabet='ab@.,;:<>()"\\ =?zq01\r\n\t\u201c\u201d', max_size=25) | st.text(max_size=10))
@settings(max_examples=300)
def test_no_string_adds_a_mailbox(template, value):
    text, most = template
    with suppress(ExpressionError):
        assert len(list(mailboxes(asyncio.run(addresses(text, {"v": value}, required=False))))) <= most
