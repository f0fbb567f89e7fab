"""A message that is handed in again goes only to those who do not have it; any other message goes to all."""

import asyncio
import re

import pytest
from sqlalchemy import select, update

from mailnode.app import Mailnode
from mailnode.delivery.duplicates import DAY_MS
from mailnode.store.tables import submissions
from mailnode.submission.gate import App
from support.scripted_smtp import ScriptedServer
from support.submitting import CONTENT, an_app, create_app, submitted, take

BOB, EVE, JIM = "bob@y.example", "eve@z.example", "jim@y.example"


def id_in(reply):
    assert reply.code == 250, reply
    return re.findall(r"[0-9a-f]{32}", reply.text)[0]


def sent_to(server):
    return sorted(path[9:-1] for message in server.accepted for path in message.forward_paths)


async def write(opened, statement):
    await opened._run_store._database.write(lambda db: db.execute(statement))


@pytest.mark.usefixtures("database_kind")
async def test_one_message_in_several_transactions_reaches_each_once(home):
    async with an_app(home) as (server, opened, app):
        # As programs do that send one transaction per blind recipient, whom only his own copy names.
        head = CONTENT.replace(b"Bcc: eve@z.example\r\n", b"")
        bcc = [head.replace(b"Subject", b"Bcc: %s\r\nSubject" % one) for one in (b"eve@z.example", b"jim@y.example")]
        first = await take(opened, app, BOB, content=head)
        second = await take(opened, app, EVE, content=bcc[0])
        third = await take(opened, app, JIM, content=bcc[1])
        assert len({id_in(first), id_in(second), id_in(third)}) == 3
        again = await take(opened, app, BOB, EVE, content=head)
        assert id_in(again) == id_in(first)
        assert "duplicate" in again.text
        partly = await take(opened, app, BOB, "new@y.example", content=head)
        assert id_in(partly) not in {id_in(first), id_in(second), id_in(third)}
        await opened.work(drain=True)
        listed = {one["deliveryId"]: one for one in await opened.deliveries.list()}
        result = (await opened.deliveries.show(id_in(partly)))["result"]
    assert sent_to(server) == [BOB, EVE, JIM, "new@y.example"]
    assert (listed[id_in(first)]["duplicates"], listed[id_in(second)]["duplicates"]) == (2, 0)
    assert result
    assert result["warnings"] == [f"duplicate: 1 of its recipients have it already, by the delivery {id_in(first)}"]


async def test_what_differs_is_another_mail(home):
    async with an_app(home, senders=["@x.example"]) as (_, opened, app):
        other = await opened.apps.create("other", {"connection": "shop", "host": "127.0.0.1", "port": 25})
        other_app = await opened.gate.authenticate(other.login, other.password, "192.0.2.1")
        assert isinstance(other_app, App)
        same = await take(opened, app)
        replies = [
            same,
            await take(opened, app, content=CONTENT.replace(b"Hi", b"Ho")),
            await take(opened, app, content=CONTENT.replace(b"<1@", b"<2@")),
            await take(opened, app, reverse_path="jo@x.example"),
            await take(opened, other_app),
            *[await take(opened, app, content=CONTENT.replace(b"Message-ID: <1@x.example>\r\n", b"")) for _ in "12"],
        ]
        assert len(set(map(id_in, replies))) == len(replies)
        assert id_in(await take(opened, app)) == id_in(same)
        # A day later, and where it is switched off, it is another mail too.
        await write(opened, update(submissions).values(created_at=submissions.c.created_at - DAY_MS - 1))
        later = await take(opened, app)
        assert id_in(later) != id_in(same)
        assert id_in(await take(opened, app)) == id_in(later)
        await write(opened, update(submissions).values(created_at=submissions.c.created_at - DAY_MS - 1))
        await opened.deliveries.sweep(30, 30)
        # And so is one that a clock has noted which was set back since.
        ahead = await take(opened, app, content=CONTENT.replace(b"<1@", b"<ahead@"))
        await write(opened, update(submissions).values(created_at=submissions.c.created_at + 400 * DAY_MS))
        assert id_in(await take(opened, app, content=CONTENT.replace(b"<1@", b"<ahead@"))) != id_in(ahead)
        await write(opened, update(submissions).values(created_at=submissions.c.created_at + 400 * DAY_MS))
        await opened.deliveries.sweep(30, 30)
        left = await opened._run_store._database.read(lambda db: db.execute(select(submissions)).all())
        assert left == []
        assert id_in(await take(opened, app)) != id_in(later)
        await opened.apps.update("web", {"duplicatesCheck": False})
        assert len({id_in(await take(opened, app)) for _ in "12"}) == 2


async def test_those_whom_it_did_not_reach_get_it_when_it_is_handed_in_again(home):
    script = {f"RCPT TO:<{EVE}": ["550 5.1.1 who?", "250 2.1.5 ok"], "RCPT TO:<jim@": ["550 no", "550 no", "250 ok"]}
    async with an_app(home, script, notify="none") as (server, opened, app):
        first = await take(opened, app, BOB, EVE)
        await opened.work(drain=True)
        again = await take(opened, app, BOB, EVE)
        assert id_in(again) != id_in(first)
        await opened.work(drain=True)
        assert (await opened.deliveries.show(id_in(again)))["state"] == "sent"
        assert id_in(await take(opened, app, BOB, EVE)) in {id_in(first), id_in(again)}
        alone = [await take(opened, app, JIM)]
        for _ in "12":
            await opened.work(drain=True)
            alone.append(await take(opened, app, JIM))
        await opened.work(drain=True)
        cancelled = await take(opened, app, "new@y.example")
        await opened.deliveries.cancel(id_in(cancelled))
        assert id_in(await take(opened, app, "new@y.example")) != id_in(cancelled)
        await opened.work(drain=True)
    assert len(set(map(id_in, alone))) == 3
    assert sent_to(server) == [BOB, EVE, JIM, "new@y.example"]


@pytest.mark.usefixtures("database_kind")
async def test_two_processes_take_it_once(home):
    async with (
        ScriptedServer(extensions=("PIPELINING", "8BITMIME", "AUTH PLAIN")) as server,
        Mailnode.open(home=home) as one,
        Mailnode.open(home=home) as other,
    ):
        app = await create_app(one, server.port, rateLimit="10000/s")
        contents = [CONTENT.replace(b"<1@", b"<%d@" % number) for number in range(20)]
        await asyncio.gather(*(opened.gate.may_send_from(app, "ann@x.example") for opened in (one, other)))
        # Each process hands them in in another order.
        taken = [(one, content) for content in contents] + [(other, content) for content in reversed(contents)]
        replies = await asyncio.gather(
            *(opened.gate.take(app, submitted(BOB, EVE, content=content)) for opened, content in taken)
        )
        assert len(set(map(id_in, replies))) == 20
        assert sum("duplicate" in reply.text for reply in replies) == 20
        assert sum(found["duplicates"] for found in await one.deliveries.list()) == 20
        await one.work(drain=True)
    assert sent_to(server) == [BOB] * 20 + [EVE] * 20
