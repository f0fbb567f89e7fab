"""Whom a connection over TLS trusts is the same on every way out, and on every version of Python."""

import ast
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

import mailnode
from mailnode.connections.endpoint import TokenEndpoint
from mailnode.errors import MailnodeError, TlsFailed
from mailnode.node.address_guard import AddressGuard
from mailnode.node.fetch import fetch
from mailnode.smtp.client import SmtpClient
from mailnode.smtp.doctor.diagnose import examine
from mailnode.smtp.server import ServerSettings, TlsOption
from support.http_server import reply, serving
from support.messages import letter
from support.scripted_smtp import ScriptedServer
from support.tls import plain_chain, trusted_by_the_system


async def send(ca: str, tls_option: TlsOption) -> None:
    async with (
        ScriptedServer(tls=plain_chain().context, implicit_tls=tls_option == "tls") as server,
        SmtpClient("localhost", server.port, tls_option=tls_option, ca=ca) as client,
    ):
        await client.send(letter())


async def verify(ca: str) -> None:
    async with ScriptedServer(tls=plain_chain().context) as server:
        asked = ServerSettings(host="localhost", port=server.port, tls_option="starttls", ca=ca)
        diagnosis = await examine(asked, usual=())
    for finding in diagnosis.failed:
        raise TlsFailed(finding.found)


async def token(_ca: str) -> None:
    async with serving(plain_chain().context) as http:
        http.on("/token", reply(json.dumps({"access_token": "at"}).encode(), content_type="application/json"))
        await TokenEndpoint().ask(http.url("/token", "localhost"), {"grant_type": "client_credentials"})


async def attachment(_ca: str) -> None:
    async with serving(plain_chain().context) as http:
        http.on("/a.txt", reply(b"a"))
        await fetch(http.url("/a.txt", "localhost"), max_bytes=10, allow=AddressGuard.from_text("localhost"))


WAYS: dict[str, Callable[[str], Awaitable[None]]] = {
    "tls": lambda ca: send(ca, "tls"),
    "starttls": lambda ca: send(ca, "starttls"),
    "verify": verify,
    "token endpoint": token,
    "attachment": attachment,
}


@pytest.mark.parametrize("way", WAYS)
async def test_an_authority_without_key_identifiers_is_trusted(way: str) -> None:
    with trusted_by_the_system(plain_chain().authority):
        await WAYS[way](plain_chain().authority)


@pytest.mark.parametrize("way", WAYS)
async def test_an_authority_that_stands_below_another_is_not_enough(way: str) -> None:
    with (
        trusted_by_the_system(plain_chain().intermediate),
        pytest.raises(MailnodeError, match="certificate") as caught,
    ):
        await WAYS[way](plain_chain().intermediate)
    if way in {"tls", "starttls"}:
        assert "not the root above that" in caught.value.message
        assert "the root's certificate" in caught.value.hint


def test_contexts_are_made_in_one_place() -> None:
    makers = {"create_default_context", "SSLContext", "_create_unverified_context", "create_urllib3_context"}
    root = Path(mailnode.__file__).parent
    found = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        for call in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in makers
    }
    assert found == {"smtp/trust.py"}
