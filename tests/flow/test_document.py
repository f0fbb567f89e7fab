import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailnode.errors import ErrorCode, SettingsError
from mailnode.flow import document as document_module
from mailnode.flow.document import FlowDocument, load_flow, parse_flow

FLOW = """\
version: 1
name: order-shipped
nodes:
  # the customer first
  - id: tell-customer
    type: sendSmtpEmail
    label: Tell the customer
    when: "{{ input.email }}"
    settings:
      emailService: other
      smtp: {host: 127.0.0.1, port: 1025,
             tlsOption: none}
      to: "{{ input.email }}"
      attachments:
        - {type: text, content: hi, filename: a.txt}
        - type: url
          url: "https://example.org/a.pdf"
  - {id: done, type: say, settings: {text: "Mail"}}
"""


def with_settings(text: str) -> str:
    indented = "".join(f"      {line}\n" for line in text.splitlines())
    return f"version: 1\nname: f\nnodes:\n  - id: n\n    type: say\n    settings:\n{indented}"


def settings_of(text: str) -> dict[str, Any]:
    return parse_flow(with_settings(text), file="f.yaml").nodes[0].settings


def refused(text: str, *, as_json: bool = False) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        parse_flow(text, file="f.yaml", json=as_json)
    assert caught.value.file == "f.yaml"
    return caught.value


def as_json_text(**changes: Any) -> str:
    flow: dict[str, Any] = {"version": 1, "name": "f", "nodes": [{"id": "n", "type": "say", "settings": {"text": "x"}}]}
    return json.dumps(flow | changes, indent=2)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("Order confirmation", "order-confirmation"),
        ("Größe & Maß!", "groe-ma"),
        ("--a b--", "a-b"),
        ("x" * 70, "x" * 64),
        ("注文", ""),
    ],
)
def test_a_name_that_can_not_be_has_one_like_it_in_its_remedy(name, near):
    hint = refused(f"version: 1\nname: {json.dumps(name)}\nnodes: []").hint
    assert hint.partition("underscores")[2] == (f": {near}" if near else "")


def test_a_flow_is_read_with_its_nodes_in_order() -> None:
    flow = parse_flow(FLOW, file="orders.flow.yaml")
    first, second = flow.nodes
    assert (flow.name, flow.version, flow.file) == ("order-shipped", 1, "orders.flow.yaml")
    assert (first.id, first.type, first.label) == ("tell-customer", "sendSmtpEmail", "Tell the customer")
    assert (first.when, first.line) == ("{{ input.email }}", 5)
    assert first.settings["smtp"] == {"host": "127.0.0.1", "port": 1025, "tlsOption": "none"}
    assert (second.label, second.when, second.settings, second.line) == ("done", None, {"text": "Mail"}, 18)


def test_settings_are_plain_python_values() -> None:
    def kinds(value: Any) -> set[type]:
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return {type(value)}.union(*(kinds(item) for item in inner), *([{str}] if isinstance(value, dict) else []))

    assert kinds(parse_flow(FLOW, file="f").nodes[0].settings) == {dict, list, str, int}


def test_a_flow_in_json_says_the_same_as_one_in_yaml() -> None:
    flow = parse_flow(FLOW, file="f.yaml")
    text = json.dumps({"version": 1, "name": flow.name, "nodes": [{**node_keys(node)} for node in flow.nodes]})
    again = parse_flow(text, file="f.json", json=True)
    assert [node_keys(node) for node in again.nodes] == [node_keys(node) for node in flow.nodes]


def node_keys(node: Any) -> dict[str, Any]:
    keys = {"id": node.id, "type": node.type, "label": node.label, "settings": node.settings}
    return keys if node.when is None else keys | {"when": node.when}


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("to", 13),
        ("smtp", 11),
        ("smtp.host", 11),
        ("smtp.tlsOption", 12),
        ("attachments[0].content", 15),
        ("attachments[1]", 16),
        ("attachments[1].url", 17),
        ("attachments[1].cid", 16),
        ("attachments[7].url", 14),
        ("subject", 9),
        ("when", 8),
        ("type", 6),
        ("", 5),
    ],
)
def test_a_key_leads_to_its_line_or_to_the_nearest_around_it(key: str, line: int) -> None:
    assert parse_flow(FLOW, file="f").line_of("tell-customer", key) == line


def test_a_setting_named_like_a_key_of_the_node_is_found_among_the_settings() -> None:
    text = "version: 1\nname: f\nnodes:\n  - id: n\n    type: x\n    settings:\n      type: 5\n"
    assert parse_flow(text, file="f").line_of("n", "type") == 7


