"""Disks that fail, descriptors that are used up, databases and processes that go: all at random, and all is kept.

`serve` and a worker with homes of their own share one database; servers fail one mail in twenty, and
a hundred more take connections and stay silent. `/health` is looked at all the time.
"""

import asyncio
import base64
import os
import random
import resource
import socket
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, func, select

from mailnode.delivery.delivery import FINAL_STATES
from mailnode.environment import Environment, open_connections
from mailnode.store.database import Database
from mailnode.store.retry import retry_transient
from mailnode.store.tables import deliveries, delivery_recipients, routes
from support.command import ended, mailnode
from support.fleet import IMPATIENT, Fleet, Member
from support.flows import to_server, write_flow
from support.health_watch import HealthWatch
from support.postgres import PostgresServer, own_server
from support.reconcile import reckon
from support.rough_server import RoughServer
from support.server_records import ServerBook

pytestmark = pytest.mark.soak

SEED = 1729
SOAK_SECONDS = float(os.environ.get("SOAK_MINUTES", "30")) * 60
SILENT = 100
BATCH = 100
MOST_WAITING = 600
LATE_SECONDS = 240
LAST_MAILS = 40
IDLERS = 100
# Longer than SQLite waits for a lock, and than a worker waits between two tries to store what it keeps.
LONGEST_SECONDS = 16.0
# A lease lasts 15 s: whoever loses it may have its mail sent again, marked, and no server knows of that doubt.
LONGEST_AWAY_SECONDS = 4.0
REST_SECONDS = (1.0, 9.0)
TEXT = "<p>Dear {{ input.name }}, all is well. " + "Order and alert. " * 30 + "</p>"


@dataclass
class Stage:
    """What a trouble may lay hands on."""

    chance: random.Random
    fleet: Fleet
    watch: HealthWatch
    database: Database
    killed: ServerBook
    file: Path | None
    postgres: PostgresServer | None

    def seconds(self, most: float = LONGEST_SECONDS) -> float:
        """Most troubles are short, and some are not."""
        return min(most, self.chance.choice((0.3, 1.0, 3.0, most)) * self.chance.uniform(0.5, 1.0))

    def member(self) -> Member:
        return self.chance.choice(self.fleet.members)

    async def in_hand(self) -> list[str]:
        """Give those whose mail is in somebody's hands now, so that nobody may know what came of it."""
        query = select(delivery_recipients.c.address).join(deliveries).where(deliveries.c.state == "handingOver")
        return list(await retry_transient(lambda: self.database.read(lambda db: db.execute(query).scalars().all())))


async def full_disk(stage: Stage) -> None:
    """Each write fails that would make a file longer than a random length."""
    member = stage.member()
    member.limit(resource.RLIMIT_FSIZE, stage.chance.choice((0, stage.chance.randrange(4_000_000))))
    await asyncio.sleep(stage.seconds())
    member.limit(resource.RLIMIT_FSIZE, None)


async def failing_disk(stage: Stage) -> None:
    """Statements at random fail, and those after them don't."""
    member = stage.member()
    for _ in range(stage.chance.randrange(20, 200)):
        member.limit(resource.RLIMIT_FSIZE, 0)
        await asyncio.sleep(stage.chance.uniform(0.0, 0.01))
        member.limit(resource.RLIMIT_FSIZE, None)
        await asyncio.sleep(stage.chance.uniform(0.0, 0.05))


async def foreign_lock(stage: Stage) -> None:
    """Another program writes, and takes its time."""
    assert stage.file
    with closing(sqlite3.connect(stage.file, isolation_level=None, timeout=60, check_same_thread=False)) as other:
        await asyncio.to_thread(other.execute, "BEGIN IMMEDIATE")
        await asyncio.sleep(stage.seconds())
        other.execute("ROLLBACK")


