import asyncio
import socket
from contextlib import AsyncExitStack
from dataclasses import replace
from types import SimpleNamespace

import pytest

from mailnode.connections.service import find_service
from mailnode.delivery import capacity, circuit_breaker, claims
from mailnode.delivery.capacity import FreeCapacity
from mailnode.delivery.delivery import Delivery, Terms
from mailnode.engine.embedded import EmbeddedEngine
from mailnode.engine.procrastinate import ProcrastinateEngine
from mailnode.smtp.proxy import parse_proxy
from mailnode.store.tables import attempts, deliveries, delivery_content, routes
from support.deliveries import prepared, sending
from support.messages import letter
from support.proxies import proxy
from support.scripted_smtp import DROP, STALL, ScriptedServer
from support.tls import server_context, trusted_by_the_system

pytestmark = pytest.mark.usefixtures("database_kind")

LATER = Terms().for_queue(24)
HOLD = replace(LATER, on_unknown="hold")
SOON = replace(LATER, first_wait=0.0)


async def drain(admin):
    """Carry all that is due, as `mailnode worker --drain` does."""
    await asyncio.wait_for(EmbeddedEngine().work(admin.queue_worker, drain=True), 60)


async def queue(admin, port, message=None, *, terms=SOON, **draft):
    return await admin.dispatcher.queue(prepared(port, message, terms=terms, **draft))


async def states(admin):
    return [row.state for row in await admin.rows(deliveries)]


class TestTheQueue:
    async def test_what_is_queued_is_told_so_and_no_server_has_heard_of_it(self, tmp_path):
        async with ScriptedServer() as server, sending(tmp_path) as admin:
            report = await queue(admin, server.port)
            (row,) = await admin.rows(deliveries)
        assert (report["status"], report["error"], report["deliveryId"]) == ("queued", None, row.id)
        assert (row.state, row.worker, server.visits) == ("queued", None, [])

    async def test_another_process_sends_it_with_the_same_octets(self, tmp_path):
        big = letter(content=(b"x" * 70 + b"\r\n") * 10_000)
        async with ScriptedServer() as server:
            async with sending(tmp_path) as admin:
                await queue(admin, server.port, big)
            async with sending(tmp_path) as admin:
                await drain(admin)
                assert await states(admin) == ["sent"]
                assert await admin.rows(delivery_content) == []
        assert [message.content for message in server.accepted] == [b"".join(big.blocks())]

    async def test_what_goes_to_a_service_by_its_name_is_sent_and_so_is_what_comes_behind_it(self, tmp_path):
        names = ("Gmail", "Yahoo", "Gmail")
        hosts = [find_service(name).host for name in names]
        tls = server_context(*hosts)
        async with (
            ScriptedServer(tls=tls, implicit_tls=True) as server,
            proxy("socks5", leads_to=server.port) as way,
            sending(tmp_path, proxy=parse_proxy(way.url)) as admin,
        ):
            with trusted_by_the_system():
                for name in names:
                    await queue(admin, 0, letter(f"{name}@y.example"), service=name)
                await drain(admin)
            assert await states(admin) == ["sent"] * 3
        assert {host for host, _ in way.asked} == set(hosts)
        assert len(server.accepted) == 3

    async def test_all_that_is_queued_is_sent_once(self, tmp_path):
        names = [f"n{number}@y.example" for number in range(300)]
        async with ScriptedServer() as server, sending(tmp_path) as admin:
            await asyncio.gather(*(queue(admin, server.port, letter(name)) for name in names))
            await drain(admin)
            assert set(await states(admin)) == {"sent"}
        assert sorted(path for message in server.accepted for path in message.forward_paths) == sorted(
            f"RCPT TO:<{name}>" for name in names
        )

    async def test_a_refused_one_waits_longer_each_time_and_keeps_what_was_accepted(self, tmp_path):
        script = {"RCPT TO:<later@": ["451 4.2.0 busy", "250 ok"]}
        async with ScriptedServer(script) as server, sending(tmp_path) as admin:
            await queue(admin, server.port, letter("now@y.example", "later@y.example"), terms=LATER)
            await drain(admin)
            (row,) = await admin.rows(deliveries)
            assert row.state == "queued"
            assert 5_000 <= row.due_at - row.updated_at <= 10_000
            await admin.database.write(lambda db: db.execute(deliveries.update().values(due_at=0)))
            await drain(admin)
            assert await states(admin) == ["sent"]
            assert [row.number for row in await admin.rows(attempts)] == [1, 2]
        assert [message.forward_paths for message in server.accepted] == [
            ("RCPT TO:<now@y.example>",),
            ("RCPT TO:<later@y.example>",),
        ]

    async def test_a_permanent_refusal_ends_it_and_keeps_what_was_said(self, tmp_path):
        async with ScriptedServer({"dot": "554 5.7.1 spam"}) as server, sending(tmp_path) as admin:
            await queue(admin, server.port)
            await drain(admin)
            assert await states(admin) == ["failed"]
            (attempt,) = await admin.rows(attempts)
        said = attempt.dialogue.splitlines()
        assert "C: RCPT TO:<bob@y.example>" in said
        assert said[-1] == "S: 554 5.7.1 spam"

    async def test_a_lost_answer_is_sent_again_and_marked(self, tmp_path):
        async with ScriptedServer({"dot": [DROP, "250 taken"]}) as server, sending(tmp_path) as admin:
            await queue(admin, server.port)
            await drain(admin)
            (row,) = await admin.rows(deliveries)
        assert (row.state, "resentAfterUnknown" in row.result) == ("sent", True)

    async def test_or_held(self, tmp_path):
        async with ScriptedServer({"dot": DROP}) as server, sending(tmp_path) as admin:
            await queue(admin, server.port, terms=HOLD)
            await drain(admin)
            assert await states(admin) == ["held"]
            assert len(server.visits) == 1

    async def test_what_has_run_out_of_time_fails_with_the_last_words_and_asks_no_server(self, tmp_path):
        async with ScriptedServer({"MAIL": "451 4.3.0 busy"}) as server, sending(tmp_path) as admin:
            await queue(admin, server.port, terms=LATER)
            await drain(admin)
            await admin.database.write(lambda db: db.execute(deliveries.update().values(expires_at=1)))
            visits = len(server.visits)
            await drain(admin)
            (row,) = await admin.rows(deliveries)
        assert row.state == "failed"
        assert "not accepted within 24 h" in row.result
        assert "451 4.3.0 busy" in row.result
        assert len(server.visits) == visits

    async def test_the_same_key_again_is_a_duplicate_whatever_state_it_is_in(self, tmp_path):
        async with ScriptedServer() as server, sending(tmp_path) as admin:
            first = await queue(admin, server.port, key="k")
            again = await queue(admin, server.port, key="k")
            await drain(admin)
            last = await queue(admin, server.port, key="k")
        assert again == {**first, "duplicate": True}
        assert (last["status"], last["duplicate"]) == ("sent", True)
        assert len(server.accepted) == 1


