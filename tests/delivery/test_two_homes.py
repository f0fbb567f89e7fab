"""Processes that share nothing but a database file see each other alive, whatever their homes are."""

import base64

import pytest

from mailnode.delivery.delivery import Delivery
from mailnode.store.tables import deliveries
from support.deliveries import prepared, sending
from support.messages import letter
from support.scripted_smtp import ScriptedServer


@pytest.fixture
def one_file(tmp_path, monkeypatch):
    """Name one database file for all homes, by its own path or by one that a test names instead."""
    (tmp_path / "data").mkdir()

    def named(path):
        monkeypatch.setenv("MAILNODE_DATABASE_URL", f"sqlite:///{path}")

    monkeypatch.setenv("MAILNODE_SECRET_KEY", base64.b64encode(bytes(32)).decode())
    named(tmp_path / "data" / "mail.db")
    return named


async def looked_at(admin):
    """Do what each look of a worker does, and tell what is shown of the one delivery that there is."""
    assert await admin.queue_worker.recover() == 0
    (entry,) = await admin.deliveries.list()
    return entry["state"]


@pytest.mark.parametrize("way", ["the same path", "a link to the file", "a link to its folder", "a relative path"])
async def test_what_one_has_in_hand_no_other_takes_over(tmp_path, one_file, monkeypatch, way):
    async with ScriptedServer() as server, sending(tmp_path / "a") as one:
        begun = await one.outbox.begin(prepared(server.port, letter(), key="k"))
        assert isinstance(begun, Delivery)
        if way == "a link to the file":
            (tmp_path / "link.db").symlink_to(tmp_path / "data" / "mail.db")
            one_file(tmp_path / "link.db")
        if way == "a link to its folder":
            (tmp_path / "elsewhere").symlink_to(tmp_path / "data")
            one_file(tmp_path / "elsewhere" / "mail.db")
        if way == "a relative path":
            monkeypatch.chdir(tmp_path / "data")
            one_file("mail.db")
        async with sending(tmp_path / "b") as other:
            assert await looked_at(other) == "claimed"
            await one.outbox.store_handing_over(begun)
            assert await looked_at(other) == "handingOver"
            one.process.close()  # as the kernel does for a process that has ended
            assert await other.queue_worker.recover() == 1
            (row,) = await other.rows(deliveries)
            assert (row.state, row.maybe_accepted) == ("queued", True)
    assert {path.name for path in tmp_path.iterdir()} <= {"data", "a", "b", "home", "link.db", "elsewhere"}
    assert not (tmp_path / "a" / "workers").exists()