async def no_descriptors(stage: Stage) -> None:
    """No file or socket can be opened any more, and a crowd of silent visitors holds what was left."""
    member = stage.member()
    left = stage.chance.choice((0, 20)) if member is stage.fleet.serve else 0
    member.limit(resource.RLIMIT_NOFILE, member.highest_descriptor() + 1 + left if left else 3)
    async with stage.fleet.idlers(IDLERS):
        await asyncio.sleep(stage.seconds())
    member.limit(resource.RLIMIT_NOFILE, None)


async def ended_sessions(stage: Stage) -> None:
    """Sessions are ended by the server at random moments."""
    assert stage.postgres
    others = "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
    with closing(psycopg.connect(stage.postgres.url, autocommit=True)) as administrator:
        for _ in range(stage.chance.randrange(1, 60)):
            pids = [pid for (pid,) in administrator.execute(others).fetchall() if stage.chance.random() < 0.5]
            administrator.execute("SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) AS pid", [pids])
            await asyncio.sleep(stage.chance.uniform(0.0, 0.1))


async def restarted(stage: Stage) -> None:
    """The server goes, in order or by a crash, and is back after a while."""
    assert stage.postgres
    mode = stage.chance.choice(("fast", "immediate"))
    await asyncio.to_thread(stage.postgres.stop, mode)
    async with stage.watch.trouble(f"PostgreSQL is away ({mode})", deaf=True):
        await asyncio.sleep(stage.seconds(LONGEST_AWAY_SECONDS))
    async with stage.watch.trouble("PostgreSQL starts"):
        await asyncio.to_thread(stage.postgres.start)


async def killed(stage: Stage) -> None:
    """A process is killed, whatever it has in its hands, and started again."""
    member = stage.member()
    member.freeze()
    stage.killed.in_doubt.update(await stage.in_hand())
    await member.kill()
    _forget_answers(stage, member)
    await asyncio.sleep(stage.seconds(3.0))
    await member.start()
    if member is stage.fleet.serve:
        await stage.fleet.ready()


async def stopped(stage: Stage) -> None:
    """A process is stopped as an operator does, and started again."""
    member = stage.member()
    assert await member.stop() == 0, _told(stage, member)
    _forget_answers(stage, member)
    await member.start()
    if member is stage.fleet.serve:
        await stage.fleet.ready()


def _told(stage: Stage, member: Member) -> str:
    status = f"status {member.process.returncode}" if member.process else "not begun"
    return "\n".join([*stage.watch.history[-12:], status, b"".join(member.said).decode()])


def _forget_answers(stage: Stage, member: Member) -> None:
    if member is stage.fleet.serve:
        for book in stage.watch.books:
            book.answered.clear()


Trouble = Callable[[Stage], Awaitable[None]]
EVERYWHERE: tuple[Trouble, ...] = (no_descriptors, killed, stopped)
TROUBLES: dict[str, tuple[Trouble, ...]] = {
    "sqlite": (full_disk, full_disk, failing_disk, failing_disk, foreign_lock, *EVERYWHERE),
    "postgres": (ended_sessions, ended_sessions, restarted, restarted, *EVERYWHERE),
}


async def make_trouble(stage: Stage, kind: str, until: float) -> Counter[str]:
    """Do one thing after another, with a rest between them, and count them."""
    done: Counter[str] = Counter()
    while time.monotonic() < until:
        await asyncio.sleep(stage.chance.uniform(*REST_SECONDS))
        for member in stage.fleet.members:
            assert member.is_up, f"{member.name} has ended by itself: {_told(stage, member)}"
        trouble = stage.chance.choice(TROUBLES[kind])
        done[trouble.__name__] += 1
        async with stage.watch.trouble(trouble.__name__, gone=trouble in {killed, stopped}):
            await trouble(stage)
    return done


@contextmanager
def silent_hosts(count: int) -> Iterator[list[socket.socket]]:
    """Take connections, by the kernel alone, and say nothing."""
    with ExitStack() as stack:
        yield [stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=64)) for _ in range(count)]