class TestTheDead:
    async def test_what_they_had_claimed_is_sent_without_a_doubt(self, tmp_path):
        async with ScriptedServer() as server:
            async with sending(tmp_path) as admin:
                await admin.outbox.begin(prepared(server.port))
            async with sending(tmp_path) as admin:
                await drain(admin)
                (row,) = await admin.rows(deliveries)
        assert (row.state, row.maybe_accepted) == ("sent", False)

    async def test_what_they_were_handing_over_is_sent_again_and_marked(self, tmp_path):
        async with ScriptedServer() as server:
            async with sending(tmp_path) as admin:
                delivery = await admin.outbox.begin(prepared(server.port))
                assert isinstance(delivery, Delivery)
                await admin.outbox.store_handing_over(delivery)
            async with sending(tmp_path) as admin:
                await drain(admin)
                (row,) = await admin.rows(deliveries)
        assert (row.state, "resentAfterUnknown" in row.result) == ("sent", True)

    async def test_the_living_keep_what_they_have(self, tmp_path):
        async with ScriptedServer() as server, sending(tmp_path) as other, sending(tmp_path) as admin:
            await other.outbox.begin(prepared(server.port))
            await drain(admin)
            assert await states(admin) == ["claimed"]


class TestALane:
    @pytest.fixture(autouse=True)
    def patience(self, monkeypatch):
        """Leave a failing route alone for so long that no slow machine sees the end of it."""
        monkeypatch.setattr(circuit_breaker, "FIRST_WAIT_MS", circuit_breaker.LONGEST_WAIT_MS)

    async def test_that_is_dead_is_tried_by_one_delivery_while_the_others_wait(self, tmp_path, closed_port):
        async with sending(tmp_path) as admin:
            for _ in range(20):
                await queue(admin, closed_port)
            await drain(admin)
            assert len(await admin.rows(attempts)) == 1
            assert await states(admin) == ["queued"] * 20
            (row,) = await admin.rows(routes)
        assert row.failures == 1
        assert "connect" in row.trouble

    async def test_whose_sessions_another_process_has_is_left_to_that_one(self, tmp_path):
        script = {"greeting": ["220 come in", "421 4.7.0 too many sessions"], "dot": ["", "250 sent too"]}
        async with ScriptedServer(script) as server, sending(tmp_path) as other, sending(tmp_path) as admin:
            await queue(admin, server.port)
            work = asyncio.create_task(drain(other))
            await server.reached("dot")
            await queue(admin, server.port)
            await drain(admin)
            (row,), under_way = await admin.rows(routes), await states(admin)
            await drain(admin)
            visits = len(server.visits)
            server.say("250 sent")
            await work
            assert (row.failures, row.trouble, sorted(under_way)) == (0, None, ["handingOver", "queued"])
            assert visits == 2
            await drain(other)
            assert (len(server.visits), await states(admin)) == (2, ["sent", "sent"])

    async def test_whose_sessions_another_process_has_is_waited_for_by_a_flow_however_often_it_is_refused(
        self, tmp_path
    ):
        script = {
            "greeting": ["220 come in", *["421 4.7.0 too many sessions"] * 4, "220 come in"],
            "dot": ["", "250 ok"],
        }
        async with ScriptedServer(script) as server, sending(tmp_path) as other, sending(tmp_path) as admin:
            await queue(admin, server.port)
            work = asyncio.create_task(drain(other))
            await server.reached("dot")
            done = await admin.deliver(server.port)
            server.say("250 sent")
            await work
        assert (done.result["status"], len(server.visits)) == ("sent", 6), done.result

    async def test_whose_name_is_not_known_waits_for_it_as_for_a_port(self, tmp_path, monkeypatch):
        """As where the network is gone: no queued mail to a service by its name is given up for that."""

        async def nowhere(*_args, **_more):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        async with sending(tmp_path) as admin:
            monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", nowhere, raising=False)
            for _ in range(3):
                await admin.dispatcher.queue(prepared(0, terms=SOON, service="Yahoo"))
            await drain(admin)
            (row,) = await admin.rows(routes)
            assert await states(admin) == ["queued"] * 3
        assert "is not known" in row.trouble

    async def test_that_swallows_connections_does_not_keep_another_one_waiting(self, tmp_path):
        async with (
            ScriptedServer({"greeting": STALL}) as dead,
            ScriptedServer() as well,
            sending(tmp_path) as admin,
        ):
            await asyncio.gather(*(queue(admin, dead.port) for _ in range(200)))
            await queue(admin, well.port)
            work = asyncio.create_task(EmbeddedEngine().work(admin.queue_worker))
            await well.reached("dot")
            await admin.queue_worker.stop()
            await work
        assert len(well.accepted) == 1

    async def test_that_is_silent_holds_no_hand_however_many_there_are(self, tmp_path):
        async with AsyncExitStack() as stack:
            silent = [await stack.enter_async_context(ScriptedServer({"greeting": STALL})) for _ in range(120)]
            well = await stack.enter_async_context(ScriptedServer())
            admin = await stack.enter_async_context(sending(tmp_path))
            engine = ProcrastinateEngine(admin.database.url) if admin.database.url else EmbeddedEngine()
            admin.outbox._wake_worker = admin.outbox._intake._wake_worker = engine.wake
            await asyncio.gather(*(queue(admin, server.port) for server in silent))
            work = asyncio.create_task(engine.work(admin.queue_worker))
            # One that nobody knows comes last, when all of them hold what they can.
            await asyncio.gather(*(server.reached("greeting") for server in silent[:90]))
            await queue(admin, well.port)
            await well.reached("dot")
            assert not any(visit.ended.is_set() for server in silent for visit in server.visits)
            await admin.queue_worker.stop()
            await work
        assert len(well.accepted) == 1

    async def test_that_is_silent_holds_no_memory_either(self, tmp_path, monkeypatch):
        for module in (claims, capacity):
            monkeypatch.setattr(module, "MAX_BYTES", 100_000)
        big = letter(content=(b"x" * 70 + b"\r\n") * 500)
        async with (
            ScriptedServer({"greeting": STALL}) as one,
            ScriptedServer({"greeting": STALL}) as two,
            ScriptedServer() as well,
            sending(tmp_path) as admin,
        ):
            await queue(admin, well.port)
            await drain(admin)
            work = asyncio.create_task(EmbeddedEngine().work(admin.queue_worker))
            for server in (one, two):
                await queue(admin, server.port, big)
                await server.reached("greeting")
            await queue(admin, well.port, big)
            while len(well.accepted) < 2:  # noqa: ASYNC110 -- a count has no event
                await asyncio.sleep(0.01)
            await admin.queue_worker.stop()
            await work

    async def test_that_has_worked_and_turns_silent_gives_its_hands_back(self, tmp_path, monkeypatch):
        async with (
            ScriptedServer() as one,
            ScriptedServer() as two,
            ScriptedServer() as well,
            sending(tmp_path) as admin,
        ):
            for server in (one, two):
                await asyncio.gather(*(queue(admin, server.port) for _ in range(100)))
            await drain(admin)
            for server in (one, two):
                await server.turn({"greeting": STALL})
                await asyncio.gather(*(queue(admin, server.port) for _ in range(100)))
            work = asyncio.create_task(EmbeddedEngine().work(admin.queue_worker))
            while admin.queue_worker.busy < 100:  # noqa: ASYNC110 -- a count has no event
                await asyncio.sleep(0.01)
            monkeypatch.setattr("mailnode.delivery.silent_servers.SILENT_SERVER_SECONDS", 0.0)
            await queue(admin, well.port)
            await well.reached("dot")
            await admin.queue_worker.stop()
            await work
            assert {row.failures for row in await admin.rows(routes)} == {0}

    async def test_that_nobody_knows_gets_one_delivery_and_no_more_until_that_has_ended(self, tmp_path):
        async with ScriptedServer({"MAIL": ["", "250 ok"]}) as server, sending(tmp_path) as admin:
            for _ in range(5):
                await queue(admin, server.port)
            work = asyncio.create_task(EmbeddedEngine().work(admin.queue_worker))
            await server.reached("MAIL")
            assert not (await admin.queue_worker.start_due()).claims
            assert sorted(await states(admin)) == ["claimed", *["queued"] * 4]
            server.say("250 ok")
            await admin.queue_worker.stop()
            await work

    async def test_that_is_well_again_gets_all_that_waited(self, tmp_path):
        async with (
            ScriptedServer({"greeting": ["421 4.3.2 not now", "220 hello"]}) as server,
            sending(tmp_path) as admin,
        ):
            for _ in range(10):
                await queue(admin, server.port)
            await drain(admin)
            assert server.accepted == []
            await admin.database.write(lambda db: db.execute(routes.update().values(retry_at=0)))
            await drain(admin)
            assert await states(admin) == ["sent"] * 10
            (row,) = await admin.rows(routes)
        assert (row.failures, row.trouble) == (0, None)


