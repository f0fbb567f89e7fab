"""Style sheets become style attributes, and nothing else changes."""

import pytest

from mailnode.node.inline import inline_style_sheets
from support.byte_invariant import changes


def inlined(html):
    result = inline_style_sheets(html)
    assert result.warnings == ()
    changes(html, result.html)
    return result.html


def stays(html):
    return inlined(html) == html


XHTML = (
    '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1.dtd">'
    '<html xmlns="http://www.w3.org/1999/xhtml" xmlns:v="urn:schemas-microsoft-com:vml">'
)


class TestWhatTheAuthorWroteStays:
    @pytest.mark.parametrize(
        "document",
        [
            XHTML + "<head>{}</head><body><p{}>x</p><br /><IMG SRC=a ALT='A' /></body></html>",
            "{}<p{}>a &nbsp; &amp; & &copy b</P >\r\n<p{}\n>\tx",
            "{}<pre>\n\n  a &lt;b&gt; &amp;amp;\n</pre><textarea>\n\n<p></textarea><p{}>",
            "<!--[if gte mso 9]><xml><o:PixelsPerInch>96</o:PixelsPerInch></xml><![endif]-->{}<p{}>x</p>",
            "{}<![if !mso]><p{}>x</p><![endif]><!--[if !mso]><!--><p{}>y</p><!--<![endif]-->",
            "{}<p{}>x</p><o:p></o:p><v:rect fill=t><w:anchorlock/></v:rect><unknown-one><BR>",
            "{}<p{}><template><b></b></template><svg viewBox='0 0 1 1'><![CDATA[<p>]]><g/></svg><p{}>",
            "<?xml version='1.0'?>{}<p{}></notopen><p{}><!-- <p> --><!-->x--!><p{}>",
            "{}<script>'<p>'</script><title><p></title><iframe><p></iframe><p{}><plaintext><p></p>",
            "{}<!--!><p>--><p{}><!---!><p>--!><p{}><!--><p{}><!---><p{}><!----><p{}>",
            "{}<p{}><b title='<p>'></b>",
            '{}<p{} title="a > b" data-x=\'<p class="y">\' =odd a"b>x<p{} "><p',
            "{}<p{}><div",
        ],
    )
    def test_byte_for_byte(self, document):
        filled = document.count("{}") - 1
        given = document.format("<style>p{color:red}</style>", *[""] * filled)
        assert inlined(given) == document.format("", *[' style="color:red"'] * filled)

    def test_what_has_no_sheet_is_not_looked_into(self):
        for html in (
            "",
            "x",
            "<p>",
            "<style",
            "<!-- <style>p{}</style> -->",
            "<title><style>p{color:red}</style></title>",
        ):
            assert stays(html)