def test_an_error_is_located_by_its_key() -> None:
    flow = parse_flow(FLOW, file="orders.flow.yaml")
    error = SettingsError("no").locate(key="attachments[1].url")
    assert str(flow.locate(error, "tell-customer")) == (
        "orders.flow.yaml, line 17, node tell-customer, attachments[1].url: no"
    )


def test_lines_of_json_are_those_of_the_text() -> None:
    text = as_json_text(
        nodes=[{"id": "n", "type": "t", "settings": {"e": {}, "l": [], "a": [[1], {"b": 2}], "to": "x"}}]
    )
    lines = text.splitlines()
    flow = parse_flow(text, file="f.json", json=True)
    for key, mark in [("e", '"e"'), ("l", '"l"'), ("a[0][0]", "1"), ("a[1].b", '"b"'), ("to", '"to"')]:
        assert lines[flow.line_of("n", key) - 1].strip().startswith(mark)


# What YAML makes of plain scalars


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-7", -7),
        ("012", 12),
        ("0x1F", 31),
        ("0o17", 15),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("yes", "yes"),
        ("on", "on"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("2026-11-22", "2026-11-22"),
        ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00Z"),
        ("'5'", "5"),
        ('"true"', "true"),
        ('"\\ud83d\\ude00"', "\N{GRINNING FACE}"),
        ("Größe", "Größe"),
        ("[1, a]", [1, "a"]),
        ("{}", {}),
        ("|\n  two\n  lines", "two\nlines\n"),
    ],
)
def test_a_plain_scalar_is_what_yaml_1_2_says(text: str, value: Any) -> None:
    read = settings_of(f"x: {text}")["x"]
    assert (read, type(read)) == (value, type(value))


def test_a_key_is_text_whatever_it_looks_like() -> None:
    assert settings_of("1: a\ntrue: b\non: c") == {"1": "a", "true": "b", "on": "c"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x: .inf", ".inf is not a JSON number"),
        ("x: .NaN", ".NaN is not a JSON number"),
        ("x: 1e999", "1e999 is too large a number"),
        (f"x: {'9' * 5000}", "is too large a number"),
        ("x: !!binary aGk=", "tags are not allowed"),
        ("x: !!set {a, b}", "tags are not allowed"),
        ("x: !!timestamp 2026-11-22", "tags are not allowed"),
        ("x: !!python/object:os.system {}", "tags are not allowed"),
        ("x: ! a", "tags are not allowed"),
        ("x: &here 1", "anchors are not allowed: &here"),
        ("&here x: 1", "anchors are not allowed: &here"),
        ('x: "\\ud83d"', "half of a surrogate pair"),
        ("? [a]\n: b", "can't be a key"),
    ],
)
def test_what_json_can_not_hold_is_refused(text: str, message: str) -> None:
    error = refused(with_settings(text))
    assert message in error.message
    assert (error.code, error.line) == (ErrorCode.BAD_FLOW_FILE, 7)
    assert error.hint


def test_an_alias_is_refused_where_it_stands() -> None:
    error = refused("version: 1\nname: f\nnodes: *there\n")
    assert (error.line, error.message) == (3, "aliases are not allowed: *there")


def test_a_merge_key_is_a_key_like_any_other_and_nobody_knows_it() -> None:
    assert refused("<<: {version: 1}\nname: f\nnodes: []\n").code is ErrorCode.UNKNOWN_KEY


@pytest.mark.parametrize("text", ["x: {{ input.a }}", 'x: {{ input.list.split(",") }}', "x: {{ a }} {{ b }}"])
def test_an_expression_without_quotes_is_told_to_have_them(text: str) -> None:
    error = refused(with_settings(text))
    assert error.line == 7
    assert "quotes" in error.hint


