"""The setting `invitation`: what a server received, as calendars read it, and how its sequence is counted."""

import asyncio
import json
from datetime import date
from pathlib import Path

import icalendar
import pytest
from sqlalchemy import insert, select

from mailnode.app import Mailnode
from mailnode.environment import Environment
from mailnode.errors import MailnodeError
from mailnode.flow.document import parse_flow
from mailnode.store.tables import invitations
from support.flows import run, send, to_server, write_flow
from support.mail_readers import read_by_stdlib

EXAMPLES = Path(__file__).parents[2] / "examples"
EVENT = {"start": "2026-03-12T14:30", "duration": 45, "timezone": "Europe/Berlin", "summary": "Kitchen"}
CANCELLED = {**EVENT, "method": "cancel", "uid": "kitchen-7@shop.example"}
TIMES = [
    ({}, "2026-03-12T14:30:00+01:00", "2026-03-12T15:15:00+01:00"),
    ({"start": "2026-03-12T13:30:00Z"}, "2026-03-12T14:30:00+01:00", "2026-03-12T15:15:00+01:00"),
    ({"start": "2026-03-12 14:30", "duration": "PT1H30M"}, "2026-03-12T14:30:00+01:00", "2026-03-12T16:00:00+01:00"),
    ({"start": "2026-03-12T09:30-0400", "timezone": ""}, "2026-03-12T13:30:00+00:00", "2026-03-12T14:15:00+00:00"),
    ({"duration": "", "end": "2026-03-12T20:00"}, "2026-03-12T14:30:00+01:00", "2026-03-12T20:00:00+01:00"),
    # The clocks are put forward in the night, and back.
    ({"start": "2026-03-29T01:30", "duration": "60"}, "2026-03-29T01:30:00+01:00", "2026-03-29T03:30:00+02:00"),
    ({"start": "2026-03-28T12:00", "duration": "P1D"}, "2026-03-28T12:00:00+01:00", "2026-03-29T12:00:00+02:00"),
    ({"start": "2026-03-28T12:00", "duration": "PT24H"}, "2026-03-28T12:00:00+01:00", "2026-03-29T13:00:00+02:00"),
    # What is one of two hours that are alike is told in UTC.
    ({"start": "2026-10-25T01:30Z"}, "2026-10-25T01:30:00+00:00", "2026-10-25T02:15:00+00:00"),
    ({"start": "2026-10-25T00:30Z", "duration": 10}, "2026-10-25T00:30:00+00:00", "2026-10-25T00:40:00+00:00"),
]
DAYS = [
    ({}, "2026-03-13"),
    ({"end": "2026-03-12"}, "2026-03-13"),
    ({"end": "2026-03-14"}, "2026-03-15"),
    ({"duration": "P2D"}, "2026-03-14"),
    ({"duration": "P1W", "timezone": ""}, "2026-03-19"),
]
WRONG = [
    ({"start": "12.03.2026"}, "start", "is not a date or time", "2026-03-12T14:30"),
    ({"start": "2026-02-30"}, "start", "no such day", "2026-03-12"),
    ({"start": "2026-03-12T25:00"}, "start", "no such day or time", "2026-03-12"),
    ({"start": "2026-03-29T02:30"}, "start", "the clocks are put forward", "2026-03-29T03:30"),
    ({"start": "0026-03-12T10:00"}, "start", "the year 26 is out of range", "2199"),
    ({"duration": "45 minutes"}, "duration", "is not a duration", "as a number, 45, or an ISO 8601 duration"),
    ({"duration": "P"}, "duration", "is not a duration", "PT1H30M"),
    ({"duration": "PT"}, "duration", "is not a duration", "PT1H30M"),
    ({"duration": "0"}, "duration", "takes no time", "45"),
    ({"duration": "P9999D"}, "duration", "longer than a year", "years"),
    ({"duration": ""}, "end", "the event has no end", "duration in minutes"),
    ({"end": "2026-03-12T16:00"}, "duration", "both given", "one of them"),
    ({"duration": "", "end": "2026-03-12T14:30"}, "end", "ends before it starts", "after the start"),
    ({"duration": "", "end": "2026-03-13"}, "end", "end has none", "both"),
    ({"start": "2026-03-12", "duration": "", "end": "2026-03-13T10:00"}, "end", "end has one", "both"),
    ({"start": "2026-03-12"}, "duration", "whole days", "P2D"),
    ({"timezone": ""}, "timezone", "2026-03-12 14:30 has no time zone", "Europe/Berlin"),
    ({"timezone": "Berlin"}, "timezone", "no time zone", "did you mean Europe/Berlin?"),
    ({"timezone": "europe/berlin"}, "timezone", "no time zone", "did you mean Europe/Berlin?"),
    ({"timezone": "../../etc/passwd"}, "timezone", "no time zone", "IANA"),
    ({"timezone": "Europe"}, "timezone", "no time zone", ""),
    ({"timezone": "posixrules"}, "timezone", "no time zone", ""),
    ({"method": "publish"}, "method", "is not a method", "cancel"),
    ({"method": "cancel"}, "uid", "a cancellation needs the uid", "invitation.uid"),
    ({"uid": " "}, "uid", "the uid is empty", "booking-1234"),
    ({"uid": "x" * 256}, "uid", "256 bytes", "booking"),
    ({"url": "shop.example"}, "url", "is not a URL", "https://"),
    ({"alarmMinutes": "soon"}, "alarmMinutes", "not a number of minutes", "15"),
    ({"alarmMinutes": "40321"}, "alarmMinutes", "no reminder", "four weeks"),
    ({"organizer": "nobody"}, "organizer", "nobody", ""),
]


