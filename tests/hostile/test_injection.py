"""Every hostile text in every place of a mail: no line, field or recipient that its author did not write."""

import asyncio
import json
import os
import re
import unicodedata
from collections import Counter
from copy import deepcopy
from email import message_from_bytes, policy
from email.utils import getaddresses
from typing import Any, NamedTuple

import pytest
from icalendar import Calendar

from mailnode.app import Mailnode
from mailnode.errors import MailnodeError
from mailnode.flow.document import parse_flow
from mailnode.message.envelope import Message
from mailnode.node import settings as forms
from mailnode.node.attachment_settings import ATTACHMENT_TYPES
from mailnode.node.invitation import InvitationSettings
from mailnode.smtp.client import SmtpClient
from support.flows import to_server
from support.injections import HOSTILE, shown
from support.mail_readers import read_by_npm
from support.scripted_smtp import ScriptedServer

FILE = {"type": "text", "content": "x", "filename": "a.txt", "cid": "c"}
PART = "Content-Type: text/plain\r\n\r\nx"
EVENT = {"start": "2026-03-12T14:30Z", "duration": 45, "summary": "Kitchen"}
# Every place that takes text, as a path into the settings, with what stands around it.
TEMPLATED: dict[str, dict[str, Any]] = {
    "to": {},
    "cc": {},
    "bcc": {},
    "replyTo": {},
    "from": {},
    "envelopeFrom": {},
    "subject": {},
    "content": {},
    "textContent": {},
    "inReplyTo": {},
    "references": {},
    "listUnsubscribe": {},
    "idempotencyKey": {},
    "headers.X-Shop": {"headers": {}},
    **{
        f"invitation.{name}": {"invitation": EVENT}
        for name in (
            *("method", "start", "end", "duration", "timezone", "summary", "location", "description"),
            *("uid", "organizer", "url", "alarmMinutes"),
        )
    },
    "attachments.0.url": {"attachments": [{"type": "url", "url": "data:,x"}]},
    "attachments.0.filename": {"attachments": [FILE]},
    "attachments.0.cid": {"attachments": [FILE]},
    "attachments.0.content": {"attachments": [FILE]},
    "attachments.1.content": {"attachments": [FILE, {"type": "base64", "content": "eA==", "filename": "b"}]},
    "attachments.2.content": {"attachments": [FILE, FILE, {"type": "mime", "content": PART}]},
    "attachments.3.content": {
        "attachments": [FILE, FILE, FILE, {"type": "custom", "content": "x", "contentType": "text/x", "filename": "d"}]
    },
}
LITERAL: dict[str, dict[str, Any]] = {
    **TEMPLATED,
    "attachments.0.forEach": {"attachments": [FILE]},
    "attachments.0.path": {"attachments": [{"type": "file", "path": "files/a"}]},
    "headers": {"headers": {}},
    "attachments.1.contentType": TEMPLATED["attachments.1.content"],
    "attachments.3.contentType": TEMPLATED["attachments.3.content"],
    "emailService": {},
    "connection": {},
    "layout": {},
    "resultKey": {"storeResult": "context"},
    "smtp.host": {},
    "smtp.ca": {},
    "smtp.ehloName": {},
}
# Where a value may be an item's: content repeats elements, and attachments have forEach.
WITH_ITEMS = {"content", "attachments.0.url", "attachments.0.filename", "attachments.2.content"}
ADDRESSES = {"to", "cc", "bcc", "replyTo", "from", "envelopeFrom", "invitation.organizer"}
SHOWN, BLIND = {"jane@example.org", "carl@y.example"}, {"bert@y.example"}
NO_TEXT = {
    "priority",
    "autoSubmitted",
    "dataImages",
    "storeResult",
    "stopOnError",
    "asynchronous",
    "smtp",
    "attachments",
    "invitation",
    "partialDelivery",
    "onUnknown",
}
NO_TEXT |= {
    "timeoutSeconds",
    "retryHours",
    "maxRecipients",
    "maxAttachmentMB",
    "maxMessageMB",
    "lenient",
    "inlineStyles",
}
# A setting may be what makes its own field be there at all.
OWN = {
    "inReplyTo": Counter(["in-reply-to"]),
    "references": Counter(["references"]),
    "listUnsubscribe": Counter(["list-unsubscribe", "list-unsubscribe-post"]),
}
LINE = re.compile(rb"[\x09\x20-\x7e]*")
# RFC 6532: an address beyond ASCII stands in its fields as it is; NEL and its like don't.
UTF8_LINE = re.compile(rb"(?:[\x09\x20-\x7e]|[\xc3-\xf4][\x80-\xbf]+|\xc2[\xa0-\xbf])*")
FIELD = re.compile(rb"([!-9;-~]+): |[ \t]+[^ \t]")


class Case(NamedTuple):
    """One text in one place, by one way: in the flow itself, as a value, or as a part of a value's place."""

    place: str
    way: str
    value: str

    def __str__(self):
        return f"{self.place}, {self.way}: {shown(self.value)}"


