"""Calendar objects as other people's readers understand them, and what the library itself refuses."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mailnode.errors import ComposeError, MailnodeError
from mailnode.message.compose import compose
from mailnode.message.email import Email
from mailnode.message.event_card import read_event
from mailnode.message.invitation import Invitation, calendar_of
from mailnode.message.mailbox import parse_mailbox
from support.mail_readers import events_by_libical, events_by_npm

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 7, 1, 12, tzinfo=BERLIN)
EVENT: Any = {"uid": "a@b.example", "start": NOON, "end": NOON + timedelta(hours=1), "summary": "Lunch"}
SHOP, JANE = parse_mailbox("Shop <shop@example.com>"), parse_mailbox("jane@example.org")
# By a rule of each year, north and south; by another one; by no rule; by half an hour; never; far from midnight.
ZONES = (
    *("Europe/Berlin", "America/New_York", "Australia/Sydney", "Europe/Dublin", "Africa/Casablanca", "Asia/Gaza"),
    *("Australia/Lord_Howe", "Asia/Kolkata", "America/Nuuk", "Pacific/Chatham", "Pacific/Apia", "America/Phoenix"),
)
HOSTILE = 'a;b,c:d\\n"e"\u00fc\U0001f600 \\; END:VEVENT BEGIN:VALARM ' + "\u00fc" * 100 + "x" * 80


def written(**settings):
    return calendar_of(Invitation(**{**EVENT, **settings}), SHOP, [JANE], [], datetime(2026, 1, 1, tzinfo=UTC))


def moments(zone):
    """Times about each change of the clocks in 2026, and one a month."""
    times = [datetime(2026, month, 15, 12, tzinfo=UTC) for month in range(1, 13)]
    day = datetime(2026, 1, 1, tzinfo=UTC)
    while day.year == 2026:
        hours = [day + timedelta(hours=hour) for hour in range(25)]
        offsets = [hour.astimezone(zone).utcoffset() for hour in (day, hours[-1])]
        if offsets[0] != offsets[1]:
            at = next(number for number, hour in enumerate(hours) if hour.astimezone(zone).utcoffset() == offsets[1])
            times += [hours[at] + timedelta(minutes=minutes) for minutes in range(-120, 150, 30)]
        day = hours[-1]
    return times


@pytest.fixture(scope="module")
def read():
    """Every time in every zone, as two readers understand it that know no zone but the one in the calendar."""
    cases = [(ZoneInfo(name), moment) for name in ZONES for moment in moments(ZoneInfo(name))]
    calendars = [
        written(start=at.astimezone(zone), end=(at + timedelta(hours=1)).astimezone(zone)).replace(
            f"TZID:{zone.key}".encode(), b"TZID:/x.example/Own"
        ).replace(f"TZID={zone.key}".encode(), b"TZID=/x.example/Own")
        for zone, at in cases
    ]  # fmt: skip
    return cases, events_by_npm(calendars), events_by_libical(calendars)


class TestReaders:
    def test_each_understands_the_time_that_is_meant(self, read):
        cases, by_npm, by_libical = read
        assert len(cases) > 200
        for (zone, at), thunderbird, evolution in zip(cases, by_npm, by_libical, strict=True):
            for name, moment in (("start", at), ("end", at + timedelta(hours=1))):
                assert thunderbird[name] == f"{moment:%Y-%m-%dT%H:%M:%SZ}", (zone, at)
                assert evolution[name] == f"{moment:%Y%m%dT%H%M%SZ}", (zone, at)

    def test_each_finds_the_texts_that_were_given_and_nothing_else(self):
        given = {"summary": HOSTILE, "location": HOSTILE, "description": f"{HOSTILE}\r\n\n{HOSTILE}"}
        calendar = written(
            **given, uid="b;,\\:\u00fc@x", sequence=7, organizer='"a b"@x.example', attendees="Zo\u00eb <z@x.example>"
        )
        assert max(map(len, calendar.split(b"\r\n"))) <= 75
        (thunderbird,), (evolution,) = events_by_npm([calendar]), events_by_libical([calendar])
        assert evolution.pop("errors") == 0
        for name in ("summary", "location", "description", "uid", "sequence", "organizer", "attendees"):
            assert thunderbird[name] == evolution[name]
        one_line = " ".join(HOSTILE.split())
        assert (thunderbird["summary"], thunderbird["location"]) == (one_line, one_line)
        assert thunderbird["description"] == given["description"].replace("\r\n", "\n")
        assert (thunderbird["uid"], thunderbird["sequence"]) == ("b;,\\:\u00fc@x", 7)
        assert thunderbird["organizer"] == "mailto:%22a%20b%22@x.example"
        assert thunderbird["attendees"] == ["mailto:z@x.example"]

    def test_days_and_a_card(self):
        calendar = written(start=date(2026, 12, 31), end=date(2027, 1, 1), method="cancel", alarm_minutes=5)
        assert b"VALARM" not in calendar
        (thunderbird,), (evolution,) = events_by_npm([calendar]), events_by_libical([calendar])
        assert (thunderbird["method"], thunderbird["start"], thunderbird["end"]) == (
            "CANCEL",
            "2026-12-31",
            "2027-01-02",
        )
        assert (evolution["start"], evolution["end"]) == ("20261231", "20270102")
        card = read_event(calendar)
        assert card
        assert (card.method, card.all_day, card.zone, card.end - card.start) == ("cancel", True, "", 86_400_000)
        assert (card.organizer, card.attendees) == ("Shop <shop@example.com>", ("jane@example.org",))


class TestCard:
    """A stranger's calendar may be anything."""

    def test_what_can_be_read_is_shown_in_its_own_zone(self):
        card = read_event(written())
        assert card
        assert (card.zone, card.start, card.summary) == ("Europe/Berlin", int(NOON.timestamp() * 1000), "Lunch")

    @pytest.mark.parametrize(
        "calendar",
        [
            b"",
            b"\xff\x00",
            b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n",
            b"BEGIN:VEVENT",
            b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:no start\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
            b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART:99999999\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        ],
    )
    def test_what_can_not_be_read_has_none(self, calendar):
        assert read_event(calendar) is None

    def test_what_is_there_is_enough(self):
        event = b"BEGIN:VEVENT\r\nDTSTART:20260301T100000\r\nDURATION:PT30M\r\nEND:VEVENT\r\n"
        card = read_event(b"BEGIN:VCALENDAR\r\n" + event + b"END:VCALENDAR\r\n")
        assert card
        assert (card.zone, card.end - card.start, card.organizer, card.attendees) == ("", 1_800_000, "", ())


