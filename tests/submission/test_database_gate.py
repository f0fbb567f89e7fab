"""What apps hand in becomes deliveries: for whom it may, once, and with an answer that is true."""

import asyncio
import os
import sqlite3
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from mailnode.app import Mailnode
from mailnode.submission import login_delays
from mailnode.submission.gate import App, Reply
from support.submitting import CONTENT, an_app, submitted, take, without_trace


@pytest.mark.usefixtures("database_kind")
async def test_a_message_is_a_delivery_and_goes_out_as_it_came(home):
    async with an_app(home) as (server, opened, app):
        reply = await take(opened, app, "bob@y.example", "eve@z.example")
        assert (reply.code, reply.enhanced) == (250, "2.0.0")
        (one,) = await opened.deliveries.list()
        assert one["deliveryId"] in reply.text
        assert (one["app"], one["duplicates"]) == ("web", 0)
        assert await opened.deliveries.list(app="web", states=["queued"]) == [one]
        assert await opened.deliveries.list(app="other") == []
        assert (one["state"], one["subject"], one["to"]) == ("queued", "Grüße", ["bob@y.example", "eve@z.example"])
        await opened.work(drain=True)
        assert (await opened.apps.show("web"))["lastUsedAt"]
    (accepted,) = server.accepted
    assert accepted.forward_paths == ("RCPT TO:<bob@y.example>", "RCPT TO:<eve@z.example>")
    head, _, body = without_trace(accepted.content).partition(b"\r\n\r\n")
    assert head.startswith(CONTENT.partition(b"\r\n\r\n")[0].replace(b"Bcc: eve@z.example\r\n", b"") + b"\r\nDate: ")
    assert body == b"\xffHi\r\n.dot\r\n"


async def test_logins_are_checked(home, monkeypatch):
    monkeypatch.setattr(login_delays, "FIRST_SECONDS", 0.0)
    async with an_app(home, unixUser="root" if os.getuid() == 0 else "nobody") as (_, opened, _app):
        for login, password in (
            ("web", "wrong"),
            ("nobody", ""),
            ("web", ""),
            ("", "\udc80"),
            ("a\0b", "x\0"),
            ("\udc80", ""),
        ):
            refused = await opened.gate.authenticate(login, password, "192.0.2.1")
            assert isinstance(refused, Reply)
            assert (refused.code, refused.enhanced) == (535, "5.7.8")
        made = await opened.apps.rotate("web")
        assert isinstance(await opened.gate.authenticate(made.login, made.password, "192.0.2.1"), App)
        stranger = await opened.gate.peer_user(4_000_000)
        assert isinstance(stranger, Reply)
        assert (stranger.code, stranger.enhanced) == (550, "5.7.1")
        if os.getuid() == 0:
            own = await opened.gate.peer_user(0)
            assert isinstance(own, App)
            assert own.name == "web"


async def test_a_password_that_is_no_more_ends_its_sessions(home):
    async with an_app(home) as (_, opened, app):
        assert (await take(opened, app)).code == 250
        made = await opened.apps.rotate("web")
        assert ((refused := await take(opened, app)).code, refused.enhanced) == (421, "4.7.0")
        again = await opened.gate.authenticate(made.login, made.password, "192.0.2.1")
        assert isinstance(again, App)
        assert (await take(opened, again)).code == 250


def written_by(line):
    return CONTENT.replace(b"From: Ann <ann@x.example>", line)


SENDERS: list[tuple[dict[str, Any], int]] = [
    ({"reverse_path": "eve@x.example"}, 550),
    ({"reverse_path": ""}, 550),
    ({"reverse_path": "info@sub.firm.example"}, 550),
    ({"reverse_path": "Any.One@FIRM.example"}, 250),
    ({"reverse_path": "\u212aim@x.example"}, 550),  # the Kelvin sign, whose lower case is k
    ({"content": written_by("From: wei\u00df@x.example".encode())}, 550),
    ({"content": written_by("From: \u212aim@x.example".encode())}, 550),
    ({"content": written_by("From: \u00c4nne@X.example".encode())}, 250),
    ({"content": written_by(b"From: eve@z.example")}, 550),
    ({"content": written_by(b"From: ann@x.example, eve@z.example")}, 550),
    ({"content": written_by(b"From: ann@x.example\r\nFrom: eve@z.example")}, 550),
    ({"content": written_by(b"From: ann@x.example\r\nSender: eve@z.example")}, 550),
    ({"content": written_by(b"From: ann@x.example <eve@z.example>")}, 553),
    ({"content": written_by(b'From: "ann@x.example"\r\n\t<eve@z.example>')}, 550),
    ({"content": written_by(b"FROM : team:ann@x.example,eve@z.example;")}, 550),
    ({"content": written_by(b"From: ANN@X.example\r\nSender: a@firm.example")}, 250),
    ({"content": written_by(b"From:")}, 554),
    ({"content": written_by(b'From: "eve@z.example":;')}, 554),
    ({"content": written_by(b"From: team:;\r\nSender: ann@x.example")}, 554),
    ({"content": b"To: bob@y.example\r\n\r\nHi\r\n"}, 554),
    ({"content": b"no header\r\n"}, 554),
]


