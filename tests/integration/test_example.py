"""The example flow against the inbox and against Postfix: what arrives is what it says, field for field."""

import base64
import json
import re
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from mailnode.cli.demo import invoice, serve_invoice
from mailnode.cli.demo_home import EXAMPLES
from support.flows import run

FLOW = YAML(typ="safe").load((EXAMPLES / "order-shipped.flow.yaml").read_text(encoding="utf-8"))
ATTACHMENTS: list[dict[str, Any]] = FLOW["nodes"][1]["settings"]["attachments"]
INPUT: dict[str, Any] = json.loads((EXAMPLES / "order-shipped.input.json").read_text(encoding="utf-8"))


async def ship(folder: Path, port: int) -> Any:
    """Run the example against a server on this port."""
    text = (EXAMPLES / "order-shipped.flow.yaml").read_text(encoding="utf-8")
    flow = folder / "order-shipped.flow.yaml"
    flow.write_text(text.replace("port: 1025", f"port: {port}"), encoding="utf-8")
    async with serve_invoice(invoice()) as url:
        done = await run(flow, input=INPUT | {"invoiceUrl": url}, fetch_allow="127.0.0.1")
    assert done.status == "done"
    return done


@pytest.fixture
async def shipped(request, tmp_path, inbox):
    """Give the run, and the mails that the inbox or Postfix has of it."""
    if request.param == "inbox":
        done = await ship(tmp_path, inbox.port)
        return done, [message_from_bytes(one.octets(), policy=policy.default) for one in inbox.messages()]
    postfix = request.getfixturevalue("postfix")
    done = await ship(tmp_path, postfix.port)
    return done, await postfix.delivered(done.state.context["mail"]["shipped"]["messageId"], 3)


both = pytest.mark.parametrize("shipped", ["inbox", "postfix"], indirect=True)


@both
def test_its_header_fields(shipped):
    _, mails = shipped
    for mail in mails:
        assert mail["From"] == "Shop <shop@example.com>"
        assert mail["To"] == "Zoë Müller <zoe@example.org>"
        assert mail["Cc"] == "Orders <orders@example.com>"
        assert mail["Reply-To"] == "Help desk <help@example.com>"
        assert mail["Subject"] == "Order 2026-1047 has shipped"
        assert str(mail["Importance"]).lower() == "high"
        assert mail["X-Priority"] == "1 (Highest)"


@both
def test_bcc_is_in_no_header_field(shipped):
    _, mails = shipped
    for mail in mails:
        own = [
            (name, value) for name, value in mail.items() if name not in {"Delivered-To", "X-Original-To", "Received"}
        ]
        assert "bcc" not in {name.lower() for name, _ in own}
        assert not [value for _, value in own if "archive@example.com" in value]


@both
def test_its_text_and_html(shipped):
    _, (mail, *_) = shipped
    text, html = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
    for body in (text, html):
        assert "Dear Zoë Müller, your order" in body
        assert "It travels by express, and is with you tomorrow." in body
        assert "within three days" not in body
        assert "€ 78.00" in body
    assert [text.count(item["name"]) for item in INPUT["items"]] == [1, 1, 1]
    assert re.search(r"^Cups & saucers +6\r?$", text, re.MULTILINE)
    assert "Track your order (https://shop.example.com/track/2026-1047)" in text
    assert "Cups &amp; saucers" in html
    assert 'style="font-size: 20px' in html


@both
def test_its_tree(shipped):
    _, (mail, *_) = shipped
    body, *files = mail.iter_parts()
    assert mail.get_content_type() == "multipart/mixed"
    assert body.get_content_type() == "multipart/alternative"
    text, related = body.iter_parts()
    assert (text.get_content_type(), related.get_content_type()) == ("text/plain", "multipart/related")
    html, logo = related.iter_parts()
    assert (html.get_content_type(), logo["Content-ID"]) == ("text/html", "<logo>")
    assert logo.get_content() == base64.b64decode(ATTACHMENTS[0]["content"])
    assert [(one.get_filename(), one.get_content_type()) for one in files] == [
        ("invoice-2026-1047.pdf", "application/pdf"),
        ("thank-you.txt", "text/plain"),
        ("voucher.bin", "application/octet-stream"),
        ("order.json", "application/json"),
        ("delivery.ics", "text/calendar"),
    ]


@both
def test_its_files(shipped):
    _, (mail, *_) = shipped
    octets = {one.get_filename(): one.get_payload(decode=True) for one in mail.iter_attachments()}
    assert octets["invoice-2026-1047.pdf"] == invoice()
    assert octets["thank-you.txt"].decode() == "Thank you, Zoë Müller!\n"
    assert octets["voucher.bin"] == base64.b64decode(INPUT["voucher"])
    assert json.loads(octets["order.json"]) == INPUT["items"]
    assert b"UID:2026-1047@example.com" in octets["delivery.ics"]


@both
def test_its_result_is_in_the_context_and_the_flow_has_seen_it(shipped):
    done, mails = shipped
    result = done.state.context["mail"]["shipped"]
    assert (result["status"], result["error"]) == ("sent", None)
    assert result["accepted"] == ["zoe@example.org", "orders@example.com", "archive@example.com"]
    assert [told["field"] for told in result["recipients"]] == ["to", "cc", "bcc"]
    assert result["messageId"] == mails[0]["Message-ID"]
    assert done.output == [f"The email's status is sent; its Message-ID is {result['messageId']}."]
    assert [node.status for node in done.nodes] == ["done", "done", "skipped", "done"]
