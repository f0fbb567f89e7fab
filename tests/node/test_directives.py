"""Elements that are repeated, or shown only at times: `data-each`, `data-if` and `data-else`."""

from html import escape

import pytest

from mailnode.errors import ErrorCode, ExpressionError
from mailnode.node import program, sandbox
from mailnode.node.expression import Evaluator
from mailnode.node.html import HtmlTemplate, render_html
from support.repeats import repeats

EVIL = '<p data-if="input.no" data-each="x of input.items">{{ input.no }}</p>'
STATE = {
    "items": [
        {"name": "A<b>", "price": 1.5, "url": "https://x.example/?a=1&b=2", "tags": ["x", "y"]},
        {"name": "B", "price": 2, "url": "javascript:alert(1)", "tags": []},
    ],
    "yes": True,
    "no": False,
    "empty": [],
    "nothing": None,
    "text": "a,b",
    "object": {"a": 1},
    "evil": EVIL,
}


async def rendered(content, **options):
    return await render_html(HtmlTemplate(content), Evaluator(STATE, {"shop": "S"}, **options))


async def refusal(content, **options):
    with pytest.raises(ExpressionError) as caught:
        await rendered(content, **options)
    return caught.value


async def test_a_hundred_stand_within_one_another():
    start = '<i data-each="a of [[1]].flatMap(x => x.map(y => y))" data-if="[1].some(x => x)">'
    made = await rendered(start * 100 + "{{ [a].map(x => x + 1)[0] }}" + "</i>" * 100)
    assert made.html == "<i>" * 100 + "2" + "</i>" * 100


@pytest.mark.parametrize(
    ("content", "html"),
    [
        # Repeated, with the author's bytes kept.
        (
            "<ul>\n <LI  data-each='item of input.items'\tCLASS=x >{{ item.name }}</LI >\n</ul>",
            "<ul>\n <LI\tCLASS=x >A&lt;b&gt;</LI ><LI\tCLASS=x >B</LI >\n</ul>",
        ),
        ('<p class=x data-each="i of [1, 2]">{{ i }}</p>', "<p class=x>1</p><p class=x>2</p>"),
        ('<p DATA-EACH="i of [1, 2]"title="{{ i }}">', '<p title="1"><p title="2">'),
        ("<i data-each='i, n of [7, 8]'>{{ n }}:{{ i }} {{ context.shop }} </i>", "<i>0:7 S </i><i>1:8 S </i>"),
        ('<br data-each="i of [1, 2]"/><hr data-if=input.no>', "<br/><br/>"),
        ('<li data-each="i of [1, 2]">{{ i }}<li>3', "<li>1<li>2<li>3"),
        ('<table><tr data-each="i of [1, 2]"><td>{{ i }}</table>', "<table><tr><td>1<tr><td>2</table>"),
        ('<p data-each="i of input.items.filter(one =&gt; one.price > 1.7)">{{ i.name }}</p>', "<p>B</p>"),
        # Within one another, each with its own variables.
        (
            '<p data-each="a, n of input.items">{{ a.name }}<b data-each="t of a.tags" title="{{ t }}{{ n }}"></b></p>',
            '<p>A&lt;b&gt;<b title="x0"></b><b title="y0"></b></p><p>B</p>',
        ),
        (
            '<p data-each="a of input.items"><b data-each="a of a.tags">{{ a }}</b>{{ a.price }}</p>',
            "<p><b>x</b><b>y</b>1.5</p><p>2</p>",
        ),
        # Shown at times.
        ('<p data-if="input.yes">1</p><p data-else>2</p>', "<p>1</p>"),
        ('<p data-if="input.no">1</p>\n<!-- else -->\n<p data-else="">2</p>', "\n<!-- else -->\n<p>2</p>"),
        (
            '<p data-if="input.no">1</p> <p data-else data-if="input.yes">2</p> <p data-else>3</p>',
            " <p>2</p> ",
        ),
        ('<p data-if="input.no">1</p><p data-else data-if="0">2</p><p data-else>3</p>', "<p>3</p>"),
        ('<p data-if="input.yes">1</p><p data-if="input.no">2</p><p data-else>3</p>', "<p>1</p><p>3</p>"),
        ('<p data-each="i of input.empty">1</p><p data-else>none</p>', "<p>none</p>"),
        ('<p data-each="i of [1]">1</p><p data-else>none</p>', "<p>1</p>"),
        ('<p data-if="input.no">{{ input.missing.name }}<b data-each="i of input.text">{{ i }}</b></p>', ""),
        ('<p data-if="input.yes &amp;&amp; !input.no">1</p>', "<p>1</p>"),
        ("<!--[if mso]><p data-if='input.no'>1</p><p data-else>2</p><![endif]-->", "<!--[if mso]><p>2</p><![endif]-->"),
        ("<!-- <p data-if='input.no'> -->", "<!-- <p data-if='input.no'> -->"),
        # data-each comes first, and data-if judges each item.
        ('<p data-if="i.price > 1.7" data-each="i of input.items">{{ i.name }}</p>', "<p>B</p>"),
        ('<p data-each="i of input.items" data-if="i.price > 9">1</p><p data-else>none</p>', "<p>none</p>"),
        # What looks like a directive in a value is text.
        (
            '<div data-if="input.yes">{{{ input.evil }}}</div>{{ input.yes }}',
            f"<div>{EVIL}</div>true",
        ),
        (
            '<p data-each="i of [input.evil]" title="{{ i }}"></p>',
            f'<p title="{escape(EVIL)}"></p>',
        ),
        # One expression sees nothing of what another one does.
        (
            '<p data-each="i of input.items.reverse()">{{ i.name }}</p>{{ input.items[1].name }}',
            "<p>B</p><p>A&lt;b&gt;</p>B",
        ),
        ('<p data-each="i of input.items">{{ i.price = 5 }}{{ i.price }}</p>', "<p>51.5</p><p>52</p>"),
        # Values as everywhere.
        (
            "<p data-each='i of [1e21, 12345678901234567890n, 0.1, -0, 1 / 0, [1, [].length], true]'>{{ i }}</p>",
            "<p>1e+21</p><p>12345678901234567890</p><p>0.1</p><p>0</p><p>Infinity</p><p>1, 0</p><p>true</p>",
        ),
        # Style sheets are moved when it is known which elements there are.
        (
            '<style>li:first-child{color:red}</style><ul><li data-each="i of [1, 2]">{{ i }}</li></ul>',
            '<ul><li style="color:red">1</li><li>2</li></ul>',
        ),
    ],
)
async def test_elements_come_as_often_as_their_directives_say(content, html):
    result = await rendered(content)
    assert result.html == html
    assert result.warnings == ()


