"""Documents that end, or stop, a parser in native code, at every door that leads to one: no process ends with them."""

import json
import re
from email import message_from_bytes

from support.command import mailnode
from support.flows import to_server, write_flow

SHEET = "<style>p{color:red}</style>"
SHAPES = {
    "divs": "<div>" * 20_000 + "<p>x",
    "cells": "<table><tr><td>" * 5_000 + "<p>x",
    "clones": "".join(f"<p><font size={size}>x" for size in range(2_000)),
    "foreign": "<svg>" + "<g>" * 20_000 + "<p>x",
    "attributes": "<p " + " ".join(f"a{number}" for number in range(50_000)) + ">x",
    "brackets": "<style>" + "a{" * 50_000 + "</style><p>x",
}
SCRIPT = "<script>alert(1)</script>"


def mailing(port, **settings):
    return {"id": "tell", "type": "sendSmtpEmail", "settings": to_server(port, **settings)}


def html_of(received):
    (part,) = (one for one in message_from_bytes(received.octets()).walk() if one.get_content_type() == "text/html")
    octets = part.get_payload(decode=True)
    assert isinstance(octets, bytes)
    return octets.decode().replace("\r", "").replace("\n", "")


async def test_the_editor_goes_on(api, site):
    """By the preview, a test mail, a run, and the inbox."""
    node = mailing(site.inbox_port, content="{{{ input.html }}}" + SHEET)
    text = json.dumps({"version": 1, "name": "deep", "nodes": [node]})
    assert (await api.post("/api/flows", json={"text": text, "format": "json"})).status_code == 201
    for html in (SHEET + shape + SCRIPT for shape in SHAPES.values()):
        draft = {"text": text, "format": "json", "input": {"html": html}}
        made = (await api.post("/api/preview", json=draft)).json()
        assert made["errors"] == []
        assert any("Style sheets were not inlined: " in one for one in made["preview"]["warnings"])
        harmless((await api.get(made["preview"]["html"])).text)
        ran = (await api.post("/api/flows/deep/runs", json={"input": {"html": html}})).json()
        assert ran["nodes"][0]["result"]["status"] == "sent"
        received = site.inbox.messages()[-1]
        assert html_of(received) == html + SHEET
        for page in (f"/inbox/{received.number}", f"/api/inbox/{received.number}", f"/runs/{ran['run']}"):
            assert (await api.get(page)).status_code == 200, page
        harmless((await api.get(f"/inbox/{received.number}/html")).text)
    assert (await api.post("/api/preview/test", json=draft | {"to": "inbox"})).json()["status"] == "sent"


def harmless(page):
    assert "This is its source" in page
    assert set(re.findall("<[a-z]+", page.partition("<body>")[2])) == {"<p", "<strong", "<pre"}
    assert len(page) < 1_000_000


async def test_so_does_the_command_line(inbox, tmp_path):
    flow = write_flow(tmp_path, mailing(inbox.port, content=SHEET + SHAPES["divs"]))
    given = tmp_path / "input.json"
    given.write_text("{}")
    ran = await mailnode("run", flow, "--input", f"@{given}")
    assert (ran.status, ran.json["nodes"][0]["result"]["status"]) == (0, "sent")
    assert "nested deeper than 256 elements" in str(ran.json["nodes"][0]["result"]["warnings"])
    assert html_of(inbox.messages()[0]) == SHEET + SHAPES["divs"]
    shown = await mailnode("preview", flow)
    assert shown.status == 0
    assert "nested deeper than 256 elements" in shown.stdout + shown.stderr
