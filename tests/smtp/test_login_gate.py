"""Who may log in while nobody knows whether the login is good."""

import asyncio
import pickle
import time

import pytest

from mailnode.errors import ConnectFailed, ErrorCode, LoginFailed, SmtpError, TokenError
from mailnode.smtp.account import FIRST_WAIT, GOOD_SECONDS, LONGEST_WAIT, LoginGate
from mailnode.smtp.bearer import TokenLogin
from mailnode.smtp.client import SmtpClient
from mailnode.smtp.sasl import Login
from support.batch_outcomes import client_of, endings_of, is_accepted, numbered
from support.messages import letter
from support.scripted_smtp import DROP, HOLD, PIPELINING, USUAL, ScriptedServer
from support.tokens import Purse

USER = Login("user", "pencil")
EXTENSIONS = (*PIPELINING, "AUTH PLAIN XOAUTH2")
REFUSED = "535 5.7.8 no such user"
NOTHING = "<SessionPool: 0 leased, 0 idle, 0 waiting>"


class Clock:
    """A clock that a test can set."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    """The clock of every gate that is made."""
    clock = Clock()
    monkeypatch.setattr(LoginGate, "clock", clock)
    return clock


def client_for(server, **settings):
    return client_of(server, **{"login": USER, "max_sessions": 5, **settings})


async def refused_by(client, number):
    """Send so many at once, all of which must be refused for their login."""
    endings = await endings_of(client, [letter()] * number)
    errors = [ending for ending in endings if isinstance(ending, LoginFailed)]
    assert len(errors) == number
    return errors


def logins(server):
    return sum(visit.count("AUTH") for visit in server.visits)


class TestThroughAClient:
    @pytest.mark.parametrize("max_sessions", [1, 5])
    async def test_a_thousand_messages_on_a_bad_password_cost_one_auth_and_are_told_so(self, clock, max_sessions):
        server = ScriptedServer({"AUTH": REFUSED}, extensions=EXTENSIONS)
        async with server, client_for(server, max_sessions=max_sessions) as client:
            errors = await refused_by(client, 1000) + await refused_by(client, 10)
            assert repr(client._pool) == NOTHING
        assert logins(server) == len(server.visits) == 1
        assert {(error.code, error.reply_code, error.transient) for error in errors} == {
            (ErrorCode.AUTH_REFUSED, 535, False)
        }
        assert all("refused the login: 535 5.7.8 no such user" in error.message and error.hint for error in errors)
        assert sum("not tried again" in str(error) for error in errors) == len(errors) - 1
        assert len(set(map(id, errors))) == len(errors)

    async def test_a_thousand_messages_on_a_bad_token_cost_two(self, clock):
        async with ScriptedServer({"AUTH": REFUSED}, extensions=EXTENSIONS) as server:
            purse = Purse("canary-stale", "canary-fresh")
            async with client_for(server, login=TokenLogin("user", purse)) as client:
                errors = await refused_by(client, 1000)
        assert logins(server) == 2
        assert len(purse.refused) == 1
        assert all("the token had just been issued" in error.message for error in errors)
        assert "canary" not in repr([vars(error) for error in errors])

    async def test_one_session_logs_in_and_the_others_follow(self, clock):
        script = {"AUTH": [(HOLD, USUAL), USUAL], "dot": [(HOLD, USUAL), USUAL]}
        async with ScriptedServer(script, extensions=EXTENSIONS) as server, client_for(server) as client:
            sending = asyncio.create_task(endings_of(client, numbered(range(20))))
            await server.holding()
            for _ in range(20):
                await asyncio.sleep(0)
            assert len(server.visits) == 1
            server.release()
            assert all(map(is_accepted, await sending))
        assert len(server.visits) > 1

    async def test_after_its_time_one_session_tries_again(self, clock):
        server = ScriptedServer({"AUTH": [REFUSED, REFUSED, USUAL]}, extensions=EXTENSIONS)
        async with server, client_for(server) as client:
            for wait, expected in ((0.0, 1), (FIRST_WAIT, 2), (FIRST_WAIT, 2)):
                clock.now += wait
                assert not any(map(is_accepted, await endings_of(client, [letter()] * 10)))
                assert logins(server) == expected
            clock.now += FIRST_WAIT  # twice the time by now
            assert all(map(is_accepted, await endings_of(client, numbered(range(10)))))
        assert len(server.accepted) == 10

    async def test_sessions_that_are_open_go_on(self, clock):
        async with (
            ScriptedServer({"AUTH": [USUAL, REFUSED], "dot": [(HOLD, USUAL), USUAL]}, extensions=EXTENSIONS) as server,
            client_for(server, max_sessions=2) as client,
        ):
            first = asyncio.create_task(endings_of(client, numbered([0])))
            await server.holding()
            (refused,) = await endings_of(client, numbered([1]))
            assert isinstance(refused, LoginFailed)
            server.release()
            assert all(map(is_accepted, await first))
            assert all(map(is_accepted, await endings_of(client, numbered([2]))))
        assert logins(server) == 2

    @pytest.mark.parametrize("reply", ["454 4.7.0 later", "421 4.7.0 too many sessions", DROP])
    async def test_a_refusal_for_now_shuts_nobody_out(self, clock, reply):
        server = ScriptedServer({"AUTH": [reply, USUAL]}, extensions=EXTENSIONS)
        async with server, client_for(server) as client:
            endings = await endings_of(client, numbered(range(10)))
        assert sum(map(is_accepted, endings)) >= 9
        assert all(ending.transient for ending in endings if isinstance(ending, SmtpError))

    async def test_a_missing_token_shuts_nobody_out(self, clock):
        error = TokenError("the endpoint is down", transient=True)
        async with ScriptedServer(extensions=EXTENSIONS) as server:
            purse = Purse(error)
            async with client_for(server, login=TokenLogin("user", purse)) as client:
                ends = await asyncio.gather(*[client.send(letter()) for _ in range(20)], return_exceptions=True)
                assert {type(end) for end in ends} == {TokenError}
                assert purse.asked == 20
                purse._tokens = ("token",)
                assert (await client.send(letter())).accepted

    async def test_a_server_that_is_not_there_is_everybodys_own_matter(self, clock):
        async with ScriptedServer() as server:
            pass
        async with client_for(server) as client:
            endings = await endings_of(client, [letter()] * 20)
        assert {type(ending) for ending in endings} == {ConnectFailed}

    async def test_whoever_tries_and_is_cancelled_gives_way_to_the_next(self, clock):
        server = ScriptedServer({"AUTH": [(HOLD, USUAL), USUAL]}, extensions=EXTENSIONS)
        async with server, client_for(server) as client:
            sends = [asyncio.create_task(client.send(one)) for one in numbered(range(5))]
            await server.holding()
            assert len(server.visits) == 1
            sends[0].cancel()
            ends = await asyncio.gather(*sends, return_exceptions=True)
            server.release()
            assert isinstance(ends[0], asyncio.CancelledError)
            assert all(map(is_accepted, ends[1:]))

    async def test_whoever_waits_and_is_cancelled_is_not_missed(self, clock):
        server = ScriptedServer({"AUTH": [(HOLD, USUAL), USUAL]}, extensions=EXTENSIONS)
        async with server, client_for(server) as client:
            sends = [asyncio.create_task(client.send(one)) for one in numbered(range(5))]
            await server.holding()
            for number in (1, 4):
                sends[number].cancel()
            await asyncio.sleep(0)
            server.release()
            ends = await asyncio.gather(*sends, return_exceptions=True)
            assert [is_accepted(end) for end in ends] == [True, False, True, True, False]
            assert repr(client._pool).startswith("<SessionPool: 0 leased")

    async def test_closing_the_client_waits_for_those_at_the_gate(self, clock):
        server = ScriptedServer({"AUTH": [(HOLD, USUAL), USUAL]}, extensions=EXTENSIONS)
        async with server:
            async with client_for(server) as client:
                sends = [asyncio.create_task(client.send(one)) for one in numbered(range(5))]
                await server.holding()
                server.release()
            assert all(map(is_accepted, [await one for one in sends]))

    async def test_without_a_login_there_is_no_gate(self):
        assert SmtpClient("127.0.0.1", 25)._pool._gate is None


class TestAlone:
    async def test_the_wait_doubles_up_to_its_end_and_a_success_resets_it(self):
        clock = Clock()
        gate = LoginGate(clock)
        tried = 0

        async def refuse():
            nonlocal tried
            tried += 1
            raise LoginFailed("no")

        wait = FIRST_WAIT
        for _ in range(12):
            with pytest.raises(LoginFailed, match=r"^no$"):
                await gate.through(refuse)
            clock.now += wait * 0.999
            with pytest.raises(LoginFailed, match="no; it was not tried again so soon"):
                await gate.through(refuse)
            clock.now += wait * 0.001 + 1e-6
            wait = min(wait * 2, LONGEST_WAIT)
        assert tried == 12
        assert wait == LONGEST_WAIT
        assert await gate.through(_open) == "open"
        clock.now += GOOD_SECONDS
        with pytest.raises(LoginFailed):
            await gate.through(refuse)
        clock.now += FIRST_WAIT
        assert await gate.through(_open) == "open"

    async def test_several_refused_at_once_count_as_one(self):
        clock = Clock()
        gate = LoginGate(clock)
        await gate.through(_open)
        go = asyncio.Event()

        async def refuse():
            await go.wait()
            raise LoginFailed("no")

        tries = [asyncio.create_task(gate.through(refuse)) for _ in range(5)]
        await asyncio.sleep(0)
        go.set()
        ends = await asyncio.gather(*tries, return_exceptions=True)
        assert [str(end) for end in ends] == ["no"] * 5
        clock.now += FIRST_WAIT
        assert await gate.through(_open) == "open"

    async def test_a_login_that_was_good_long_ago_is_tried_by_one_first(self):
        clock = Clock()
        gate = LoginGate(clock)
        await gate.through(_open)
        clock.now += GOOD_SECONDS
        assert await _most_at_once(gate) == 1
        assert await _most_at_once(gate) == 5

    async def test_those_behind_one_that_never_came_to_its_login_go_together(self):
        gate = LoginGate(Clock())
        go = asyncio.Event()
        under_way = []

        async def fail():
            under_way.append(1)
            await go.wait()
            raise ConnectFailed("no way")

        tries = [asyncio.create_task(gate.through(fail)) for _ in range(5)]
        await asyncio.sleep(0)
        assert len(under_way) == 1
        go.set()
        ends = await asyncio.gather(*tries, return_exceptions=True)
        assert {type(end) for end in ends} == {ConnectFailed}
        assert len(under_way) == 5

    async def test_each_gets_an_error_of_its_own_that_is_whole(self):
        gate = LoginGate(Clock())
        original = LoginFailed("no", hint="mend it", reply_code=535, enhanced_status_code="5.7.8", reply_text="no")

        async def refuse():
            raise original

        errors: list[SmtpError] = []
        for number in range(3):
            with pytest.raises(LoginFailed) as caught:
                await gate.through(refuse)
            errors.append(caught.value.locate(node=f"n{number}"))
        assert [error.where for error in errors] == ["node n0", "node n1", "node n2"]
        assert str(errors[1]) == "node n1: no; it was not tried again so soon"
        for error in errors[1:]:
            assert (error.hint, error.reply_code, error.enhanced_status_code) == ("mend it", 535, "5.7.8")
            assert error.args == (error.message,)
            assert str(pickle.loads(pickle.dumps(error))) == str(error)

    def test_its_clock_never_goes_back(self):
        assert LoginGate()._clock is time.monotonic


async def _open():
    return "open"


async def _most_at_once(gate):
    under_way = most = 0

    async def log_in():
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        for _ in range(10):
            await asyncio.sleep(0)
        under_way -= 1

    first = asyncio.create_task(gate.through(log_in))
    others = [asyncio.create_task(gate.through(log_in)) for _ in range(4)]
    for _ in range(5):
        await asyncio.sleep(0)
    seen = most
    await asyncio.gather(first, *others)
    return seen
