"""The proof that the tests of the inliner rest on sees what it should."""

import pytest

from support.byte_invariant import changes

AUTHOR = """<!DOCTYPE html><html><head><!--[if mso]><style>p{x:y}</style><![endif]--><style>
 p{color:red}
 /* x */
 .b{margin:0;margin:1px}
 @media print{p{color:blue}}
</style><style>p{a:b}</style></head><p class=b>x<P STYLE='a:c' title="a > b" /><br/><p style=x:y><p style></p>"""
LEFT = """<!DOCTYPE html><html><head><!--[if mso]><style>p{x:y}</style><![endif]--><style>
 /* x */
 @media print{p{color:blue}}
</style></head><p style="color:red; margin:0; margin:1px" class=b>x<P STYLE='a:b;a:c' title="a > b" /><br/>\
<p style="q:&quot;x&quot;;x:y"><p style="color:red"></p>"""


def test_filled_attributes_and_moved_rules_are_told():
    assert changes(AUTHOR, AUTHOR) == ([], [])
    assert changes(AUTHOR, LEFT) == (
        ["color:red; margin:0; margin:1px", "a:b;", 'q:"x";', "color:red"],
        ["p{color:red}", ".b{margin:0;margin:1px}", "p{a:b}"],
    )


@pytest.mark.parametrize(
    ("was", "became"),
    [
        ("<br/>", "<br>"),
        ("<!DOCTYPE html>", "<!doctype html>"),
        ("<!--[if mso]>", ""),
        ("/* x */", ""),
        ("@media print{p{color:blue}}", ""),
        ('title="a > b"', 'title="a &gt; b"'),
        ("<P", "<p"),
        (" margin:0;", ""),
        ("a:b;a:c", "a:b;"),
        ("</p>", "</p>\n"),
        (">x<", "><"),
    ],
)
def test_anything_else_is_seen(was, became):
    assert LEFT.count(was) == 1
    with pytest.raises(AssertionError):
        changes(AUTHOR, LEFT.replace(was, became))