class TestClaimingOfManyRoutes:
    @pytest.mark.parametrize("works", [True, False])
    async def test_that_there_is_no_room_for_comes_to_each_before_it_comes_to_one_again(self, tmp_path, works):
        ports = range(20_001, 20_006)
        async with sending(tmp_path) as admin:
            for port in [20_000, *ports, *ports]:
                await queue(admin, port)
            # There is no room at all for the first one, which is of the other kind.
            known = {f"@127.0.0.1:{port}": 1 for port in (ports if works else [20_000])}
            free = FreeCapacity(2, 2**20, known, 0) if works else FreeCapacity(0, 2**20, known, 2)
            take = admin.queue_worker._claims.take
            turns = [{one.delivery.port for one in (await take(lambda: free)).claims} for _ in range(5)]
        assert turns == [{20_001, 20_002}, {20_003, 20_004}, {20_005, 20_001}, {20_002, 20_003}, {20_004, 20_005}]

    async def test_claims_are_counted_in_before_their_content_is_read(self, tmp_path, monkeypatch):
        async with ScriptedServer() as server, sending(tmp_path) as admin:
            worker = admin.queue_worker
            busy, read = [], admin.outbox.read_messages

            async def read_messages(of):
                busy.append(worker.busy)
                return await read(of)

            monkeypatch.setattr(admin.outbox, "read_messages", read_messages)
            await queue(admin, server.port)
            await drain(admin)
            assert (busy, worker.busy, await states(admin)) == ([1], 0, ["sent"])