def mail_to(port: int, to: str, **settings: object) -> dict[str, object]:
    return to_server(port, to=to, subject="All is well", content=TEXT, **settings)


def node(name: str, settings: dict[str, object]) -> dict[str, object]:
    return {"id": name, "type": "sendSmtpEmail", "settings": settings}


async def write_to_silence(folder: Path, ports: list[int]) -> None:
    nodes = [node(f"s{port}", mail_to(port, f"s{port}@y.example", asynchronous=True)) for port in ports]
    ran = await mailnode("run", write_flow(folder, *nodes, name="silent.json"), "--input", '{"name": "J"}', "--no-wait")
    assert ran.status == 0, ran.stderr


async def run_rows(flow: Path, rows: Path, name: str, count: int, *options: str) -> None:
    """Run rows to their end; what the database has to do with none of them may fail by."""
    command: tuple[str | Path, ...] = ("run", flow, "--inputs", rows, "--run-id", name, *options)
    ran = await ended(IMPATIENT, command, "", {})
    assert ran.stdout, ran.stderr
    assert (ran.json["done"] + ran.json["doneWithFailures"], ran.json["halted"]) == (count, 0), ran.stdout + ran.stderr
    assert "database" not in ran.stdout, ran.stdout


async def waiting(database: Database) -> int:
    query = select(func.count()).select_from(deliveries).where(deliveries.c.state.not_in(FINAL_STATES))
    return await retry_transient(lambda: database.read(lambda db: db.execute(query).scalar_one()))


async def queue_mail(database: Database, folder: Path, port: int, until: float) -> int:
    """Queue one batch after another, as fast as they leave."""
    flow = write_flow(
        folder,
        node("q", mail_to(port, "q{{ input.number }}@y.example", asynchronous=True)),
        name="queue.json",
    )
    number = 0
    while time.monotonic() < until:
        if await waiting(database) > MOST_WAITING + SILENT:
            await asyncio.sleep(0.2)
            continue
        await run_rows(flow, _rows(folder, "queue", number, BATCH), f"queue-{number}", BATCH, "--no-wait")
        number += BATCH
    return number


async def send_mail(folder: Path, port: int, until: float) -> int:
    """Send batches that the command itself waits for."""
    flow = write_flow(folder, node("w", mail_to(port, "w{{ input.number }}@y.example")), name="wait.json")
    number = 0
    while time.monotonic() < until:
        await run_rows(flow, _rows(folder, "wait", number, BATCH), f"wait-{number}", BATCH)
        number += BATCH
        await asyncio.sleep(1)
    return number


def _rows(folder: Path, name: str, first: int, count: int) -> Path:
    rows = folder / f"{name}.csv"
    rows.write_text("number,name\n" + "".join(f"{first + one},Joe\n" for one in range(count)))
    return rows


async def until_done(database: Database) -> None:
    """Wait until all have an outcome; waits between attempts are cut short."""

    def make_due(db: Connection) -> None:
        db.execute(deliveries.update().where(deliveries.c.state == "queued").values(due_at=0))
        db.execute(routes.update().values(retry_at=0))

    async with asyncio.timeout(LATE_SECONDS):
        while await waiting(database):
            await retry_transient(lambda: database.write(make_due))
            await asyncio.sleep(0.5)


async def sends_alone(stage: Stage, folder: Path, port: int, member: Member, other: Member) -> None:
    """See that the queue lives in this process, without the other one."""
    assert await other.stop() == 0, _told(stage, other)
    flow = write_flow(
        folder,
        node("l", mail_to(port, f"{member.name}{{{{ input.number }}}}@y.example", asynchronous=True)),
        name="last.json",
    )
    await run_rows(flow, _rows(folder, "last", 0, LAST_MAILS), f"last-{member.name}", LAST_MAILS, "--no-wait")
    await until_done(stage.database)
    assert member.is_up