def event_of(octets):
    """Give the calendar and the event of a mail as another reader sees it."""
    from email import message_from_bytes, policy

    message = message_from_bytes(octets, policy=policy.default)
    (part,) = [one for one in message.walk() if one.get_content_type() == "text/calendar"]
    (file,) = [one for one in message.walk() if one.get_filename() == "invite.ics"]
    calendar = icalendar.Calendar.from_ical(part.get_content())
    assert icalendar.Calendar.from_ical(file.get_content()) == calendar
    assert part.get_content_type() == "text/calendar"
    assert part.get_param("method") == str(calendar["METHOD"])
    (event,) = calendar.walk("VEVENT")
    return calendar, event


async def sent_event(inbox, folder, **invitation):
    sent = await send(inbox, folder, invitation={**EVENT, **invitation})
    return event_of(sent.received.octets())[1]


class TestMessage:
    async def test_it_stands_last_of_the_alternatives_and_as_a_file(self, inbox, tmp_path):
        sent = await send(inbox, tmp_path, cc="Bert <bert@example.org>", bcc="carl@example.org", invitation=EVENT)
        texts, file = sent.message.iter_parts()
        assert [one.get_content_type() for one in texts.iter_parts()] == ["text/plain", "text/html", "text/calendar"]
        assert (file.get_content_type(), file.get_filename()) == ("application/ics", "invite.ics")
        calendar, event = event_of(sent.received.octets())
        assert calendar["METHOD"] == "REQUEST"
        assert event["ORGANIZER"] == "mailto:shop@example.com"
        attendees = [(str(one), one.params["ROLE"], one.params.get("CN")) for one in event["ATTENDEE"]]
        assert attendees == [
            ("mailto:jane@example.org", "REQ-PARTICIPANT", None),
            ("mailto:bert@example.org", "OPT-PARTICIPANT", "Bert"),
        ]
        assert (event["SUMMARY"], event["STATUS"]) == ("Kitchen", "CONFIRMED")
        assert b"carl" not in sent.received.octets()

    async def test_all_that_it_can_say(self, inbox, tmp_path):
        said = {
            "location": "Hall 3,\nGate; B",
            "description": "Bring:\r\n- a ladder\n\n{{ input.words }}",
            "url": "https://shop.example/b?id=7&x=\u00e9",
            "organizer": "Desk <desk@shop.example>",
            "alarmMinutes": "{{ input.minutes }}",
            "uid": "kitchen-{{ input.minutes }}",
            "method": "{{ input.how }}",
        }
        state = {"words": "so\rSUMMARY:no", "minutes": 90, "how": "request"}
        sent = await send(inbox, tmp_path, state, invitation={**EVENT, **said})
        _, event = event_of(sent.received.octets())
        assert event["LOCATION"] == "Hall 3, Gate; B"
        assert event["DESCRIPTION"] == "Bring:\n- a ladder\n\nso\nSUMMARY:no"
        assert event["URL"] == "https://shop.example/b?id=7&x=%C3%A9"
        assert (event["ORGANIZER"], event["ORGANIZER"].params["CN"]) == ("mailto:desk@shop.example", "Desk")
        (alarm,) = event.walk("VALARM")
        assert alarm["TRIGGER"].to_ical() == b"-PT1H30M"
        assert sent.report["invitation"] == {"uid": "kitchen-90", "sequence": 0}

    async def test_times(self, mailnode):
        for settings, start, end in TIMES:
            event = await composed(mailnode, settings)
            assert (event["DTSTART"].dt.isoformat(), event["DTEND"].dt.isoformat()) == (start, end), settings

    async def test_a_date_alone_is_all_day_and_the_end_is_the_last_day(self, mailnode):
        for settings, end in DAYS:
            event = await composed(mailnode, {"start": "2026-03-12", "duration": "", **settings})
            assert (event["DTSTART"].dt, event["DTEND"].dt) == (date(2026, 3, 12), date.fromisoformat(end)), settings


