"""What was sent is not sent again by the same key, though all else of it has been cleared away."""

import pytest

from mailnode.delivery.delivery import EARLIER_IN_DOUBT, RESENT_AFTER_UNKNOWN, Terms
from mailnode.engine.embedded import EmbeddedEngine
from mailnode.environment import Environment
from mailnode.errors import DeliveryError, UsageError
from mailnode.store.clock import unix_ms
from mailnode.store.tables import deliveries, kept_keys
from support.deliveries import prepared, sending
from support.scripted_smtp import DROP, ScriptedServer

pytestmark = pytest.mark.usefixtures("database_kind")

LATER = Terms().for_queue(24)
DAY_MS = 86_400_000
HELD = Terms(on_unknown="hold", first_wait=0.0)


async def age(admin, days=31.0):
    """Have all that is over ended so long ago, and clear away."""
    ended = deliveries.update().values(updated_at=unix_ms() - int(days * DAY_MS))
    await admin.database.write(lambda db: db.execute(ended))
    await admin.deliveries.sweep(30, 400)


async def all_sent(admin):
    await EmbeddedEngine().work(admin.queue_worker, drain=True)


class TestAKeyWhoseMailIsCleared:
    @pytest.mark.parametrize("terms", [Terms(), LATER], ids=["a flow waits", "queued"])
    async def test_sends_nothing_again_and_says_what_is_known(self, tmp_path, terms):
        async with ScriptedServer() as server, sending(tmp_path) as admin:
            first = (await admin.deliver(server.port, key="order-17", digest="x")).result
            await age(admin)
            assert await admin.rows(deliveries) == []
            draft = prepared(server.port, key="order-17", digest="x", terms=terms)
            told = (
                await admin.dispatcher.queue(draft) if terms.queued else (await admin.dispatcher.deliver(draft)).result
            )
            assert (told["status"], told.get("duplicate")) == ("sent", True)
            assert (told["messageId"], told["deliveryId"]) == (first["messageId"], first["deliveryId"])
            assert (told["recipients"], told["accepted"], told["error"]) == ([], [], None)
            assert "MAILNODE_KEEP_DAYS" in told["warnings"][0]
            with pytest.raises(DeliveryError, match="different content"):
                await admin.deliver(server.port, key="order-17", digest="y")
            await admin.deliver(server.port, key="order-18", digest="x")
            await all_sent(admin)
        assert len(server.accepted) == 2

    async def test_is_kept_as_a_hash(self, tmp_path):
        async with ScriptedServer() as server, sending(tmp_path) as admin:
            await admin.deliver(server.port, key="jane@example.org")
            await age(admin)
            (row,) = await admin.rows(kept_keys)
        assert "jane" not in str(row)
        assert len(str(tuple(row))) < 300

    async def test_is_known_for_so_many_days(self, tmp_path):
        async with ScriptedServer() as server, sending(tmp_path) as admin:
            for days in (399, 401):
                await admin.deliver(server.port, key=f"{days}")
                await age(admin, days)
            for days in (399, 401):
                assert (await admin.deliver(server.port, key=f"{days}")).result.get("duplicate", False) == (days == 399)
        assert len(server.accepted) == 3

    async def test_is_found_for_each_of_a_group(self, tmp_path):
        async with ScriptedServer() as server, sending(tmp_path) as admin:
            for number in range(3):
                await admin.deliver(server.port, key=f"k{number}", digest=f"{number}")
            await age(admin)
            drafts = [
                prepared(server.port, key=key, digest=digest, terms=LATER)
                for key, digest in (
                    ("k0", "0"),
                    ("new", ""),
                    ("k1", "9"),
                    (None, ""),
                    ("k2", "2"),
                    ("k2", "2"),
                    ("new", ""),
                )
            ]
            answers = await admin.database.write(lambda db: admin.outbox._intake.begin(db, drafts))
            told = [one.state if hasattr(one, "state") else type(one).__name__ for one in answers]
            assert told == ["sent", "Delivery", "DeliveryError", "Delivery", "sent", "sent", "queued"]
            assert len(await admin.rows(deliveries)) == 2

    async def test_of_one_that_failed_is_free_and_nothing_is_kept(self, tmp_path):
        async with ScriptedServer({"RCPT": "550 no"}) as server, sending(tmp_path) as admin:
            await admin.deliver(server.port, key="k")
            await age(admin)
            assert await admin.rows(kept_keys) == []
        async with ScriptedServer() as server, sending(tmp_path) as admin:
            report = (await admin.deliver(server.port, key="k", digest="another")).result
        assert (report["status"], report["warnings"]) == ("sent", [])


class TestADoubt:
    """It outlives what it is of, as long as the key does."""

    @pytest.mark.parametrize("times", [1, 2])
    async def test_marks_the_next_mail_of_the_key(self, tmp_path, times):
        async with ScriptedServer({"CONTENT": DROP}) as server, sending(tmp_path) as admin:
            held = (await admin.deliver(server.port, key="k", terms=HELD)).result
            await age(admin)
            assert [row.state for row in await admin.rows(deliveries)] == ["held"]  # until a person decides
            await admin.deliveries.cancel(held["deliveryId"])
        async with ScriptedServer({"RCPT": "550 no"}) as server, sending(tmp_path) as admin:
            for _ in range(times - 1):
                await age(admin)
                report = (await admin.deliver(server.port, key="k")).result
                assert (report["status"], RESENT_AFTER_UNKNOWN in report["warnings"]) == ("failed", True)
            await age(admin)
            assert await admin.rows(deliveries) == []
        async with ScriptedServer() as server, sending(tmp_path) as admin:
            report = (await admin.deliver(server.port, key="k", digest="another")).result
            assert report["status"] == "sent"
            assert {RESENT_AFTER_UNKNOWN, EARLIER_IN_DOUBT} <= {*report["warnings"]}
            await age(admin)
            again = (await admin.deliver(server.port, key="k", digest="another")).result
            assert (again["status"], again["duplicate"]) == ("sent", True)
            assert len(server.accepted) == 1

    async def test_is_the_answer_where_it_holds_the_key(self, tmp_path):
        async with ScriptedServer({"CONTENT": DROP}) as server, sending(tmp_path) as admin:
            await admin.deliver(server.port, key="k", terms=Terms(tries=1))
            await age(admin)
        async with ScriptedServer() as server, sending(tmp_path) as admin:
            report = (await admin.deliver(server.port, key="k")).result
        assert server.accepted == []
        assert (report["status"], report["duplicate"]) == ("unknown", True)
        assert report["error"]
        assert report["error"]["code"] == "unknownOutcome"


def test_both_times_are_settings():
    assert (Environment.read({}).keep_days, Environment.read({}).keep_keys_days) == (30, 400)
    assert Environment.read({"MAILNODE_KEEP_KEYS_DAYS": "7"}).keep_keys_days == 7
    with pytest.raises(UsageError, match="MAILNODE_KEEP_KEYS_DAYS"):
        Environment.read({"MAILNODE_KEEP_KEYS_DAYS": "long"})