class TestRulesThatStay:
    @pytest.mark.parametrize(
        "sheet",
        [
            '<style media="print">p{color:red}</style>',
            '<style type="text/less">p{color:red}</style>',
            "<style title=night>p{color:red}</style>",
            "<!--[if mso]><style>p{color:red}</style><![endif]-->",
            "<!--[if !mso]><!--><style>p{color:red}</style><!--<![endif]-->",
            "<![if !mso]><style>@import url(x); p{color:red}</style><![endif]>",
            "<noscript><style>p{color:red}</style></noscript>",
            "<template><style>p{color:red}</style></template>",
            "<svg><style>p{color:red}</style></svg>",
        ],
    )
    def test_of_a_sheet_that_counts_for_some_readers_only(self, sheet):
        assert stays(f"<head>{sheet}</head><p>x</p>")
        assert stays(f"<head>{sheet}<style>p{{color:blue !important}}</style></head><p>x</p>")

    @pytest.mark.parametrize(
        "rule",
        [
            "@media print{p{color:red}}",
            "@supports (a:b){@media print{p{color:red}}}",
            "@layer x{p{color:red}}",
            "@import url(x);",
            "@font-face{font-family:x;src:url(y)}",
            "p:hover{color:red}",
            "p::before{content:'x'}",
            "p:before{content:'x'}",
            "p::first-line{color:red}",
            ":checked + p{color:red}",
            ".ExternalClass{width:100%}",
            "u + .body .x{color:red}",
            "[data-ogsc] p{color:red}",
            "#outlook a{padding:0}",
            ".not-here{color:red}",
            "p{color:red !important}",
            "p:is(.x){color:red}",
            "p, p::-webkit-x{color:red}",
            "p,{color:red}",
            "p{color:red;&:hover{color:blue}}",
            "p[style]{color:red}",
            "p{}",
            "p{*color:red}",
        ],
    )
    def test_that_no_attribute_can_say(self, rule):
        assert stays(f"<style>{rule}</style><div><p class=x>x</p></div>")

    @pytest.mark.parametrize(
        ("rule", "staying"),
        [
            ("p{color:red}", "p:hover{color:blue}"),
            ("p{color:red}", "@media print{p{color:blue}}"),
            ("p{margin:0}", "@media print{.x{margin-left:1px}}"),
            ("p{margin-left:0}", "@media print{.x{margin:1px}}"),
            ("p{font-size:1px}", "@media print{.x{font:2px x}}"),
            ("p{line-height:1px}", "@media print{.x{font:2px x}}"),
            ("p{border-left-color:red}", "@media print{p{border-width:0}}"),
            ("p{color:red}", "@media print{div > *{all:unset}}"),
            ("p{-webkit-text-size-adjust:none}", "@media print{p{text-size-adjust:auto}}"),
            ("p{color:red}", "[data-ogsc] .x{color:white}"),
            ("p{color:red}", "#outlook p{color:white}"),
            ("p{color:red}", "u + .body .x{color:white}"),
        ],
    )
    def test_that_a_staying_one_overrides(self, rule, staying):
        assert stays(f"<style>{rule} {staying}</style><div><p class=x>x</p></div>")
        conditional = f"<!--[if mso]><style>{staying}</style><![endif]-->"
        assert stays(f"<style>{rule}</style>{conditional}<div><p class=x>x</p></div>")
        # Important words win over a style attribute, wherever they stand.
        important = staying.replace("}", " !important}", 1)
        assert "<p style=" in inlined(f"<style>{rule} {important}</style><div><p class=x>x</p></div>")

    def test_but_not_those_that_override_a_staying_one(self):
        sheet = "<style>@media print{{p{{color:blue}}}} a:hover{{color:red}} {}</style>"
        assert inlined(sheet.format("p{color:red}") + "<p>") == sheet.format("") + '<p style="color:red">'
        assert inlined(sheet.format("#a{color:red}") + "<a id=a>") == sheet.format("") + '<a style="color:red" id=a>'

    def test_important_rules_leave_the_rest_to_the_attribute(self):
        sheet = "<style>.x{width:600px !important;background:#ccc} @media (a){.x{width:100% !important}}</style>"
        assert inlined(f"{sheet}<p class=x>") == f'{sheet}<p style="background:#ccc" class=x>'

    def test_what_a_staying_one_takes_stays_for_all_that_would_beat_it(self):
        sheet = "<style>p{margin:0;color:red}.x{margin-left:1px}@media print{p.x{margin-left:2px}}</style>"
        assert (
            inlined(f"{sheet}<p class=x><p>") == f'{sheet}<p style="color:red" class=x><p style="margin:0; color:red">'
        )


