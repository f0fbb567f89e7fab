"""No secret is told: not in the database's files, logs at debug level, results, tracebacks, or by showing an object."""

import base64
import json
import logging
import traceback
from urllib.parse import parse_qsl

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mailnode.app import Mailnode
from mailnode.delivery.route import OtherServer, route
from mailnode.errors import MailnodeError
from mailnode.message.email import Email
from mailnode.smtp.client import SmtpClient
from support.command import mailnode as command
from support.flows import to_server, write_flow
from support.http_server import reply
from support.scripted_smtp import ScriptedServer
from support.token_endpoint import CLIENT_ID, USER, token_endpoint


def pem(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


ROBOT_KEY = pem(generate_private_key(65537, 2048))
DKIM_KEY = pem(Ed25519PrivateKey.generate())
PASSWORD, CLIENT_SECRET, ACCESS, REFRESH = (
    f"canary-{what}-9f2c" for what in ("password", "client", "access", "refresh")
)
PROXY_PASSWORD = "canary-proxy-9f2c"
NEW_ACCESS, NEW_REFRESH = "canary-new-access-9f2c", "canary-new-refresh-9f2c"

SECRETS = {
    secret.encode()
    for secret in (
        *(PASSWORD, CLIENT_SECRET, ACCESS, REFRESH, PROXY_PASSWORD, NEW_ACCESS, NEW_REFRESH),
        *(line for key in (ROBOT_KEY, DKIM_KEY) for line in key.splitlines() if "-----" not in line),
    )
}
SHOWN = {
    *SECRETS,
    # as they stand on the wire: whole, and any 16 letters of what is said by AUTH
    *(base64.b64encode(secret) for secret in SECRETS),
    *(base64.b64encode(f"\0{USER}\0{PASSWORD}".encode())[at : at + 16] for at in (16, 24, 32)),
    *(base64.b64encode(f"user={USER}\1auth=Bearer {ACCESS}\1\1".encode())[at : at + 16] for at in (40, 48)),
}


def fields(kind, endpoint):
    where = {"hosts": ["127.0.0.1"], "dkim": {"domain": "mail.example", "selector": "s", "privateKey": DKIM_KEY}}
    app = {"clientId": CLIENT_ID, "clientSecret": CLIENT_SECRET, "accessUrl": endpoint.url}
    return {
        "basic": {**where, "username": USER, "password": PASSWORD},
        "oauth2": {**where, **app, "user": USER, "accessToken": ACCESS, "refreshToken": REFRESH},
        "oauth2ClientCredentials": {**where, **app, "user": USER},
        "oauth2ServiceAccount": {
            **where,
            "user": USER,
            "serviceClient": "robot",
            "privateKey": ROBOT_KEY,
            "accessUrl": endpoint.url,
        },
    }[kind]


GIVEN = reply(
    json.dumps({"access_token": NEW_ACCESS, "refresh_token": NEW_REFRESH, "expires_in": 3600}).encode(),
    content_type="application/json",
)


async def echo(exchange):
    """Refuse, and repeat all that was said, whole and cut short."""
    said = " ".join(value for _, value in parse_qsl(exchange.request.body.decode()))
    words = {"error": "invalid_grant", "error_description": f"no: {said[:90]} {said}"}
    await reply(json.dumps(words).encode(), status=400, content_type="application/json")(exchange)


async def page(exchange):
    """Answer with a page that repeats all that was said."""
    await reply(b"<p>" + exchange.request.body, content_type="text/html")(exchange)


ENDPOINTS = {"gives": GIVEN, "echoes": echo, "errs": page}
# Some servers repeat what was said to them.
SERVERS = {
    "takes it": {},
    "quotes it": {"AUTH": "535 5.7.8 no: {said}"},
    "hangs up": {"AUTH": "421 4.7.0 no: {said}"},
    "knows it": {"AUTH": f"535 5.7.8 wrong password {PASSWORD}"},
}


def scan(text):
    octets = text if isinstance(text, bytes) else text.encode("utf-8", "replace")
    found = [secret for secret in SHOWN if secret in octets]
    assert found == [], octets[max(0, octets.index(found[0]) - 200) :][:400]


@pytest.fixture
def heard():
    """Everything that any logger says."""
    records: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(self.format(record))

    ear, root = Ear(), logging.getLogger()
    level = root.level
    root.addHandler(ear)
    root.setLevel(logging.DEBUG)
    yield records
    root.setLevel(level)
    root.removeHandler(ear)


async def test_wherever_one_might_look(home, tmp_path, heard, monkeypatch):
    """Every type, at every endpoint and server, by the library and by the command."""
    async with token_endpoint() as endpoint:
        for kind in ("basic", "oauth2", "oauth2ClientCredentials", "oauth2ServiceAccount"):
            for endpoint_does, answer in ENDPOINTS.items():
                if kind == "basic" and endpoint_does != "gives":
                    continue
                for server_does, script in SERVERS.items():
                    if server_does == "knows it" and kind != "basic":
                        continue
                    endpoint.failures.clear()
                    endpoint.fail_next(answer, times=20)
                    async with ScriptedServer(script, extensions=OFFER) as server:
                        await look(tmp_path, kind, endpoint, server, f"{kind} {endpoint_does} {server_does}")
    assert len(heard) > 100
    scan("\n".join(heard))
    for file in home.rglob("*"):
        if file.is_file() and file.name != "secret.key":
            scan(file.read_bytes())


OFFER = ("PIPELINING", "AUTH PLAIN LOGIN OAUTHBEARER XOAUTH2")


async def look(folder, kind, endpoint, server, name):
    name = name.replace(" ", "-")
    settings = to_server(server.port, connection=name, timeoutSeconds=1)
    flow = write_flow(folder, {"id": "tell", "type": "sendSmtpEmail", "settings": settings})
    async with Mailnode.open() as mailnode:
        await mailnode.connections.create(name, kind, fields(kind, endpoint))
        connection = await mailnode.connections.get(name)
        ran = await mailnode.run(flow)
        scan(json.dumps(ran.to_json()))
        scan(json.dumps(await mailnode.connections.show(name)))
        way = route(OtherServer(host="127.0.0.1", port=server.port, tls_option="none"), connection)
        scan(f"{connection!r}{connection}{way!r}{vars(way.server)}{mailnode!r}")
        async with SmtpClient.from_settings(way.server) as client:
            scan(f"{client!r}")
            try:
                await client.send(Email(from_=USER, to="joe@example.org", text="Hi"))
            except MailnodeError as error:
                scan("".join(traceback.format_exception(error)))
                scan(f"{error!r} {vars(error)} {error.__cause__!r} {error.__context__!r}")
    if name in {"basic-gives-quotes-it", "oauth2-gives-quotes-it", "oauth2-echoes-takes-it"}:
        at = ("--port", str(server.port), "--tls-option", "none")
        for arguments in (("run", flow), ("connections", "test", name, *at)):
            said = await command(*arguments)
            scan(said.stdout + said.stderr)


async def test_when_a_field_is_wrong(heard):
    async with token_endpoint() as endpoint, Mailnode.open() as mailnode:
        for wrong in (
            {"clientSecret": f"{CLIENT_SECRET}\0"},
            {"privateKey": ROBOT_KEY[:-300]},
            {"accessToken": f"{ACCESS} {ACCESS}"},
            {"refreshToken": [REFRESH]},
            {"proxy": f"ftp://user:{PROXY_PASSWORD}@127.0.0.1:1"},
            {"proxy": f"socks5://user:{PROXY_PASSWORD}@@127.0.0.1:x"},
            {"dkim": {"domain": "mail.example", "selector": "s", "privateKey": DKIM_KEY[:-30]}},
            {"dkim": DKIM_KEY},
            {"accessUrl": f"https://user:{CLIENT_SECRET}@login.example/token"},
            {"clientSecret": {"value": CLIENT_SECRET}},
        ):
            for kind in ("basic", "oauth2", "oauth2ClientCredentials", "oauth2ServiceAccount"):
                try:
                    await mailnode.connections.create("shop", kind, {**fields(kind, endpoint), **wrong})
                except MailnodeError as error:
                    scan(f"{error}{error.hint}{''.join(traceback.format_exception(error))}")
                else:
                    await mailnode.connections.delete("shop")
    scan("\n".join(heard))
