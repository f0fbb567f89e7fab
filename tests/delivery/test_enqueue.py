"""What a program queues in its own transaction is sent if that is committed, and keeps nobody waiting until then."""

import asyncio
import base64
import sqlite3
from collections import Counter
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from psycopg.rows import dict_row
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from mailnode import enqueue, enqueue_async
from mailnode.app import Mailnode
from mailnode.delivery.enqueued import CHANNEL
from mailnode.engine import procrastinate
from mailnode.errors import ConnectionsError, ErrorCode, MailboxError, StoreError, UsageError
from mailnode.message.email import Email
from mailnode.message.envelope import Envelope
from mailnode.message.invitation import Invitation
from mailnode.store.tables import SCHEMA_NUMBER
from support.scripted_smtp import ScriptedServer

KEY = base64.b64encode(bytes(32)).decode()
PAGE = Path(__file__).parents[2] / "docs" / "programs.md"
LOGIN = ("PIPELINING", "8BITMIME", "AUTH PLAIN")


@pytest.fixture(scope="module")
def shared_url(postgres):
    url = postgres.fresh()
    yield url
    postgres.drop(url)


@pytest.fixture(autouse=True)
def url(monkeypatch, shared_url):
    """Run on PostgreSQL alone; a program that enqueues has the database, and no key of mailnode's."""
    monkeypatch.setenv("MAILNODE_DATABASE_URL", shared_url)
    with psycopg.connect(shared_url) as db:
        db.execute("TRUNCATE deliveries, connections, lanes CASCADE")
    return shared_url


