"""Ways to this machine, and to no end, that tests/node/test_fetch.py has not: look-alikes, answers without an end."""

from ipaddress import ip_address

import pytest

from mailnode.errors import AttachmentError
from mailnode.node.address_guard import AddressGuard
from mailnode.node.fetch import fetch
from mailnode.node.guarded_http import resolve_host
from support.http_server import serving

# Digits and dots that UTS-46 maps to those of an address, other ways to write 127.0.0.1 and ::1, and names of it.
ALIASES = [
    "\uff11\uff12\uff17.0.0.1",
    "127\u30020\u30020\u30021",
    "\u2460\u2461\u2466.0.0.1",
    "127\uff0e0\uff0e0\uff0e1",
    "127.0.0.1.",
    "localhost.",
    "LOCALHOST",
    "\uff4c\uff4f\uff43alhost",
    "017700000001",
    "0x7f000001",
    "0x7F.0x0.0x0.0x1",
    "127.0.1",
    "127.0.0.001",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[2002:7f00:1::]",
    "[::1%25lo]",
    "[::1%lo]",
    "%31%32%37.0.0.1",
    "127.0.0.1%00.example.org",
    "127.0.0.1\\.example.org",
    "0",
    "0.0.0.0",
    "[::]",
    "127.127.127.127",
    "169.254.169.254.",
    "[fd00:ec2::254]",
    "[fe80::1%25eth0]",
    "2852039166",
    "224.0.0.1",
]
# What a server may say for ever before, in or after its header, a piece of it at a time.
ENDLESS = {
    "interim": b"HTTP/1.1 100 Continue\r\n\r\n",
    "early hints": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
    "empty lines": b"\r\n",
    "one line": b"x" * 1024,
    "a field": b"x" * 1024,
    "fields": b"X-A: b\r\n",
    "chunk extensions": b";a=b" * 256,
    "trailers": b"X-A: b\r\n",
}
BEGIN = {
    "a field": b"HTTP/1.1 200 OK\r\nX-A: ",
    "fields": b"HTTP/1.1 200 OK\r\n",
    "chunk extensions": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1",
    "trailers": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n",
}


@pytest.fixture
async def http():
    async with serving() as server:
        yield server


async def refused(url, allow, **settings):
    with pytest.raises(AttachmentError) as caught:
        await fetch(url, max_bytes=1000, allow=allow, **settings)
    assert caught.value.hint
    assert str(caught.value).isprintable()
    return caught.value


@pytest.mark.parametrize("host", ALIASES, ids=ascii)
async def test_no_alias_leads_inside(http, host):
    error = await refused(http.url("/a", host), AddressGuard())
    assert error.code in {"privateAddress", "badUrl", "fetchFailed"}
    assert http.connections == 0


@pytest.mark.parametrize("host", ALIASES, ids=ascii)
async def test_nor_does_it_by_a_redirect(http, host):
    async def resolve(name, port):
        return [ip_address("127.0.0.1")] if name == "outside.example" else await resolve_host(name, port)

    async def onwards(exchange):
        location = http.url("/inside", host).encode()
        await exchange.send(b"HTTP/1.1 302 Found\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % location)

    http.on("/a", onwards)
    url = http.url("/a", "outside.example")
    error = await refused(url, AddressGuard.from_text("outside.example"), resolve=resolve)
    assert error.code in {"privateAddress", "badUrl", "fetchFailed"}
    assert [request.target for request in http.requests] == ["/a"]


@pytest.mark.parametrize("what", ENDLESS)
async def test_what_never_ends_is_given_up(http, what):
    async def answer(exchange):
        await exchange.send(BEGIN.get(what, b""))
        while not exchange.server.stopping.is_set():
            await exchange.send(ENDLESS[what] * 16)

    error = await refused(http.on("/a", answer), AddressGuard.from_text("127.0.0.1"), seconds=1)
    assert error.code in {"fetchFailed", "fetchTimeout", "attachmentTooLarge"}


async def test_the_body_of_a_redirect_is_not_waited_for(http):
    async def answer(exchange):
        await exchange.send(b"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 99999999\r\n\r\n")
        await exchange.server.stopping.wait()

    async def content(exchange):
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")

    http.on("/b", content)
    found = await fetch(http.on("/a", answer), max_bytes=9, allow=AddressGuard.from_text("127.0.0.1"))
    assert found.content == b"x"


@pytest.mark.parametrize(
    "location",
    [b"/b\x00c", b"/b\tc", b"http://a\x7f/", b"\xff\xfe/", b"/\xe2\x80\xae", b"?" * 70_000, b"///", b"http:///"],
)
async def test_a_location_that_is_none_is_told_in_words_that_can_be_seen(http, location):
    async def answer(exchange):
        await exchange.send(b"HTTP/1.1 302 Found\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % location)

    error = await refused(http.on("/a", answer), AddressGuard.from_text("127.0.0.1"))
    assert len(str(error)) < 500
