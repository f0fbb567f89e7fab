"""Reads calendar objects, one in Base64 a line, with Evolution's libical; for Debian's Python, which has it."""

import base64
import json
import sys
from importlib import import_module
from typing import Any

# Not there for the Python that checks the types.
import_module("gi").require_version("ICalGLib", "3.0")
ICalGLib: Any = import_module("gi.repository.ICalGLib")


def _moment(time: Any) -> str:
    if time.is_date():
        return str(time.as_ical_string())
    return str(time.convert_to_zone(ICalGLib.Timezone.get_utc_timezone()).as_ical_string())


def _read(text: str) -> dict[str, Any]:
    calendar = ICalGLib.Component.new_from_string(text)
    assert calendar.count_components(ICalGLib.ComponentKind.VEVENT_COMPONENT) == 1
    event = calendar.get_first_component(ICalGLib.ComponentKind.VEVENT_COMPONENT)
    attendees = []
    one = event.get_first_property(ICalGLib.PropertyKind.ATTENDEE_PROPERTY)
    while one:
        attendees.append(one.get_attendee())
        one = event.get_next_property(ICalGLib.PropertyKind.ATTENDEE_PROPERTY)
    return {
        "errors": calendar.count_errors(),
        "uid": event.get_uid(),
        "sequence": event.get_sequence(),
        "summary": event.get_summary(),
        "location": event.get_location() or "",
        "description": event.get_description() or "",
        "start": _moment(event.get_dtstart()),
        "end": _moment(event.get_dtend()),
        "organizer": event.get_first_property(ICalGLib.PropertyKind.ORGANIZER_PROPERTY).get_organizer(),
        "attendees": attendees,
    }


for line in sys.stdin:
    sys.stdout.write(json.dumps(_read(base64.b64decode(line).decode())) + "\n")