# What is no flow


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 0, "the file is empty"),
        ("# nothing\n", 0, "the file is empty"),
        ("- a\n", 1, "a mapping is required, not a list"),
        ("hello\n", 1, "a mapping is required, not 'hello'"),
        ("~\n", 1, "a mapping is required, not nothing"),
        ("a: [", 1, "this is not valid YAML"),
        ("a: 1\n b: 2\n", 2, "this is not valid YAML"),
        ("a: 1\n@\n", 2, "this is not valid YAML"),
        ("a: \x07\n", 1, "U+0007"),
        ("a: 1\nb: \x00\n", 2, "U+0000"),
        ('a: "\\UFFFFFFFF"\n', 0, "invalid escape sequence"),
        (FLOW + "---\n" + FLOW, 19, "a second document begins here"),
        ("version: 1\nname: f\nname: g\n", 3, "'name' is a duplicate key; the first is on line 2"),
        ("a: " + "[" * 100 + "]" * 100, 1, "nested deeper"),
        ("a: " + "[" * 100_000, 1, "nested deeper"),
    ],
)
def test_a_text_that_is_no_flow_is_one_clear_error(text: str, line: int, message: str) -> None:
    error = refused(text)
    assert (error.code, error.line) == (ErrorCode.BAD_FLOW_FILE, line)
    assert message in error.message
    assert error.hint


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "the file is empty"),
        ("[]", 1, "a mapping is required, not a list"),
        ('{\n"version": 1,\n}', 2, "this is not valid JSON: comma before the closing bracket"),
        ('{\n"nodes": [1,\n\n]}', 2, "comma before the closing bracket"),
        ('{"a": [",]"],\n"b": [1,2 , ]}', 2, "comma before the closing bracket"),
        ('{"a": ",]",\n"b": 1 2}', 2, "this is not valid JSON: Expecting"),
        ('{"a": NaN}', 0, "NaN is not a JSON number"),
        ('{"a": 1e999}', 0, "a number is too long"),
        ('{"a": ' + "9" * 5000 + "}", 0, "a number is too long"),
        ('{\n"name": "f",\n"name": "g"\n}', 3, "'name' is a duplicate key; the first is on line 2"),
        ('{"a": {"b": 1,\n"\\u0062": 2}}', 2, "'b' is a duplicate key"),
        ('{"a":\n"\\ud83d"}', 2, "half of a surrogate pair"),
        ("[" * 100 + "]" * 100, 1, "nested deeper"),
        ("[" * 100_000 + "]" * 100_000, 0, "nested too deep"),
    ],
)
def test_a_text_that_is_no_flow_in_json_is_one_clear_error(text: str, line: int, message: str) -> None:
    error = refused(text, as_json=True)
    assert (error.code, error.line) == (ErrorCode.BAD_FLOW_FILE, line)
    assert message in error.message
    assert error.hint


@pytest.mark.parametrize(
    ("changes", "code", "key", "message"),
    [
        ({"version": 2}, "badFlowFile", "version", "unknown version 2"),
        ({"version": "1"}, "badFlowFile", "version", "unknown version '1'"),
        ({"version": True}, "badFlowFile", "version", "unknown version True"),
        ({"version": 1.0}, "badFlowFile", "version", "unknown version 1.0"),
        ({"name": ""}, "badFlowFile", "name", "'' is not a valid name"),
        ({"name": "a//b"}, "badFlowFile", "name", "'a//b' is not a valid name"),
        ({"name": "../x"}, "badFlowFile", "name", "'../x' is not a valid name"),
        ({"name": "x" * 65}, "badFlowFile", "name", "is not a valid name"),
        ({"name": "x\n"}, "badFlowFile", "name", "is not a valid name"),
        ({"name": 5}, "badFlowFile", "name", "a text is required, not 5"),
        ({"nodes": {}}, "badFlowFile", "nodes", "a list is required, not a mapping"),
        ({"nodes": None}, "badFlowFile", "nodes", "a list is required, not nothing"),
        ({"nodes": []}, "badFlowFile", "nodes", "there are no nodes"),
        ({"nodes": [5]}, "badFlowFile", "nodes[0]", "a mapping is required, not 5"),
        ({"nodes": [{"type": "say"}]}, "missingSetting", "nodes[0]", "id is missing"),
        ({"nodes": [{"id": "n"}]}, "missingSetting", "nodes[0]", "type is missing"),
        ({"nodes": [{"id": "a b", "type": "t"}]}, "badFlowFile", "nodes[0].id", "'a b' is not a valid name"),
        ({"nodes": [{"id": "n", "type": 1}]}, "badFlowFile", "nodes[0].type", "a text is required, not 1"),
        ({"nodes": [{"id": "n", "type": "t", "label": []}]}, "badFlowFile", "nodes[0].label", "not a list"),
        (
            {"nodes": [{"id": "n", "type": "t", "when": True}]},
            "badFlowFile",
            "nodes[0].when",
            "a condition must be a text",
        ),
        ({"nodes": [{"id": "n", "type": "t", "when": None}]}, "badFlowFile", "nodes[0].when", "not nothing"),
        ({"nodes": [{"id": "n", "type": "t", "settings": []}]}, "badFlowFile", "nodes[0].settings", "not a list"),
        ({"node": []}, "unknownKey", "node", "unknown key"),
        ({"nodes": [{"id": "n", "type": "t", "setings": {}}]}, "unknownKey", "nodes[0].setings", "unknown key"),
    ],
)
def test_a_flow_of_another_form_is_refused_with_its_key(
    changes: dict[str, Any], code: str, key: str, message: str
) -> None:
    for as_json in (False, True):
        error = refused(as_json_text(**changes), as_json=as_json)
        assert (error.code, error.key) == (code, key)
        assert message in error.message
        assert error.hint
        assert error.line > 0


