"""The same engine on uvloop, which differs from asyncio in how it connects, shakes hands and loses connections."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import uvloop

from mailnode.errors import SessionLost
from mailnode.smtp.client import SmtpClient
from mailnode.smtp.probe import speaks_tls
from mailnode.smtp.server import ServerSettings
from mailnode.smtp.stream import Stream
from support.messages import letter
from support.scripted_smtp import DROP, PAUSE, RESET, ScriptedServer
from support.tls import ca_pem, server_context


def on_uvloop(work: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await work()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


@pytest.mark.parametrize("tls_option", ["none", "starttls", "tls"])
def test_messages_are_pipelined_on_two_sessions(tls_option):
    async def work():
        tls = None if tls_option == "none" else server_context()
        server = ScriptedServer(tls=tls, implicit_tls=tls_option == "tls")
        async with server:
            settings = {"tls_option": tls_option, "ca": ca_pem(), "max_sessions": 2}
            async with SmtpClient("localhost", server.port, **settings) as client:
                outcomes = await asyncio.gather(*[client.send(letter(f"r{n}@y.example")) for n in range(20)])
        assert all(outcome.accepted for outcome in outcomes)
        assert len(server.accepted) == 20
        assert len(server.visits) == 2

    on_uvloop(work)


@pytest.mark.parametrize("step", [DROP, RESET])
def test_a_lost_session_costs_one_unknown(step):
    async def work():
        async with (
            ScriptedServer({"dot": ["250 ok", step, "250 ok"]}) as server,
            SmtpClient("127.0.0.1", server.port, tls_option="none", max_sessions=1) as client,
        ):
            sends = [client.send(letter()) for _ in range(4)]
            outcomes = await asyncio.gather(*sends, return_exceptions=True)
        assert [isinstance(outcome, SessionLost) and outcome.unknown for outcome in outcomes] == [
            False,
            True,
            False,
            False,
        ]
        assert len(server.accepted) == 3

    on_uvloop(work)


def test_an_idle_session_that_is_over_is_replaced():
    async def work():
        async with (
            ScriptedServer() as server,
            SmtpClient("127.0.0.1", server.port, tls_option="none") as client,
        ):
            await client.send(letter())
            await server.hang_up()
            assert (await client.send(letter())).accepted
        assert len(server.visits) == 2

    on_uvloop(work)


def test_a_large_message_waits_for_a_server_that_reads_slowly():
    large = letter(content=tuple(b"x" * 70 + b"\r\n" for _ in range(200_000)))

    async def work():
        async with (
            ScriptedServer({"content": PAUSE}) as server,
            SmtpClient("127.0.0.1", server.port, tls_option="none") as client,
        ):
            sending = asyncio.create_task(client.send(large))
            await server.reached("content")
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            assert not server.accepted

    on_uvloop(work)


@pytest.mark.parametrize("when", ["at once", "after the hello"])
@pytest.mark.parametrize("how", ["in order", "with a reset"])
def test_a_port_that_hangs_up_on_a_hello_speaks_no_tls_and_nothing_is_printed(caplog, when, how):
    async def work():
        async def serve(reader, writer):
            if when == "after the hello":
                await reader.read(5)
            writer.close() if how == "in order" else writer.transport.abort()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
            port = listening.sockets[0].getsockname()[1]
            server = ServerSettings(host="127.0.0.1", port=port, tls_option="none")
            assert [await speaks_tls(server) for _ in range(20)] == [False] * 20

    on_uvloop(work)
    assert caplog.text == ""


def test_a_connection_that_is_about_to_be_lost_begins_no_handshake(caplog):
    async def work():
        async with ScriptedServer() as server:
            stream = await Stream.open(ServerSettings(host="127.0.0.1", port=server.port, tls_option="none"))
            assert stream._transport
            stream._transport.abort()
            with pytest.raises(ConnectionError):
                await stream.start_tls(server_context(), "localhost", 1)

    on_uvloop(work)
    assert caplog.text == ""
