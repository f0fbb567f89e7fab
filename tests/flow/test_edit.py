"""Flows that a form has changed: what they say, and what of their text stays."""

import copy
import json
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mailnode.errors import SettingsError
from mailnode.flow.document import parse_flow
from mailnode.flow.edit import renamed, with_document
from mailnode.flow.yaml_reader import read_yaml

EXAMPLE = (Path(__file__).parents[2] / "examples" / "order-shipped.flow.yaml").read_text()
STYLES = """\
# above all
version: 1   # the first
name: 'styles'
nodes:
- id: a      # an id
  type: say
  # before the settings
  settings:
    text: >-
      folded
      text

- {id: b, type: say, settings: {text: "in one line"}}
- id: c
  type: setContext
  settings:
    key: k
    value: [1, 2.50, 0x1F, true, null, 2026-01-01, "yes"]
# at the end
"""


def value(text):
    return read_yaml(text).value


def lines_changed(before, after):
    return [(old, new) for old, new in zip(before.splitlines(), after.splitlines(), strict=True) if old != new]


@pytest.mark.parametrize("text", [EXAMPLE, STYLES])
def test_what_says_the_same_is_the_same_text(text):
    assert with_document(text, value(text)) == text


def test_only_the_line_of_a_changed_value_changes():
    document = value(STYLES)
    document["nodes"][1]["settings"]["text"] = "in another line"
    changed = lines_changed(STYLES, with_document(STYLES, document))
    assert changed == [
        (
            '- {id: b, type: say, settings: {text: "in one line"}}',
            '- {id: b, type: say, settings: {text: "in another line"}}',
        )
    ]


def test_a_block_stays_a_block_and_comments_stay_in_their_place():
    document = value(EXAMPLE)
    document["nodes"][1]["settings"]["content"] += "<p>One more</p>\n"
    after = with_document(EXAMPLE, document)
    assert [line for line in after.splitlines() if line not in EXAMPLE.splitlines()] == ["        <p>One more</p>"]
    assert after.startswith("# A shop tells a customer")


def test_nodes_take_their_text_along_when_they_move():
    document = value(STYLES)
    document["nodes"] = [document["nodes"][1], document["nodes"][0]]
    after = with_document(STYLES, document)
    assert value(after) == document
    assert '- {id: b, type: say, settings: {text: "in one line"}}' in after
    assert "# an id" in after
    assert "text: >-\n" in after


def test_numbers_and_dates_that_nobody_touched_are_written_as_before():
    document = value(STYLES)
    document["name"] = "other"
    assert 'value: [1, 2.50, 0x1F, true, null, 2026-01-01, "yes"]' in with_document(STYLES, document)


ODD = [
    "true",
    "null",
    "~",
    "1.5",
    "0x1F",
    "2026-01-01",
    "- x",
    "#",
    "{{ a }}",
    "a: b",
    " x ",
    "a\r\nb",
    "\n",
    "  a\nb",
    "%",
    "&a",
    "*a",
    "!t",
    ">",
    "---",
    "...",
]
TEXTS = st.text(max_size=30) | st.sampled_from(ODD)
KEYS = st.text("abc-_ é", min_size=1, max_size=6)
SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    SCALARS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


def flow(*values):
    nodes = [{"id": f"n{i}", "type": "setContext", "settings": {"key": "k", "value": v}} for i, v in enumerate(values)]
    return {"version": 1, "name": "x", "nodes": nodes}


def is_writable(document):
    text = json.dumps(document, ensure_ascii=False)
    return not any(0xD800 <= ord(c) < 0xE000 for c in text)


@given(st.lists(VALUES, min_size=1, max_size=3), st.lists(VALUES, min_size=1, max_size=3))
@settings(max_examples=80)
def test_any_change_is_read_back_as_it_was_meant(before, after):
    assume(is_writable(flow(*before)))
    assume(is_writable(flow(*after)))
    text = with_document("", flow(*before))
    changed = with_document(text, flow(*after))
    assert value(changed) == flow(*after)
    assert value(with_document(changed, flow(*before))) == flow(*before)


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb"])
def test_half_a_character_is_said_and_not_lost(text):
    with pytest.raises(SettingsError) as caught:
        with_document(EXAMPLE, flow(text))
    assert caught.value.hint


def test_json_is_written_as_json():
    document = flow("é", [1])
    assert json.loads(with_document("{}", document, json_file=True)) == document


def test_a_flow_that_is_renamed_says_so_in_its_text():
    after = renamed(EXAMPLE, "another")
    assert parse_flow(after, file="").name == "another"
    assert lines_changed(EXAMPLE, after) == [("name: order-shipped", "name: another")]


def test_a_text_with_windows_line_ends_keeps_its_values():
    document = value(STYLES)
    document["nodes"][1]["settings"]["text"] = "changed"
    assert value(with_document(STYLES.replace("\n", "\r\n"), document)) == document


def test_what_was_changed_stays_apart_from_what_is_given():
    document = value(EXAMPLE)
    given_ = copy.deepcopy(document)
    document["nodes"][0]["settings"]["key"] = "other"
    again = copy.deepcopy(document)
    with_document(EXAMPLE, document)
    assert document == again != given_
