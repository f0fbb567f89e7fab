# ruff: noqa: INP001 -- a script beside those of npm, and no part of the package
"""The editor's types of the API, written from its OpenAPI document: `make fmt` writes them, `make check` compares.

Each schema becomes a type, and each route that answers with JSON an entry of `Routes`, by which api.ts types its calls.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from mailnode.web import application

FILE = Path(__file__).with_name("src") / "api-types.ts"
_HEAD = "// Written by api_types.py from the API's OpenAPI document; `make fmt` writes it anew.\n"
_SCALARS = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}
_JSON = "application/json"
_JSON_LINES = "application/x-ndjson"

Schema = Mapping[str, Any]


def written() -> str:
    """Write all types of the API as TypeScript."""
    app = FastAPI()
    for module in application.API:
        app.include_router(module.router)
    document = app.openapi()
    models = [_model(name, schema) for name, schema in sorted(document["components"]["schemas"].items())]
    routes = [route for path, methods in document["paths"].items() for route in _routes(path, methods)]
    return "\n".join([_HEAD, *models, "export interface Routes {", *routes, "}"]) + "\n"


def _model(name: str, schema: Schema) -> str:
    wanted = schema.get("required", ())
    fields = [
        f"  {key}{'' if key in wanted else '?'}: {_type(field)};" for key, field in schema.get("properties", {}).items()
    ]
    if schema.get("additionalProperties"):
        fields.append("  [key: string]: unknown;")
    return "\n".join([*_comment(schema["description"].splitlines()), f"export type {name} = {{", *fields, "};", ""])


def _comment(lines: Sequence[str]) -> list[str]:
    if len(lines) == 1:
        return [f"/** {lines[0]} */"]
    return ["/**", *(f" * {line}".rstrip() for line in lines), " */"]


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(_type(one) for one in schema["anyOf"]))
    if "const" in schema or "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        if "prefixItems" in schema:
            return f"[{', '.join(map(_type, schema['prefixItems']))}]"
        item = _type(schema["items"])
        return f"({item})[]" if " | " in item else f"{item}[]"
    if schema.get("type") == "object":
        value = schema.get("additionalProperties")
        return f"Record<string, {_type(value) if isinstance(value, Mapping) else 'unknown'}>"
    return _SCALARS.get(schema.get("type", ""), "unknown")


def _routes(path: str, methods: Mapping[str, Schema]) -> Iterator[str]:
    for method, operation in methods.items():
        said = {**_body(operation), **_answer(operation)}
        if "answer" in said or "line" in said:
            yield f'  "{method.upper()} {path}": {{ {"; ".join(f"{key}: {kind}" for key, kind in said.items())} }};'


def _body(operation: Schema) -> dict[str, str]:
    body = operation.get("requestBody", {})
    if _JSON not in body.get("content", {}):
        return {}
    return {"body" if body.get("required") else "body?": _type(body["content"][_JSON]["schema"])}


def _answer(operation: Schema) -> dict[str, str]:
    if "204" in operation["responses"]:
        return {"answer": "undefined"}
    done = next(answer for status, answer in operation["responses"].items() if status.startswith("2"))
    content = done.get("content", {})
    keys = {_JSON: "answer", _JSON_LINES: "line"}
    return {keys[kind]: _type(answer["schema"]) for kind, answer in content.items() if kind in keys}


if __name__ == "__main__":
    if sys.argv[1:] != ["--check"]:
        FILE.write_text(written())
    elif FILE.read_text() != written():
        sys.exit(f"{FILE} is not what the API says now: run make fmt, and commit it")
