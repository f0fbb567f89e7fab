"""What another hand has put into the tables of a SQLite file, which holds a value of any kind in any column."""

import asyncio
import sqlite3
from collections import Counter
from contextlib import closing, suppress

from mailnode.delivery.delivery import Delivery, Terms
from mailnode.engine.embedded import EmbeddedEngine
from mailnode.errors import MailnodeError
from support.deliveries import prepared, sending
from support.messages import letter
from support.scripted_smtp import ScriptedServer
from support.web import opened_api

LATER = Terms().for_queue(24)
# As SQL: no number, no text, no UTF-8, nothing, beyond any calendar, a way out of the folder of locks, a NUL.
VALUES = (
    "'x'",
    "x'00ff'",
    "cast(x'fffe' as text)",
    "NULL",
    "1.5",
    "1 << 62",
    "'../mailnode.db'",
    "cast(x'610062' as text)",
)
DEEP = "[" * 100_000
LEFT = "UPDATE deliveries SET state = 'handingOver', worker = 'gone'"
COLUMNS = {
    "deliveries": (
        *("key", "digest", "connection", "host", "port", "message_id", "reverse_path", "size", "lane", "state"),
        *("generation", "worker", "tries", "maybe_accepted", "run_id", "node_id", "options", "warnings", "result"),
        *("due_at", "expires_at", "created_at", "updated_at"),
    ),
    "delivery_recipients": ("address", "field", "status", "reply_code", "enhanced_status_code", "reply_text"),
    "delivery_content": ("octets",),
    "attempts": ("number", "started_at", "ended_at", "phase", "code", "reply_code", "message", "dialogue"),
}
# Of a newer version, or of no version.
STATES = (
    '{"nodes":[1]}',
    '{"nodes":[null]}',
    '{"nodes":{"a":1}}',
    '{"nodes":[{"id":"a","type":"t","label":"l","status":"done","result":{"deliveryId":1}}]}',
    '{"nodes":[{"id":"a","type":"t","label":"l","status":"done","result":{"deliveryId":"1"}}]}',
    '{"nodes":[{"id":"a","type":"t","label":"l","status":"done","result":{"error":{"message":{}}}}]}',
    '{"nodes":[{"id":"a","type":"t","label":"l","status":"failed","error":{"message":1}}]}',
    '{"nodes":[{"id":{},"type":"t","label":"l","status":"done"}]}',
    '{"nodes":[],"input":5,"context":[]}',
    '{"nodes":[],"output":[{}]}',
    DEEP,
)


def damage(db, table, column, value, delivery_id):
    """Put a value there, where the table takes it."""
    is_it = "id" if table == "deliveries" else "delivery_id"
    if table == "attempts":
        db.execute("INSERT INTO attempts VALUES (?, 1, 1, 1, 'connect', 'x', 1, 'm', 'd')", (delivery_id,))
    with suppress(sqlite3.IntegrityError):  # there can be no NULL, and no two of a key
        db.execute(f"UPDATE {table} SET {column} = {value} WHERE {is_it} = ?", (delivery_id,))


