"""How each message of a batch ended, compared with what the server accepted."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from mailnode.errors import SessionLost, SmtpError
from mailnode.message.envelope import Message
from mailnode.smtp.client import SmtpClient
from mailnode.smtp.outcome import Outcome
from mailnode.smtp.server import Deadlines
from support.messages import letter
from support.scripted_smtp import ScriptedServer, Visit

HANG_SECONDS = 60
Ending = Outcome | SmtpError | asyncio.CancelledError

_PATH = re.compile(r"<([^>]*)>")
_LARGE = b"".join(b"%063d\r\n" % line for line in range(1000))


def numbered(numbers: Sequence[int], *, recipients: int = 2, is_large: bool = False) -> list[Message]:
    """Messages that differ in every part: m3@x.example writes to r0.m3@y.example and so on."""
    blocks = [_LARGE] * 4 if is_large else []
    return [
        letter(
            *[f"r{recipient}.m{number}@y.example" for recipient in range(recipients)],
            content=(f"Subject: m{number}\r\n\r\n".encode(), *blocks, b".end\r\n"),
            sender=f"m{number}@x.example",
        )
        for number in numbers
    ]


def deadlines(seconds: float) -> Deadlines:
    """The same deadline for every phase."""
    return Deadlines(**dict.fromkeys(Deadlines.__dataclass_fields__, seconds))


@asynccontextmanager
async def client_of(server: ScriptedServer, **settings: Any) -> AsyncIterator[SmtpClient]:
    """Run a client, with one session by default; sends, or a close, that never end fail the test."""
    fitting = {"tls_option": "none", "ehlo_name": "client.example", "max_sessions": 1, "deadlines": deadlines(5)}
    client = SmtpClient("127.0.0.1", server.port, **{**fitting, **settings})
    try:
        async with asyncio.timeout(HANG_SECONDS):
            yield client
    finally:
        async with asyncio.timeout(HANG_SECONDS):
            await client.aclose()


async def endings_of(client: SmtpClient, letters: Sequence[Message]) -> list[Ending]:
    """Send all at once, and give how each ended; an error that is not one of SMTP is raised."""
    return [ending_of(end) for end in await asyncio.gather(*map(client.send, letters), return_exceptions=True)]


def ending_of(result: Outcome | BaseException) -> Ending:
    """Give how a send ended; an exception that is not one of SMTP is raised."""
    if not isinstance(result, (Outcome, SmtpError, asyncio.CancelledError)):
        raise result
    return result


def assert_truth(server: ScriptedServer, letters: Sequence[Message], endings: Sequence[Ending]) -> None:
    """Compare what the client says with what the server accepted, when both are done."""
    taken = _taken(server, letters)
    assert max(taken.values(), default=1) == 1, "a recipient has the message twice"
    begun = Counter(_addresses(pair) for visit in server.visits for pair in visit.begun)
    assert max(begun.values(), default=1) == 1, "content was handed over twice"
    lost_visits = []
    for one, ending in zip(letters, endings, strict=True):
        sender = one.envelope.reverse_path
        theirs = {recipient for reverse_path, recipient in taken if reverse_path == sender}
        if isinstance(ending, asyncio.CancelledError):
            continue
        ours = _called_accepted(ending)
        if isinstance(ending, SessionLost) and ending.unknown:
            assert ours <= theirs, f"{sender}: {ending!r}"
            lost_visits.append(_last_visit(server, sender or ""))
        else:
            assert ours == theirs, f"{sender}: {ending!r}"
    assert len(set(map(id, lost_visits))) == len(lost_visits), "two messages of one session are unknown"
    assert not any(visit.count("QUIT") for visit in lost_visits)


def is_accepted(ending: object) -> bool:
    """Whether the client says that all recipients have it."""
    return isinstance(ending, Outcome) and not ending.refused


def _taken(server: ScriptedServer, letters: Sequence[Message]) -> Counter[tuple[str, ...]]:
    contents = {one.envelope.reverse_path: one.octets() for one in letters}
    taken: Counter[tuple[str, ...]] = Counter()
    for one in server.accepted:
        for forward_path in one.forward_paths:
            pair = _addresses((one.reverse_path, forward_path))
            assert one.content == contents[pair[0]], f"{pair[0]}: not the content that was sent"
            taken[pair] += 1
    return taken


def _addresses(commands: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_PATH.findall(command)[0] for command in commands)


def _called_accepted(ending: Outcome | SmtpError) -> set[str]:
    outcome = ending if isinstance(ending, Outcome) else getattr(ending, "outcome", None)
    return set() if outcome is None else set(outcome.accepted)


def _last_visit(server: ScriptedServer, sender: str) -> Visit:
    return [visit for visit in server.visits if f"MAIL FROM:<{sender}>".encode() in visit.octets][-1]
