import re
import unicodedata

import pytest

from mailnode import printable
from mailnode.printable import escaped, one_line, quoted, quoted_ascii, shortened, without_controls


@pytest.mark.parametrize(("length", "shown"), [(0, 0), (60, 60), (61, 60), (10_000, 60)])
def test_a_text_is_shortened_with_dots_behind_it(length: int, shown: int) -> None:
    text = shortened("x" * length)
    assert (len(text), text.endswith("...")) == (shown, length > 60)
    assert shortened("x" * length, 200) == ("x" * length if length <= 200 else "x" * 197 + "...")


def test_a_value_is_quoted_within_its_quotes_whatever_its_type() -> None:
    assert quoted("it's\n") == '"it\'s\\n"'
    assert quoted("x" * 61) == repr("x" * 57 + "...")
    assert quoted(12) == "12"
    assert quoted([1] * 100) == repr([1] * 100)[:57] + "..."
    assert quoted_ascii("zero\u200bwidth") == "'zero\\u200bwidth'"


def test_a_line_holds_nothing_that_ends_it_or_moves_a_cursor() -> None:
    hostile = "a\x1b[2J\r\nb\x85c\u2028d\u202ee\u200ff\ud800g"
    assert escaped(hostile) == "a\\x1b[2J\\r\\nb\\x85c\\u2028d\\u202ee\\u200ff\\ud800g"
    assert without_controls(f" {hostile} ") == "a [2J b c d e f\ud800g"
    assert one_line(hostile) == "a [2J b c d e f g"
    assert (escaped("Gruß"), one_line(12)) == ("Gruß", "12")


def test_the_classes_are_those_of_unicode() -> None:
    def characters(of: str) -> set[str]:
        return set(re.findall(f"[{of}]", "".join(map(chr, range(0x11000)))))

    every = [chr(number) for number in range(0x11000)]
    assert characters(printable.CONTROL) == {one for one in every if unicodedata.category(one) == "Cc"}
    assert characters(printable.CONTROL) - characters(printable.CONTROL_BUT_TAB_AND_LF) == {"\t", "\n"}
    assert characters(printable.ASCII_CONTROL) == {one for one in characters(printable.CONTROL) if one.isascii()}
    assert characters(printable.SURROGATE) == {one for one in every if unicodedata.category(one) == "Cs"}
    assert characters(printable.LINE_SEPARATOR) == {one for one in every if unicodedata.category(one) in {"Zl", "Zp"}}
    turning = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
    assert characters(printable.DIRECTION) == {one for one in every if unicodedata.bidirectional(one) in turning}
