"""A message says which server has taken it, and one that goes round in a circle ends."""

import re

from mailnode.submission import database_gate
from mailnode.submission.doors import Doors
from mailnode.submission.gate import App
from mailnode.submission.server import SubmissionServer
from support.submitting import CONTENT, an_app, take


async def test_the_field_says_where_it_was_taken_and_nothing_of_who_handed_it_in(home):
    async with an_app(home) as (server, opened, app):
        assert (await take(opened, app)).code == 250
        assert "duplicate" in (await take(opened, app)).text
        await opened.work(drain=True)
    first, _, rest = server.accepted[0].content.partition(b"\r\n")
    assert re.fullmatch(rb"Received: by [^ ]+ \(mailnode\); \w{3}, \d\d? \w{3} \d{4} \d\d:\d\d:\d\d \+0000", first)
    assert rest.startswith(b"From: ")


async def test_a_message_that_has_passed_too_many_servers_is_refused(home):
    async with an_app(home) as (_, opened, app):
        passed = b"received :\r\n by a.example; Mon, 30 Nov 2026 03:00:00 +0000\r\n"
        assert (await take(opened, app, content=50 * passed + CONTENT)).code == 250
        reply = await take(opened, app, content=51 * passed + CONTENT)
        assert (reply.code, reply.enhanced) == (554, "5.4.6")


async def test_an_app_whose_connection_leads_back_here_sends_in_no_circle(home, monkeypatch):
    monkeypatch.setattr(database_gate, "MOST_HOPS", 3)
    async with an_app(home) as (_, opened, _app), SubmissionServer(opened.gate, Doors(port=0)) as here:
        made = await opened.apps.rotate("web")
        await opened.connections.update("shop", {"username": made.login, "password": made.password})
        await opened.apps.update("web", {"host": "127.0.0.1", "port": here.port, "tlsOption": "none"})
        again = await opened.gate.authenticate(made.login, made.password, "192.0.2.1")
        assert isinstance(again, App)
        assert (await take(opened, again)).code == 250
        await opened.work(drain=True)
        found = await opened.deliveries.list()
    mails = [one for one in found if one["subject"] == "Grüße"]
    assert sorted(one["state"] for one in mails) == ["failed", "sent", "sent", "sent"]
    # Of the one that failed there is a report, which this server does not take from the app.
    assert [one["state"] for one in found if one not in mails] == ["failed"]
