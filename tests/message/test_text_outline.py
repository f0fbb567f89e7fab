import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailnode.message.text import html_to_text
from mailnode.message.text_outline import outline_of

VALUES = ("Jane", "12.50", "O'Brien", "2 cups", "hidden", "www.shop.example", "jane@shop.example", "Zoë", "x", "none")
FRAGMENTS = (
    *("<p>", "</p>", "<div>", "</div>", "<br>", "<hr>", "<ul>", "</ul>", "<ol start=3>", "<li>", "<pre>", "</pre>"),
    *(
        "<table>",
        "</table>",
        "<tr>",
        "<td>",
        "</td>",
        "<td colspan=2>",
        "<blockquote>",
        "</blockquote>",
        "<title>",
        "</title>",
    ),
    *(
        '<a href="https://shop.example/">',
        '<a href="https://shop.example/',
        '<a href="',
        '">',
        "</a>",
        '<a href="mailto:',
    ),
    *('<img alt="', '<p style="display:', '<p style="', '<p title="', '<li value="', '<ol start="', "<q>", "</q>"),
    *(
        " ",
        "\n",
        "  \n",
        "word",
        "shop.example",
        "Dear ",
        ", thank you",
        "&nbsp;",
        "&amp;",
        "&amp",
        "&",
        "&#8364;",
        "&a",
    ),
    *(
        "\u200d",
        "\u200b",
        "\u00a0",
        "\ufdd0",
        "\ufdd00\ufdd0",
        "<!--",
        "-->",
        "<!--[if mso]>",
        "<![endif]-->",
        "<",
        ">",
        "- ",
    ),
)


def filled(pieces: list[str], values: list[str]) -> str:
    return "".join(html.escape(values[int(piece)]) if at % 2 else piece for at, piece in enumerate(pieces))


def outlined(*pieces: str, values: list[str], in_attributes: tuple[int, ...] = ()) -> str | None:
    outline = outline_of(pieces, in_attributes)
    return outline.filled(values) if outline else None


@given(st.data())
def test_an_outline_is_filled_as_the_html_is_read(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 3))
    literal = st.lists(st.sampled_from(FRAGMENTS), max_size=6).map("".join)
    pieces = [data.draw(literal)]
    for number in range(count):
        pieces += str(number), data.draw(literal)
    values = [data.draw(st.sampled_from(VALUES)) for _ in range(count)]

    # As if all could be in attributes, which is the stricter rule for values but not for text.
    text = outlined(*pieces, values=values, in_attributes=tuple(range(count)))

    assert text is None or text == html_to_text(filled(pieces, values))


@pytest.mark.parametrize(
    ("pieces", "value", "expected"),
    [
        (("<p>Dear ", "0", ",</p><p>hi</p>"), "Jane Doe", "Dear Jane Doe,\n\nhi\n"),
        (("<table><tr><td>Dear ", "0", "</td></tr></table>"), "Jane", "Dear Jane\n"),
        (("<title>", "0", "</title><p>hi"), "Jane", "hi\n"),
        (
            ('<a href="https://shop.example/track/', "0", '">Track it</a>'),
            "17",
            "Track it (https://shop.example/track/17)\n",
        ),
        (('<img src="https://shop.example/', "0", '" alt="Logo">'), "17", "Logo\n"),
    ],
)
def test_what_does_not_depend_on_the_value_is_filled(pieces: tuple[str, ...], value: str, expected: str) -> None:
    assert outlined(*pieces, values=[value]) == expected == html_to_text(filled([*pieces], [value]))


@pytest.mark.parametrize(
    "pieces",
    [
        ("<table><tr><td>a</td><td>", "0", "</td></tr></table>"),
        ('<a href="https://', "0", '/">shop.example</a>'),
        ('<a href="https://shop.example/">', "0", "</a>"),
        ('<a href="', "0", '">here</a>'),
        ('<p style="display:', "0", '">here</p>'),
        ('<p style="', "0", ':none">here</p>'),
        ('<ol start="', "0", '"><li>here</ol>'),
        ("&am", "0", ""),
        ("<", "0", ">"),
        (f"&#{'1' * 5000};", "0", ""),
        # Of a sigma that ends a word the small letter is another one.
        ('<a href="https://a.example/\u0391\u03a3', "0", '">a.example/\u03b1\u03c3\u03b1</a>'),
    ],
)
def test_what_depends_on_the_value_has_no_outline(pieces: tuple[str, ...]) -> None:
    assert outline_of(pieces, ()) is None


@pytest.mark.parametrize(
    "value", ["", " ", "a  b", " a", "a\nb", "<b>", "a&b", "a--", "\u200d", "\u00a0", "-", "a\ufdd0"]
)
def test_more_than_plain_words_is_not_filled_in(value: str) -> None:
    assert outlined("<p>", "0", "</p>", values=[value]) is None


def test_a_space_is_not_filled_into_an_attribute() -> None:
    pieces = ('<a href="https://shop.example/?', "0", '">here</a>')
    assert outlined(*pieces, values=["a b"], in_attributes=(0,)) is None


def test_what_looks_like_a_hole_in_other_html_is_none() -> None:
    html_text = "<table><tr><td>\ufdd00\ufdd0<td>b</table><a href='https://a.example/'>\ufdd00\ufdd0</a>"
    assert html_to_text(html_text).startswith("\ufffd0\ufffd  b\n")