class TestElementsThatNotEverybodySees:
    @pytest.mark.parametrize(
        "element",
        [
            "<!--[if mso]><p class=x><![endif]-->",
            "<noscript><p class=x></p></noscript>",
            "<template><p></p></template>",
            "<svg><p class=X></p></svg>",
            "<p class=X></p>",
            "<p data-css-inline=ignore></p>",
        ],
    )
    def test_keep_their_rules(self, element):
        sheet = "<style>.x{color:red}p{margin:0}b{color:blue}</style>"
        left = inlined(f"{sheet}<p class=x></p><b></b>{element}")
        assert "b{" not in left
        assert "p{margin:0}" in left
        assert '<p style="margin:0; color:red" class=x></p>' in left
        assert left.endswith(element)

    def test_may_stand_around_others(self):
        """Outlook sees a table around the paragraph, and so another colour."""
        ghost = "<!--[if mso]><table><tr><td><![endif]-->{}<!--[if mso]></td></tr></table><![endif]-->"
        sheet = "<style>td p{color:red}p{color:blue;top:0}i p{left:0}</style>"
        paragraph = '<p style="top:0">x</p>'
        assert inlined(sheet + ghost.format("<p>x</p>")) == sheet + ghost.format(paragraph)
        both = "<table><tr><td><p{}></table>"
        assert inlined(sheet + ghost.format("<p>x</p>") + both.format("")) == (
            sheet + ghost.format(paragraph) + both.format(' style="color:blue; top:0; color:red"')
        )

    def test_no_tag_that_nobody_wrote_is_needed(self):
        sheet = "<style>body{margin:0}html{color:red}:root{--x:1}tbody{color:blue}*{left:0}</style>"
        assert inlined(f"{sheet}<table><tr><td>") == (
            f'{sheet}<table style="left:0"><tr style="left:0"><td style="left:0">'
        )
        assert inlined("<html><head><style>body{margin:0}</style></head><body>x") == (
            '<html><head></head><body style="margin:0">x'
        )

    def test_of_two_bodies_none_takes_a_style_that_the_other_has(self):
        assert stays("<style>:not(b){color:red}body{margin:0}</style><body><body style='color: gray'>x")
        assert stays("<style>html{margin:0}</style><html><head></head><html style='color: gray'>x")

    def test_a_body_that_outlook_has_is_no_second_one(self):
        mso = "<!--[if mso]><body class=m><![endif]--><!--[if !mso]><!-->{}<!--<![endif]-->x"
        sheet = "<style>.c{margin:0}</style>"
        assert inlined(sheet + mso.format("<body class=c>")) == mso.format('<body style="margin:0" class=c>')

    def test_a_parser_that_doubles_or_drops_an_element(self):
        assert inlined("<style>b{color:red}</style><b><p>x</b>y") == '<b style="color:red"><p>x</b>y'
        assert stays("<style>p b{color:red}</style><b><p>x</b>y")
        assert stays("<style>tr{color:red}</style><table><tr></table>x".replace("<table><tr></table>", "<tr>"))


class TestTheCascade:
    def test_all_that_is_said_of_a_property_is_carried_over(self):
        rules = ".b{background:#fff;background:linear-gradient(to right,red,blue)}.d{display:block;display:x}"
        assert inlined(f'<style>{rules}</style><p class="d b">') == (
            '<p style="background:#fff; background:linear-gradient(to right,red,blue); display:block; display:x" '
            'class="d b">'
        )

    def test_by_specificity_then_by_order_and_the_attribute_last(self):
        sheet = "<style>#i{top:1px}p.c{top:2px}.c{top:3px}p{top:4px}p{top:5px}*{top:6px}p:not(#z){top:7px}</style>"
        assert inlined(f"{sheet}<p id=i class=c style='top:8px'>").endswith(
            "<p style='top:6px; top:4px; top:5px; top:3px; top:2px; top:1px; top:7px; top:8px'>".replace(
                "<p", "<p id=i class=c"
            )
        )

    def test_the_same_words_twice_stand_there_once(self):
        assert inlined("<style>p{top:0;left:0}.x{top:1px}p.x{top:0}</style><p class=x>") == (
            '<p style="left:0; top:1px; top:0" class=x>'
        )

    @pytest.mark.parametrize(
        ("tag", "becomes"),
        [
            ("<p>", """<p style='font:"A&amp;B"'>"""),
            ("<p/>", """<p style='font:"A&amp;B"'/>"""),
            ("<p style>", '<p style="font:&quot;A&amp;B&quot;">'),
            ("<p style=>", '<p style="font:&quot;A&amp;B&quot;">'),
            ("<p STYLE = top:0 a>", '<p STYLE="font:&quot;A&amp;B&quot;; top:0" a>'),
            ("<p\nstyle='top:0;&#39;' style=x>", "<p\nstyle='font:\"A&amp;B\"; top:0;&#39;' style=x>"),
        ],
    )
    def test_how_it_is_written(self, tag, becomes):
        assert inlined(f'<style>p{{font:"A&B"}}</style>{tag}') == becomes

    def test_what_an_element_can_not_be_given_stays_for_it(self):
        assert stays("<style>p{color:red} p{--x:lime} [style]{color:red}</style><p>")

    @pytest.mark.parametrize(
        ("condition", "left"),
        [
            ("[style]", "<p><p style='margin:0; x:y'>"),
            ("p:not([style])", "<p><p style='margin:0; x:y'>"),
            ('[style="x:y"]', "<p style=\"margin:0\"><p style='x:y'>"),
            ('[style^="x"]', "<p style=\"margin:0\"><p style='x:y'>"),
            ('[style*="argi"]', "<p><p style='x:y'>"),
            ('[style*="other"]', "<p style=\"margin:0\"><p style='margin:0; x:y'>"),
            ('[style$="y"]', "<p style=\"margin:0\"><p style='margin:0; x:y'>"),
            ('[style~="x:y"]', "<p style=\"margin:0\"><p style='margin:0; x:y'>"),
            ('[style|="margin:0"]', "<p><p style='margin:0; x:y'>"),
        ],
    )
    def test_no_selector_finds_another_style_attribute_than_before(self, condition, left):
        sheet = f"<style>{condition}{{color:red!important}}p{{margin:0}}</style>"
        assert inlined(f"{sheet}<p><p style='x:y'>").split("</style>")[1] == left