@asynccontextmanager
async def opened(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setenv("MAILNODE_SECRET_KEY", KEY)
        opening = Mailnode.open()
        mailnode = await opening.__aenter__()
    try:
        yield mailnode
    finally:
        await opening.__aexit__(None, None, None)


def engine(url):
    return create_engine(url.replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool)


def signing_key():
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def letter(to="bob@y.example", **fields):
    return Email(**{"from_": "ann@x.example", "to": to, "subject": "Hi", "text": "Hello", **fields})


def at(server):
    return {"host": "127.0.0.1", "port": server.port, "tls_option": "none"}


def recipients(server):
    return Counter(path.removeprefix("RCPT TO:") for one in server.accepted for path in one.forward_paths)


def whole(*names):
    return Counter(f"<{name}@y.example>" for name in names)


async def test_it_is_sent_with_the_commit_and_never_after_a_rollback(url, monkeypatch):
    big = letter("big@y.example", text="0123456789\n" * 60_000)
    bytes_of_others = b"From: ann@x.example\r\nTo: raw@y.example\r\n\r\n\xff\r\n"
    async with ScriptedServer() as server, opened(monkeypatch) as mailnode, mailnode.working():
        with psycopg.connect(url, row_factory=dict_row) as lost:
            enqueue(letter("lost@y.example"), within=lost, **at(server))
            lost.rollback()
            with lost.transaction(force_rollback=True):
                enqueue(letter("lost@y.example"), within=lost, **at(server))
        with psycopg.connect(url, autocommit=True) as db, db.transaction():
            queued = enqueue(big, within=db, **at(server))
            enqueue(bytes_of_others, Envelope(None, ("raw@y.example",)), within=db, **at(server))
        with engine(url).begin() as db:
            enqueue(letter("core@y.example"), within=db, **at(server))
        with Session(engine(url)) as session:
            enqueue(letter("orm@y.example"), within=session, **at(server))
            session.commit()
        async with create_async_engine(engine(url).url, poolclass=NullPool).begin() as other:
            await enqueue_async(letter("async@y.example"), within=other, **at(server))
        async with AsyncSession(create_async_engine(engine(url).url, poolclass=NullPool)) as later, later.begin():
            await enqueue_async(letter("asyncorm@y.example"), within=later, **at(server))
        async with await psycopg.AsyncConnection.connect(url) as driver:
            await enqueue_async(letter("driver@y.example"), within=driver, **at(server))
        ids = [one["deliveryId"] for one in await mailnode.deliveries.list()]
        ended = {name: result async for name, result in mailnode.drained(ids)}
    names = ("big", "raw", "core", "orm", "async", "asyncorm", "driver")
    assert recipients(server) == whole(*names)
    assert {result["status"] for result in ended.values()} == {"sent"}
    assert (queued["status"], ended[queued["deliveryId"]]["messageId"]) == ("queued", queued["messageId"])
    assert next(one for one in server.accepted if "big" in one.forward_paths[0]).content.count(b"0123456789") == 60_000


async def test_a_commit_wakes_a_worker_that_does_not_look(url, monkeypatch):
    monkeypatch.setattr(procrastinate, "SWEEP_SECONDS", 3600.0)
    listens = "SELECT FROM pg_stat_activity WHERE query LIKE '%%LISTEN%%' || %s || '%%' AND pid <> pg_backend_pid()"
    async with ScriptedServer() as server, opened(monkeypatch) as mailnode, mailnode.working():
        with psycopg.connect(url, autocommit=True) as db:
            async with asyncio.timeout(60):
                while db.execute(listens, [CHANNEL]).fetchone() is None:  # noqa: ASYNC110 -- another session's state
                    await asyncio.sleep(0.01)
            with db.transaction():
                sent = enqueue(letter(), within=db, **at(server))
        assert [one async for one, _ in mailnode.drained([sent["deliveryId"]])] == [sent["deliveryId"]]


async def test_a_transaction_that_stays_open_keeps_nobody_waiting(url, monkeypatch):
    """No other writer of the same connection, server and moment, nor the sweeps of the worker."""
    async with ScriptedServer(extensions=LOGIN) as server, opened(monkeypatch) as mailnode, mailnode.working():
        fields = {"hosts": ["127.0.0.1"], "username": "ann", "password": "s", "tlsOption": "none"}
        await mailnode.connections.create("shop", "basic", {**fields, "allowPlaintextAuth": True})
        options = {**at(server), "connection": "shop"}
        with psycopg.connect(url) as first, psycopg.connect(url) as second:
            for db in (first, second):
                db.execute("SET lock_timeout = 1")  # ms: whoever would wait at all fails
            enqueue(letter("open@y.example"), within=first, **options)
            enqueue(letter("too@y.example"), within=second, **options)
            enqueue(letter("open2@y.example"), within=first, **options)
            waits = await mailnode.send(letter("waits@y.example"), **options)
            queued = await mailnode.send(letter("queued@y.example"), **options, wait=False)
            ends = [result["status"] async for _, result in mailnode.drained([str(queued["deliveryId"])])]
            await mailnode._queue_worker.recover()
            await mailnode.connections.update("shop", {"from": "Shop <shop@x.example>"})
            assert (waits["status"], ends) == ("sent", ["sent"])
            assert recipients(server) == whole("waits", "queued")
            blocked = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            assert first.execute(blocked).fetchone() == (0,)
            second.commit()
            first.commit()
        ids = [one["deliveryId"] for one in await mailnode.deliveries.list()]
        assert [result["status"] async for _, result in mailnode.drained(ids)] == ["sent"] * 5


@pytest.mark.parametrize("known", [True, False])
async def test_routes_in_opposite_order_do_not_meet(url, monkeypatch, known):
    async with ScriptedServer() as one, ScriptedServer() as other, opened(monkeypatch) as mailnode:
        if known:
            for server in (one, other):
                assert (await mailnode.send(letter("before@y.example"), **at(server)))["status"] == "sent"
        with psycopg.connect(url) as first, psycopg.connect(url) as second:
            for db in (first, second):
                db.execute("SET lock_timeout = 1")
            for db, server in ((first, one), (second, other), (first, other), (second, one)):
                enqueue(letter(), within=db, **at(server))
        await mailnode.work(drain=True)
        assert {one["state"] for one in await mailnode.deliveries.list()} == {"sent"}
        assert [len(server.accepted) for server in (one, other)] == [2 + known, 2 + known]


async def test_an_error_leaves_the_transaction_as_it_was(url, monkeypatch):
    async with ScriptedServer() as server, opened(monkeypatch) as mailnode:
        await mailnode.connections.create(
            "shop", "basic", {"service": "Gmail", "username": "a@b.example", "password": "s"}
        )
        begins = datetime(2030, 1, 1, 10, tzinfo=UTC)
        party = Invitation(start=begins, end=begins + timedelta(hours=1), summary="x", uid="x")
        with psycopg.connect(url) as db:
            db.execute("CREATE TEMPORARY TABLE orders (id int)")
            db.execute("INSERT INTO orders VALUES (17)")
            for error, words, given, options in (
                (MailboxError, "nobody", letter("nobody"), at(server)),
                (ConnectionsError, "no connection", letter(), {"connection": "shpo"}),
                (ConnectionsError, "is for Gmail", letter(), {**at(server), "connection": "shop"}),
                (UsageError, "no server", letter(), {}),
                (UsageError, "invitation", letter(invitation=party), at(server)),
                (StoreError, "the schema 'nowhere'", letter(), {**at(server), "schema": "nowhere"}),
                (TypeError, "'key'", letter(), {"key": "17"}),
            ):  # fmt: skip
                with pytest.raises(error, match=words):
                    enqueue(given, within=db, **options)
            enqueue(letter(), within=db, **at(server))
            assert db.execute("SELECT id, current_setting('search_path') FROM orders").fetchone() == (
                17,
                '"$user", public',
            )
        await mailnode.work(drain=True)
        assert [one["state"] for one in await mailnode.deliveries.list()] == ["sent"]


def test_what_is_no_transaction_on_postgresql_is_refused_with_what_to_do(url):
    with psycopg.connect(url, autocommit=True) as db, pytest.raises(UsageError, match="commits itself") as caught:
        enqueue(letter(), within=db, host="127.0.0.1")
    assert "begin a transaction" in caught.value.hint
    auto = engine(url).execution_options(isolation_level="AUTOCOMMIT")
    with auto.connect() as db, pytest.raises(UsageError, match="commits itself"):
        enqueue(letter(), within=db, host="127.0.0.1")
    with (
        create_engine("sqlite://", poolclass=NullPool).begin() as db,
        pytest.raises(UsageError, match="one of sqlite") as caught,
    ):
        enqueue(letter(), within=db, host="127.0.0.1")
    assert "MAILNODE_DATABASE_URL" in caught.value.hint
    no_connection: Any = sqlite3.Connection(":memory:")
    with closing(no_connection), pytest.raises(UsageError, match=r"sqlite3\.Connection"):
        enqueue(letter(), within=no_connection, host="127.0.0.1")
    with engine(url).begin() as db, pytest.raises(UsageError, match="sqlalchemy") as caught:
        asyncio.run(enqueue_async(letter(), within=db, host="127.0.0.1"))
    assert "enqueue the others" in caught.value.hint


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("UPDATE alembic_version SET version_num = '{}'", "have schema {}"),
        ("UPDATE alembic_version SET version_num = 'f00d'", "another program's"),
        ("DELETE FROM alembic_version", "another program's"),
        ("ALTER TABLE alembic_version RENAME TO other", "the search path"),
    ],
)
def test_tables_of_another_version_are_left_alone(url, change, words):
    with psycopg.connect(url) as db:
        db.execute(change.format(SCHEMA_NUMBER + 1))
        with pytest.raises(StoreError, match=words.format(SCHEMA_NUMBER + 1)):
            enqueue(letter(), within=db, host="127.0.0.1")
        assert db.execute("SELECT count(*) FROM deliveries").fetchone() == (0,)
        db.rollback()