async def test_a_link_of_one_row_is_emptied_with_a_warning_that_names_the_row():
    result = await rendered('<a data-each="i of input.items" href="{{ i.url }}">x</a>')
    assert result.html == '<a href="https://x.example/?a=1&amp;b=2">x</a><a href="">x</a>'
    assert result.warnings == ("href was emptied: {{ i.url }} contains the scheme 'javascript' (row 2 of input.items)",)


async def test_with_lenient_nothing_is_an_empty_list():
    content = (
        '<p data-each="i of input.nothing">1</p><p data-else data-each="i of input.missing">2</p><p data-else>3</p>'
    )
    assert (await rendered(content, lenient=True)).html == "<p>3</p>"
    assert "input.nothing" in (await refusal(content)).message


@pytest.mark.parametrize(
    ("content", "message", "hint"),
    [
        ("<p data-each='i of input.nothing'>", 'data-each="i of input.nothing" is null', "input.nothing ?? []"),
        ("<p data-each='i of input.text'>", "input.text is text, not a list", "input.text.split(',')"),
        ("<p data-each='i of input.object'>", "input.object is an object, not a list", "Object.values(input.object)"),
        ("<p data-each='i of new Proxy([1], {get: () => \"x\"})'>", "can't be evaluated: TypeError", "JavaScript"),
        ("<p data-each='i of [{get a() { throw 1 }}]'>", "can't be evaluated: 1", "JavaScript"),
        ("<p data-each='i of 5'>", "5 is a number, not a list", "list"),
        ("<p data-each='i of input.a.b'>", "cannot read property 'b' of undefined", "default"),
        ("<p data-if='nobody'>", 'data-if="nobody" can\'t be evaluated', "input.nobody"),
        ("<p data-each='i of [1, 2]'>{{ i === 2 ? null : i }}</p>", "is null (row 2 of [1, 2])", "default"),
        (
            "<p data-each='a of [[1], [1, 2]]'><b data-each='b of a'>{{ b.c.d }}</b></p>",
            "(row 1 of a in row 1 of [[1], [1, 2]]), and 2 more times",
            "default",
        ),
        ("<p data-each='i of [1]'>{{ i }}</p>{{ i }}", "i is not defined", "within the element"),
        ("<p data-each='i of [1]'>{{ i }}</p>{{ j }}", "j is not defined", "input.j"),
        # What is written wrongly is known before there is a mail.
        ("<p data-each='i in input.items'>", "data-each can't be read: 'i in input.items'", "item of input.items"),
        ("<p data-each=item>", "data-each can't be read", "item of input.items"),
        ("<p data-each='input of input.items'>", "'input' is the name of the flow's own data", "item of"),
        ("<p data-each='i, context of input.items'>", "'context' is the name", "item, index of"),
        ("<p data-each='class of input.items'>", "'class' is a word of JavaScript's own", "item of"),
        ("<p data-each='1st of input.items'>", "'1st' is not a name", "letter"),
        ("<p data-each='i, i of input.items'>", "two variables of the same name", "item, index"),
        ("<p data-each='i of {{ input.items }}'>", "data-each on <p> contains braces", "without braces"),
        ("<p data-if='{{ input.yes }}'>", "data-if on <p> contains braces", "without braces"),
        ("<p data-if>", 'data-if="" is empty', 'data-if="input.vip"'),
        ("<p data-if='a('>", "the expression is not closed", "bracket"),
        ("<p data-if='a}'>", "unmatched }", "bracket"),
        ("<p data-if=1 data-if=2>", "<p> has data-if twice", "&&"),
        ("<p>1</p><p data-else>", "data-else on <p> follows no element with", "right behind"),
        ("<p data-if=1>1</p>x<p data-else>", "data-else on <p> follows no element with", "right behind"),
        ("<p data-if=1>1</p><p data-else='input.no'>", "data-else on <p> has a value", "data-if"),
        ("<p data-if=1>1</p><p data-else-if='a'>", "there is no data-else-if", 'data-else data-if="a"'),
        ("<body data-if=1>", "data-if on <body>: it is the page itself", "within <body>"),
        ("<b data-if=1>1<p>2</b>3</p>", "data-if on <b>: it overlaps <p>", "close"),
        ("<div><tr data-each='i of [1]'></tr></div>", "data-each on <tr>: it stands where browsers drop it", "table"),
        (f"{'<div data-if=1>' * 300}", "nested deeper than 256", "flatter"),
        (f"{'<div data-if=1>' * 101}", "more than 100 elements", "flatter"),
        (
            f"{'<i data-if=1>' * 250}<!--[if mso]>{'<i data-if=1>' * 250}{'</i>' * 250}<![endif]-->",
            "than 100",
            "flatter",
        ),
    ],
)
async def test_what_can_t_be_done_is_an_error_with_its_place_and_remedy(content, message, hint):
    error = await refusal(content)
    assert message in error.message
    assert hint in error.hint


