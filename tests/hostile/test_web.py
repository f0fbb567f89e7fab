"""The editor's port, attacked by octets: two requests in one, other names, ways around the door, slowness, bombs."""

import asyncio
import json
import re
import socket
from itertools import pairwise
from urllib.parse import urlsplit

import httpx2
import pytest

from mailnode.web.security import guard, prompt_protocol
from support.raw_http import ask
from support.smuggling import AMBIGUOUS, ONE_READING
from support.web import TOKEN, served_site

FLOW = "version: 1\nname: hello\nnodes:\n- {id: a, type: say, settings: {text: hi}}\n"
LIMIT = 60
REQUEST_SECONDS, BODY_SECONDS = prompt_protocol.REQUEST_SECONDS, guard.BODY_SECONDS


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Serve one home for all of the module, for nothing here may change it."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("home")
        patch.setenv("MAILNODE_HOME", str(home))
        patch.setattr(prompt_protocol, "REQUEST_SECONDS", 1.0)
        patch.setattr(guard, "BODY_SECONDS", 1.0)
        with served_site(home) as serving:
            serving.site.flow_files.create(FLOW)
            yield serving


@pytest.fixture
def unhurried(monkeypatch):
    """Give a request all the time that it may have, where it is meant to arrive."""
    monkeypatch.setattr(prompt_protocol, "REQUEST_SECONDS", REQUEST_SECONDS)
    monkeypatch.setattr(guard, "BODY_SECONDS", BODY_SECONDS)


def port_of(served):
    return urlsplit(served.url).port


def statuses(said):
    return [int(code) for code in re.findall(rb"HTTP/1\.1 (\d+) ", said)]  # an answer need not end its last line


def get(path, *fields):
    return b"\r\n".join(
        [b"GET " + path + b" HTTP/1.1", b"Host: 127.0.0.1:PORT", *fields, b"Connection: close", b"", b""]
    )


BEARER = b"Authorization: Bearer " + TOKEN.encode()


@pytest.mark.parametrize(
    "host",
    [
        b"",
        b"evil.example",
        b"127.0.0.1.evil.example",
        b"127.0.0.1@evil.example",
        b"localhost.evil.example:PORT",
        b"evil.example#127.0.0.1",
        b"0.0.0.0:PORT",
        b"127.1:PORT",
        b"2130706433",
        b"[::]:PORT",
        b"localhost.",
        b"127.0.0.1, evil.example",
        b"\xff",
    ],
)
async def test_another_name_gets_nothing(served, host):
    said = await ask(
        port_of(served),
        b"GET /api/flows HTTP/1.1\r\nHost: " + host + b"\r\n" + BEARER + b"\r\nConnection: close\r\n\r\n",
    )
    assert statuses(said)[0] in {400, 421}
    assert b"hello" not in said


@pytest.mark.parametrize(
    "octets",
    [
        b"GET /api/flows HTTP/1.1\r\n" + BEARER + b"\r\n\r\n",
        b"GET /api/flows HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n" + BEARER + b"\r\n\r\n",
        b"GET /api/flows HTTP/1.1\nHost: evil.example\n" + BEARER + b"\n\n",
        b"GET http://evil.example/api/flows HTTP/1.1\r\nHost: evil.example\r\n" + BEARER + b"\r\n\r\n",
        b"GET /api/flows\r\n\r\n",
        b"GET /api/flows HTTP/0.9\r\nHost: 127.0.0.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
        b"GET /api/flows HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /api/flows HTTP/1.1\r\nHost: 127.0.0.1\r\n Authorization: Bearer x\r\n\r\n",
        b"GET /api/flows HTTP/1.1\r\nHost: 127.0.0.1\r\nA\0b: c\r\n\r\n",
    ],
)
async def test_what_is_no_request_of_ours_gets_nothing(served, octets):
    said = await ask(port_of(served), octets)
    assert set(statuses(said)) <= {303, 400, 401, 404, 421}
    assert b'"hello"' not in said


