"""A process that reads strangers' mails and makes their HTML harmless: what reader.py starts.

It answers each line of JSON, a job, with a line of JSON. A mail that would take more than its time or its memory ends
it, and nothing else.
"""

import base64
import json
import resource
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mailnode.inbox.opened import OpenedMail, OpenedPart
from mailnode.message.event_card import read_event
from mailnode.web.json_safe import whole
from mailnode.web.safe_html import safe_html

MEMORY_OCTETS = 2**30
# More is of no use on a page; the mail itself, and each part, can be downloaded.
MOST_CHARACTERS = 2**20
MOST_FIELDS = 1_000
MOST_CALENDAR_OCTETS = 128 * 1024

Job = Mapping[str, Any]


def _open(job: Job) -> Any:
    mail = _mail(job)
    return {
        "headerFields": [{"name": name, "value": value} for name, value in mail.fields[:MOST_FIELDS]],
        "root": _told(mail.root),
        "text": mail.text and mail.text[:MOST_CHARACTERS],
        "html": mail.html and mail.html[:MOST_CHARACTERS],
        "hasCalendar": mail.calendar is not None,
    }


def _event(job: Job) -> Any:
    calendar = (_mail(job).calendar or "").encode()
    found = read_event(calendar) if len(calendar) <= MOST_CALENDAR_OCTETS else None
    return found and found.to_json()


def _body(job: Job) -> Any:
    mail = _mail(job)
    return safe_html(mail.html or "", mail.images())


def _part(job: Job) -> Any:
    found = _mail(job).part(job["number"])
    if found is None or found.parts:
        return None
    return {"octets": base64.b64encode(found.octets).decode(), "filename": found.filename}


def _clean(job: Job) -> Any:
    return safe_html(job["html"], job["images"])


def _mail(job: Job) -> OpenedMail:
    return OpenedMail(Path(job["path"]).read_bytes())


def _told(part: OpenedPart) -> dict[str, Any]:
    return {
        "number": part.number,
        "mediaType": part.media_type,
        "encoding": part.encoding,
        "size": part.size,
        "filename": part.filename,
        "cid": part.cid,
        "disposition": part.disposition,
        "parts": [_told(one) for one in part.parts],
    }


DOES: Mapping[str, Callable[[Job], Any]] = {
    "open": _open,
    "event": _event,
    "body": _body,
    "part": _part,
    "clean": _clean,
}


def main() -> None:
    """Answer jobs until there are no more."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_OCTETS, MEMORY_OCTETS))
    for line in sys.stdin.buffer:
        job = json.loads(line)
        # Its default is to end the process, whatever that is doing.
        signal.setitimer(signal.ITIMER_REAL, job["seconds"])
        try:
            answer = {"found": whole(DOES[job["do"]](job))}
        except FileNotFoundError:
            answer = {}  # thrown away meanwhile
        except (MemoryError, RecursionError):
            sys.exit(1)
        said = json.dumps(answer).encode()
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.stdout.buffer.write(said + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
