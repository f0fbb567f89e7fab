"""Nobody sends through the SMTP server who may not: the ways in which open relays were found, and some more."""

import asyncio
import os
from base64 import b64decode, b64encode

from mailnode.submission import login_delays
from mailnode.submission.doors import Doors
from mailnode.submission.server import SubmissionServer
from support.submitting import an_app

MAIL, RCPT = "MAIL FROM:<ann@x.example>", "RCPT TO:<bob@y.example>"
REST = ["DATA", "Subject: relayed", "", "hi", "."]


def mail(sender=MAIL, recipient=RCPT):
    return ["EHLO c", sender, recipient, *REST]


def plain(*words):
    return f"AUTH PLAIN {b64encode(chr(0).join(words).encode()).decode()}"


# What a stranger says; a `{password}` is the right one.
STRANGERS = {
    "nothing before it": [MAIL, RCPT, *REST],
    "EHLO": mail(),
    "HELO": ["HELO c", *mail()[1:]],
    "the null path": mail("MAIL FROM:<>"),
    "postmaster": mail("MAIL FROM:<postmaster@localhost>"),
    "a local sender": mail("MAIL FROM:<root@127.0.0.1>"),
    "no brackets": mail("MAIL FROM: ann@x.example", "RCPT TO: bob@y.example"),
    "a percent": mail(recipient="RCPT TO:<bob%y.example@localhost>"),
    "a bang": mail(recipient="RCPT TO:<y.example!bob>"),
    "two at signs": mail(recipient="RCPT TO:<bob@y.example@localhost>"),
    "a quoted address": mail(recipient='RCPT TO:<"bob@y.example"@localhost>'),
    "a quoted address alone": mail(recipient='RCPT TO:<"bob@y.example">'),
    "a source route": mail(recipient="RCPT TO:<@localhost:bob@y.example>"),
    "an address literal": mail(recipient="RCPT TO:<bob@[127.0.0.1]>"),
    "who it was submitted by": mail(f"{MAIL} AUTH=ann@x.example"),
    "another's address (XCLIENT)": ["EHLO c", "XCLIENT ADDR=127.0.0.1 LOGIN=web", *mail()],
    "another's address (XFORWARD)": ["EHLO c", "XFORWARD ADDR=127.0.0.1", *mail()],
    "another's address (PROXY)": ["PROXY TCP4 127.0.0.1 127.0.0.1 1 2", *mail()],
    "chunks": ["EHLO c", MAIL, RCPT, "BDAT 4 LAST", "hi"],
    "SEND instead of MAIL": mail("SEND FROM:<ann@x.example>"),
    "SAML instead of MAIL": mail("SAML FROM:<ann@x.example>"),
    "turned around": ["EHLO c", "TURN", "ETRN y.example", *mail()],
    "a wrong password": ["EHLO c", plain("", "web", "wrong"), *mail()],
    "no password": ["EHLO c", plain("", "web", ""), *mail()],
    "no login": ["EHLO c", plain("", "", "{password}"), *mail()],
    "a login in other letters": ["EHLO c", plain("", "WEB ", "{password}"), *mail()],
    "the app's login for another": ["EHLO c", plain("web", "nobody", "{password}"), *mail()],
    "a login that is cut off": ["EHLO c", "AUTH LOGIN d2Vi", "*", *mail()],
    "other mechanisms": ["EHLO c", "AUTH ANONYMOUS YQ==", "AUTH EXTERNAL d2Vi", "AUTH CRAM-MD5", *mail()],
    "a request of the web": ["POST / HTTP/1.1", "Host: localhost", "", *mail()],
    "bare line feeds": ["EHLO c\n" + "\n".join(mail()[1:])],
    "STARTTLS that is not there": ["EHLO c", "STARTTLS", *mail()],
}
# What an app says that has logged in: `web` may write as ann@x.example, to y.example.
LOGGED_IN = {
    "another sender": mail("MAIL FROM:<eve@x.example>"),
    "the null path, logged in": mail("MAIL FROM:<>"),
    "a recipient that is not allowed": mail(recipient="RCPT TO:<bob@z.example>"),
    "a percent, logged in": mail(recipient="RCPT TO:<bob%y.example@z.example>"),
    "another From": [*mail()[:4], "From: eve@x.example", "Subject: relayed", "", "hi", "."],
}


async def talk(reader, writer, lines):
    """Say it all at once, as those do who try; give what is heard until the end."""
    writer.write(b"".join(f"{line}\r\n".encode() for line in [*lines, "QUIT"]))
    writer.write_eof()
    heard = (await reader.read()).decode()
    writer.close()
    return heard


async def test_nothing_is_relayed(home, tmp_path, monkeypatch):
    monkeypatch.setattr(login_delays, "FIRST_SECONDS", 0.0)
    path = tmp_path / "mail.sock"
    async with an_app(home, senders=["ann@x.example"], allowed=["@y.example"]) as (upstream, opened, _):
        password = (await opened.apps.rotate("web")).password
        login = plain("", "web", password)
        async with SubmissionServer(opened.gate, Doors(port=0, socket=path)) as server:

            async def at_the_port(lines):
                return await talk(*await asyncio.open_connection("127.0.0.1", server.port), lines)

            for name, lines in STRANGERS.items():
                heard = await at_the_port([with_password(line, password) for line in lines])
                assert "Ok: queued" not in heard, name
            for name, lines in LOGGED_IN.items():
                assert "Ok: queued" not in await at_the_port(["EHLO c", login, *lines]), name
            if os.getuid() == 0:  # whom no app is for
                heard = await talk(*await asyncio.open_unix_connection(path), mail())
                assert "Ok: queued" not in heard
            assert await opened.deliveries.list() == []
            assert "Ok: queued" in await at_the_port(["EHLO c", login, *mail()[:4], "From: ann@x.example", "", "."])
        assert len(await opened.deliveries.list()) == 1
    assert upstream.accepted == []


def with_password(line, password):
    """Put the right password into a login."""
    verb, _, words = line.rpartition(" ")
    if verb != "AUTH PLAIN":
        return line
    text = b64decode(words).decode().replace("{password}", password)
    return f"{verb} {b64encode(text.encode()).decode()}"


def test_there_are_thirty_ways():
    assert len(STRANGERS) >= 30
