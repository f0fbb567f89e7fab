"""Servers that fail one mail in twenty, under full load: nothing is lost, no copy is unexplained, nothing leaks."""

import asyncio
import os
import signal
import sys
import time
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import func, select

from mailnode.delivery.delivery import FINAL_STATES
from mailnode.environment import Environment, open_connections
from mailnode.store.tables import deliveries, routes, runs
from support import command_with_short_timeouts
from support.command import mailnode
from support.flows import to_server, write_flow
from support.reconcile import reckon
from support.resource_usage import Meter, of_database, of_process
from support.rough_server import RoughServer
from support.token_endpoint import CLIENT_ID, CLIENT_SECRET, USER, in_ms, token_endpoint

SEED = 5321
BRIEF_SECONDS = 8
SOAK_SECONDS = float(os.environ.get("SOAK_MINUTES", "30")) * 60
BATCH = 500
MOST_WAITING = 3000
# One order in so many has a file of a million octets.
LARGE_EVERY = 250
LATE_SECONDS = 600
TOKEN_SECONDS = 75
# How much more there may be in the last quarter of the time than in the second one.
SLACK = {"resident MB": 24, "descriptors": 15, "threads": 8, "tasks": 100}
# More than can be sent in the time.
ORDERS_A_SECOND = 4000
CLERK = "clerk@mail.example"
TEXT = "Dear {{ input.name.toUpperCase() }}, order {{ input.order }} is on its way. " + "All is well. " * 40

pytestmark = pytest.mark.usefixtures("database_kind")


def orders(folder, port, count):
    """Mail that the flow waits for, with an expression that is no path, and a file."""
    file = {"type": "text", "filename": "order.txt", "content": "{{ 'order '.repeat(input.size) }}"}
    settings = to_server(
        port,
        to="a{{ input.order }}@y.example",
        bcc="b{{ input.order }}@y.example",
        subject="Order {{ input.order }}",
        content=f"<p>{TEXT}</p>",
        attachments=[file],
    )
    rows = folder / "orders.csv"
    with rows.open("w") as out:
        out.write("order,name,size\n")
        for number in range(count):
            out.write(f"{number},Jane,{170_000 if number % LARGE_EVERY == 1 else 30}\n")
    return write_flow(folder, {"id": "tell", "type": "sendSmtpEmail", "settings": settings}, name="orders.json"), rows


def alerts(folder, port):
    """Two mails that wait in the queue, by two connections; the tokens of one end soon."""

    def node(name, connection):
        settings = to_server(
            port,
            connection=connection,
            asynchronous=True,
            to=f"{name}{{{{ input.alert }}}}@y.example",
            subject="Alert {{ input.alert }}",
            content=f"<p>{TEXT.replace('order', 'alert')}</p>",
        )
        return {"id": name, "type": "sendSmtpEmail", "settings": settings}

    return write_flow(folder, node("c", "shop"), node("d", "desk"), name="alerts.json")


async def connect(endpoint):
    """Make the two connections, one by the consent of somebody, one with a password."""
    of_shop = {"hosts": ["127.0.0.1"], "user": USER, "accessUrl": endpoint.url, "clientId": CLIENT_ID}
    secret = {"clientSecret": CLIENT_SECRET, "refreshToken": endpoint.consent(), "expiryDate": in_ms(-1)}
    async with open_connections(Environment.read()) as opened:
        await opened.connections.create("shop", "oauth2", of_shop | secret | {"accessToken": "at-old"})
        of_desk = {"hosts": ["127.0.0.1"], "username": CLERK, "password": "clerk-password"}
        await opened.connections.create("desk", "basic", of_desk)


@asynccontextmanager
async def command(folder, name, *arguments, **environment):
    """Run `mailnode` until it is done or the block ends, then as Ctrl-C would end it; give a gauge too."""
    log, tasks = folder / f"{name}.log", folder / f"{name}.tasks"
    with log.open("wb") as said:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, command_with_short_timeouts.__file__, tasks),
            *map(str, arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            env={**os.environ, "TMPDIR": str(folder / "spool"), **environment},
        )
        try:
            yield process, of_process(process.pid, tasks)
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(process.wait(), LATE_SECONDS)
    assert b"Traceback" not in log.read_bytes(), log.read_text()


async def ask(database, query):
    return await database.read(lambda db: db.execute(query).all())


async def waiting(database):
    open_ones = deliveries.c.state.not_in(FINAL_STATES)
    ((count,),) = await ask(database, count_of(deliveries).where(open_ones))
    return count


async def keep_alerting(database, flow, folder, until):
    """Put alerts into the queue, batch by batch, as fast as they leave it."""
    number = 0
    while time.monotonic() < until:
        if await waiting(database) > MOST_WAITING:
            await asyncio.sleep(0.2)
            continue
        rows = folder / "alerts.csv"
        rows.write_text("alert,name,order\n" + "".join(f"{number + one},Joe,{one}\n" for one in range(BATCH)))
        ran = await mailnode("run", flow, "--inputs", rows, "--run-id", f"batch-{number}", "--no-wait")
        assert (ran.json["done"], ran.json["halted"]) == (BATCH, 0), ran.stderr
        number += BATCH
    return number