class Made(NamedTuple):
    case: Case
    message: Message
    plain: Message


def settings_of(place, text):
    settings = deepcopy({**to_server(25, cc="carl@y.example", bcc="bert@y.example"), **LITERAL[place]})
    if place == "headers":
        settings["headers"] = {text: "x"}
        return settings
    around: Any = settings
    *path, last = place.split(".")
    for step in path:
        around = around[int(step) if isinstance(around, list) else step]
    around[last] = text
    return settings


async def compose(mailnode, case):
    within = "{{ input.v }}@y.example" if case.place in ADDRESSES else "a{{ input.v }}b"
    if case.place == "attachments.2.content":
        within = "Content-Type: text/plain\r\nContent-Description: a{{ input.v }}\r\n\r\nx"
    written = {"literal": case.value, "alone": "{{ input.v }}", "within": within}.get(case.way, "{{ item }}")
    settings = settings_of(case.place, written)
    if case.way == "item" and case.place == "content":
        settings["content"] = '<p data-each="item of [input.v, input.v]" title="{{ item }}">{{ item }}</p>'
    elif case.way == "item":
        for attachment in settings["attachments"]:
            attachment["forEach"] = "{{ [input.v] }}"
    node = {"id": "tell", "type": "sendSmtpEmail", "settings": settings}
    flow = parse_flow(json.dumps({"version": 1, "name": "t", "nodes": [node]}), file="t.json", json=True)
    return (await mailnode.dry_run(flow, "tell", input={"v": case.value}).compose()).message


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """All that could be composed, beside the mail that a harmless text makes in the same place; and all errors."""
    os.environ["MAILNODE_HOME"] = str(tmp_path_factory.mktemp("home"))
    return asyncio.run(compose_all())


async def compose_all():
    made, errors = [], []
    async with Mailnode.open() as mailnode:
        for number, place in enumerate(LITERAL):
            for way in (ways := _ways(place)):
                harmless = {"within": "jo"}.get(way, "jo@x.example")
                plain = await compose(mailnode, Case(place, way, harmless)) if place in ADDRESSES else None
                # As a value each text comes into each place; beside that, by the other ways, every other one.
                is_all = len(ways) == 1 or way in {"alone", "item"}
                for value in HOSTILE if is_all else HOSTILE[number % 2 :: 2]:
                    case = Case(place, way, value)
                    try:
                        message = await compose(mailnode, case)
                    except MailnodeError as error:
                        errors.append((case, error))
                    else:
                        made.append(Made(case, message, plain or message))
    return made, errors


def _ways(place):
    """The ways by which a text comes into a place; the items of a list come into content and attachments."""
    if place not in TEMPLATED:
        return ("literal",)
    if place.startswith("invitation."):  # all three ways lead to one check, or to one text
        return ("within",) if place.rpartition(".")[2] in {"summary", "location", "description", "uid"} else ("alone",)
    return ("literal", "alone", "within", *(["item"] if place in WITH_ITEMS else []))


def header_of(octets):
    return octets.partition(b"\r\n\r\n")[0].split(b"\r\n")


def names_of(octets):
    """The header fields of a mail, as RFC 5322 reads its lines."""
    found = [FIELD.match(line) for line in header_of(octets)]
    assert all(found)
    return Counter(match[1].decode().lower() for match in found if match and match[1])


def unquoted(address):
    """An address as readers show it: some drop the quotes and the blanks of its local part."""
    return re.sub(r'["\\ ]', "", address.lower())


def test_no_setting_that_takes_text_is_left_out():
    fields = {field.alias or name for name, field in forms.SendSmtpEmailSettings.model_fields.items()}
    fields |= {f"smtp.{field.alias or name}" for name, field in forms.SmtpSettings.model_fields.items()}
    fields |= {f"invitation.{field.alias or name}" for name, field in InvitationSettings.model_fields.items()}
    files = {field.alias or name for kind in ATTACHMENT_TYPES.values() for name, field in kind.model_fields.items()}
    assert fields - NO_TEXT - {"smtp.port", "smtp.tlsOption"} == {
        place.removesuffix(".X-Shop") for place in LITERAL if not place.startswith("attachments")
    }
    assert files - {"type"} == {place.rpartition(".")[2] for place in LITERAL if place.startswith("attachments")}


def test_the_sweep_reaches_every_place_and_is_no_wall(sweep):
    made, errors = sweep
    assert {one.case.place for one in made} | {case.place for case, _ in errors} == set(LITERAL)
    assert len(made) > 2000


def test_an_error_names_its_setting_and_the_remedy(sweep):
    for case, error in sweep[1]:
        assert error.hint, case
        # What is no text at all is refused with its line before anybody looks for settings.
        assert error.key or "surrogate" in error.message, case
        assert not error.key or error.key.startswith(case.place.partition(".")[0]), (case, error)
        assert str(error).isprintable(), (case, error)
        assert len(str(error)) < 1000, case