async def test_all_that_is_wrong_is_told_at_once():
    content = '<p data-each="i of input.items">{{ i.nope }}{{ i.a.b }}</p>{{ input.nobody }}<p data-if="input.yes.a.b">'
    error = await refusal(content)
    assert error.code is ErrorCode.NO_VALUE
    assert [one.message.partition(":")[0] for one in error.others] == [
        "{{ i.a.b }} has no value",
        "{{ input.nobody }} is undefined",
        'data-if="input.yes.a.b" has no value',
    ]
    assert error.message == "{{ i.nope }} is undefined (row 1 of input.items), and 1 more time"
    assert error.locate(key="content").others[1].key == "content"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("<p data-each='i of Array(10001).fill(1)'>1</p>", "repeats more than 10,000 times"),
        ("<p data-each='i of Array(101)'><b data-each='i of Array(100)'></b></p>", "repeats more than 10,000 times"),
        ("<p data-each='i of Array(6).fill(\"a\".repeat(1e6))'>{{ i }}</p>", "makes more than 5 MB of text"),
        (f"<p data-each='i of Array(9999)'>{'a' * 600}</p>", "more than 5 MB of HTML"),
        ("<p data-each='i of Array(4).fill(\"&\".repeat(1e6))'>{{ i }}</p>", "more than 5 MB of HTML"),
        ("<p data-if='(() => { for (;;); })()'>", "takes too long"),
        ("<p data-if='1'>{{ 'x'.repeat(2 ** 20 + 1) }}</p>", "the limit is 1048576"),
        ("<p data-if='(function f() { f() })()'>", "recurses too deeply"),
        ("<p data-if='new Array(1e8).fill(1).join()'>", "takes too much memory"),
        ("<p data-each='i of Array(9999)'>{{ i.a }}</p>", "and 99 more times"),
    ],
)
async def test_limits_are_clear_errors(content, words, monkeypatch):
    if "for (;;)" in content:
        monkeypatch.setattr(sandbox, "CPU_SECONDS", 0.2)
    error = await refusal(content)
    assert words in error.message
    assert error.hint
    assert error.code in {ErrorCode.EXPRESSION_LIMIT, ErrorCode.NO_VALUE}


async def test_the_most_repetitions_are_allowed_and_are_one_call_to_the_engine(monkeypatch):
    jobs = []
    send = sandbox.Sandbox.run

    async def counted(self, source, *rest):
        jobs.append(source)
        return await send(self, source, *rest)

    monkeypatch.setattr(sandbox.Sandbox, "run", counted)
    count = program.MOST_REPETITIONS
    result = await rendered(f"<p data-each='i, n of Array({count})'>{{{{ n }}}}</p>{{{{ input.yes }}}}")
    assert result.html.count("<p>") == count
    assert result.html.endswith(f"<p>{count - 1}</p>true")
    assert len(jobs) == 1


async def test_content_made_by_chance_becomes_what_another_way_makes_of_it():
    lengths = []
    for seed in range(100):
        made = repeats(seed)
        result = await render_html(HtmlTemplate(made.content), Evaluator(made.input, {}))
        assert result.html == made.html, seed
        lengths.append(result.html.count("<i title"))
    assert max(lengths) > 10