async def until_done(database):
    """Wait until all have an outcome; waits between attempts are cut short."""
    async with asyncio.timeout(LATE_SECONDS):
        while await waiting(database):
            await database.write(
                lambda db: db.execute(deliveries.update().where(deliveries.c.state == "queued").values(due_at=0))
            )
            await database.write(lambda db: db.execute(routes.update().values(retry_at=0)))
            await asyncio.sleep(0.5)


async def sweep(database, folder):
    """Have all that ended cleared away by a worker, and tell how long that took."""
    begun = time.monotonic()
    async with command(folder, "sweeper", "worker", MAILNODE_KEEP_DAYS="0.000001"), asyncio.timeout(LATE_SECONDS):
        while await count(database, deliveries) + await count(database, runs):  # noqa: ASYNC110 -- another process clears
            await asyncio.sleep(0.5)
    return round(time.monotonic() - begun, 1)


async def count(database, table):
    ((found,),) = await ask(database, count_of(table))
    return found


def count_of(table):
    return select(func.count()).select_from(table)


async def load(folder, seconds, alert_server, order_server):
    """Give both servers all the mail that three processes can make, and tell how it ended and what it took."""
    every = 5 if seconds > BRIEF_SECONDS else 0.5
    books = alert_server.book, order_server.book
    (folder / "spool").mkdir()
    async with open_connections(Environment.read()) as opened, command(folder, "worker", "worker") as (_, of_worker):
        database = opened.database
        flow, rows = orders(folder, order_server.port, int(seconds * ORDERS_A_SECOND))
        begun = time.monotonic()
        async with command(folder, "run", "run", flow, "--inputs", rows) as (ordering, of_run):
            of_file = of_database(database, folder / "home" / "mailnode.db")
            gauges = {"worker": of_worker, "run": of_run, "database": of_file}
            meter = Meter(gauges, folder / "samples.csv", every=every)
            metering = asyncio.create_task(meter.run())
            alerted = await keep_alerting(database, alerts(folder, alert_server.port), folder, begun + seconds)
            metering.cancel()
            assert ordering.returncode is None, (folder / "run.log").read_text()
        took = time.monotonic() - begun
        mails = sum(book.mails for book in books)
        order_server.heal()
        alert_server.heal()
        await until_done(database)
        done = {row.id for row in await ask(database, select(runs.c.id).where(runs.c.status == "done"))}
        found = await reckon(database, books)
    # Nothing is left of what waited in memory or in files, and what ended is cleared away.
    assert sum(one.startswith("batch-") for one in done) == alerted
    assert not list((folder / "spool").iterdir())
    async with open_connections(Environment.read()) as opened:
        swept = await sweep(opened.database, folder)
    return meter, {
        "seconds": round(took),
        "mails": mails,
        "mails a second": round(mails / took),
        **found,
        "swept": swept,
    }


@pytest.mark.parametrize(
    "seconds", [BRIEF_SECONDS, pytest.param(SOAK_SECONDS, marks=pytest.mark.soak)], ids=["brief", "long"]
)
async def test_nothing_is_lost_or_doubled_and_nothing_grows(tmp_path, database_kind, seconds, capsys):
    async with token_endpoint(expires_in=TOKEN_SECONDS) as endpoint:
        await connect(endpoint)
        async with (
            RoughServer(
                SEED, users={CLERK: "clerk-password"}, owner=endpoint.accepts, revoke=endpoint.revoke
            ) as alert_server,
            RoughServer(SEED + 1) as order_server,
        ):
            meter, found = await load(tmp_path, seconds, alert_server, order_server)
        renewals = len(endpoint.requests)
    faults = alert_server.book.faults + order_server.book.faults
    if seconds > BRIEF_SECONDS:
        with capsys.disabled():
            sys.stdout.write(table(database_kind, {**found, "tokens renewed": renewals}, faults, meter))
    assert order_server.book.broken == alert_server.book.broken == 0
    assert faults.total() > 5
    assert found["lost"] == found["copies unexplained"] == found["copies unsaid"] == found["untrue"] == []
    if seconds > BRIEF_SECONDS:
        for name in ("worker", "run"):
            for figure, slack in SLACK.items():
                early, late = meter.course(name, figure)
                assert late <= early + slack, (name, figure)


def table(kind, found, faults, meter):
    """Write what docs/reliability.md tells of a run."""
    shown = {name: len(value) if isinstance(value, list) else value for name, value in found.items()}
    lines = [f"| {name} | {value} |" for name, value in shown.items()]
    lines += [f"| faults | {faults.total()}: {', '.join(f'{n} {how}' for how, n in sorted(faults.items()))} |"]
    end = found["seconds"] - 15
    for name in ("worker", "run"):
        for figure in SLACK:
            after, late = meter.around(name, figure, min(120, end / 2)), meter.around(name, figure, end)
            lines.append(f"| {name}, {figure}: after 2 minutes, at the end, at most | {after:g}, {late:g}, ")
            lines[-1] += f"{meter.most(name, figure):g} |"
    for figure in ("database MB", "log MB", "deliveries", "pieces of content"):
        lines.append(f"| {figure}: at the end, at most | {meter.around('database', figure, end):g}, ")
        lines[-1] += f"{meter.most('database', figure):g} |"
    return "\n".join([f"\n| {kind} | |", "|---|---|", *lines, ""])