class TestSheets:
    def test_lose_their_rules_with_the_space_behind_them(self):
        assert inlined("<style>\n  /* a */\n  p{color:red}\n  b{top:0}\r\n  @media x{}\n</style><p><b>") == (
            '<style>\n  /* a */\n  @media x{}\n</style><p style="color:red"><b style="top:0">'
        )

    def test_go_when_nothing_is_left_unless_somebody_counts(self):
        assert inlined("<STYLE type='TEXT/CSS'>\n p{top:0} \n</STYLE ><p>") == '<p style="top:0">'
        assert inlined("<style>p{top:0}/* c */</style><p>") == '<style>/* c */</style><p style="top:0">'
        kept = "<style>@media x{p:first-child{top:1px!important}}</style>"
        assert inlined(f"<style>p{{top:0}}</style>{kept}<p>") == f'<style></style>{kept}<p style="top:0">'

    def test_that_are_broken_off(self):
        for css in ("p{color:red", "p{color:rgb(1", 'p{color:"', "p{color:red;\\"):
            assert stays(f"<style>{css}</style><p>")
            assert inlined(f"<style>b{{top:0}}{css}</style><p><b>").endswith(f'{css}</style><p><b style="top:0">')
        assert stays("<style>p{color:red}")

    def test_with_halves_of_characters(self):
        assert inlined("<style>p{top:0}</style><p title=\ud83d>\udcff") == '<p style="top:0" title=\ud83d>\udcff'
        html = "<style>p{top:0}.\ud83d{top:0}</style><p>"
        left, (warning,) = inline_style_sheets(html)
        assert left == html
        assert "surrogate" in warning

    def test_too_much_of_it_is_left_alone_with_a_warning(self):
        sheet = "".join(f"*{{top:{number}px}}" for number in range(5000))
        html = f"<style>{sheet}</style>{'<p>' * 5000}"
        warning = "style sheets were not inlined: 5,000 rules for 5,001 elements are too many"
        assert inline_style_sheets(html) == (html, (warning,))
        # This took 14 s.
        siblings = "".join(f"b ~ p:not(.a{number}){{top:0}}" for number in range(100))
        html = f"<style>{siblings}</style>{'<p></p>' * 5000}<b></b>"
        warning = "style sheets were not inlined: 100 rules for 5,002 elements are too many"
        assert inline_style_sheets(html) == (html, (warning,))
        # This took 3 s, and the more the longer the attribute is.
        words = "".join(f"[title~=x{number}]{{a:b}}" for number in range(4000))
        html = f"<style>{words}</style><p title='{'z ' * 300_000}'>"
        warning = "style sheets were not inlined: 4,000 rules for 2 elements are too many"
        assert inline_style_sheets(html) == (html, (warning,))
        for html in (f"<style>{'p{top:0}' * 100_000}</style><p>", f"<style>p{{a:{'x' * 9000}}}</style>{'<p>' * 5000}"):
            left, (warning,) = inline_style_sheets(html)
            assert left == html
            assert "the limit is" in warning
