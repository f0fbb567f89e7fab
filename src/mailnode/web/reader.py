"""Strangers' mails, read and made harmless in processes that may die alone: this one goes on whatever they hold."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mailnode.confined import ConfinedPool, ConfinedProcess
from mailnode.errors import ErrorCode, UsageError
from mailnode.inbox.folder import Received, missing
from mailnode.web.safe_html import escaped_source

MOST_PROCESSES = 2
# How long one mail may take.
SECONDS = 10.0
_PROGRAM = Path(__file__).with_name("reading.py")


class ReadPart(NamedTuple):
    """A body part's content, decoded, and its file name, "" where it has none."""

    octets: bytes
    filename: str


class MailReader:
    """Reads mails; what takes too much time or memory is an error (mailNotShown), or shown as its source."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._pool = ConfinedPool(_PROGRAM, MOST_PROCESSES)

    def close(self) -> None:
        """End its processes."""
        self._pool.close()

    async def opened(self, mail: Received) -> dict[str, Any]:
        """Give `headerFields`, `root` (the tree of parts), `text`, `html` and `invitation` of a mail, as JSON has them.

        Raises:
            UsageError: the mail can't be read within the limits, or is gone.
        """
        opened: dict[str, Any] = await self._of("open", mail)
        invitation = await self._event(mail) if opened.pop("hasCalendar") else None
        return {**opened, "invitation": invitation}

    async def _event(self, mail: Received) -> dict[str, Any] | None:
        """Give the event of its calendar; a job of its own, so that the mail is shown whatever that holds."""
        try:
            event: dict[str, Any] | None = await self._of("event", mail)
        except UsageError as error:
            if error.code != ErrorCode.MAIL_NOT_SHOWN:
                raise
            return None
        return event

    async def part(self, mail: Received, number: str) -> ReadPart | None:
        """Give a body part by its place (`1.2`), None where there is none; raises as `opened` does."""
        found = await self._of("part", mail, number=number)
        return ReadPart(base64.b64decode(found["octets"]), found["filename"]) if found else None

    async def body(self, mail: Received) -> str:
        """Give the HTML of a mail, harmless, for a frame; of what can't be read its source. Raises as `opened` does."""
        try:
            body: str = await self._of("body", mail)
        except UsageError as error:
            if error.code != ErrorCode.MAIL_NOT_SHOWN:
                raise
            return escaped_source(mail.octets().decode("utf-8", "replace"), _TOO_MUCH)
        return body

    async def harmless(self, source: str, images: Mapping[str, str]) -> str:
        """Give HTML made harmless, with images as `safe_html` takes them; what can't be read as its source, escaped."""
        try:
            body: str = (await self._ask({"do": "clean", "html": source, "images": dict(images)}))["found"]
        except UsageError:
            return escaped_source(source, _TOO_MUCH)
        return body

    async def _of(self, do: str, mail: Received, **more: str) -> Any:
        answer = await self._ask({"do": do, "path": str(mail.path), **more})
        if "found" not in answer:
            raise missing(mail.number)
        return answer["found"]

    async def _ask(self, job: Mapping[str, Any]) -> Any:
        line = json.dumps({**job, "seconds": SECONDS}).encode() + b"\n"
        group = job["path"] if "path" in job else job["html"]
        return await self._pool.run(lambda process: _answer(process, line), group)


_TOO_MUCH = "it takes too much time or memory"


def _answer(process: ConfinedProcess, job: bytes) -> Any:
    line = process.send(job).readline()
    if not line.endswith(b"\n"):
        process.end()
        raise UsageError(
            "this email is too large or too deeply nested to be shown",
            code=ErrorCode.MAIL_NOT_SHOWN,
            hint="download it or look at its source",
        )
    return json.loads(line)