SMUGGLED = b"GET /api/flows HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n" + BEARER + b"\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("fields", AMBIGUOUS)
async def test_what_might_be_two_requests_is_refused_as_one(served, fields):
    said = await ask(
        port_of(served), b"POST /api/flows HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n" + BEARER + b"\r\n" + fields + SMUGGLED
    )
    assert len(statuses(said)) == 1
    assert statuses(said)[0] in {400, 408, 413, 422}
    assert b'"hello"' not in said


@pytest.mark.parametrize("fields", ONE_READING)
async def test_a_folded_field_is_one_and_a_line_ends_with_its_line_feed(served, fields):
    """The other reading would end the body before or after its end."""
    head = b"POST /api/flows/check HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nContent-Type: application/json\r\n"
    said = await ask(port_of(served), head + BEARER + b"\r\n" + fields + SMUGGLED)
    first, second = re.split(rb"(?=HTTP/1\.1 )", said)[1:]
    assert statuses(first) == [422]
    assert b'"key":"text"' in first  # the body was read to its end, and no further
    assert statuses(second) == [200]
    assert b'"hello"' in second


@pytest.mark.parametrize(
    "octets",
    [
        b"GET  /api/flows HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n",
        b"GET\t/api/flows\tHTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n",
        b"GET /api/flows HTTP/1.1 \r\nHost: 127.0.0.1:PORT\r\n\r\n",
        b"GET /api/flo\x01ws HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n",
        b"GET /api/flo\xffws HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n",
        b"GET /api/flows http/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n",
        b"\r\n\r\nGET /api/flows HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n",
        b"GET /api/flows HTTP/1.1\r\n Host: 127.0.0.1:PORT\r\n\r\n",
        b"GET /api/flows HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n" + b"X: a\r\n" * 20_000,
    ],
)
async def test_after_a_line_that_is_none_nothing_more_is_read(served, octets):
    said = await ask(port_of(served), octets + SMUGGLED)
    assert statuses(said) == [400]


async def test_an_upgrade_to_what_is_not_spoken_here_keeps_its_body_and_is_no_trouble(served, caplog):
    """As Java's client asks for HTTP/2 with each first request."""
    fields = b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n"
    head = b"POST /api/flows/check HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n" + BEARER + b"\r\n"
    said = await ask(port_of(served), head + fields + b'{"text": ""}' + SMUGGLED)
    assert statuses(said) == [200, 200]
    assert caplog.records == []


