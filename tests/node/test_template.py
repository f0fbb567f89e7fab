import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailnode.errors import ErrorCode, ExpressionError
from mailnode.node.template import Expression, has_braces, parse_template


def sources(text):
    return [part.source.strip() for part in parse_template(text).parts if isinstance(part, Expression)]


def test_text_without_braces_is_one_literal():
    template = parse_template("Order } { }} shipped")
    assert template.parts == ("Order } { }} shipped",)
    assert not template.expressions
    assert parse_template("").parts == ()


def test_text_is_cut_at_its_expressions():
    template = parse_template("Order {{ input.order }} for {{input.name}}!")
    assert template.parts == ("Order ", Expression(" input.order "), " for ", Expression("input.name"), "!")
    assert template.expressions
    assert template.single is None


def test_a_single_expression_stands_alone():
    single = parse_template("{{ input.order }}").single
    assert single is not None
    assert single.path == ("input", "order")
    assert parse_template(" {{ input.order }}").single is None
    assert parse_template("{{ 1 }}{{ 2 }}").single is None


@pytest.mark.parametrize(
    "source",
    [
        '"}}"',
        "'}}'",
        "`}}`",
        r'"\"}}"',
        r"'it\'s }}'",
        "`a${ {b: `}}${'}}'}`}.b }}}`",
        "{a: {b: 1}}.a.b",
        "{a:{b:1}}.a.b",
        "[{a: 1}, {}].map(x => { return {y: x} })",
        "/}}/.test(input.a)",
        "/[/}}]/.test(input.a)",
        r"/\/}}/.test(input.a)",
        "input.a.replace(/}}/g, '')",
        "typeof /}}/",
        "a / b / c",
        "(a) / b",
        "a[0] / 2",
        "a++ / 2",
        "input.return / 2",
        "1.5 / 2",
        "1 /* }} */ + 2",
        "`a` / 2",
        '"{{"',
    ],
)
def test_an_expression_ends_where_its_javascript_does(source):
    assert sources(f"before {{{{ {source} }}}} after") == [source]
    assert parse_template(f"{{{{ {source} }}}} after").parts[-1] == " after"


def test_braces_may_touch_the_closing_ones():
    assert sources("{{ {a:{b:1}} }}") == ["{a:{b:1}}"]
    assert sources("{{ ({a:{b:1}})}}!") == ["({a:{b:1}})"]
    assert sources("{{ [{a:{}}]}}") == ["[{a:{}}]"]


def test_a_line_comment_ends_with_its_line_or_its_expression():
    assert sources("{{ input.a // it's }} {{ 2 }}") == ["input.a // it's", "2"]
    assert sources("{{ input.a // it's\n + 1 }}") == ["input.a // it's\n + 1"]


def test_a_slash_of_the_text_behind_an_expression_that_is_not_closed_is_no_regular_expression():
    with pytest.raises(ExpressionError) as caught:
        parse_template("<p>{{ input.name .</p>")
    assert caught.value.message == "the expression is not closed: {{ input.name .</p>"


@pytest.mark.parametrize(
    "text",
    [
        "{{ input.name",
        "{{ input.name }",
        "{{ 'a }}",
        '{{ "a\n" }}',
        "{{ `a }}",
        "{{ `a${1 }}",
        "{{ (1 }}",
        "{{ 1) }}",
        "{{ (1] }}",
        "{{ `${1]}` }}",
        "{{ 1 } }}",
        "{{ /* a }}",
        "{{ /a }}",
        "{{ }}",
        "{{}}",
        "{{{ input.name }}}",
    ],
)
def test_what_does_not_close_is_an_error_that_shows_it(text):
    with pytest.raises(ExpressionError) as caught:
        parse_template("Dear " + text)
    assert caught.value.code is ErrorCode.BAD_EXPRESSION
    assert caught.value.phase == "expression"
    assert "{{" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("input.a.b", ("input", "a", "b")),
        (" context.$a._b1 \n", ("context", "$a", "_b1")),
        ("input", ("input",)),
        ("input.class", ("input", "class")),
        ("\u00a0input.a", ("input", "a")),
        ("input.ä", None),
        ("input?.a", None),
        ("input.a[0]", None),
        ("inputs.a", None),
        ("input.1", None),
        ("input . a", None),
        ("\x1cinput.a", None),
        ("input.a()", None),
    ],
)
def test_a_plain_path_is_known(source, path):
    assert Expression(source).path == path


def test_an_expression_shows_itself_short_and_on_one_line():
    assert str(Expression(" input.a\n + 1 ")) == "{{ input.a + 1 }}"
    assert str(Expression("x", raw=True)) == "{{{ x }}}"
    assert len(str(Expression("x" * 1000))) < 80


def test_braces_are_seen():
    assert has_braces("smtp.{{ input.host }}")
    assert not has_braces("{ a } }}")


@given(st.text(alphabet="{}`'\"/\\$()[]a.+ \n*", max_size=40))
@settings(max_examples=200)
def test_any_text_parses_to_its_own_letters_or_is_refused(text):
    try:
        template = parse_template(text)
    except ExpressionError:
        return
    shown = (f"{{{{{part.source}}}}}" if isinstance(part, Expression) else part for part in template.parts)
    assert "".join(shown) == text


def test_long_text_takes_linear_many_steps():
    # An unclosed construct of every kind at full length; quadratic scanners need minutes here.
    for opening in ("{{ (", "{{ [/", "{{ =/[", "{{ `${", "{{ '", "{{ /*"):
        with pytest.raises(ExpressionError):
            parse_template(opening * 50_000)
    assert len(parse_template("{{ a }}" * 50_000).parts) == 50_000