def test_each_octet_on_the_wire_is_one_that_may_stand_there(sweep):
    for case, message, _ in sweep[0]:
        octets = message.octets()
        assert octets.endswith(b"\r\n"), case
        lines = octets[:-2].split(b"\r\n")
        allowed = UTF8_LINE if message.envelope.needs_smtputf8 else LINE
        assert all(allowed.fullmatch(line) and len(line) <= 998 for line in lines), case


def test_no_header_field_is_there_that_the_flow_does_not_name(sweep):
    for case, message, plain in sweep[0]:
        names, usual = names_of(message.octets()), names_of(plain.octets())
        if case.place == "headers":
            usual[case.value.strip().lower()] += 1
        assert not names - usual - OWN.get(case.place, Counter()), case


def test_nobody_gets_it_but_whom_the_flow_names_and_the_one_of_a_value(sweep):
    for case, message, plain in sweep[0]:
        paths, usual = message.envelope.forward_paths, plain.envelope.forward_paths
        if case.place in {"to", "cc", "bcc"}:
            assert case.way == "literal" or len(paths) <= len(usual), case
        else:
            assert paths == usual, case


def test_two_readers_find_the_fields_and_recipients_that_we_wrote(sweep):
    made = sweep[0]
    for (case, message, _), other in zip(made, read_by_npm(one.message.octets() for one in made), strict=True):
        octets = message.octets()
        stdlib = message_from_bytes(octets, policy=policy.default)
        names = names_of(octets)
        assert Counter(name.lower() for name in stdlib.keys()) == names, case  # noqa: SIM118 -- items may be twice
        assert Counter(other["names"]) == names, case
        paths = {unquoted(path) for path in message.envelope.forward_paths}
        fields = stdlib.get_all("To", []) + stdlib.get_all("Cc", [])
        for said in ([address for _, address in getaddresses(fields)], other["to"] + other["cc"]):
            named = {unquoted(address) for address in said} - {""}
            assert named == (SHOWN if case.place == "bcc" else paths - BLIND), case
        assert not other["bcc"], case


def test_a_subject_says_what_was_given_and_nothing_else(sweep):
    told = [one for one in sweep[0] if one.case.place == "subject"]
    for (case, message, _), other in zip(told, read_by_npm(one.message.octets() for one in told), strict=True):
        # One line has no end, and a value that is the whole field loses the blanks at its ends.
        bare = case.value.strip("\r\n")
        given = {"within": f"a{bare}b", "alone": bare.strip()}.get(case.way, bare)
        assert message_from_bytes(message.octets(), policy=policy.default)["Subject"] == given
        assert dict(message.header_fields).get("Subject", "") == given, case
        assert " ".join(other["subject"].split()) == " ".join(given.split()), case


async def test_a_server_hears_of_one_sender_of_those_recipients_and_of_that_content(sweep):
    made = sweep[0]
    async with ScriptedServer() as server, SmtpClient("127.0.0.1", server.port, tls_option="none") as client:
        handovers = [one async for one in client.send_many([one.message for one in made])]
    assert [one.error for one in handovers if one.error] == []
    heard = Counter((one.reverse_path, one.forward_paths, one.content) for one in server.accepted)
    assert heard == Counter(map(as_heard, (one.message for one in made)))


def as_heard(message):
    envelope = message.envelope
    options = f" SIZE={message.size}" + (" BODY=8BITMIME SMTPUTF8" if envelope.needs_smtputf8 else "")
    recipients = tuple(f"RCPT TO:<{path}>" for path in envelope.forward_paths)
    return f"MAIL FROM:<{envelope.reverse_path or ''}>{options}", recipients, message.octets()


def test_a_calendar_holds_one_event_and_what_was_given_as_its_text(sweep):
    made = [one for one in sweep[0] if one.case.place.startswith("invitation.")]
    usual = None
    for case, message, _ in made:
        assert all(len(line) <= 75 and line.decode() is not None for line in message.calendar.split(b"\r\n")), case
        calendar = Calendar.from_ical(message.calendar)
        (event,) = calendar.walk("VEVENT")
        names = set(event) - {"DESCRIPTION", "LOCATION", "URL"}
        usual = usual or names
        assert (names, set(calendar)) == (usual, {"VERSION", "PRODID", "METHOD"}), case
        assert message.calendar.count(b"\nATTENDEE") == len(SHOWN), case
        name = case.place.partition(".")[2]
        if name in {"summary", "location", "description"}:
            # A value in a text of one line loses the line ends at its ends.
            text = case.value.strip("\r\n\t") if name == "summary" else case.value
            bare = "".join(one for one in text if one in "\r\n\t" or unicodedata.category(one) != "Cc")
            assert str(event[name.upper()]).split() == f"a{bare}b".split(), case
    assert len(made) > 200
