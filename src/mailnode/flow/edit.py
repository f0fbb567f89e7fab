"""Editing the text of a flow: comments, order and style are kept where nothing changes."""

import io
import json
from collections.abc import Mapping
from typing import Any

from mailnode.errors import SettingsError
from mailnode.flow.document import parse_flow
from mailnode.flow.source import bad_file
from mailnode.flow.yaml_reader import read_yaml

# Longer than any line, so that no line is broken.
_WIDTH = 1 << 30


def with_document(text: str, document: Mapping[str, Any], *, json_file: bool = False) -> str:
    """Give the text of a flow file, changed so that it has the values of `document` (version, name, nodes).

    Comments in YAML are kept; nodes are matched by their ids, even if they have moved. A text that is empty or not YAML
    is replaced.

    Raises:
        SettingsError: the document can't be written so that it reads the same again.
    """
    if json_file:
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    try:
        old = read_yaml(text).value
    except SettingsError:
        old = None
    if old == document:
        return text
    written = _written(text if isinstance(old, dict) else "", old, document)
    if read_yaml(written).value != document:
        raise bad_file("the flow can't be written as YAML", hint="remove control characters from its texts")
    return written


def renamed(text: str, name: str, *, json_file: bool = False) -> str:
    """Give the text of a flow with another name; SettingsError if it is not a flow."""
    parse_flow(text, file=name, json=json_file)
    value = json.loads(text) if json_file else read_yaml(text).value
    return with_document(text, {**value, "name": name}, json_file=json_file)


def _written(text: str, old: Any, new: Mapping[str, Any]) -> str:
    from ruamel.yaml import YAML
    from ruamel.yaml.util import load_yaml_guess_indent

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = _WIDTH
    loaded = None
    sequence, offset = 4, 2
    if text:
        _, guessed, guessed_offset = load_yaml_guess_indent(text)
        sequence, offset = guessed or sequence, guessed_offset if guessed else offset
        loaded = _exact(yaml.load(text))
    yaml.indent(mapping=2, sequence=sequence, offset=offset)
    out = io.StringIO()
    yaml.dump(_merged(loaded, old, new), out)
    return out.getvalue()


def _exact(node: Any) -> Any:
    """Turn numbers with an exponent into plain ones, since ruamel would lose some of their digits."""
    if isinstance(node, dict):
        for key, value in node.items():
            node[key] = _exact(value)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            node[index] = _exact(value)
    return float(node) if getattr(node, "_exp", None) else node


def _merged(node: Any, old: Any, new: Any) -> Any:
    """Change a loaded YAML node with the plain value `old` to the value `new`."""
    if type(old) is type(new) and old == new and node is not None:
        return node
    if isinstance(new, Mapping):
        return _merged_mapping(node, old if isinstance(old, Mapping) else {}, new)
    if isinstance(new, list):
        return _merged_list(node, old if isinstance(old, list) else [], new)
    return _scalar(node, new) if isinstance(new, str) else new


def _merged_mapping(node: Any, old: Mapping[str, Any], new: Mapping[str, Any]) -> Any:
    from ruamel.yaml.comments import CommentedMap

    mapping = node if isinstance(node, CommentedMap) else CommentedMap()
    for key in [key for key in mapping if key not in new]:
        del mapping[key]
    for key, value in new.items():
        mapping[key] = _merged(mapping.get(key), old.get(key), value)
    return mapping


def _merged_list(node: Any, old: list[Any], new: list[Any]) -> Any:
    from ruamel.yaml.comments import CommentedSeq

    there = node if isinstance(node, CommentedSeq) else CommentedSeq()
    if [_id(item) for item in old] == [_id(item) for item in new[: len(old)]]:
        for index, item in enumerate(old):
            there[index] = _merged(there[index], item, new[index])
        there.extend(_merged(None, None, item) for item in new[len(old) :])
        return there
    # Each is used once: a node that occurs twice would be written as an anchor and an alias.
    left = list(zip(there, old, strict=False))
    made = CommentedSeq()
    for item in new:
        position = next((index for index, (_, value) in enumerate(left) if _id(value) == _id(item)), None)
        loaded, value = (None, None) if position is None else left.pop(position)
        made.append(_merged(loaded, value, item))
    made.fa.set_flow_style() if there.fa.flow_style() else made.fa.set_block_style()
    return made


def _id(item: Any) -> Any:
    """Give what items of a list are matched by: a node's id; an attachment's type with its file name or URL."""
    if isinstance(item, Mapping):
        return item.get("id", (item.get("type"), item.get("filename", item.get("url"))))
    return None


def _scalar(node: Any, text: str) -> Any:
    from ruamel.yaml.scalarstring import (
        DoubleQuotedScalarString,
        LiteralScalarString,
        ScalarString,
        SingleQuotedScalarString,
    )

    lines = text.split("\n")
    if not all(line.isprintable() for line in lines):  # only this style can hold control characters
        return DoubleQuotedScalarString(text)
    if len(lines) > 1:
        # Leading spaces of a block scalar confuse parsers.
        return text if text.startswith((" ", "\n")) else LiteralScalarString(text)
    quoted = isinstance(node, DoubleQuotedScalarString | SingleQuotedScalarString)
    return type(node)(text) if isinstance(node, ScalarString) and quoted else text