async def test_a_value_of_another_kind_stands_in_the_way_of_no_other_mail(tmp_path):
    damages = [(table, column, value) for table in COLUMNS for column in COLUMNS[table] for value in VALUES]
    damages += [("deliveries", column, f"'{DEEP}'") for column in ("options", "result", "warnings")]
    drafts = [letter(f"bad{number}@y.example") for number in range(len(damages))]
    async with ScriptedServer() as server, sending(tmp_path) as admin:
        queries = admin.deliveries
        begun = [admin.outbox.begin(prepared(server.port, one, terms=LATER)) for one in drafts]
        ids = [one.id for one in await asyncio.gather(*begun) if isinstance(one, Delivery)]
        await admin.dispatcher.queue(prepared(server.port, letter("good@y.example"), terms=LATER))
        with closing(sqlite3.connect(tmp_path / "mailnode.db")) as db, db:
            for number, (what, delivery_id) in enumerate(zip(damages, ids, strict=True)):
                if what[1] == "worker" or (number + number // len(VALUES)) % 2:
                    db.execute(f"{LEFT} WHERE id = ?", (delivery_id,))
                damage(db, *what, delivery_id)
        assert len(await queries.list(limit=10_000)) == len(damages) + 1
        await admin.outbox.recover()
        await EmbeddedEngine().work(admin.queue_worker, drain=True)
        sent = Counter(path for one in server.accepted for path in one.forward_paths)
        assert sum("good@" in path for path in sent) == 1
        assert set(sent.values()) == {1}
        assert len(await queries.list(limit=10_000)) == len(damages) + 1
        for what, one in zip(damages, ids, strict=True):
            await queries.show(one)
            for decision in (admin.deliveries.retry(one, is_sure=True), admin.deliveries.cancel(one)):
                with suppress(MailnodeError):
                    await decision
            ended = (await queries.show(one))["state"]
            is_over = ended not in {"queued", "claimed", "handingOver", "held", "interrupted"}
            # A half of a generation is nobody's until the next start.
            assert is_over or what == ("deliveries", "generation", "1.5"), what
        await admin.deliveries.sweep(1e-9, 1e-9)
    assert (tmp_path / "mailnode.db.lock").exists()


CONNECTION = {"type": "oauth2", "hosts": ["h.example"], "user": "u", "clientId": "c", "refreshToken": "r"}
CONNECTIONS = ("type", "revision", "service", "hosts", "settings", "secrets", "created_at")
TOKENS = ("generation", "secrets", "expires_at", "retry_at", "trouble")


async def test_a_connection_that_can_not_be_read_stands_in_the_way_of_no_other(home):
    more = ("'{\"hosts\": 5}'", "'[5]'", "'{\"later\": 1}'", '\'{"dkim": 5, "user": 5}\'', f"'{DEEP}'")
    damages = [(table, column) for table, columns in (("c", CONNECTIONS), ("t", TOKENS)) for column in columns]
    async with opened_api(home) as api:
        for number in range(len(damages)):
            made = await api.post("/api/connections", json={**CONNECTION, "name": f"{damages[number][1]} {number}"})
            assert made.status_code == 201
        await api.post("/api/flows", json={"name": "one", "sender": "me@example.com"})
        for value in (*VALUES, *more):
            with closing(sqlite3.connect(home / "mailnode.db")) as db, db:
                for number, (table, column) in enumerate(damages):
                    name = f"{column} {number}"
                    of_it = f"connection_id = (SELECT id FROM connections WHERE name = '{name}')"
                    with suppress(sqlite3.IntegrityError):
                        if table == "c":
                            db.execute(f"UPDATE connections SET {column} = {value} WHERE name = '{name}'")
                        else:
                            db.execute(f"UPDATE tokens SET {column} = {value} WHERE {of_it}")
            for page in ("/api/connections", "/connections", "/flows/one", "/deliveries"):
                assert (await api.get(page)).status_code == 200, (page, value)
            told = {one["name"]: one for one in (await api.get("/api/connections")).json()}
            assert len(told) == len(damages)
            for name, one in told.items():
                shown = await api.get(f"/api/connections/{name}")
                assert shown.status_code == (503 if one["state"] == "unreadable" else 200), name
                assert shown.status_code == 200 or "Delete" in shown.json()["error"]["hint"]
        for name in told:
            assert (await api.delete(f"/api/connections/{name}")).status_code == 204


async def test_a_run_that_is_none_of_ours_stands_in_the_way_of_no_other(home):
    async with opened_api(home) as api:
        with closing(sqlite3.connect(home / "mailnode.db")) as db, db:
            for number, state in enumerate(STATES):
                for status in ("done", "running", "paused"):
                    row = (f"{number}-{status}", "flow", "digest", status, None, state, state, 1, 1, 1)
                    db.execute("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            for number, value in enumerate(VALUES):
                if value != "NULL":
                    values = f"{value}, {value}, 'done', {', '.join(6 * [value])}"
                    db.execute(f"INSERT INTO runs VALUES ('v{number}', {values})")
        for page in ("/api/runs?limit=500", "/runs"):
            assert (await api.get(page)).status_code == 200
        told = (await api.get("/api/runs?limit=500")).json()["runs"]
        assert len(told) == 3 * len(STATES) + len(VALUES) - 1
        for run in told:
            for page in ("/api/runs/", "/runs/"):
                assert (await api.get(page + run["run"])).status_code == 200, run
