"""What is written in a mail, and what a reader must find there again."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matrix.dimensions import Case
from matrix.world import FILE

TEXT = "Guten Tag,\n\n.ein Punkt am Anfang\nFrom here on: \u20ac 12\n"
PICTURE = bytes.fromhex("89504e470d0a1a0a") + bytes(range(256)) * 3
PARCEL = bytes(range(256)) * 40
LAYOUTS = {
    "html": "<style>div { color: #070; }</style><div><div data-content></div>Of {{ input.order }}</div>",
    "mjml": (
        "<mjml><mj-body><mj-section><mj-column><mj-text data-content></mj-text>"
        '<mj-button href="https://shop.example/?{{ input.order }}">Of {{ input.order }}</mj-button>'
        "</mj-column></mj-section></mj-body></mjml>"
    ),
}
TERMS = bytes(range(256)) * 400
# Beside the flows.
BESIDE = {"files/terms of 2026.bin": TERMS} | {f"layouts/{name}.html": text.encode() for name, text in LAYOUTS.items()}
CALENDAR = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n"

HTML = "<p>Dear {{ input.name }}, your order <b>{{ input.order }}</b> is on its way.</p>"
ROWS = """\
<table><tr data-each="item, number of input.items" data-if="item.count" title="{{ number }}: {{ item.name }}">
<td>{{ item.count }} of {{ item.name }} in <i data-each="size of item.sizes">{{ size }} </i></td>
</tr><tr data-else><td>nothing</td></table>
<p data-if="input.items.length > 9">many</p><p data-else>few</p>
"""
ITEMS: list[dict[str, Any]] = [
    {"name": "<Tea>", "count": 2, "sizes": ["S", "M"]},
    {"name": "Sold out", "count": 0, "sizes": []},
    {"name": "Cups", "count": 1, "sizes": ["L"]},
]
LINES = ["2 of <Tea> in S M", "1 of Cups in L"]
GIF = b"GIF89a" + bytes(range(40))
DOT = f'<p><img src="data:image/gif;base64,{base64.b64encode(GIF).decode()}" alt="a dot"></p>'
DOT_CID = f"image-{hashlib.sha256(b'image/gif' + bytes(1) + GIF).hexdigest()[:24]}"
SHOWN = '<p>Look: <img src="cid:logo" alt="our logo"></p>'
STYLED = """\
<!DOCTYPE html>
<html><head><title>Order</title><style>
p.total { color: #c00; }
@media (max-width: 600px) { p.total { color: #00c !important; } }
</style></head>
<body><p>Dear {{ input.name }}, your order <b>{{ input.order }}</b> is on its way.</p>
<p class="total">12</p>%s</body></html>
"""


@dataclass(frozen=True)
class File:
    """An attachment as it arrives."""

    name: str
    content_type: str
    octets: bytes
    cid: str = ""


def content(case: Case) -> dict[str, Any]:
    """Give the settings of a case's content."""
    shown = (SHOWN if case.attachments == "inline" else "") + (DOT if case.rest == "all" else "")
    layout = {} if case.layout == "none" else {"layout": case.layout}
    return (
        layout
        | {
            "text": {"textContent": TEXT},
            "html": {"content": HTML + shown},
            "styled": {"content": STYLED % shown},
            "rows": {"content": HTML + ROWS + shown},
        }[case.content]
    )


def invitation(case: Case) -> dict[str, Any]:
    """Give the settings of a case's invitation, {} for none."""
    if case.invitation == "none":
        return {}
    event = {"method": case.invitation, "summary": "{{ input.name }}", "timezone": "Europe/Berlin"}
    if case.invitation == "cancel":
        return {
            "invitation": {
                **event,
                "uid": "{{ input.tag }}@shop.example",
                "start": "2026-03-28T10:00",
                "end": "2026-03-29T10:00",
            }
        }
    more = {
        "start": "2026-03-29T01:30",
        "duration": 60,
        "location": "{{ input.order }}",
        "description": "{{ input.lines }}",
        "url": "https://shop.example/{{ input.order }}",
        "organizer": "Desk <desk@shop.example>",
        "alarmMinutes": 15,
    }
    return {"invitation": {**event, **more}}


def attachments(case: Case, url: str) -> list[dict[str, Any]]:
    """Give the attachments of a case; at `url` there is a file."""
    text = {"type": "text", "content": "{{ input.lines }}", "filename": "lines.txt"}
    each = {"type": "text", "forEach": "{{ input.items }}", "content": "{{ item.name }}", "filename": "{{ index }}.txt"}
    parcel = {"type": "base64", "content": base64.b64encode(PARCEL).decode(), "filename": "Gr\u00f6\u00dfe \u20ac.bin"}
    web = {"type": "url", "url": url}
    table = {
        "type": "custom",
        "content": "order;sum\n{{ input.order }};12\n",
        "contentType": "text/csv; charset=utf-8",
        "filename": "{{ input.order }}.csv",
    }
    header = (
        'Content-Type: text/calendar; charset=us-ascii; name="invite.ics"\r\n'
        'Content-Disposition: attachment; filename="invite.ics"\r\n\r\n'
    )
    mime = {"type": "mime", "content": header + CALENDAR}
    picture = base64.b64encode(PICTURE).decode()
    logo = {"type": "base64", "content": picture, "filename": "logo.png", "contentType": "image/png", "cid": "logo"}
    path = next(iter(BESIDE))
    beside = {"type": "file", "path": path, "filename": "{{ input.order }} terms.bin", "contentType": "application/x-t"}
    of_data = {"type": "url", "url": f"data:image/png;base64,{picture}", "filename": "again.png"}
    given: dict[str, list[dict[str, Any]]] = {
        "none": [],
        "url": [{**web, "filename": "from the web.pdf", "contentType": "application/x-report"}],
        "text": [text],
        "base64": [parcel],
        "custom": [table],
        "mime": [mime],
        "several": [text, web, table, of_data, beside, each],
        "inline": [logo, parcel],
    }
    return given[case.attachments]


def files(case: Case, order: str) -> Sequence[File]:
    """Give what must arrive of them, in their order."""
    text = File("lines.txt", "text/plain", TEXT.encode())
    parcel = File("Gr\u00f6\u00dfe \u20ac.bin", "application/octet-stream", PARCEL)
    table = File(f"{order}.csv", "text/csv", f"order;sum\n{order};12\n".encode())
    expected: dict[str, list[File]] = {
        "none": [],
        "url": [File("from the web.pdf", "application/x-report", FILE)],
        "text": [text],
        "base64": [parcel],
        "custom": [table],
        "mime": [File("invite.ics", "text/calendar", CALENDAR.encode())],
        "several": [
            text,
            File("report.pdf", "application/pdf", FILE),
            table,
            File("again.png", "image/png", PICTURE),
            File(f"{order} terms.bin", "application/x-t", TERMS),
            *(File(f"{number}.txt", "text/plain", item["name"].encode()) for number, item in enumerate(ITEMS)),
        ],
        "inline": [File("logo.png", "image/png", PICTURE, "logo"), parcel],
    }
    dot = [File("image1.gif", "image/gif", GIF, DOT_CID)] if case.rest == "all" and case.content != "text" else []
    return [*expected[case.attachments], *dot]
