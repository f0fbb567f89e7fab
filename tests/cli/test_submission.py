"""`mailnode submission`, and the same server within `serve`: an app's email goes through and out."""

import asyncio
import re
import signal
import smtplib
import socket
from contextlib import asynccontextmanager
from email.message import EmailMessage

import pytest

from mailnode.app import Mailnode
from mailnode.smtp.trust import client_context
from support.command import mailnode
from support.daemon import until
from support.scripted_smtp import ScriptedServer
from support.serving_command import serving
from support.tls import ca_pem, served_certificate


@asynccontextmanager
async def running(*arguments):
    async with serving(*arguments) as (process, said):
        yield process, re.findall(r"^submission (\S+)", said, re.MULTILINE)


@pytest.fixture
def certificate(tmp_path):
    served_certificate(tmp_path)
    return str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")


async def made_app(home, port):
    async with Mailnode.open(home=home) as opened:
        fields = {"hosts": ["127.0.0.1"], "username": "ann@x.example", "password": "secret"}
        await opened.connections.create("shop", "basic", {**fields, "allowPlaintextAuth": True})
        server = {"host": "127.0.0.1", "port": port, "tlsOption": "none"}
        return await opened.apps.create("web", {"connection": "shop", **server})


def message():
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "ann@x.example", "bob@y.example", "Hi"
    made.set_content("Hello")
    return made


def send(port, app, *, tls=False, context=None):
    kind = smtplib.SMTP_SSL if tls else smtplib.SMTP
    with kind("127.0.0.1", port, **({"context": context} if tls else {})) as client:
        if context and not tls:
            client.starttls(context=context)
        client.login(app.login, app.password)
        client.send_message(message())


async def test_it_takes_email_and_sends_it_and_stops_well(home, certificate):
    async with ScriptedServer(extensions=("PIPELINING", "AUTH PLAIN")) as server:
        app = await made_app(home, server.port)
        doors = ("--port", "0", "--tls-port", "0", "--cert", certificate[0], "--key", certificate[1])
        async with running("submission", *doors) as (process, addresses):
            ports = [int(one.rpartition(":")[2]) for one in addresses]
            context = client_context(ca_pem())
            await asyncio.to_thread(send, ports[0], app, context=context)
            await asyncio.to_thread(send, ports[1], app, tls=True, context=context)
            await until(lambda: len(server.accepted) == 2)
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), 60) == 0
    listed = (await mailnode("deliveries", "list", "--json")).json
    assert [(one["app"], one["state"]) for one in listed] == [("web", "sent")] * 2


async def test_serve_has_the_same_server(home, tmp_path):
    async with ScriptedServer(extensions=("PIPELINING", "AUTH PLAIN")) as server:
        app = await made_app(home, server.port)
        path = tmp_path / "mail.sock"
        arguments = ("serve", "--port", "0", "--inbox-port", "0", "--submission-port", "0")
        async with running(*arguments, "--submission-socket", str(path)) as (process, addresses):
            assert addresses[1] == str(path)
            await asyncio.to_thread(send, int(addresses[0].rpartition(":")[2]), app)
            await until(lambda: len(server.accepted) == 1)
            with socket.socket(socket.AF_UNIX) as stranger:
                stranger.connect(str(path))
                process.terminate()
                assert await asyncio.wait_for(process.wait(), 60) == 0
    assert not path.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "0.0.0.0"], "MAILNODE_SUBMISSION_CERT"),
        (["--tls-port", "0"], "needs a certificate"),
        (["--cert", "a.pem"], "belong together"),
        (["--cert", "a.pem", "--key", "a.pem"], "a.pem can't be read"),
    ],
    ids=["in clear text", "TLS without a certificate", "no key", "no file"],
)
async def test_what_cannot_be_is_told(arguments, words):
    ended = await mailnode("submission", *arguments)
    assert ended.status == 2
    assert words in ended.stderr
