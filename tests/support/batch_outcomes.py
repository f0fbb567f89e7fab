"""What became of each message of a batch, held against what the server took: where both must agree, and where not."""

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

HANG_SECONDS = 10
Fate = Outcome | SmtpError | asyncio.CancelledError

_PATH = re.compile(r"<([^>]*)>")
_LARGE = b"".join(b"%063d\r\n" % line for line in range(1000))


def numbered(numbers: Sequence[int], *, recipients: int = 2, is_large: bool = False) -> list[Message]:
    """Letters that can be told apart by every octet of theirs: m3@x.example writes to r0.m3@y.example and so on."""
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
    """The same patience for everything."""
    return Deadlines(**dict.fromkeys(Deadlines.__dataclass_fields__, seconds))


@asynccontextmanager
async def client_of(server: ScriptedServer, **settings: Any) -> AsyncIterator[SmtpClient]:
    """Run a client, of one session unless told otherwise; what never ends, and a close that never does, fail."""
    fitting = {"tls_option": "none", "ehlo_name": "client.example", "max_sessions": 1, "deadlines": deadlines(5)}
    client = SmtpClient("127.0.0.1", server.port, **{**fitting, **settings})
    try:
        async with asyncio.timeout(HANG_SECONDS):
            yield client
    finally:
        async with asyncio.timeout(HANG_SECONDS):
            await client.aclose()


async def fates_of(client: SmtpClient, letters: Sequence[Message]) -> list[Fate]:
    """Send all at once, and tell how each ended; an error that is not one of SMTP is a defect."""
    return [fate_of(end) for end in await asyncio.gather(*map(client.send, letters), return_exceptions=True)]


def fate_of(result: Outcome | BaseException) -> Fate:
    """Let only what a send may end with be a fate."""
    if not isinstance(result, (Outcome, SmtpError, asyncio.CancelledError)):
        raise result
    return result


def assert_truth(server: ScriptedServer, letters: Sequence[Message], fates: Sequence[Fate]) -> None:
    """Hold what the client says against what the server took, when both are done."""
    taken = _taken(server, letters)
    assert max(taken.values(), default=1) == 1, "a recipient has the message twice"
    begun = Counter(_addresses(pair) for visit in server.visits for pair in visit.begun)
    assert max(begun.values(), default=1) == 1, "content was handed over twice"
    lost_visits = []
    for one, fate in zip(letters, fates, strict=True):
        sender = one.envelope.reverse_path
        theirs = {recipient for reverse_path, recipient in taken if reverse_path == sender}
        if isinstance(fate, asyncio.CancelledError):
            continue
        ours = _called_accepted(fate)
        if isinstance(fate, SessionLost) and fate.unknown:
            assert ours <= theirs, f"{sender}: {fate!r}"
            lost_visits.append(_last_visit(server, sender or ""))
        else:
            assert ours == theirs, f"{sender}: {fate!r}"
    assert len(set(map(id, lost_visits))) == len(lost_visits), "two messages of one session are unknown"
    assert not any(visit.count("QUIT") for visit in lost_visits)


def is_accepted(fate: object) -> bool:
    """Whether the client says that all recipients have it."""
    return isinstance(fate, Outcome) and not fate.refused


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


def _called_accepted(fate: Outcome | SmtpError) -> set[str]:
    outcome = fate if isinstance(fate, Outcome) else getattr(fate, "outcome", None)
    return set() if outcome is None else set(outcome.accepted)


def _last_visit(server: ScriptedServer, sender: str) -> Visit:
    return [visit for visit in server.visits if f"MAIL FROM:<{sender}>".encode() in visit.octets][-1]
