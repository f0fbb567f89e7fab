"""Apps that hand in messages at the gate, without a server of ours between."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from mailnode.app import Mailnode
from mailnode.submission.gate import App, Reply, Submitted
from support.scripted_smtp import ScriptedServer

CONTENT = (
    b"From: Ann <ann@x.example>\r\nTo: bob@y.example\r\nBcc: eve@z.example\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    b"Message-ID: <1@x.example>\r\n\r\n\xffHi\r\n.dot\r\n"
)


def without_trace(content: bytes) -> bytes:
    """Give a message without the Received that our server has put above it."""
    trace, _, rest = content.partition(b"\r\n")
    assert trace.startswith(b"Received: by ")
    return rest


def submitted(*to: str, content: bytes = CONTENT, reverse_path: str = "ann@x.example") -> Submitted:
    """Give a message as a server hands it to its gate."""
    return Submitted(reverse_path, to or ("bob@y.example",), content, smtputf8=False, peer="192.0.2.1")


async def create_app(opened: Mailnode, port: int, allowed: list[str] | None = None, **fields: Any) -> App:
    """Make an app `web` whose email goes to a server on this port, and log it in."""
    connection = {"hosts": ["127.0.0.1"], "username": "ann@x.example", "password": "secret"}
    fields_of_it = {**connection, "allowPlaintextAuth": True, "allowedRecipients": allowed}
    await opened.connections.create("shop", "basic", fields_of_it)
    place = {"host": "127.0.0.1", "port": port, "tlsOption": "none"}
    made = await opened.apps.create("web", {"connection": "shop", **place, **fields})
    app = await opened.gate.authenticate(made.login, made.password, "192.0.2.1")
    assert isinstance(app, App)
    return app


async def take(opened: Mailnode, app: App, *to: str, **given: Any) -> Reply:
    """Do what a server does for one transaction, up to the first refusal."""
    message = submitted(*to, **given)
    if reply := await opened.gate.may_send_from(app, message.reverse_path):
        return reply
    for path in message.forward_paths:
        if reply := await opened.gate.may_send_to(app, path):
            return reply
    return await opened.gate.take(app, message)


@asynccontextmanager
async def an_app(
    home: Path, script: Mapping[str, Any] | None = None, **fields: Any
) -> AsyncIterator[tuple[ScriptedServer, Mailnode, App]]:
    """Give a server, an open mailnode, and an app that sends by it."""
    extensions = ("PIPELINING", "8BITMIME", "SMTPUTF8", "AUTH PLAIN")
    async with ScriptedServer(script, extensions=extensions) as server, Mailnode.open(home=home) as opened:
        yield server, opened, await create_app(opened, server.port, **fields)