@pytest.mark.parametrize("missing", ["version", "name", "nodes"])
def test_what_a_flow_must_have_is_missed_by_name(missing: str) -> None:
    flow = json.loads(as_json_text())
    del flow[missing]
    error = refused(json.dumps(flow))
    assert (error.code, error.message) == (ErrorCode.MISSING_SETTING, f"{missing} is missing")


def test_an_unknown_key_suggests_the_near_one() -> None:
    text = FLOW.replace("    label:", "    lable:")
    error = refused(text)
    assert (error.line, error.key, error.hint) == (7, "nodes[0].lable", "did you mean label?")


def test_an_unknown_key_that_is_near_to_none_lists_the_known() -> None:
    assert refused("version: 1\nname: f\nnodes: []\nqqq: 1").hint == "known keys: version, name, nodes"


def test_two_nodes_of_one_id_are_refused_at_the_second() -> None:
    error = refused(FLOW.replace("id: done", "id: tell-customer"))
    assert (error.line, error.message) == (18, "the id 'tell-customer' is already used by the node on line 5")


# Files


def test_a_file_is_yaml_unless_it_ends_in_json(tmp_path: Path) -> None:
    yaml, as_json = tmp_path / "a.flow.yaml", tmp_path / "a.flow.JSON"
    yaml.write_text("\ufeff" + FLOW, encoding="utf-8")
    as_json.write_text(as_json_text(), encoding="utf-8")
    assert load_flow(yaml).name == "order-shipped"
    assert load_flow(as_json).name == "f"
    as_json.write_text(FLOW)
    with pytest.raises(SettingsError, match="this is not valid JSON"):
        load_flow(as_json)


def refused_file(path: Path) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        load_flow(path)
    assert (caught.value.code, caught.value.file) == (ErrorCode.BAD_FLOW_FILE, str(path))
    assert caught.value.hint
    return caught.value


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert refused_file(tmp_path / "none.yaml").message == "the file does not exist"


def test_a_folder_is_no_flow_file(tmp_path: Path) -> None:
    assert "Is a directory" in refused_file(tmp_path).message


def test_a_path_that_can_not_be_is_refused() -> None:
    assert "null byte" in refused_file(Path("a\0b")).message


def test_a_file_that_is_not_utf_8_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes("version: 1\nname: Größe\n".encode("latin-1"))
    assert refused_file(path).line == 2


def test_a_file_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_module, "MAX_BYTES", 2**20)
    path = tmp_path / "large.yaml"
    path.write_bytes(b"#" * (2**20 + 1))
    assert refused_file(path).message == "the flow is larger than 1 MB"


def test_a_flow_in_json_is_read_without_the_yaml_library(tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    path.write_text(as_json_text())
    code = (
        "import sys; from pathlib import Path; from mailnode.flow.document import load_flow\n"
        f"load_flow(Path({str(path)!r})); sys.exit('ruamel.yaml' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Whatever the text


def read_or_refuse(text: str, *, as_json: bool) -> FlowDocument | None:
    try:
        return parse_flow(text, file="f", json=as_json)
    except SettingsError:
        return None


@given(st.text(), st.booleans())
@settings(max_examples=100)
def test_any_text_is_a_flow_or_our_own_error(text: str, as_json: bool) -> None:
    read_or_refuse(text, as_json=as_json)


@given(
    st.lists(st.sampled_from([*"{}[]:,-?!&*|>'\"%@\\ \n\t#", "a", "1", "<<", "---", "...", "{{", "}}"]), max_size=40)
)
@settings(max_examples=100)
def test_any_heap_of_punctuation_is_refused_by_our_own_error(pieces: list[str]) -> None:
    assert read_or_refuse("".join(pieces), as_json=False) is None


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), JSON_VALUES, max_size=4), st.sampled_from([None, 1]), st.booleans())
@settings(max_examples=100)
def test_any_settings_in_json_come_back_as_they_are(
    value: dict[str, Any], indent: int | None, ascii_only: bool
) -> None:
    nodes = [{"id": "n", "type": "t", "settings": value}]
    text = json.dumps({"version": 1, "name": "f", "nodes": nodes}, indent=indent, ensure_ascii=ascii_only)
    assert parse_flow(text, file="f.json", json=True).nodes[0].settings == value


def test_a_flow_of_very_many_nodes_says_how_many_there_may_be():
    nodes = ", ".join(f'{{"id": "n{number}", "type": "say"}}' for number in range(5_001))
    with pytest.raises(SettingsError, match="5,001 nodes; at most 5,000 are allowed") as caught:
        parse_flow(f'{{"version": 1, "name": "big", "nodes": [{nodes}]}}', file="f", json=True)
    assert "over their rows" in caught.value.hint
