"""Servers that have had enough: of the mails of a session, or of sessions."""

import asyncio

import pytest

from mailnode.errors import ServerRefused
from mailnode.smtp.client import SmtpClient
from support.messages import letter
from support.scripted_smtp import DROP, RESET, ScriptedServer

BUSY = "421 4.7.0 Too many concurrent SMTP connections"


def client_of(server, **settings):
    return SmtpClient("127.0.0.1", server.port, **{"tls_option": "none", "ehlo_name": "client.example", **settings})


class TestMailsOfASession:
    @pytest.mark.parametrize(
        ("verb", "refusal"),
        [
            ("MAIL", "452 4.5.3 Too many recipients: Too many messages sent"),
            ("MAIL", "451 4.7.0 too many messages in this session"),
            ("MAIL", "554 5.7.0 Too many messages per connection"),
            ("RCPT", "450 Too many recipient attempts"),
            ("RCPT", "550 too many mails for one session"),
        ],
    )
    async def test_another_session_takes_what_this_one_does_not(self, verb, refusal):
        async with ScriptedServer({verb: ["250 ok", refusal, "250 ok"]}) as server, client_of(server) as client:
            await client.send(letter())
            assert (await client.send(letter())).accepted
        assert (len(server.visits), len(server.accepted)) == (2, 2)

    async def test_twice_the_same_number_is_a_rule_that_is_kept(self):
        too_many = "452 4.5.3 Too many messages sent"
        script = {"MAIL": ["250 ok", "250 ok", too_many] * 2 + ["250 ok"]}
        async with ScriptedServer(script) as server, client_of(server) as client:
            for _ in range(8):
                assert (await client.send(letter())).accepted
        assert [len(visit.contents) for visit in server.visits] == [2, 2, 2, 2]
        assert [visit.count("QUIT") for visit in server.visits] == [0, 0, 1, 1]

    async def test_where_a_new_session_is_told_the_same_there_are_no_more_of_them(self):
        script = {"MAIL": ["250 ok", "451 4.7.1 too many messages today"]}
        async with ScriptedServer(script) as server, client_of(server) as client:
            outcomes = [await client.send(letter()) for _ in range(5)]
        assert [len(outcome.accepted) for outcome in outcomes] == [1, 0, 0, 0, 0]
        assert len(server.visits) == 2

    async def test_a_mailbox_that_is_refused_for_another_reason_ends_no_session(self):
        script = {"RCPT": ["250 ok", "450 4.2.1 come back later"]}
        async with ScriptedServer(script) as server, client_of(server) as client:
            for _ in range(3):
                await client.send(letter())
        assert len(server.visits) == 1


class TestSessions:
    @pytest.mark.parametrize("excess", [(BUSY, DROP), DROP, RESET])
    async def test_one_more_than_the_server_bears_waits_for_another(self, excess):
        script = {"greeting": ["220 hi", excess, "220 hi"]}
        async with ScriptedServer(script) as server, client_of(server, max_sessions=2) as client:
            outcomes = await asyncio.gather(client.send(letter()), client.send(letter()))
        assert all(outcome.accepted for outcome in outcomes)
        assert len(server.accepted) == 2

    @pytest.mark.parametrize("excess", [(BUSY, DROP), DROP, RESET])
    async def test_one_that_is_over_may_be_counted_a_while(self, excess):
        script = {
            "MAIL": ["250 ok", ("421 4.3.2 enough", DROP), "250 ok"],
            "greeting": ["220 hi", excess, excess, "220 hi"],
        }
        async with ScriptedServer(script) as server, client_of(server) as client:
            await client.send(letter())
            assert (await client.send(letter())).accepted
        assert (len(server.visits), len(server.accepted)) == (4, 2)

    async def test_who_never_had_one_is_told_at_once(self):
        async with ScriptedServer({"greeting": (BUSY, DROP)}) as server, client_of(server) as client:
            with pytest.raises(ServerRefused):
                await client.send(letter())
        assert len(server.visits) == 1

    async def test_a_port_for_tls_that_is_too_busy_for_it_says_so_in_clear_text(self):
        # As Exim does, behind which no `tlsOption` is wrong.
        async with ScriptedServer({"greeting": (BUSY, DROP)}) as server, client_of(server, tls_option="tls") as client:
            with pytest.raises(ServerRefused, match="Too many concurrent") as caught:
                await client.send(letter())
        assert (caught.value.reply_code, caught.value.phase, caught.value.transient) == (421, "greeting", True)
