"""Servers that fail one mail in twenty, under full load: nothing is lost, no copy is unexplained, nothing leaks."""

import asyncio
import json
import os
import signal
import sys
import time
from collections import Counter
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import func, select

from mailnode.delivery.delivery import FINAL_STATES
from mailnode.environment import Environment, open_connections
from mailnode.store.tables import attempts, deliveries, delivery_content, delivery_recipients, lanes, runs
from support.command import mailnode
from support.flows import to_server, write_flow
from support.meter import Meter
from support.rough_server import RoughServer
from support.token_endpoint import CLIENT_ID, CLIENT_SECRET, USER, in_ms, token_endpoint

SEED = 5321
BRIEF_SECONDS = 8
SOAK_SECONDS = float(os.environ.get("SOAK_MINUTES", "30")) * 60
BATCH = 1000
MOST_WAITING = 3000
# One order in so many has a file of a million octets.
LARGE_EVERY = 250
LATE_SECONDS = 180
# How much more there may be in the last quarter of the time than in the second one.
SLACK = {"resident_mb": 24, "descriptors": 15, "threads": 8}
# More than can be sent in the time.
ORDERS_A_SECOND = 1500
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
    """Mail that waits in the queue, by a connection whose tokens end soon."""
    settings = to_server(
        port,
        connection="shop",
        asynchronous=True,
        to="c{{ input.alert }}@y.example",
        subject="Alert {{ input.alert }}",
        content=f"<p>{TEXT.replace('order', 'alert')}</p>",
    )
    return write_flow(folder, {"id": "tell", "type": "sendSmtpEmail", "settings": settings}, name="alerts.json")


async def consent(endpoint):
    fields = {"hosts": ["127.0.0.1"], "user": USER, "accessUrl": endpoint.url, "clientId": CLIENT_ID}
    secret = {"clientSecret": CLIENT_SECRET, "refreshToken": endpoint.consent(), "expiryDate": in_ms(-1)}
    async with open_connections(Environment.read()) as opened:
        await opened.connections.create("shop", "oauth2", fields | secret | {"accessToken": "at-old"})


@asynccontextmanager
async def command(log, *arguments):
    """Run `mailnode` until it is done or the block ends, then as Ctrl-C would end it."""
    with log.open("wb") as said:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "mailnode"),
            *map(str, arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(process.wait(), LATE_SECONDS)
    assert b"Traceback" not in log.read_bytes(), log.read_text()


async def ask(database, query):
    return await database.read(lambda db: db.execute(query).all())


async def waiting(database):
    open_ones = deliveries.c.state.not_in(FINAL_STATES)
    ((count,),) = await ask(database, select(func.count()).select_from(deliveries).where(open_ones))
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
            await database.write(lambda db: db.execute(lanes.update().values(retry_at=0)))
            await asyncio.sleep(0.5)


async def load(folder, seconds, alert_server, order_server):
    """Give both servers all the mail that three processes can make, and tell how it ended and what it took."""
    every = 5 if seconds > BRIEF_SECONDS else 0.5
    async with open_connections(Environment.read()) as opened, command(folder / "worker.log", "worker") as worker:
        flow, rows = orders(folder, order_server.port, int(seconds * ORDERS_A_SECOND))
        begun = time.monotonic()
        async with command(folder / "orders.log", "run", flow, "--inputs", rows) as ordering:
            meter = Meter({"worker": worker.pid, "run": ordering.pid}, folder / "samples.csv", every=every)
            metering = asyncio.create_task(meter.run())
            alerted = await keep_alerting(opened.database, alerts(folder, alert_server.port), folder, begun + seconds)
            metering.cancel()
            assert ordering.returncode is None, (folder / "orders.log").read_text()
        took = time.monotonic() - begun
        mails = order_server.mails + alert_server.mails
        order_server.heal()
        alert_server.heal()
        await until_done(opened.database)
        found = await check(opened.database, order_server.copies + alert_server.copies, alerted)
    return meter, {"seconds": round(took), "mails": mails, "mails/s": round(mails / took), **found}


@pytest.mark.parametrize(
    "seconds", [BRIEF_SECONDS, pytest.param(SOAK_SECONDS, marks=pytest.mark.soak)], ids=["brief", "long"]
)
async def test_nothing_is_lost_or_doubled_and_nothing_grows(tmp_path, database_kind, seconds, capsys):
    async with token_endpoint(expires_in=20) as endpoint:
        await consent(endpoint)
        async with (
            RoughServer(SEED, owner=endpoint.accepts, revoke=endpoint.revoke) as alert_server,
            RoughServer(SEED + 1) as order_server,
        ):
            meter, found = await load(tmp_path, seconds, alert_server, order_server)
    faults = alert_server.faults + order_server.faults
    courses = {name: {figure: meter.course(name, figure) for figure in SLACK} for name in ("worker", "run")}
    if seconds > BRIEF_SECONDS:
        with capsys.disabled():
            sys.stdout.write(json.dumps({"database": database_kind, **found, "faults": faults, **courses}, indent=1))
    assert order_server.broken == alert_server.broken == 0
    assert faults.total() > 5
    assert found["lost"] == found["copies unexplained"] == 0
    if seconds > BRIEF_SECONDS:
        for name, figures in courses.items():
            for figure, (early, late) in figures.items():
                assert late <= early + SLACK[figure], (name, figure)


async def check(database, copies, alerted):
    """Hold what the books say of each recipient against what the servers took."""
    states = dict(tuple(row) for row in await ask(database, select(deliveries.c.id, deliveries.c.state)))
    doubts = Counter(
        row.delivery_id
        for row in await ask(database, select(attempts.c.delivery_id).where(attempts.c.code == "unknownOutcome"))
    )
    recipients = await ask(database, select(delivery_recipients))
    lost = [row.address for row in recipients if row.status == "accepted" and not copies[row.address]]
    # Whoever is in doubt may have any number of copies up to that of the attempts; who is refused has none.
    unexplained = [
        row.address for row in recipients if copies[row.address] > (row.status == "accepted") + doubts[row.delivery_id]
    ]
    assert set(states.values()) <= set(FINAL_STATES)
    assert set(copies) <= {row.address for row in recipients}
    # What failed keeps its content, for `deliveries retry`.
    kept = {row.delivery_id for row in await ask(database, select(delivery_content.c.delivery_id))}
    assert {states[one] for one in kept} <= {"failed", "unknown", "partial"}
    done = [row.id for row in await ask(database, select(runs.c.id).where(runs.c.status == "done"))]
    assert len([one for one in done if one.startswith("batch-")]) == alerted
    assert len(done) <= len(states)
    return {
        "outcomes": dict(Counter(states.values())),
        "lost": len(lost),
        "second copies after a doubt": sum(copies[row.address] > 1 for row in recipients),
        "copies unexplained": len(unexplained),
        "attempts in doubt": doubts.total(),
    }
