"""Our SMTP server with a worker, before a server that stands in for Outlook365: by its name, TLS and OAuth2."""

import asyncio
import os
import pwd
import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from mailnode.app import Mailnode
from mailnode.environment import Environment
from mailnode.submission.certificate import ServerCertificate
from mailnode.submission.doors import Doors
from mailnode.submission.server import SubmissionServer
from matrix.servers import Address, Taken
from matrix.world import World, running_world
from support.daemon import until
from support.submitting import without_trace
from support.tls import authority, ca_pem, trusted_by_the_system
from support.token_endpoint import CLIENT_ID, CLIENT_SECRET, USER, in_ms

_DATA = re.compile(rb"\r\ndata\r\n", re.IGNORECASE)
OUTLOOK = Address("smtp.office365.com", 587, "starttls", ("LOGIN", "XOAUTH2"))


@dataclass
class FrontDoor:
    """Where programs find us, with what login, and where their mail goes."""

    world: World
    folder: Path
    port: int
    tls_port: int
    login: str
    password: str

    @property
    def sendmail(self) -> Path:
        """A program of this name, which keeps what it is given."""
        return self.folder / "sendmail"

    @property
    def copy(self) -> bytes:
        """What that one was given last."""
        return (self.folder / "copy").read_bytes()

    async def taken(self, tag: str) -> Taken:
        """Wait for the one mail of this tag, and give it without the Received that ours puts above it."""
        await until(lambda: tag in self.world.books.taken)
        [taken] = self.world.books.taken[tag]
        return replace(taken, content=without_trace(taken.content))


@contextmanager
def outlook() -> Iterator[World]:
    """Run the server that stands in for Outlook365, its token endpoint, and a proxy that leads to it."""
    with trusted_by_the_system(), running_world([OUTLOOK]) as running:
        yield running


@asynccontextmanager
async def front_door(
    world: World, folder: Path, *, senders: tuple[str, ...] = (USER,), tls: bool = True
) -> AsyncIterator[FrontDoor]:
    """Run ours, with an app whose connection is Outlook365's; it is this user's too."""
    proxy = world.proxies["socks5 of environment"].url
    environment = Environment.read({"MAILNODE_HOME": str(folder / "home"), "MAILNODE_SMTP_PROXY": proxy})
    doors = Doors(
        port=0,
        tls_port=0 if tls else None,
        socket=folder / "submission.sock",
        certificate=_certificate(folder) if tls else None,
    )
    async with (
        Mailnode.open(environment) as mailnode,
        mailnode.working(),
        SubmissionServer(mailnode.gate, doors) as server,
    ):
        await mailnode.connections.create(
            "outlook",
            "oauth2",
            {
                "service": "Outlook365",
                "user": USER,
                "clientId": CLIENT_ID,
                "clientSecret": CLIENT_SECRET,
                "accessUrl": world.token_url,
                "accessToken": "at-old",
                "expiryDate": in_ms(-1),
                "refreshToken": world.tokens.consent(),
            },
        )
        fields = {"connection": "outlook", "unixUser": pwd.getpwuid(os.geteuid()).pw_name, "senders": list(senders)}
        made = await mailnode.apps.create("programs", fields)
        _write_sendmail(folder)
        yield FrontDoor(world, folder, server.port, server.tls_port, made.login, made.password)


def _certificate(folder: Path) -> ServerCertificate:
    made = authority().issue_cert("localhost", "127.0.0.1")
    made.private_key_pem.write_to_path(folder / "key.pem")
    made.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    (folder / "ca.pem").write_text(ca_pem())
    return ServerCertificate(folder / "cert.pem", folder / "key.pem")


def _write_sendmail(folder: Path) -> None:
    program = f"{sys.executable} -m mailnode.sendmail"
    (folder / "sendmail").write_text(
        f'#!/bin/sh\nexport MAILNODE_SUBMISSION_SOCKET={folder}/submission.sock\ntee {folder}/copy | {program} "$@"\n'
    )
    (folder / "sendmail").chmod(0o755)


@dataclass
class Recorder:
    """Hands everything on to a server, and keeps what its clients say, session by session."""

    port: int = 0
    said: list[bytearray] = field(default_factory=list)

    @property
    def contents(self) -> list[bytes]:
        """The messages that were handed in, without the dots of the transfer."""
        found = list[bytes]()
        for session in map(bytes, self.said):
            for message in _DATA.split(session)[1:]:
                content, end, _ = message.partition(b"\r\n.\r\n")
                if end:
                    found.append((b"\r\n" + content + b"\r\n").replace(b"\r\n.", b"\r\n").removeprefix(b"\r\n"))
        return found


@asynccontextmanager
async def recorder(port: int) -> AsyncIterator[Recorder]:
    """Run one before the server at this port of this machine, for clients that wait for each reply."""
    made = Recorder()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said = bytearray()
        made.said.append(said)
        there, thither = await asyncio.open_connection("127.0.0.1", port)

        async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter, kept: bytearray) -> None:
            while data := await source.read(65536):
                kept += data
                target.write(data)
                await target.drain()
            target.close()

        await asyncio.gather(carry(reader, thither, said), carry(there, writer, bytearray()), return_exceptions=True)
        thither.close()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        await server.wait_closed()
