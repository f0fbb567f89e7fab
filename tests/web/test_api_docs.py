"""The page on the API: all of the OpenAPI document, and nothing of another host."""

import re
from urllib.parse import quote

from mailnode.web.reference import reference_of


async def test_it_shows_every_operation_and_type_and_each_link_leads_somewhere(api, app):
    document = app.openapi()
    html = (await api.get("/api/docs")).text
    ids = set(re.findall(r'id="([^"]+)"', html))
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["operationId"] in ids
            assert f"{method.upper()} {path}</strong>" in html
    assert {f"type-{name}" for name in document["components"]["schemas"]} <= ids
    assert set(re.findall(r'href="#([^"]+)"', html)) <= ids
    assert [link for link in re.findall(r'(?:href|src)="([^"]*)"', html) if not re.match("/|#", link)] == []
    assert '<a href="#type-MailResult">MailResult</a>' in html
    assert "Scope of the token: run or read." in html


async def test_who_is_not_logged_in_logs_in_first(stranger):
    answer = await stranger.get("/api/docs")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/login?next={quote('/api/docs')}")


def test_words_of_a_description_are_text_and_types_are_named():
    schema = {
        "description": "A `<b>`.",
        "properties": {
            "a": {"anyOf": [{"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "null"}]}}, {}]},
            "b": {"additionalProperties": {"$ref": "#/components/schemas/T"}},
            "c": {"enum": ["x", 1], "description": "<i>"},
        },
        "required": ["a"],
    }
    (type_,) = reference_of({"tags": [], "paths": {}, "components": {"schemas": {"T": schema}}}).types
    assert type_.words == ["A <code>&lt;b&gt;</code>."]
    assert [row[1] for row in type_.fields] == [
        "(string | null)[] | any value",
        'object of <a href="#type-T">T</a>',
        "&#34;x&#34; | 1",
    ]
    assert (type_.fields[0][0], type_.fields[2][2]) == ("<code>a</code> (required)", "&lt;i&gt;")