async def test_a_user_with_the_listed_rights_may_and_one_without_is_told(url, monkeypatch):
    with psycopg.connect(url) as db:
        db.execute("CREATE ROLE shop_program")
        db.execute("SET LOCAL ROLE shop_program")
        with pytest.raises(StoreError, match="permission denied") as caught:
            enqueue(letter(), within=db, host="127.0.0.1")
        db.execute("RESET ROLE")
        assert "docs/programs.md" in caught.value.hint
        db.execute(PAGE.read_text().partition("```sql\n")[2].partition("```")[0])
        db.execute("SET LOCAL ROLE shop_program")
        assert enqueue(letter(), within=db, host="127.0.0.1")["status"] == "queued"
        db.rollback()


async def test_the_example_of_the_page_queues_with_the_order(url, monkeypatch):
    example = PAGE.read_text().partition("```py\n")[2].partition("```")[0]
    orders = sqlalchemy.Table("orders", sqlalchemy.MetaData(), *(sqlalchemy.Column(one) for one in ("id", "email")))
    with psycopg.connect(url) as db:
        db.execute("CREATE TABLE orders (id int, email text)")
    async with opened(monkeypatch) as mailnode:
        await mailnode.connections.create(
            "shop", "basic", {"service": "Gmail", "username": "a@b.example", "password": "s"}
        )
        exec(example, {"engine": engine(url), "orders": orders, "insert": sqlalchemy.insert})
        (queued,) = await mailnode.deliveries.list()
    with psycopg.connect(url) as db:
        assert db.execute("SELECT * FROM orders").fetchall() == [(17, "jane@example.org")]
        db.execute("DROP TABLE orders")
    assert (queued["subject"], queued["state"], queued["connection"]) == ("Your order", "queued", "shop")