class TestDrainingOneRoute:
    """As the engine of PostgreSQL has it drained, with a job that is over when this returns."""

    def busy(self, worker, count):
        """Have so many deliveries under way on a route that is known to work, and have claimed them just now."""
        for _ in range(6):
            worker._capacity.note_success("busy")
        others = [SimpleNamespace(route_key="busy", size=1)] * count
        for other in others:
            worker._capacity.begin(other, is_probe=False)
        worker._claimed_at = asyncio.get_running_loop().time()
        return others

    async def test_that_is_new_waits_for_no_other(self, tmp_path):
        async with ScriptedServer() as server, sending(tmp_path) as admin:
            await queue(admin, server.port)
            self.busy(admin.queue_worker, 100)
            await asyncio.wait_for(admin.queue_worker.drain(f"@127.0.0.1:{server.port}"), 60)
            assert len(server.accepted) == 1

    async def test_that_is_known_waits_for_room(self, tmp_path):
        async with ScriptedServer() as server, sending(tmp_path) as admin:
            await queue(admin, server.port)
            worker = admin.queue_worker
            others = self.busy(worker, 128)
            worker._capacity.note_success(f"@127.0.0.1:{server.port}")
            draining = asyncio.create_task(worker.drain(f"@127.0.0.1:{server.port}"))
            await asyncio.sleep(0)
            for other in others:
                worker._capacity.end(other, is_probe=False)
            worker.freed.set()
            await asyncio.wait_for(draining, 60)
            assert len(server.accepted) == 1

    async def test_that_is_known_leaves_its_place_where_there_is_no_room_for_long(self, tmp_path):
        async with ScriptedServer() as server, sending(tmp_path) as admin:
            await queue(admin, server.port)
            worker = admin.queue_worker
            self.busy(worker, 128)
            worker._capacity.note_success(f"@127.0.0.1:{server.port}")
            await asyncio.wait_for(worker.drain(f"@127.0.0.1:{server.port}"), 60)
            assert (await states(admin), server.visits) == (["queued"], [])

    async def test_looks_once_more_for_what_was_queued_after_the_last_look(self, tmp_path, monkeypatch):
        async with ScriptedServer() as server, sending(tmp_path) as admin:
            worker, route_key = admin.queue_worker, f"@127.0.0.1:{server.port}"
            start_due = worker.start_due

            async def start_too_early(only):
                monkeypatch.setattr(worker, "start_due", start_due)
                await queue(admin, server.port)
                await worker.drain(only)
                return claims.ClaimBatch()

            monkeypatch.setattr(worker, "start_due", start_too_early)
            await asyncio.wait_for(worker.drain(route_key), 60)
            assert len(server.accepted) == 1