async def test_senders_hold_for_the_envelope_and_for_the_header(home):
    senders = ["ann@x.example", "@firm.example", "kim@x.example", "weiss@x.example", "\u00e4nne@x.example"]
    async with an_app(home, senders=senders) as (_, opened, app):
        for given, code in SENDERS:
            reply = await take(opened, app, **given)
            assert reply.code == code, (given, reply)
        assert len(await opened.deliveries.list()) == sum(code == 250 for _, code in SENDERS)


async def test_the_null_path_is_for_apps_that_list_it(home):
    async with an_app(home, senders=["ann@x.example", "<>"]) as (server, opened, app):
        assert (await take(opened, app, reverse_path="")).code == 250
        await opened.work(drain=True)
    assert server.accepted[0].reverse_path.startswith("MAIL FROM:<>")


async def test_recipients_are_the_connections_and_redirects_wait_until_it_is_sent(home):
    async with an_app(home, allowed=["y.example"]) as (server, opened, app):
        assert await opened.gate.may_send_from(app, "ann@x.example") is None
        refused = await opened.gate.may_send_to(app, "bob@z.example")
        assert refused
        assert (refused.code, refused.enhanced) == (550, "5.7.1")
        bad = await opened.gate.may_send_to(app, "bob@@z.example")
        assert bad
        assert bad.code == 553
        assert await opened.gate.may_send_to(app, "bob@Y.example") is None
        # Also where it is edited between RCPT and the content's end: it was allowed when it was asked.
        assert (await opened.gate.take(app, submitted())).code == 250
        await opened.connections.update("shop", {"redirectAllTo": "desk@x.example"})
        await opened.work(drain=True)
        assert await take(opened, app, "bob@z.example", content=written_by(b"From: ann@x.example")) != refused
    assert server.accepted[0].forward_paths == ("RCPT TO:<desk@x.example>",)
    assert b"X-Original-Recipients: bob@y.example\r\n" in server.accepted[0].content


@pytest.mark.usefixtures("database_kind")
async def test_over_its_rate_nothing_is_taken(home):
    async with an_app(home, rateLimit="2/day") as (_, opened, app):
        contents = [CONTENT.replace(b"<1@", b"<%d@" % number) for number in range(5)]
        await opened.gate.may_send_from(app, "ann@x.example")
        replies = await asyncio.gather(*(opened.gate.take(app, submitted(content=one)) for one in contents))
        assert sorted(reply.code for reply in replies) == [250, 250, 450, 450, 450]
        assert {reply.enhanced for reply in replies} == {"2.0.0", "4.7.1"}
        assert len(await opened.deliveries.list()) == 2
        # Another process counts in the same place.
        async with Mailnode.open(home=home) as other:
            assert (await take(other, app, content=CONTENT.replace(b"<1@", b"<other@"))).code == 450


async def test_what_passes_is_temporary_and_takes_nothing(home):
    async with an_app(home) as (_, opened, app):
        backend: Any = opened._run_store._database._backend
        engine = backend._write_engine

        def full(_connection, _cursor, statement, _parameters, _context, _many):
            if "INSERT INTO deliveries" in statement:
                error = sqlite3.OperationalError("database or disk is full")
                error.sqlite_errorcode = sqlite3.SQLITE_FULL
                raise OperationalError(statement, {}, error)

        event.listen(engine, "before_cursor_execute", full)
        reply = await take(opened, app)
        event.remove(engine, "before_cursor_execute", full)
        assert (reply.code, reply.enhanced) == (452, "4.3.1")
        assert await opened.deliveries.list() == []
        await opened.connections.delete("shop")
        assert (await take(opened, app)).code == 451
        await opened.apps.delete("web")
        assert (await take(opened, app)).code == 550
    closed = await opened.gate.authenticate("web", "x", "192.0.2.1")
    assert isinstance(closed, Reply)
    assert (closed.code, str(home) in closed.text) == (454, False)
    assert (await opened.gate.may_send_from(app, "ann@x.example") or closed).code == 451


async def test_without_the_key_nothing_is_taken(home):
    async with an_app(home) as (server, _opened, app):
        pass
    (home / "secret.key").unlink()
    async with Mailnode.open(home=home) as opened:
        assert (await take(opened, app)).code == 451
        assert await opened.deliveries.list() == []
    assert server.accepted == []