async def go_through(stage: Stage, kind: str, folder: Path, servers: tuple[RoughServer, RoughServer]) -> dict[str, Any]:
    """Have mail sent under one trouble after another, and then without any; tell how it ended."""
    rough, well = servers
    with silent_hosts(SILENT) as silent:
        await write_to_silence(folder, [one.getsockname()[1] for one in silent])
        begun = time.monotonic()
        until = begun + SOAK_SECONDS
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(stage.watch.watch())
            troubling = group.create_task(make_trouble(stage, kind, until))
            queueing = group.create_task(queue_mail(stage.database, folder, rough.port, until))
            sending = group.create_task(send_mail(folder, rough.port, until))
            troubled, queued, sent = await troubling, await queueing, await sending
            took = time.monotonic() - begun
            rough.heal()
            for one in silent:
                await well.answer(one.dup())
            await until_done(stage.database)
            await asyncio.sleep(1)
            watching.cancel()
    serve, worker = stage.fleet.members
    await sends_alone(stage, folder, well.port, serve, worker)
    await worker.start()
    await sends_alone(stage, folder, well.port, worker, serve)
    assert await worker.stop() == 0
    found = await reckon(stage.database, (rough.book, well.book, stage.killed))
    return {
        "seconds": round(took),
        "mails": rough.book.mails + well.book.mails,
        "queued, sent by the command": f"{queued}, {sent}",
        "troubles": ", ".join(f"{count} {name}" for name, count in sorted(troubled.items())),
        **found,
        "looks at /health, by status": str(dict(sorted(stage.watch.looks.items()))),
        "slowest answer (s)": round(stage.watch.slowest, 2),
        "well again at the latest after (s)": round(stage.watch.latest_well, 2),
        "lies": stage.watch.lies,
    }


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_whatever_goes_wrong_nothing_is_lost_and_health_tells_the_truth(kind, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MAILNODE_SECRET_KEY", base64.b64encode(bytes(32)).decode())
    async with AsyncExitStack() as stack:
        file = postgres = None
        if kind == "sqlite":
            file = tmp_path / "data" / "mail.db"
            file.parent.mkdir()
            monkeypatch.setenv("MAILNODE_DATABASE_URL", f"sqlite:///{file}")
        else:
            postgres = stack.enter_context(own_server())
            monkeypatch.setenv("MAILNODE_DATABASE_URL", postgres.url)
        fleet = Fleet(tmp_path)
        opened = await stack.enter_async_context(open_connections(Environment.read()))
        rough = await stack.enter_async_context(RoughServer(SEED, who=fleet.who))
        well = await stack.enter_async_context(RoughServer(SEED + 1, share=0.0))
        await stack.enter_async_context(fleet.running())
        watch = HealthWatch(fleet, opened.database, (rough.book,))
        stage = Stage(random.Random(SEED), fleet, watch, opened.database, ServerBook("killed"), file, postgres)
        found = await go_through(stage, kind, tmp_path, (rough, well))
        faults = rough.book.faults
    with capsys.disabled():
        sys.stdout.write(table(kind, found, faults))
    said = {one.name: b"".join(one.said).decode() for one in fleet.members}
    assert rough.book.broken == 0
    wrong = {name: text for name, text in said.items() if "Traceback" in text}
    wrong |= {
        what: found[what] for what in ("lost", "copies unexplained", "copies unsaid", "untrue", "lies") if found[what]
    }
    for what, of in wrong.items():
        sys.stderr.write(f"--- {what}: {of}\n")
    assert [*wrong] == []


def table(kind: str, found: dict[str, Any], faults: Counter[str]) -> str:
    """Write what docs/reliability.md tells of a run."""
    shown = {name: len(value) if isinstance(value, list) else value for name, value in found.items()}
    lines = [f"| {name} | {value} |" for name, value in shown.items()]
    return "\n".join([f"\n| {kind} | |", "|---|---|", *lines, f"| faults of the server | {faults.total()} |", ""])
