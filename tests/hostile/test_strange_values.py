"""What JSON can say and UTF-8 or a column of a database can't hold, in all that comes from outside."""

import json
import re

import pytest

from support.flows import to_server
from support.scripted_smtp import ScriptedServer

pytestmark = pytest.mark.usefixtures("database_kind")

HALF, NUL = "\ud83d", "\0"
STRANGE = {"half": f"a{HALF}b", "nul": f"a{NUL}b", "list": [HALF, {"deep": NUL}]}


def mailing(port):
    """A flow that sends a mail, and keeps and says what is strange."""
    return {
        "version": 1,
        "name": "strange",
        "nodes": [
            {"id": "mail", "type": "sendSmtpEmail", "settings": to_server(port)},
            {"id": "keep", "type": "setContext", "settings": {"key": "kept", "value": "{{ input }}"}},
            {"id": "say", "type": "say", "settings": {"text": "{{ JSON.stringify(input.list) }}"}},
        ],
    }


@pytest.fixture(autouse=True)
async def server(database_kind):
    """Run a server that ends after the site, whose sessions stay open as long as it lives."""
    async with ScriptedServer() as running:
        yield running


@pytest.fixture(autouse=True)
async def flow(server, api):
    """Have a flow that mails to it."""
    made = await api.post("/api/flows", json={"text": json.dumps(mailing(server.port)), "format": "json"})
    assert made.status_code == 201, made.text


async def test_a_run_that_is_accepted_is_told_again_and_again(api, server):
    body = json.dumps({"input": STRANGE, "context": STRANGE})
    headers = {"Content-Type": "application/json", "Idempotency-Key": "once"}
    for _ in range(2):
        answer = await api.post("/api/flows/strange/runs", content=body, headers=headers)
        assert answer.status_code == 200, answer.text
        told = json.loads(answer.text)
        assert (told["status"], told["input"], told["context"]["kept"]) == ("done", STRANGE, STRANGE)
    assert len(server.accepted) == 1
    assert (await api.get("/api/runs/once")).json()["input"] == STRANGE
    assert len((await api.get("/api/runs")).json()["runs"]) == 1
    delivery = told["nodes"][0]["result"]["deliveryId"]
    assert (await api.get(f"/api/deliveries/{delivery}")).status_code == 200
    for page in ("/runs", "/runs/once", "/deliveries", f"/deliveries/{delivery}"):
        assert (await api.get(page)).status_code == 200, page


@pytest.mark.parametrize("levels", [60, 100, 600, 900, 5_000])
async def test_however_deep_a_value_is_it_is_told_or_refused_before_a_mail_is_sent(api, server, levels):
    body = '{"input": {"list": [], "deep": ' + "[" * levels + "]" * levels + "}}"
    answer = await api.post("/api/flows/strange/runs", content=body, headers={"Content-Type": "application/json"})
    if answer.status_code == 200:
        assert (len(server.accepted), answer.json()["input"]) == (1, json.loads(body)["input"])
        assert (await api.get(f"/api/runs/{answer.json()['run']}")).status_code == 200
        assert (await api.get(f"/runs/{answer.json()['run']}")).status_code == 200
    else:
        assert levels > 60, answer.text
        assert (answer.status_code in {400, 422}, server.accepted) == (True, [])
        assert "nested" in answer.json()["error"]["message"] or answer.status_code == 400


async def test_a_sample_is_kept_and_told_and_the_preview_fills_in_with_it(api, server):
    headers = {"Content-Type": "application/json"}
    for strange, status in (({"x": NUL}, 200), ({"x": HALF}, 422), ({"x": json.loads("[" * 800 + "]" * 800)}, 422)):
        body = json.dumps({"input": strange, "context": {}})
        put = await api.put("/api/flows/strange/sample", content=body, headers=headers)
        assert put.status_code == status, put.text
        flow = await api.get("/api/flows/strange")
        assert (flow.status_code, flow.json()["sample"]["input"]) == (200, {"x": NUL})
        assert (await api.get("/flows/strange")).status_code == 200
    draft = {"text": flow.json()["text"], "format": "json", "input": STRANGE}
    for path in ("/api/preview", "/api/flows/check"):
        sent = draft if path == "/api/preview" else {key: draft[key] for key in ("text", "format")}
        answer = await api.post(path, content=json.dumps(sent), headers=headers)
        assert (answer.status_code, answer.json()["errors"]) == (200, []), path


async def test_a_document_with_half_a_character_is_refused(api, server):
    text = (await api.get("/api/flows/strange")).json()["text"]
    document = mailing(25)
    document["nodes"][0]["settings"]["subject"] = HALF
    headers = {"Content-Type": "application/json"}
    body = json.dumps({"text": text, "document": document, "format": "json"})
    checked = await api.post("/api/flows/check", content=body, headers=headers)
    assert checked.status_code == 422 or checked.json()["errors"], checked.text
    run = await api.post("/api/preview", content=body, headers=headers)
    assert run.status_code == 422 or run.json()["errors"], run.text


async def test_no_name_in_an_address_or_a_query_is_a_defect(app, api):
    described = app.openapi()["paths"]
    asked = 0
    for path, methods in described.items():
        for method, operation in methods.items():
            for strange in ("a%00b", "1-%00", "%00", "%ED%A0%BDabcdefgh", "0abcdefgh%00"):
                told = [one for one in operation.get("parameters", ()) if one["in"] == "query"]
                address = re.sub(r"{[^}]*}", strange, path)
                query = "&".join(f"{one['name']}={strange}" for one in told if one["schema"].get("type") != "integer")
                for way in {address, f"{address}?{query}"} if query or "{" in path else ():
                    answer = await api.request(method.upper(), way, json={})
                    assert answer.status_code < 500, (method, way, answer.text)
                    asked += 1
    assert asked > 100
