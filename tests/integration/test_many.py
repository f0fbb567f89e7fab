"""A thousand mails over four sessions: what the servers' own logs hold is what the outcomes say."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Protocol

import pytest

from mailnode.message.email import Email
from mailnode.smtp.client import SmtpClient
from mailnode.smtp.outcome import Outcome
from mailnode.smtp.sasl import Login
from mailnode.smtp.stream import Stream
from support.dovecot import PASSWORD, USERNAME, Dovecot
from support.exim import FEW, Exim
from support.postfix import FEW_RECIPIENTS, FEW_SESSIONS, Postfix
from support.tls import ca_pem

MANY = 1000
SESSIONS = 4

Script = tuple[Email, list[str]]


class Server(Protocol):
    def log(self) -> str: ...

    async def received(self, start: int, count: int) -> Counter[str]: ...

    def connections(self, start: int) -> int: ...


@pytest.fixture
def pipelined_writes(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Collect the writes in which a message's commands left with the final dot of the one before."""
    seen: list[bytes] = []
    write = Stream.write

    def watched(stream: Stream, octets: bytes) -> bool:
        if b"\r\n.\r\nMAIL FROM:" in octets:
            seen.append(octets)
        return write(stream, octets)

    monkeypatch.setattr(Stream, "write", watched)
    return seen


def plain(port: int, max_sessions: int = SESSIONS) -> SmtpClient:
    return SmtpClient("127.0.0.1", port, tls_option="none", max_sessions=max_sessions)


def mail(*to: str, sender: str = "a@x.example", subject: str = "your order") -> Email:
    return Email(from_=sender, to=to, subject=subject, text=f"For {to[0]}.\n")


def scripted(number: int) -> Script:
    """Give a mail, and what is to become of each of its recipients; most of them are welcome."""
    one, two = f"ann-{number}@bulk.example", f"bob-{number}@bulk.example"
    match number % 20:
        case 3:
            return mail("refused@y.example"), ["refused"]
        case 5:
            return mail("later@y.example"), ["deferred"]
        case 7 | 8:
            return mail(one, "refused@y.example", two, "later@y.example"), [
                "accepted",
                "refused",
                "accepted",
                "deferred",
            ]
        case 11:
            return mail(one, two, sender="refused@x.example"), ["refused", "refused"]
        case 13:
            return mail(one, two, subject="unwanted"), ["refused", "refused"]
        case 17:
            return mail("refused@y.example", "later@y.example"), ["refused", "deferred"]
        case _:
            return mail(one), ["accepted"]


def statuses(outcome: Outcome) -> list[str]:
    return [recipient.status for recipient in outcome.recipients]


async def send_all(client: SmtpClient, scripts: list[Script]) -> list[Outcome]:
    """Hand them over, each with the outcome that it is to have, and give the outcomes."""
    outcomes = []
    async for number, _, outcome, error in client.send_many(email for email, _ in scripts):
        assert error is None
        assert outcome is not None
        assert statuses(outcome) == scripts[number][1], outcome
        outcomes.append(outcome)
    assert len(outcomes) == len(scripts)
    return outcomes


async def send_to_all_or_none(client: SmtpClient) -> list[Outcome]:
    """Hand over some that go to all recipients or to none, while others are pipelined."""
    both = [mail(f"all-{number}@bulk.example", f"too-{number}@bulk.example") for number in range(20)]
    none = [mail(f"none-{number}@bulk.example", "refused@y.example") for number in range(20)]
    one = [mail(f"one-{number}@bulk.example") for number in range(20)]
    emails = [email for three in zip(both, none, one, strict=True) for email in three]
    outcomes = await asyncio.gather(*(client.send(email, partial_delivery="refuse") for email in emails))
    assert [len(outcome.accepted) for outcome in outcomes] == [2, 0, 1] * 20
    return outcomes


def thousand() -> Iterator[Script]:
    return map(scripted, range(MANY))


async def check(client: SmtpClient, server: Server, scripts: Iterable[Script], connections: int = SESSIONS) -> None:
    start = len(server.log())
    async with client:
        outcomes = await send_all(client, list(scripts))
        outcomes += await send_to_all_or_none(client)
        assert client._host_profile.pace == "across messages"
    accepted = Counter(address for outcome in outcomes for address in outcome.accepted)
    assert set(accepted.values()) == {1}
    assert await server.received(start, accepted.total()) == accepted
    # Of a thousand mails; on a busy machine the log tells late of who came before, or looked whether it listens.
    assert server.connections(start) <= connections + SESSIONS


async def test_postfix_has_what_outcomes_call_accepted(postfix: Postfix, pipelined_writes: list[bytes]) -> None:
    await check(plain(postfix.port), postfix, thousand())
    assert len(pipelined_writes) > MANY / 2


async def test_exim_has_what_outcomes_call_accepted(exim: Exim, pipelined_writes: list[bytes]) -> None:
    await check(plain(exim.port), exim, thousand())
    assert len(pipelined_writes) > MANY / 2


def private(dovecot: Dovecot) -> SmtpClient:
    login = Login(USERNAME, PASSWORD)
    return SmtpClient("127.0.0.1", dovecot.port, tls_option="starttls", ca=ca_pem(), login=login, max_sessions=SESSIONS)


def is_taken_from(sender: str, script: Script) -> bool:
    return script[0].from_ == sender


async def test_dovecot_hands_on_what_outcomes_call_accepted(postfix: Postfix, dovecot: Dovecot) -> None:
    start = len(dovecot.log())
    welcome = (script for script in map(scripted, itertools.count()) if is_taken_from("a@x.example", script))
    await check(private(dovecot), postfix, itertools.islice(welcome, MANY))
    assert "Panic" not in dovecot.log()[start:]


async def test_dovecot_dies_of_refused_senders_and_nothing_is_lost(postfix: Postfix, dovecot: Dovecot) -> None:
    # It answers, and then its process ends (2.3: "assertion failed: (!trans->reset)"): sessions more, mails no less.
    refusals = sum(is_taken_from("refused@x.example", script) for script in thousand())
    await check(private(dovecot), postfix, thousand(), SESSIONS + 4 * refusals)


async def test_a_server_that_ends_sessions_soon_loses_and_doubles_nothing(exim: Exim) -> None:
    start = len(exim.log())
    async with plain(exim.short_port) as client:
        await send_all(client, [(mail(f"ann-{number}@short.example"), ["accepted"]) for number in range(300)])
    expected = Counter(f"ann-{number}@short.example" for number in range(300))
    assert await exim.received(start, 300) == expected
    assert exim.connections(start) >= 300 // FEW


async def test_where_recipients_are_too_many_for_one_transaction_the_rest_follow(postfix: Postfix) -> None:
    start = len(postfix.log())
    to = [[f"ann-{number}-{one}@bulk.example" for one in range(2 * FEW_RECIPIENTS + 1)] for number in range(30)]
    async with plain(postfix.narrow_port, FEW_SESSIONS) as client:
        await send_all(client, [(mail(*addresses), ["accepted"] * len(addresses)) for addresses in to])
    everybody = Counter(address for addresses in to for address in addresses)
    assert await postfix.received(start, everybody.total()) == everybody


async def test_where_sessions_are_too_many_fewer_carry_all(postfix: Postfix) -> None:
    start = len(postfix.log())
    async with plain(postfix.narrow_port) as client:
        await send_all(client, [(mail(f"bob-{number}@bulk.example"), ["accepted"]) for number in range(200)])
    assert await postfix.received(start, 200) == Counter(f"bob-{number}@bulk.example" for number in range(200))
    assert "Connection concurrency limit exceeded" in postfix.log(start)
