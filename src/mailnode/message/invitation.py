"""Invitations to an event, as calendars understand them: iCalendar (RFC 5545), iTIP (RFC 5546), iMIP (RFC 6047)."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Literal, Self, get_args
from urllib.parse import quote
from zoneinfo import ZoneInfo

from mailnode.errors import ComposeError, ErrorCode, MailnodeError
from mailnode.message.addr_spec import a_labels
from mailnode.message.mailbox import Addresses, Mailbox, mailboxes, parse_mailbox
from mailnode.message.time_zone import zone_component
from mailnode.printable import quoted

if TYPE_CHECKING:
    from icalendar import vCalAddress

Method = Literal["request", "cancel"]

MOST_UID_BYTES = 255  # RFC 7986 5.3
MOST_ALARM_MINUTES = 28 * 24 * 60
LONGEST = timedelta(days=366)
YEARS = range(1970, 2200)
_TEST = "test."
_PRODUCT = "-//mailnode//mailnode//EN"
_UTC_NAMES = frozenset({"UTC", "Etc/UTC", "Etc/GMT", "GMT", "Etc/Universal", "Etc/Zulu", "Zulu", "Universal", "UCT"})
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~\u00a1-\ud7ff\ue000-\U0010ffff]+")
# What a URI may hold as it is (RFC 3986 2.2, 2.3), and the percent sign of what is escaped already.
_OF_URL = "!#$%&'()*+,/:;=?@[]~"
_OF_MAILTO = "!$'*+-._~"


@dataclass(frozen=True, kw_only=True, slots=True)
class Invitation:
    """An event that the recipients of an email are invited to, or that is cancelled.

    `start` and `end` are both datetimes with a zone, or both dates: then it lasts whole days, and `end` is the last.
    Times in a `ZoneInfo` are written in that zone, all others in UTC. `uid` tells this event from every other one. An
    email with a known `uid` and a higher `sequence` is the update; with `method="cancel"` it takes the event back. Who
    sends without a flow counts `sequence` by hand, from 0; the node counts it by itself.

    `organizer` left out is the sender, `attendees` left out are the email's `to` and `cc`, never its `bcc`.
    `alarm_minutes` is how long before the start a calendar reminds.

    Raises:
        ComposeError: a value is of a wrong type, or impossible, as an end before the start; `key` says which.
    """

    uid: str
    start: datetime | date
    end: datetime | date
    summary: str
    method: Method = "request"
    sequence: int = 0
    location: str = ""
    description: str = ""
    url: str = ""
    organizer: str | Mailbox | None = None
    attendees: Addresses | None = None
    alarm_minutes: int | None = None

    def __post_init__(self) -> None:
        """Refuse what no calendar could show."""
        for name in ("uid", "summary", "location", "description", "url"):
            if not isinstance(value := getattr(self, name), str):
                raise _wrong(name, f"text is required, not {quoted(value)}", f'give a text: {name}="..."')
        check_uid(self.uid)
        check_url(self.url)
        if not _one_line(self.summary):
            raise _wrong("summary", "the event has no name", "say what it is, as Delivery of your kitchen")
        if self.method not in get_args(Method):
            raise _wrong("method", f"{quoted(self.method)} is not a method", "use request or cancel")
        if type(self.sequence) is not int or self.sequence < 0:
            raise _wrong("sequence", f"{quoted(self.sequence)} is not a sequence number", "count from 0")
        if self.alarm_minutes is not None:
            check_alarm(self.alarm_minutes)
        _check_times(self.start, self.end)

    @property
    def is_all_day(self) -> bool:
        """Whether it lasts whole days."""
        return not isinstance(self.start, datetime)

    @property
    def ends_at(self) -> datetime:
        """When it is over, in UTC; an all-day event is over everywhere a day after its last one."""
        if isinstance(self.end, datetime):
            return self.end.astimezone(UTC)
        return datetime(self.end.year, self.end.month, self.end.day, tzinfo=UTC) + timedelta(days=2)

    def as_test(self, mailbox: str) -> Self:
        """Give it as a test shows it: for one mailbox alone, with a `uid` apart from that of the true event."""
        if self.uid.startswith(_TEST) and self.attendees == (mailbox,):
            return self  # it is one already
        uid = f"{_TEST}{self.uid}".encode()[:MOST_UID_BYTES].decode(errors="ignore")
        return replace(self, uid=uid, attendees=(mailbox,))


def check_uid(uid: str) -> None:
    """Refuse a `uid` that calendars could not keep.

    Raises:
        ComposeError: it is empty, too long, or holds a control character.
    """
    hint = "use letters and digits that no other event has, as booking-1234@example.com"
    if not uid.strip():
        raise _wrong("uid", "the uid is empty", hint)
    if not uid.isprintable():
        raise _wrong("uid", f"{quoted(uid)} contains a control character", hint)
    if (size := len(uid.encode("utf-8", "replace"))) > MOST_UID_BYTES:
        raise _wrong("uid", f"the uid has {size} bytes; it may have {MOST_UID_BYTES}", hint)


def check_url(url: str) -> None:
    """Refuse what is no URL; "" is none at all.

    Raises:
        ComposeError: it is relative, or holds a blank or a control character.
    """
    if url and not _URL.fullmatch(url):
        hint = "write the whole address, as https://example.com/meeting"
        raise _wrong("url", f"{quoted(url)} is not a URL", hint)


def check_alarm(minutes: int) -> None:
    """Refuse a reminder that is too early, or after the start.

    Raises:
        ComposeError: it is not from 0 to 40,320 minutes before.
    """
    if type(minutes) is not int or not 0 <= minutes <= MOST_ALARM_MINUTES:
        hint = f"give whole minutes before the start, from 0 to {MOST_ALARM_MINUTES} (four weeks)"
        raise _wrong("alarmMinutes", f"{quoted(minutes)} minutes are no reminder", hint)


def calendar_of(
    invitation: Invitation, sender: Mailbox, to: Sequence[Mailbox], cc: Sequence[Mailbox], stamp: datetime
) -> bytes:
    """Write the calendar object: its zone, where it has one, and its one event.

    Raises:
        MailnodeError: the organizer or an attendee is no address, or nobody is invited.
    """
    from icalendar import Alarm, Calendar, Event

    organizer = _organizer(invitation, sender)
    if invitation.attendees is not None:
        to, cc = _attendees(invitation.attendees), ()
    if not to and not cc:
        raise ComposeError(
            "nobody is invited: only bcc has addresses", code=ErrorCode.MISSING_SETTING, hint="add one to `to` or `cc`"
        ).locate(key="to")
    calendar = Calendar()
    calendar.add("prodid", _PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("method", invitation.method.upper())
    start, end = _written(invitation)
    if isinstance(start, datetime) and isinstance(end, datetime) and (zone := _named_zone(start.tzinfo)):
        calendar.add_component(zone_component(zone, start, end))
    event = Event()
    event.add("uid", invitation.uid)
    event.add("dtstamp", stamp.astimezone(UTC).replace(microsecond=0))
    event.add("sequence", invitation.sequence)
    event.add("dtstart", start)
    event.add("dtend", end)
    event.add("summary", _one_line(invitation.summary))
    event.add("status", "CANCELLED" if invitation.method == "cancel" else "CONFIRMED")
    for name, text in (("location", _one_line(invitation.location)), ("description", _text(invitation.description))):
        if text:
            event.add(name, text)
    if invitation.url:
        event.add("url", quote(invitation.url, safe=_OF_URL))
    event.add("organizer", _cal_address(organizer), encode=False)
    for mailbox, role in _roles(to, cc):
        address = _cal_address(mailbox)
        address.params.update({"CUTYPE": "INDIVIDUAL", "ROLE": role, "PARTSTAT": "NEEDS-ACTION", "RSVP": "TRUE"})
        event.add("attendee", address, encode=False)
    if invitation.alarm_minutes is not None and invitation.method == "request":
        alarm = Alarm()
        alarm.add("action", "DISPLAY")
        alarm.add("description", _one_line(invitation.summary))
        alarm.add("trigger", timedelta(minutes=-invitation.alarm_minutes))
        event.add_component(alarm)
    calendar.add_component(event)
    return bytes(calendar.to_ical())


def _organizer(invitation: Invitation, sender: Mailbox) -> Mailbox:
    given = invitation.organizer
    if given is None or isinstance(given, Mailbox):
        return given or sender
    try:
        return parse_mailbox(given)
    except MailnodeError as error:
        raise error.locate(key="invitation.organizer") from None


def _attendees(given: Addresses) -> Sequence[Mailbox]:
    try:
        return tuple(mailboxes(given))
    except MailnodeError as error:
        raise error.locate(key="invitation.attendees") from None


def _roles(to: Sequence[Mailbox], cc: Sequence[Mailbox]) -> Iterable[tuple[Mailbox, str]]:
    seen: set[str] = set()
    for listed, role in ((to, "REQ-PARTICIPANT"), (cc, "OPT-PARTICIPANT")):
        for mailbox in listed:
            if mailbox.addr_spec not in seen:
                seen.add(mailbox.addr_spec)
                yield mailbox, role


def _cal_address(mailbox: Mailbox) -> "vCalAddress":
    from icalendar import vCalAddress

    local, _, domain = mailbox.addr_spec.rpartition("@")
    address = vCalAddress(f"mailto:{quote(local, safe=_OF_MAILTO)}@{a_labels(domain)}")
    # A parameter has no way to write these (RFC 5545 3.2).
    if name := _one_line(mailbox.display_name).replace('"', "'"):
        address.params["CN"] = name
    return address


def _written(invitation: Invitation) -> tuple[datetime | date, datetime | date]:
    """Give the times as they are written: an end is the first moment after (RFC 5545 3.6.1)."""
    start, end = invitation.start, invitation.end
    if not isinstance(start, datetime) or not isinstance(end, datetime):
        return start, end + timedelta(days=1)
    zone = _named_zone(start.tzinfo)
    # Of the hour that comes twice the first one is meant (RFC 5545 3.3.5), but ical.js takes the second.
    if zone is None or any(_is_twice(one.astimezone(zone)) for one in (start, end)):
        return _in(UTC, start), _in(UTC, end)
    return _in(zone, start), _in(zone, end)


def _in(zone: tzinfo, moment: datetime) -> datetime:
    return moment.astimezone(zone).replace(microsecond=0)


def _is_twice(moment: datetime) -> bool:
    return moment.replace(fold=0).utcoffset() != moment.replace(fold=1).utcoffset()


def _named_zone(zone: tzinfo | None) -> ZoneInfo | None:
    return zone if isinstance(zone, ZoneInfo) and zone.key and zone.key not in _UTC_NAMES else None


def _check_times(start: object, end: object) -> None:
    for name, moment in (("start", start), ("end", end)):
        if not isinstance(moment, date):
            raise _wrong(name, f"a datetime or a date is required, not {quoted(moment)}", "give both with a zone")
        if isinstance(moment, datetime) and moment.utcoffset() is None:
            raise _wrong(name, "the time has no zone", 'give it one: tzinfo=ZoneInfo("Europe/Berlin")')
        if moment.year not in YEARS:
            raise _wrong(name, f"the year {moment.year} is out of range", f"use a year up to {YEARS[-1]}")
    assert isinstance(start, date)
    assert isinstance(end, date)
    if isinstance(start, datetime) and isinstance(end, datetime):
        lasts = end.astimezone(UTC) - start.astimezone(UTC)  # of one zone only the clocks' hands would be compared
        is_over = lasts <= timedelta()
    elif isinstance(start, datetime) or isinstance(end, datetime):
        raise _wrong("end", "start and end are not of one kind", "give both with a time, or both as dates alone")
    else:
        lasts = end - start
        is_over = lasts < timedelta()
    if is_over:
        raise _wrong("end", "the event ends before it starts", "give an end after the start")
    if lasts > LONGEST:
        raise _wrong("end", "the event lasts longer than a year", "look whether both years are right")


def _one_line(text: str) -> str:
    return " ".join(_text(text).split())


def _text(text: str) -> str:
    """Give a text without what no calendar may hold (RFC 5545 3.1): control characters but tabs and line ends."""
    lines = text.encode("utf-8", "replace").decode().replace("\r\n", "\n").replace("\r", "\n")
    return "".join(one for one in lines if one in "\n\t" or unicodedata.category(one) != "Cc")


def _wrong(name: str, what: str, hint: str) -> ComposeError:
    return ComposeError(what, code=ErrorCode.BAD_SETTING, hint=hint).locate(key=f"invitation.{name}")
