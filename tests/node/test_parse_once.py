"""A node's settings are parsed when they are read, and never again by the mails that they become."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

from mailnode.flow.builtin import SayType, SetContextType
from mailnode.message.mailbox import Address, parse_addresses
from mailnode.node.expression import Evaluator
from mailnode.node.html import render_content
from mailnode.node.inline import inline_before_values
from mailnode.node.markup import parse_html
from mailnode.node.node_api import NodeCall
from mailnode.node.notification import EmailNotificationType, NotificationServer
from mailnode.node.recipients import render_addresses, render_mailbox
from mailnode.node.settings import EmailNotificationSettings, SendSmtpEmailSettings
from mailnode.node.settings_reader import read_settings
from mailnode.node.template import Template, parse_template
from support.flows import to_server

_PARSERS = (parse_template, parse_html, parse_addresses, inline_before_values)
SETTINGS: dict[str, Any] = {
    "from": "Shop of {{ input.shop }} <shop@example.com>",
    "to": "Ann <ann@x.example>\n{{ input.email }}, bob+{{ input.tag }}@y.example",
    "cc": "office@x.example",
    "replyTo": "{{ input.email }}",
    "subject": "Order {{ input.id }}",
    "content": "<style>p{margin:0}</style><p>&amp; {{ input.a &amp;&amp; input.b }}</p>",
    "textContent": "Order {{input.id}}",
    "envelopeFrom": "bounces@x.example",
    "inReplyTo": "<{{ input.id }}@x.example>",
    "idempotencyKey": "{{ input.id }}",
    "headers": {"X-Order": "{{ input.id }}"},
    "attachments": [{"type": "text", "content": "{{ input.id }}", "filename": "{{ input.id }}.txt"}],
}
STATE: dict[str, Any] = {"shop": "Rome", "email": "joe@x.example", "tag": "news", "id": "A1", "a": 1, "b": 2}


@contextmanager
def counted() -> Iterator[Counter[tuple[str, str]]]:
    """Count the calls of parsers by what they parse, whoever calls them by whatever name."""
    calls: Counter[tuple[str, str]] = Counter()
    codes = {parse.__code__: parse.__name__ for parse in _PARSERS}

    def look(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and (name := codes.get(frame.f_code)):
            calls[name, str(next(iter(frame.f_locals.values())))] += 1

    sys.setprofile(look)
    try:
        yield calls
    finally:
        sys.setprofile(None)


async def _rendered(settings: SendSmtpEmailSettings) -> list[str]:
    evaluator = Evaluator(STATE, {})
    assert settings.from_
    addresses: list[Address] = [await render_mailbox(settings.from_, evaluator)]
    for parsed in (settings.to, settings.cc, settings.bcc, settings.reply_to):
        addresses += await render_addresses(parsed, evaluator)
    texts = [str(address) for address in addresses]
    templates = (value for _, value in [*settings, *settings.headers.items(), *settings.attachments[0]])
    texts += [await evaluator.text(value) for value in templates if isinstance(value, Template)]
    return [*texts, (await render_content(settings.content, evaluator)).html]


async def test_each_setting_of_a_mail_is_parsed_once():
    with counted() as reading:
        settings = read_settings(SendSmtpEmailSettings, to_server(25, **SETTINGS))
    templates = Counter([value for value in SETTINGS.values() if isinstance(value, str)])
    templates += Counter(["{{ input.id }}", "{{ input.id }}", "{{ input.id }}.txt"])  # of headers and attachments
    read = Counter({text: count for (name, text), count in reading.items() if name in {"parse_template", "parse_html"}})
    assert read == templates
    assert max(count for (name, _), count in reading.items() if name == "parse_addresses") == 1

    with counted() as first_mail:
        once = await _rendered(settings)
    # Values are parsed with each mail; sheets are inlined with the first.
    values = [("parse_addresses", STATE["email"]), ("parse_addresses", "bob+news@y.example")]
    assert {name for name, _ in first_mail - Counter(dict.fromkeys(values, 9))} == {"inline_before_values"}
    with counted() as second_mail:
        assert await _rendered(settings) == once
    assert set(second_mail) == set(values)


def test_a_parsed_setting_is_its_authors_text_where_it_is_shown():
    settings = read_settings(SendSmtpEmailSettings, to_server(25, **SETTINGS))
    shown = settings.model_dump(by_alias=True)
    assert {key: shown[key] for key in SETTINGS if key != "attachments"} == {
        key: value for key, value in SETTINGS.items() if key != "attachments"
    }
    assert shown["attachments"][0]["content"] == "{{ input.id }}"
    assert '"subject":"Order {{ input.id }}"' in settings.model_dump_json(by_alias=True)


def test_a_notification_reads_its_settings_once_and_no_server_twice():
    mail = {key: SETTINGS[key] for key in ("to", "cc", "subject", "content")}
    nobody: Any = None
    node_type = EmailNotificationType(nobody, NotificationServer(service="Gmail", sender="a@x.example"))
    with counted() as reading:
        node_type.prepare(mail)
    assert [reading["parse_template", mail[key]] for key in ("to", "cc", "subject")] == [1, 1, 1]
    assert reading["parse_html", mail["content"]] == 1
    assert read_settings(EmailNotificationSettings, mail).by_key()["subject"] == parse_template(mail["subject"])


@pytest.mark.parametrize(
    ("node_type", "settings"),
    [
        (SayType(), {"text": "Hello {{ input.shop }}"}),
        (SetContextType(), {"key": "a", "value": ["Hello {{ input.shop }}", {"x": ["{{ input }}"], "y": 1}]}),
    ],
)
async def test_the_small_nodes_parse_once_too(node_type, settings):
    with counted() as reading:
        node = node_type.prepare(settings)
    assert set(reading.values()) == {1}
    with counted() as running:
        await node.execute(NodeCall("flow", "run", "say", STATE, {}))
    assert not running
