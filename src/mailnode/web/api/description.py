"""The OpenAPI document: who may ask, what each operation is called, and the answers that it can really give."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic.alias_generators import to_camel

from mailnode.web.security.callers import CSRF_HEADER
from mailnode.web.security.scopes import wanted_scopes
from mailnode.web.security.sessions import COOKIE

Document = dict[str, Any]

SECURITY: Document = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "The token that `mailnode serve` prints, or one of `mailnode tokens create` with these scopes.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": f"A login in the browser; what changes something needs the header field {CSRF_HEADER}, too.",
    },
}
TAGS = {
    "flows": "The files of the folder: read, checked, changed, and run.",
    "layouts": "What stands around the content of emails.",
    "preview": "What a flow would send, without or before sending it.",
    "runs": "What each execution of a flow did.",
    "deliveries": "What became of each email.",
    "connections": "Logins for servers, without their secrets.",
    "apps": "The programs that hand in email by SMTP.",
    "webhooks": "Where the outcomes of deliveries are posted.",
    "services": "The known providers.",
    "inbox": "What the test inbox has received.",
    "snapshots": "Flows and connections in one encrypted file.",
    "health": "Whether it works, and how much it does.",
}
_SUCCESS = {"200": "it was done", "201": "it was made", "204": "it was done; there is no body"}
# What anybody may ask.
_OPEN = "/health"
# What the guard answers before an operation is reached, to all and to those who must show who they are.
_GUARDS = frozenset({"400", "403", "421"})
_OF_STRANGERS = frozenset({"401", "429"})
# What reading a body may end in, and reading any value.
_OF_BODIES = frozenset({"408", "413"})
_OF_VALUES = frozenset({"422"})
_ALWAYS = frozenset({"503"})
# Of what it names, and of what it changes.
_NAMED, _CONFLICT, _SERVER = frozenset({"404"}), frozenset({"409"}), frozenset({"502"})
# Whose operations never ask another server while somebody waits for their answer.
_LOCAL = frozenset({"flows", "layouts", "runs", "deliveries", "services", "inbox", "health"})


def operation_id(route: APIRoute) -> str:
    """Name an operation as a generated client would name its method: `runFlow`."""
    return to_camel(route.name)


def described(document: Document) -> Document:
    """Complete the document that FastAPI makes."""
    document["components"]["securitySchemes"] = SECURITY
    used = dict.fromkeys(tag for _, _, operation in _operations(document) for tag in operation.get("tags", ()))
    document["tags"] = [{"name": name, "description": TAGS.get(name, "")} for name in sorted(used, key=_order)]
    for path, method, operation in _operations(document):
        is_open = path.startswith(_OPEN)
        scopes = wanted_scopes(method.upper(), path)
        operation["security"] = [] if is_open else [*({"token": [*one]} for one in scopes), {"session": []}]
        first, _, _ = operation.get("description", "").replace("\n", " ").partition(". ")
        operation["summary"] = first.removesuffix(".")
        possible = _possible(method, operation, is_open=is_open)
        answers = operation["responses"]
        operation["responses"] = {one: answers[one] for one in answers if one < "400" or one in possible}
        for status, words in _SUCCESS.items():
            if (answer := answers.get(status, {})).get("description") == "Successful Response":
                answer["description"] = words
    return document


def _order(tag: str) -> int:
    return [*TAGS].index(tag) if tag in TAGS else len(TAGS)


def _possible(method: str, operation: Document, *, is_open: bool) -> frozenset[str]:
    """Give the statuses of errors that an operation may end with, by what it takes and does."""
    has_body = "requestBody" in operation
    places = {parameter["in"] for parameter in operation.get("parameters", ())}
    names = has_body or "path" in places
    is_local = _LOCAL.issuperset(operation.get("tags", ()))
    return frozenset().union(
        _GUARDS,
        _ALWAYS,
        () if is_open else _OF_STRANGERS,
        _OF_BODIES if has_body else (),
        _OF_VALUES if has_body or places else (),
        _NAMED if names else (),
        _CONFLICT if names and method != "get" else (),
        _SERVER if method != "get" and not is_local else (),
    )


def _operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


class DescribedApi(FastAPI):
    """An application that describes itself so."""

    def openapi(self) -> Document:
        """Give the OpenAPI document, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = described(super().openapi())
        return self.openapi_schema