class TestStopping:
    async def test_what_was_claimed_as_it_stopped_goes_back_untouched(self, tmp_path, monkeypatch):
        async with ScriptedServer() as server, sending(tmp_path) as admin:
            worker = admin.queue_worker
            take = worker._claims.take

            async def take_and_stop(free_now):
                batch = await take(free_now)
                await worker.stop()
                return batch

            monkeypatch.setattr(worker._claims, "take", take_and_stop)
            await queue(admin, server.port)
            await worker.start_due()
            (row,) = await admin.rows(deliveries)
            assert (row.state, row.worker, row.tries, worker.busy) == ("queued", None, 0, 0)
            monkeypatch.undo()
            assert (await worker.start_due()).claims == ()
            assert server.visits == []

    async def test_what_has_not_been_handed_over_goes_back_untouched(self, tmp_path):
        async with ScriptedServer({"greeting": STALL}) as server, sending(tmp_path) as admin:
            await queue(admin, server.port)
            work = asyncio.create_task(EmbeddedEngine().work(admin.queue_worker))
            await server.reached("greeting")
            await admin.queue_worker.stop()
            await work
            (row,) = await admin.rows(deliveries)
            assert await admin.rows(attempts) == []
        assert (row.state, row.worker, row.tries) == ("queued", None, 0)

    async def test_an_answer_that_is_due_is_waited_for(self, tmp_path):
        async with ScriptedServer({"dot": ""}) as server, sending(tmp_path) as admin:
            await queue(admin, server.port)
            work = asyncio.create_task(EmbeddedEngine().work(admin.queue_worker))
            await server.reached("dot")
            stop = asyncio.create_task(admin.queue_worker.stop())
            await asyncio.sleep(0)
            server.say("250 2.0.0 at last")
            await stop
            await work
            assert await states(admin) == ["sent"]