async def test_tables_in_a_schema_of_their_own(url, monkeypatch, postgres):
    own = postgres.fresh(None)
    try:
        with psycopg.connect(own) as db:
            db.execute(
                "CREATE SCHEMA mail; CREATE TABLE deliveries (street text); CREATE TABLE alembic_version (x int)"
            )
        monkeypatch.setenv("MAILNODE_DATABASE_URL", f"{own}&options=-csearch_path%3Dmail")
        async with ScriptedServer() as server, opened(monkeypatch) as mailnode:
            with engine(own).begin() as db:
                enqueue(letter(), within=db, schema="mail", **at(server))
                db.execute(sqlalchemy.text("INSERT INTO deliveries VALUES ('Main')"))
            await mailnode.work(drain=True)
            assert recipients(server) == whole("bob")
    finally:
        postgres.drop(own)


async def test_a_connection_brings_sender_limits_and_signature(url, monkeypatch):
    async with ScriptedServer(extensions=LOGIN) as server, opened(monkeypatch) as mailnode:
        fields: dict[str, Any] = {
            "hosts": ["127.0.0.1"],
            "username": "ann@x.example",
            "password": "s",
            "tlsOption": "none",
        }
        fields = {
            **fields,
            "allowPlaintextAuth": True,
            "allowedRecipients": ["y.example"],
            "proxy": "socks5://u:p@127.0.0.1:1",
        }
        await mailnode.connections.create("shop", "basic", fields)
        dkim = {"domain": "x.example", "selector": "s", "privateKey": signing_key()}
        await mailnode.connections.create("signs", "basic", {**fields, "dkim": dkim})
        with psycopg.connect(url) as db:
            with pytest.raises(ConnectionsError, match=r"bob@z\.example"):
                enqueue(letter("bob@z.example"), within=db, connection="shop", **at(server))
            plain = enqueue(letter(from_=""), within=db, connection="shop", **at(server))
            with pytest.raises(StoreError, match="DKIM") as caught:
                enqueue(letter(), within=db, connection="signs", **at(server))
            assert caught.value.code == ErrorCode.WRONG_SECRET_KEY
            monkeypatch.setenv("MAILNODE_SECRET_KEY", KEY)
            signed = enqueue(letter(), within=db, connection="signs", **at(server))
            monkeypatch.setenv("MAILNODE_REDIRECT_ALL_TO", "test@x.example")
            redirected = enqueue(letter(), within=db, connection="signs", **at(server))
        assert plain["envelope"] == {"from": "ann@x.example", "to": ["bob@y.example"]}
        assert redirected["envelope"] == {"from": "ann@x.example", "to": ["test@x.example"]}
        with psycopg.connect(url) as db:
            query = "SELECT octets FROM delivery_content WHERE delivery_id = %s"
            ((content,),) = db.execute(query, [signed["deliveryId"]])
        assert b"DKIM-Signature:" in content
