"""Many messages through one client: order, errors, memory, and leaving before the end."""

import asyncio
from contextlib import aclosing

import pytest

from mailnode.errors import ConnectFailed, ErrorCode, MailboxError
from mailnode.message.email import Email
from mailnode.smtp.client import SmtpClient
from support.messages import letter
from support.scripted_smtp import ScriptedServer


def client_of(server, **settings):
    return SmtpClient("127.0.0.1", server.port, tls_option="none", **settings)


def numbered(number):
    return letter(f"r{number}@y.example")


async def test_each_message_has_its_outcome():
    async with ScriptedServer({"RCPT TO:<r7@": "550 nobody"}) as server, client_of(server, max_sessions=3) as client:
        handovers = [one async for one in client.send_many(numbered(n) for n in range(50))]
    assert sorted(one.number for one in handovers) == list(range(50))
    assert [one.number for one in handovers if not one.outcome.accepted] == [7]
    assert all(one.message.envelope.forward_paths == (f"r{one.number}@y.example",) for one in handovers)
    assert len(server.accepted) == 49
    assert len(server.visits) == 3


async def test_one_session_keeps_the_order():
    async with ScriptedServer() as server, client_of(server, max_sessions=1) as client:
        assert [one.number async for one in client.send_many([numbered(n) for n in range(20)])] == list(range(20))


async def test_messages_may_come_from_an_asynchronous_source():
    async def source():
        for number in range(5):
            await asyncio.sleep(0)
            yield numbered(number)

    async with ScriptedServer() as server, client_of(server) as client:
        assert len([one async for one in client.send_many(source())]) == 5


async def test_a_source_may_wait_for_an_outcome_before_it_gives_the_next_message():
    heard: asyncio.Queue[int] = asyncio.Queue()

    async def source():
        for number in range(3):
            yield numbered(number)
            assert await heard.get() == number

    async with ScriptedServer() as server, client_of(server) as client:
        async for one in client.send_many(source()):
            heard.put_nowait(one.number)
    assert len(server.accepted) == 3


async def test_an_error_stands_beside_the_outcomes_of_the_others():
    async with ScriptedServer() as server, client_of(server) as client:
        emails = [Email(from_="a@x.example", to=to, text="hi") for to in ("b@y.example", "nobody", "c@y.example")]
        by_number = {one.number: one async for one in client.send_many(emails)}
    assert isinstance(by_number[1].error, MailboxError)
    assert by_number[1].outcome is None
    assert by_number[0].outcome.accepted
    assert by_number[2].outcome.accepted


async def test_without_a_server_every_message_has_its_error():
    async with ScriptedServer() as server:
        pass
    async with client_of(server) as client:
        errors = [one.error async for one in client.send_many([numbered(n) for n in range(4)])]
    assert [type(error) for error in errors] == [ConnectFailed] * 4


async def test_no_more_messages_are_taken_than_the_sessions_can_use():
    taken = 0

    def source():
        nonlocal taken
        for number in range(1000):
            taken += 1
            yield numbered(number)

    async with ScriptedServer() as server, client_of(server, max_sessions=2) as client:
        many = client.send_many(source())
        async with aclosing(many):
            await anext(many)
            assert taken <= 6
            for _ in range(50):
                await anext(many)
            assert taken <= 56
        assert len(server.accepted) == taken


async def test_what_the_source_raises_comes_out_after_what_is_under_way():
    def source():
        yield numbered(0)
        yield numbered(1)
        raise LookupError("the list is broken")

    async with ScriptedServer() as server, client_of(server) as client:
        with pytest.raises(LookupError):
            async for _ in client.send_many(source()):
                pass
        assert len(server.accepted) == 2


async def test_who_is_cancelled_leaves_nothing_behind():
    async with ScriptedServer({"MAIL": ["250 ok", ""]}) as server, client_of(server, max_sessions=1) as client:

        async def send_all():
            return [one async for one in client.send_many([numbered(n) for n in range(10)])]

        task = asyncio.create_task(send_all())
        await server.reached("dot")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert repr(client._pool) == "<SessionPool: 0 leased, 0 idle, 0 waiting>"


async def test_a_closed_client_says_so_for_each():
    async with ScriptedServer() as server, client_of(server) as client:
        pass
    (handover,) = [one async for one in client.send_many([numbered(0)])]
    assert handover.error.code == ErrorCode.BAD_USAGE


class Broken:
    """A message that can't be read when it is wanted."""

    def __init__(self, blocks):
        message = letter()
        self.envelope, self.message_id, self.size = message.envelope, message.message_id, message.size
        self.blocks = blocks


def gone():
    yield b"Subject: half\r\n"
    raise OSError("the disk is gone")


def gone_in_its_body():
    yield b"Subject: half\r\n\r\nbody\r\n"
    raise OSError("the disk is gone")


@pytest.mark.parametrize(
    "bad", [None, "text", Broken(gone), Broken(gone_in_its_body), Broken(lambda: 5), Broken(lambda: iter([None]))]
)
@pytest.mark.parametrize("sessions", [1, 3])
async def test_a_message_that_breaks_is_no_trouble_of_the_others(bad, sessions):
    messages = [bad if number == 2 else letter() for number in range(6)]
    async with ScriptedServer() as server, client_of(server, max_sessions=sessions) as client:
        handovers = {one.number: one async for one in client.send_many(messages)}
    assert sorted(handovers) == list(range(6))
    assert [number for number in handovers if handovers[number].error] == [2]
    assert len(server.accepted) == 5
