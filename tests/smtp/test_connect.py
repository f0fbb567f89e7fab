import asyncio
import socket

import pytest

from mailnode.errors import ConnectFailed, ErrorCode
from mailnode.smtp.client import SmtpClient
from mailnode.smtp.connect import _interleave, connect
from mailnode.smtp.server import Deadlines, ServerSettings
from support.messages import letter
from support.scripted_smtp import ScriptedServer


def at(host, port, **settings):
    return ServerSettings(host=host, port=port, tls_option="none", **settings)


async def test_a_closed_port_is_named_with_host_and_port(closed_port):
    with pytest.raises(ConnectFailed, match=f"127.0.0.1:{closed_port}.*refused") as caught:
        await connect(at("127.0.0.1", closed_port))
    assert (caught.value.code, caught.value.phase) == (ErrorCode.CONNECT_FAILED, "connect")
    assert caught.value.transient
    assert caught.value.hint


@pytest.mark.parametrize("host", ["nowhere.invalid", "a" * 64 + ".example", "a..b"])
async def test_an_unknown_host_is_said_to_be_one(host):
    with pytest.raises(ConnectFailed) as caught:
        await connect(at(host, 25))
    assert caught.value.code == ErrorCode.UNKNOWN_HOST


async def test_a_port_that_does_not_answer_is_a_timeout(silent_port):
    with pytest.raises(ConnectFailed) as caught:
        await connect(at("127.0.0.1", silent_port, deadlines=Deadlines(connect=0.2)))
    assert caught.value.code == ErrorCode.TIMEOUT
    assert "block" in caught.value.hint


async def test_all_addresses_are_tried_until_one_takes_the_connection(names, closed_port):
    async with ScriptedServer() as server:
        names["mail.example.org"] = [
            (socket.AF_INET6, ("::1", closed_port, 0, 0)),
            (socket.AF_INET, ("127.0.0.1", closed_port)),
            (socket.AF_INET, ("127.0.0.1", server.port)),
        ]
        async with SmtpClient("mail.example.org", 25, tls_option="none") as client:
            assert (await client.send(letter())).host == "mail.example.org"


async def test_a_silent_address_is_overtaken_by_the_next_one(names, silent_port):
    async with ScriptedServer() as server:
        names["mail.example.org"] = [
            (socket.AF_INET, ("127.0.0.1", silent_port)),
            (socket.AF_INET, ("127.0.0.1", server.port)),
        ]
        async with SmtpClient("mail.example.org", 25, tls_option="none") as client:
            assert (await client.send(letter())).accepted


def test_addresses_of_both_families_take_turns_and_the_resolvers_first_choice_is_first():
    six, four = [(socket.AF_INET6, (f"::{n}", 25, 0, 0)) for n in (1, 2, 3)], [(socket.AF_INET, ("192.0.2.1", 25))]
    assert _interleave([*six, *four]) == [six[0], four[0], six[1], six[2]]


async def test_a_name_without_addresses_is_an_error(names):
    names["mail.example.org"] = []
    with pytest.raises(ConnectFailed, match="no address"):
        await connect(at("mail.example.org", 25))


async def test_connecting_that_is_cancelled_closes_its_sockets(silent_port):
    connecting = asyncio.create_task(connect(at("127.0.0.1", silent_port)))
    await asyncio.sleep(0)
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting


def test_an_ipv6_address_is_shown_in_brackets():
    assert at("::1", 25).address == "[::1]:25"


async def test_what_is_written_leaves_at_once():
    async with ScriptedServer() as server:
        sock = await connect(at("127.0.0.1", server.port))
        with sock:
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