class TestErrors:
    @pytest.mark.parametrize("is_value", [False, True])
    async def test_each_names_its_key_and_a_remedy(self, mailnode, is_value):
        for settings, key, words, hint in WRONG:
            given = {**EVENT, **settings}
            state = {}
            if is_value:
                state = {name: str(value) for name, value in given.items()}
                given = {name: f"{{{{ input.{name} }}}}" for name in given}
            with pytest.raises(MailnodeError) as caught:
                await composed(mailnode, given, state)
            assert caught.value.key == f"invitation.{key}", settings
            assert words in caught.value.message, settings
            assert hint in caught.value.hint, settings

    async def test_all_wrong_settings_are_told_at_once(self, mailnode):
        wrong = {"start": "soon", "timezone": "Mars", "duration": "x", "sumary": "x", "alarmMinutes": True}
        errors = {error.key: error for error in mailnode.dry_run(flow_of(wrong), "tell").errors()}
        keys = ("sumary", "start", "timezone", "duration", "summary", "alarmMinutes")
        assert set(errors) == {f"invitation.{key}" for key in keys}
        assert errors["invitation.sumary"].hint == "did you mean summary?"


def flow_of(invitation):
    node = {"id": "tell", "type": "sendSmtpEmail", "settings": to_server(25, invitation=invitation)}
    return parse_flow(json.dumps({"version": 1, "name": "t", "nodes": [node]}), file="t.json", json=True)


async def composed(mailnode, settings, state=None):
    dry_run = mailnode.dry_run(flow_of({**EVENT, **settings}), "tell", input=state)
    return event_of((await dry_run.compose()).message.octets())[1]


@pytest.fixture
async def mailnode(home):
    async with Mailnode.open(Environment(home=home)) as opened:
        yield opened


