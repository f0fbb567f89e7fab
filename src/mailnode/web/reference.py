"""The OpenAPI document as people read it: operations by their tags, and the types that they take and give."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

Schema = Mapping[str, Any]
_REFERENCE = "#/components/schemas/"


# The cells of a row of a table.
Row = tuple[str | Markup, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation; `scopes` are the alternatives of what a token needs, "" for none."""

    id: str
    method: str
    path: str
    summary: Markup
    words: Sequence[Markup]
    scopes: str
    parameters: Sequence[Row]
    body: Markup
    answers: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Tag:
    """The operations of a tag."""

    name: str
    words: Markup
    operations: Sequence[Operation]


@dataclass(frozen=True, slots=True)
class Type:
    """A type that bodies and answers have."""

    name: str
    words: Sequence[Markup]
    fields: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Reference:
    """All of it."""

    tags: Sequence[Tag]
    types: Sequence[Type]


def reference_of(document: Mapping[str, Any]) -> Reference:
    """Read an OpenAPI document."""
    by_tag: dict[str, list[Operation]] = {tag["name"]: [] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            by_tag[operation["tags"][0]].append(_operation(method, path, operation))
    words = {tag["name"]: tag.get("description", "") for tag in document["tags"]}
    schemas = document["components"]["schemas"]
    return Reference(
        [Tag(name, _marked(words[name]), operations) for name, operations in by_tag.items()],
        [_type_of(name, schemas[name]) for name in sorted(schemas)],
    )


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> Operation:
    content = operation.get("requestBody", {}).get("content", {})
    return Operation(
        operation["operationId"],
        method.upper(),
        path,
        _marked(operation["summary"]),
        _paragraphs(operation.get("description", "")),
        " or ".join(" and ".join(one["token"]) or "any" for one in operation["security"] if "token" in one),
        [_parameter(one) for one in operation.get("parameters", ())],
        _content(content),
        [_answer(status, one) for status, one in operation["responses"].items()],
    )


def _parameter(parameter: Mapping[str, Any]) -> Row:
    name = _named(parameter["name"], is_required=parameter.get("required", False))
    return name, parameter["in"], _type(parameter.get("schema", {})), _marked(parameter.get("description", ""))


def _answer(status: str, answer: Mapping[str, Any]) -> Row:
    return status, _marked(answer.get("description", "")), _content(answer.get("content", {}))


def _named(name: str, *, is_required: bool) -> Markup:
    return Markup("<code>{}</code>{}").format(name, " (required)" if is_required else "")


def _content(content: Mapping[str, Any]) -> Markup:
    shown = [
        _type(one["schema"]) if kind == "application/json" and one.get("schema") else escape(kind)
        for kind, one in content.items()
    ]
    return Markup(", ").join(shown)


def _type_of(name: str, schema: Schema) -> Type:
    required = schema.get("required", ())
    fields = [
        (_named(key, is_required=key in required), _type(one), _marked(one.get("description", "")))
        for key, one in schema.get("properties", {}).items()
    ]
    return Type(name, _paragraphs(schema.get("description", "")), fields)


def _type(schema: Schema) -> Markup:
    """Name a type, with links to those that have a place of their own."""
    if reference := schema.get("$ref", ""):
        name = reference.removeprefix(_REFERENCE)
        return Markup('<a href="#type-{0}">{0}</a>').format(name)
    return Markup(" | ").join(dict.fromkeys(_alternatives(schema)))


def _alternatives(schema: Schema) -> Iterator[Markup]:
    if several := schema.get("anyOf") or schema.get("oneOf"):
        yield from map(_type, several)
    elif "const" in schema or "enum" in schema:
        yield from (escape(json.dumps(value)) for value in schema.get("enum", [schema.get("const")]))
    elif schema.get("type") == "array":
        item = _type(schema.get("items", {}))
        yield Markup("({})[]").format(item) if " | " in item else Markup("{}[]").format(item)
    elif isinstance(values := schema.get("additionalProperties"), Mapping):
        yield Markup("object of {}").format(_type(values))
    else:
        yield escape(schema.get("type", "any value"))


def _paragraphs(text: str) -> list[Markup]:
    return [_marked(one.replace("\n", " ")) for one in text.split("\n\n") if one]


def _marked(text: str) -> Markup:
    """Mark what stands between backticks as code."""
    parts = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part) for number, part in enumerate(parts)
    )
