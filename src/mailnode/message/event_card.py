"""What a person wants to know of an invitation: read from a calendar object, whoever has written it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import unquote

MOST_CHARACTERS = 10_000
MOST_ATTENDEES = 200
_LAST = datetime(9998, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class EventCard:
    """An event; times are Unix ms. `zone` is an IANA name, "UTC", or "" for times by anybody's clock.

    Of an `all_day` event the times are the midnights of UTC with which its first and its last day begin. `attendees`
    are the first 200.
    """

    method: str
    summary: str
    start: int
    end: int
    all_day: bool
    zone: str
    location: str
    description: str
    url: str
    organizer: str
    attendees: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Give it as the API shows it."""
        return {
            "method": self.method,
            "summary": self.summary,
            "start": self.start,
            "end": self.end,
            "allDay": self.all_day,
            "zone": self.zone,
            "location": self.location,
            "description": self.description,
            "url": self.url,
            "organizer": self.organizer,
            "attendees": list(self.attendees),
        }


def read_event(calendar: bytes) -> EventCard | None:
    """Read the first event of a calendar object; None for what is none, or can't be read."""
    from icalendar import Calendar

    try:
        read = Calendar.from_ical(calendar)
        events = read.walk("VEVENT")
        return _card(read, events[0]) if events else None
    except Exception:  # noqa: BLE001 -- a stranger's calendar may be anything, and the parser raises what it likes
        return None


def _card(calendar: Any, event: Any) -> EventCard:
    start, end = _times(event)
    attendees = event.get("ATTENDEE", ())
    listed = attendees if isinstance(attendees, list) else [attendees] if attendees else []
    return EventCard(
        method=str(calendar.get("METHOD", "")).lower(),
        summary=_text(event, "SUMMARY"),
        start=_ms(start),
        end=_ms(end),
        all_day=not isinstance(start, datetime),
        zone=_zone(start) if isinstance(start, datetime) else "",
        location=_text(event, "LOCATION"),
        description=_text(event, "DESCRIPTION"),
        url=_text(event, "URL"),
        organizer=_person(event["ORGANIZER"]) if "ORGANIZER" in event else "",
        attendees=tuple(_people(listed)),
    )


def _times(event: Any) -> tuple[datetime | date, datetime | date]:
    start = event.decoded("DTSTART")
    if "DTEND" in event:
        end = event.decoded("DTEND")
    elif "DURATION" in event:
        end = start + event.decoded("DURATION")
    else:
        end = start if isinstance(start, datetime) else start + timedelta(days=1)
    if not isinstance(start, datetime):
        end = max(start, end - timedelta(days=1))  # written is the day after the last one (RFC 5545 3.6.1)
    return start, end


def _ms(moment: datetime | date) -> int:
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(min(aware, _LAST).timestamp() * 1000)


def _zone(start: datetime) -> str:
    if start.tzinfo is None:
        return ""
    return str(getattr(start.tzinfo, "key", "") or "UTC")


def _people(listed: Iterable[Any]) -> Iterable[str]:
    for number, one in enumerate(listed):
        if number == MOST_ATTENDEES:
            return
        yield _person(one)


def _person(address: Any) -> str:
    mailbox = unquote(str(address))
    mailbox = mailbox[len("mailto:") :] if mailbox.lower().startswith("mailto:") else mailbox
    name = str(getattr(address, "params", {}).get("CN", ""))
    return (f"{name} <{mailbox}>" if name else mailbox)[:MOST_CHARACTERS]


def _text(event: Any, name: str) -> str:
    value = event.get(name, "")
    return str(value[0] if isinstance(value, list) and value else value)[:MOST_CHARACTERS]
