import asyncio
from types import SimpleNamespace

import pytest

from mailnode.errors import ConnectFailed, ServerRefused
from mailnode.smtp.client import SmtpClient
from mailnode.smtp.host_profile import HostProfile
from mailnode.smtp.pool import SessionPool
from mailnode.smtp.send_queue import SendRequest
from mailnode.smtp.server import Deadlines, ServerSettings
from mailnode.smtp.session import Session
from support.messages import letter
from support.scripted_smtp import STALL, ScriptedServer

EMPTY = "<SessionPool: 0 leased, 0 idle, 0 waiting>"


def pool_of(server, max_sessions=1, **settings):
    where = ServerSettings(host="127.0.0.1", port=server.port, tls_option="none")
    return SessionPool(lambda: Session.open(where, HostProfile(), None), HostProfile(), max_sessions, **settings)


def client_of(server, **settings):
    return SmtpClient("127.0.0.1", server.port, tls_option="none", **settings)


async def settled():
    """Let every task that can run do so: as many ticks as the longest hand-over takes, and more."""
    for _ in range(10):
        await asyncio.sleep(0)


class Holder:
    """Holds a lease until it is told to let go."""

    def __init__(self, pool):
        self.got = asyncio.Event()
        self.let_go = asyncio.Event()
        self.task = asyncio.create_task(self._hold(pool))

    async def _hold(self, pool):
        async with pool.lease(SendRequest(letter())) as self.session:
            self.got.set()
            await self.let_go.wait()


class TestLeases:
    async def test_there_are_never_more_sessions_than_slots(self):
        async with ScriptedServer() as server, client_of(server, max_sessions=3) as client:
            await asyncio.gather(*[client.send(letter()) for _ in range(50)])
        assert len(server.visits) == 3
        assert len(server.accepted) == 50

    async def test_who_waits_longest_is_next(self):
        async with ScriptedServer() as server:
            pool = pool_of(server)
            first = Holder(pool)
            await first.got.wait()
            order = []

            async def wait_for_turn(number):
                async with pool.lease(SendRequest(letter())):
                    order.append(number)

            waiters = [asyncio.create_task(wait_for_turn(number)) for number in range(5)]
            await settled()
            assert repr(pool) == "<SessionPool: 1 leased, 0 idle, 5 waiting>"
            first.let_go.set()
            await asyncio.gather(first.task, *waiters)
            assert order == [0, 1, 2, 3, 4]
            await pool.aclose()
            assert repr(pool) == EMPTY

    async def test_an_idle_session_is_reused_before_another_is_opened(self):
        async with ScriptedServer() as server:
            pool = pool_of(server, 5)
            for _ in range(3):
                async with pool.lease(SendRequest(letter())):
                    pass
            assert repr(pool) == "<SessionPool: 0 leased, 1 idle, 0 waiting>"
            await pool.aclose()
        assert len(server.visits) == 1

    async def test_a_session_that_ended_is_not_kept(self):
        async with ScriptedServer() as server:
            pool = pool_of(server)
            async with pool.lease(SendRequest(letter())) as session:
                session.abort()
            assert repr(pool) == EMPTY

    async def test_a_session_idle_for_too_long_gets_its_quit_and_a_new_one_is_opened(self):
        async with ScriptedServer() as server:
            pool = pool_of(server, idle_seconds=0.0)
            async with pool.lease(SendRequest(letter())):
                pass
            await server.reached("QUIT")
            async with pool.lease(SendRequest(letter())):
                pass
            await pool.aclose()
        assert [visit.commands[-1] for visit in server.visits] == ["QUIT", "QUIT"]

    async def test_sessions_that_come_back_after_closing_get_their_quit(self):
        async with ScriptedServer() as server:
            pool = pool_of(server)
            holder = Holder(pool)
            await holder.got.wait()
            closing = asyncio.create_task(pool.aclose())
            await settled()
            assert not closing.done()
            holder.let_go.set()
            await asyncio.gather(holder.task, closing)
            await server.reached("QUIT")
            await server.visit.ended.wait()
            await settled()

    async def test_a_server_that_never_says_221_does_not_hold_up_closing(self):
        async with ScriptedServer({"QUIT": STALL}) as server:
            async with client_of(server, deadlines=Deadlines(quit=0.1)) as client:
                await client.send(letter())
            assert repr(client._pool) == EMPTY

    async def test_a_session_that_can_not_be_opened_gives_its_slot_back(self):
        async with ScriptedServer({"greeting": ["554 no", "220 yes"]}) as server:
            pool = pool_of(server)
            with pytest.raises(ServerRefused):
                async with pool.lease(SendRequest(letter())):
                    pytest.fail("there is no session")
            async with pool.lease(SendRequest(letter())):
                pass
            await pool.aclose()

    async def test_a_closed_port_gives_its_slot_back(self, closed_port):
        pool = pool_of(SimpleNamespace(port=closed_port))
        for _ in range(3):
            with pytest.raises(ConnectFailed):
                async with pool.lease(SendRequest(letter())):
                    pytest.fail("there is no session")
        assert repr(pool) == EMPTY