class TestInvitation:
    @pytest.mark.parametrize(
        ("settings", "key"),
        [
            ({"start": datetime(2026, 7, 1, 12)}, "start"),  # noqa: DTZ001 -- what is refused
            ({"end": date(2026, 7, 1)}, "end"),
            ({"end": NOON}, "end"),
            ({"start": "2026-07-01"}, "start"),
            ({"uid": ""}, "uid"),
            ({"uid": 7}, "uid"),
            ({"uid": "a\nb"}, "uid"),
            ({"summary": " \n"}, "summary"),
            ({"method": "publish"}, "method"),
            ({"sequence": -1}, "sequence"),
            ({"sequence": True}, "sequence"),
            ({"url": "no url"}, "url"),
            ({"alarm_minutes": 0.5}, "alarmMinutes"),
        ],
    )
    def test_what_no_calendar_could_show_is_refused_where_it_is_given(self, settings, key):
        with pytest.raises(ComposeError) as caught:
            Invitation(**{**EVENT, **settings})
        assert caught.value.key == f"invitation.{key}"
        assert caught.value.hint

    def test_times_of_one_zone_are_compared_by_what_they_are(self):
        first = datetime(2026, 10, 25, 2, 45, tzinfo=BERLIN)
        event = Invitation(**{**EVENT, "start": first, "end": first.replace(minute=15, fold=1)})
        (read,) = events_by_npm([calendar_of(event, SHOP, [JANE], [], NOON)])
        assert (read["start"], read["end"]) == ("2026-10-25T00:45:00Z", "2026-10-25T01:15:00Z")

    @pytest.mark.parametrize("uid", ["test.booking-7", "x" * 255, "\u00e9" * 127, "\U0001f600" * 63 + "abc"])
    def test_a_test_has_a_uid_of_its_own_however_long_the_true_one_is(self, uid):
        test = Invitation(**{**EVENT, "uid": uid}).as_test("jane@example.org")
        assert test.uid.startswith("test." + uid[:50])
        assert test.as_test("jane@example.org") == test

    def test_an_offset_is_written_in_utc(self):
        start = datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=5)))
        calendar = written(start=start, end=start + timedelta(hours=1))
        assert b"DTSTART:20260701T070000Z" in calendar
        assert b"VTIMEZONE" not in calendar

    def test_an_email_without_to_or_cc_invites_nobody(self):
        with pytest.raises(MailnodeError, match="nobody is invited"):
            compose(Email(from_="a@b.example", bcc="c@d.example", invitation=Invitation(**EVENT)))

    def test_one_without_text_is_shown_all_the_same(self):
        message = compose(Email(from_="a@b.example", to="c@d.example", invitation=Invitation(**EVENT)))
        assert [part.media_type for part in message.root.parts[0].parts] == ["text/plain", "text/calendar"]