class TestSequence:
    async def test_it_grows_with_each_delivery_of_a_uid_over_processes(self, inbox, tmp_path, database_kind):
        flow = write_flow(
            tmp_path,
            {
                "id": "tell",
                "type": "sendSmtpEmail",
                "settings": to_server(inbox.port, invitation={**EVENT, "uid": "{{ input.uid }}"}),
            },
        )
        async with Mailnode.open() as one, Mailnode.open() as other:
            runs = [where.run(flow, input={"uid": uid}) for where in (one, other) for uid in ("a", "b") * 4]
            results = [ran.nodes[0].result for ran in await asyncio.gather(*runs)]
        told = sorted((result["invitation"]["uid"], result["invitation"]["sequence"]) for result in results)
        assert told == [(uid, number) for uid in "ab" for number in range(8)]
        by_id = {mail.message_id: event_of(mail.octets())[1] for mail in map(_Mail, inbox.messages())}
        for result in results:
            event = by_id[result["messageId"]]
            assert {"uid": event["UID"], "sequence": event["SEQUENCE"]} == result["invitation"]
            assert event["STATUS"] == "CONFIRMED"

    async def test_only_a_delivery_of_its_own_takes_one(self, inbox, tmp_path, database_kind):
        settings = to_server(
            inbox.port, invitation={**EVENT, "uid": "kitchen-7@shop.example"}, idempotencyKey="{{ input.key }}"
        )
        flow = write_flow(tmp_path, {"id": "tell", "type": "sendSmtpEmail", "settings": settings})
        async with Mailnode.open() as mailnode:
            await mailnode.dry_run(flow, input={"key": "x"}).compose()
            await mailnode.dry_run(flow, input={"key": "x"}).send_to_port(inbox.port)
            tested = await mailnode.dry_run(flow, input={"key": "x"}).send_to("tester@example.org")
            first = (await mailnode.run(flow, input={"key": "1"})).nodes[0].result
            again = (await mailnode.run(flow, input={"key": "1"})).nodes[0].result
            second = (await mailnode.run(flow, input={"key": "2"})).nodes[0].result
        assert tested["invitation"] == {"uid": "test.kitchen-7@shop.example", "sequence": 0}
        assert (first["invitation"]["sequence"], second["invitation"]["sequence"]) == (0, 1)
        assert again["duplicate"]
        assert again["invitation"] == first["invitation"]

    async def test_a_queued_one_has_its_number_when_it_leaves(self, inbox, tmp_path, database_kind):
        settings = to_server(inbox.port, invitation=CANCELLED, asynchronous=True)
        request = to_server(inbox.port, invitation={**CANCELLED, "method": "request"}, asynchronous=True)
        nodes = [
            {"id": name, "type": "sendSmtpEmail", "settings": one}
            for name, one in (("ask", request), ("take-back", settings))
        ]
        flow = write_flow(tmp_path, *nodes)
        async with Mailnode.open() as mailnode:
            queued = await mailnode.run(flow)
            assert [node.result["invitation"]["sequence"] for node in queued.nodes] == [0, 1]
            async with mailnode.working():
                ran = await mailnode.settled(queued)
        results = [node.result for node in ran.nodes]
        events = [event_of(mail.octets()) for mail in inbox.messages()]
        told = [(str(one["METHOD"]), event["SEQUENCE"], event["STATUS"]) for one, event in events]
        assert sorted(told) == [("CANCEL", 1, "CANCELLED"), ("REQUEST", 0, "CONFIRMED")]
        assert [result["status"] for result in results] == ["sent", "sent"]
        assert [result["invitation"]["sequence"] for result in results] == [0, 1]
        assert [result["messageSize"] for result in results] == [mail.size for mail in by_message_id(inbox, results)]

    async def test_a_cancellation_of_nothing_is_sent_with_a_warning(self, inbox, tmp_path):
        sent = await send(inbox, tmp_path, invitation=CANCELLED)
        assert any("nothing to cancel" in warning for warning in sent.report["warnings"])

    async def test_each_run_invites_to_an_event_of_its_own(self, inbox, tmp_path):
        settings = to_server(inbox.port, invitation=EVENT, idempotencyKey="one")
        flow = write_flow(tmp_path, {"id": "tell", "type": "sendSmtpEmail", "settings": settings})
        first = (await run(flow, run_id="booking-1")).nodes[0].result
        assert first["invitation"] == {"uid": "booking-1/tell@example.com", "sequence": 0}
        # The same email in another run: its uid is the run's, and no other content.
        again = (await run(flow, run_id="booking-2")).nodes[0].result
        assert (again["duplicate"], again["invitation"]) == (True, first["invitation"])

    async def test_a_redirected_one_is_for_the_tester_alone(self, inbox, tmp_path):
        settings = to_server(inbox.port, cc="bert@example.org", invitation={**EVENT, "uid": "kitchen-7"})
        flow = write_flow(tmp_path, {"id": "tell", "type": "sendSmtpEmail", "settings": settings})
        ran = await run(flow, redirect_all_to="tester@example.org")
        (mail,) = inbox.messages()
        _, event = event_of(mail.octets())
        assert (event["UID"], str(event["ATTENDEE"])) == ("test.kitchen-7", "mailto:tester@example.org")
        assert ran.nodes[0].result["invitation"] == {"uid": "test.kitchen-7", "sequence": 0}
        true = await run(flow)
        assert true.nodes[0].result["invitation"] == {"uid": "kitchen-7", "sequence": 0}

    async def test_numbers_are_forgotten_long_after_the_event(self, home):
        async with Mailnode.open() as mailnode:
            database = mailnode.deliveries._database
            rows = [{"uid": uid, "sequence": 1, "kept_until": until} for uid, until in (("old", 1), ("new", 2**42))]
            await database.write(lambda db: db.execute(insert(invitations), rows))
            await mailnode.deliveries.sweep(30, 365)
            left = await database.read(lambda db: db.execute(select(invitations.c.uid)).scalars().all())
        assert left == ["new"]


async def test_the_example_invites_moves_and_cancels(inbox, tmp_path):
    flow = tmp_path / "booking.flow.yaml"
    text = (EXAMPLES / "booking.flow.yaml").read_text(encoding="utf-8")
    flow.write_text(text.replace("port: 1025", f"port: {inbox.port}"), encoding="utf-8")
    state = json.loads((EXAMPLES / "booking.input.json").read_text(encoding="utf-8"))
    async with Mailnode.open() as mailnode:
        for change in ({}, {"day": "2027-03-15"}, {"day": "2027-03-15", "cancelled": True}):
            ran = await mailnode.run(flow, input=state | change)
            assert ran.nodes[0].result["status"] == "sent", ran.nodes[0].result["error"]
    read = [event_of(mail.octets()) for mail in inbox.messages()]
    told = [(str(one["METHOD"]), event["SEQUENCE"], event["DTSTART"].dt.day, str(event["UID"])) for one, event in read]
    uid = "booking-17@example.com"
    assert told == [("REQUEST", 0, 12, uid), ("REQUEST", 1, 15, uid), ("CANCEL", 2, 15, uid)]
    assert ["accept the invitation" in mail.octets().decode() for mail in inbox.messages()] == [True, True, False]


class _Mail:
    """A mail of the inbox with its Message-ID."""

    def __init__(self, received):
        self.size, self.octets = received.size, received.octets
        self.message_id = read_by_stdlib(received.octets())["Message-ID"]


def by_message_id(inbox, results):
    mails = {mail.message_id: mail for mail in map(_Mail, inbox.messages())}
    return [mails[result["messageId"]] for result in results]