PATHS = [
    b"//api/flows",
    b"/api//flows",
    b"/API/flows",
    b"/api/flows/",
    b"/api/flows%00",
    b"/api/%66lows",
    b"/%61pi/flows",
    b"/static/../api/flows",
    b"/static/..;/api/flows",
    b"/static/%2e%2e/api/flows",
    b"/static/..%5c..%5capi/flows",
    b"/login/../api/flows",
    b"/login%2f..%2fapi/flows",
    b"/health/../api/flows",
    b"/health;/api/flows",
    b"/oauth2/callback/../../api/flows",
    b"/api/flows?next=/login",
    b"/api/flows#/login",
    b"\\api\\flows",
    b"*",
    b"/api/flows/hello/file",
    b"/metrics/",
    b"/api/openapi.json",
    b"/docs",
    b"/redoc",
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS", b"POST", b"TRACE", b"CONNECT", b"FOO"])
async def test_no_path_and_no_method_leads_around_the_door(served, unhurried, path, method):
    fields = (
        b"X-HTTP-Method-Override: GET",
        b"X-Original-URL: /login",
        b"X-Rewrite-URL: /login",
        b"X-Forwarded-Host: 127.0.0.1",
    )
    said = await ask(port_of(served), get(path, *fields).replace(b"GET", method, 1))
    assert all(status in {303, 307, 400, 401, 403, 404, 405} for status in statuses(said)), said[:200]
    assert b"hello" not in said
    assert b"access-control" not in said.lower()


async def test_a_web_socket_is_none(served):
    fields = (b"Upgrade: websocket", b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==")
    for path in (b"/api/flows", b"/static/main.js", b"/flows"):
        said = await ask(
            port_of(served), get(path, *fields).replace(b"Connection: close", b"Connection: Upgrade, close")
        )
        assert statuses(said)[0] in {200, 303, 401, 404}
        assert b"hello" not in said


async def test_who_never_says_what_is_wanted_is_hung_up_on(served):
    head = b"GET /api/flows HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "
    for octets in (b"", b"G", head):
        assert statuses(await ask(port_of(served), octets)) == []
    # A character at a time does not put it off.
    _, writer = await asyncio.open_connection("127.0.0.1", port_of(served))
    async with asyncio.timeout(LIMIT):
        while not writer.transport.is_closing():
            writer.write(b"a")
            await asyncio.sleep(0.05)
    writer.transport.abort()


async def test_a_body_that_never_comes_is_not_waited_for(served):
    head = b"POST /api/flows HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n" + BEARER + b"\r\nContent-Type: application/json\r\n"
    head += b"Connection: close\r\n"
    assert statuses(await ask(port_of(served), head + b"Content-Length: 100\r\n\r\n{")) == [408]


async def test_hundreds_who_say_nothing_keep_nobody_waiting(served):
    idle = [await asyncio.open_connection("127.0.0.1", port_of(served)) for _ in range(400)]
    async with asyncio.timeout(LIMIT), httpx2.AsyncClient(base_url=served.url, timeout=LIMIT) as client:
        assert (await client.get("/health")).status_code == 200
        for reader, _ in idle:  # and they are not there for long
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
    for _, writer in idle:
        writer.transport.abort()


LAUGHS = "a: &a [x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 8)}]\n" for before, name in pairwise("abcdefghijklmnopqrst")
)
BOMBS = {
    "deep JSON": b"[" * 100_000,
    "a YAML bomb": json.dumps({"text": LAUGHS}).encode(),
    "deep YAML": json.dumps({"text": "[" * 50_000}).encode(),
    "many keys": json.dumps({f"k{number}": number for number in range(50_000)}).encode(),
    "a long number": b'{"text": ' + b"9" * 100_000 + b"}",
    "half a character": b'{"text": "\\ud800"}',
    "no UTF-8": b'{"text": "\xff"}',
    "a huge text": json.dumps({"text": "x" * 30_000_000}).encode(),
}


@pytest.mark.parametrize("what", BOMBS)
async def test_a_bomb_is_an_error_and_others_are_served_meanwhile(served, unhurried, what):
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    async with (
        asyncio.timeout(LIMIT),
        httpx2.AsyncClient(base_url=served.url, headers=headers, timeout=LIMIT) as client,
    ):
        for method, path in (("POST", "/api/flows"), ("POST", "/api/preview")):
            answer = await client.request(method, path, content=BOMBS[what])
            assert answer.status_code in {400, 404, 413, 422} or answer.json()["errors"], (path, answer.text[:200])
        assert (await client.get("/health")).status_code == 200
        assert (await client.get("/api/flows/hello")).status_code == 200


async def test_packed_bodies_are_not_unpacked(served, unhurried):
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json", "Content-Encoding": "gzip"}
    async with httpx2.AsyncClient(base_url=served.url, headers=headers, timeout=LIMIT) as client:
        assert (await client.post("/api/flows", content=b"\x1f\x8b" + bytes(100))).status_code in {400, 422}


def test_the_port_is_of_this_machine_alone(served):
    found = {str(address[4][0]) for address in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {
        "127.0.0.1"
    }
    for port in (port_of(served), served.site.inbox_port):
        for address in found:
            if not address.startswith("127."):
                with pytest.raises(ConnectionRefusedError):
                    socket.create_connection((address, port), timeout=1).close()