class TestCancelling:
    async def test_a_waiter_that_is_cancelled_leaves_the_queue(self):
        async with ScriptedServer() as server:
            pool = pool_of(server)
            holder = Holder(pool)
            await holder.got.wait()
            waiter, next_one = Holder(pool), Holder(pool)
            await settled()
            waiter.task.cancel()
            await settled()
            assert repr(pool) == "<SessionPool: 1 leased, 0 idle, 1 waiting>"
            holder.let_go.set()
            await next_one.got.wait()
            next_one.let_go.set()
            await next_one.task
            await pool.aclose()
            assert repr(pool) == EMPTY

    async def test_a_waiter_cancelled_in_the_tick_in_which_it_gets_its_slot_passes_it_on(self):
        async with ScriptedServer() as server:
            pool = pool_of(server)
            holder = Holder(pool)
            await holder.got.wait()
            waiter, next_one = Holder(pool), Holder(pool)
            await settled()
            pool._free_slot()  # what the holder's leaving does; before the waiter runs it is cancelled
            waiter.task.cancel()
            await asyncio.wait([waiter.task])
            await next_one.got.wait()
            pool._leases += 1  # the holder's own, which it will give back once more
            for one in (holder, next_one):
                one.let_go.set()
                await one.task
            await pool.aclose()
            assert repr(pool) == EMPTY

    async def test_opening_that_is_cancelled_gives_the_slot_back_and_closes(self):
        async with ScriptedServer({"greeting": [STALL, "220 yes"]}) as server:
            pool = pool_of(server)
            opening, next_one = Holder(pool), Holder(pool)
            await server.reached("greeting")
            await settled()
            assert repr(pool) == "<SessionPool: 1 leased, 0 idle, 1 waiting>"
            opening.task.cancel()
            await next_one.got.wait()
            next_one.let_go.set()
            await next_one.task
            await pool.aclose()
            assert repr(pool) == EMPTY

    async def test_everybody_cancelled_at_once_leaves_nothing(self):
        async with ScriptedServer({"MAIL": STALL}) as server:
            async with client_of(server, max_sessions=3) as client:
                sends = [asyncio.create_task(client.send(letter())) for _ in range(10)]
                await server.reached("MAIL")
                for send in sends:
                    send.cancel()
                await asyncio.wait(sends)
                assert repr(client._pool) == EMPTY
            for visit in server.visits:
                await visit.ended.wait()

    async def test_a_deadline_of_the_caller_ends_a_send_cleanly(self):
        async with ScriptedServer({"dot": STALL}) as server, client_of(server) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await client.send(letter())
            assert repr(client._pool) == EMPTY
