import asyncio
import gzip
import ipaddress
import logging
import resource
import ssl
import subprocess
import sys
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mailnode.errors import AttachmentError, ErrorCode
from mailnode.node import spool
from mailnode.node.address_guard import Address, AddressGuard
from mailnode.node.fetch import Fetched, fetch
from support import tls
from support.http_server import (
    Answer,
    Exchange,
    HttpServer,
    dripping,
    endless,
    gzip_bomb,
    raw,
    redirect,
    reply,
    serving,
    stalling,
    streaming,
)

MB = 2**20
LOOPBACK = AddressGuard.from_text("127.0.0.0/8, localhost")


@pytest.fixture
async def http() -> AsyncIterator[HttpServer]:
    async with serving() as server:
        yield server


@pytest.fixture
async def https() -> AsyncIterator[HttpServer]:
    async with serving(tls.server_context("localhost", "files.example")) as server:
        yield server


def trust() -> ssl.SSLContext:
    return ssl.create_default_context(cadata=tls.ca_pem())


async def get(url: str, *, max_bytes: int = MB, **options: Any) -> Fetched:
    return await fetch(url, max_bytes=max_bytes, allow=options.pop("allow", LOOPBACK), tls=trust(), **options)


async def refused(url: str, code: str, **options: Any) -> AttachmentError:
    with pytest.raises(AttachmentError) as caught:
        await get(url, **options)
    assert (caught.value.code, caught.value.phase) == (code, "attachment")
    assert caught.value.hint
    assert caught.value.__cause__ is None
    return caught.value


def resolving(*answers: list[str]) -> tuple[Any, list[str]]:
    """A resolver that gives one answer after another, and the hosts that it was asked for."""
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[Address]:
        asked.append(host)
        return [ipaddress.ip_address(text) for text in answers[len(asked) - 1]]

    return resolve, asked


# What comes back


async def test_a_file_comes_with_its_type_and_name(http: HttpServer) -> None:
    url = http.on("/files/report.pdf", reply(b"%PDF-1.7", content_type="application/pdf"))
    assert await get(url + "?token=1") == Fetched(b"%PDF-1.7", 8, "application/pdf", "report.pdf")
    assert http.requests[0].target == "/files/report.pdf?token=1"


async def test_the_server_names_the_file(http: HttpServer) -> None:
    disposition = "attachment; filename=\"x\"; filename*=UTF-8''%E2%82%AC.pdf"
    url = http.on("/d", reply(b"x", content_type="application/pdf", content_disposition=disposition))
    assert (await get(url)).filename == "€.pdf"


@pytest.mark.parametrize("content_type", ["", "nonsense", "multipart/mixed; boundary=x", "a/" + "b" * 5000])
async def test_a_type_that_is_none_is_not_passed_on(http: HttpServer, content_type: str) -> None:
    url = http.on("/a.txt", reply(b"x", content_type=content_type))
    assert (await get(url)).content_type == ""


async def test_the_request_says_little_and_asks_for_no_coding(
    http: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    await get(http.on("/a", reply(b"")))
    assert http.requests[0].method == "GET"
    assert http.requests[0].headers == {
        "host": f"127.0.0.1:{http.port}",
        "accept": "*/*",
        "accept-encoding": "identity",
        "user-agent": "mailnode",
    }


async def test_a_body_without_length_ends_with_the_connection(http: HttpServer) -> None:
    assert (await get(http.on("/a", raw(b"HTTP/1.0 200 OK\r\n\r\nhello")))).content == b"hello"


async def test_a_chunked_body_is_put_together(http: HttpServer) -> None:
    chunked = raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n")
    assert (await get(http.on("/a", chunked))).content == b"hello"


@pytest.mark.parametrize(
    ("coding", "encoded"),
    [
        ("gzip", gzip.compress(b"hello", mtime=0)),
        ("X-GZIP", gzip.compress(b"hel", mtime=0) + gzip.compress(b"lo", mtime=0)),
        ("deflate", zlib.compress(b"hello")),
        ("identity", b"hello"),
        *((word, b"hello") for word in ("utf-8", "none", "binary", "aws-chunked", "identity, identity", ",")),
        ("aws-chunked, gzip", gzip.compress(b"hello", mtime=0)),
    ],
)
async def test_a_coding_that_was_not_asked_for_is_undone(http: HttpServer, coding: str, encoded: bytes) -> None:
    assert (await get(http.on("/a", reply(encoded, content_encoding=coding)))).content == b"hello"


@pytest.mark.parametrize(
    ("coding", "encoded"),
    [
        ("gzip", gzip.compress(b"hello", mtime=0)[:-1]),
        ("gzip", b"hello"),
        ("gzip", b""),
        ("gzip", gzip.compress(b"hello", mtime=0) + b"junk"),
        ("deflate", b"hello"),
        ("br", b"hello"),
        ("gzip, gzip", gzip.compress(gzip.compress(b"hello", mtime=0), mtime=0)),
    ],
)
async def test_a_coding_that_is_broken_or_unknown_is_refused(http: HttpServer, coding: str, encoded: bytes) -> None:
    await refused(http.on("/a", reply(encoded, content_encoding=coding)), "fetchFailed")


async def test_a_large_file_waits_on_disk_and_reads_back(http: HttpServer) -> None:
    size = spool.MEMORY_BYTES + 5
    fetched = await get(http.on("/a", streaming(size, bytes(range(256)))), max_bytes=size)
    content: Any = fetched.content
    assert (fetched.size, content.seekable()) == (size, True)
    assert content.read() == (bytes(range(256)) * (size // 256 + 1))[:size]
    assert content.seek(0) == 0
    assert content.read(3) == b"\x00\x01\x02"
    assert content.seek(0, 2) == size


async def test_a_file_of_100_mb_takes_no_memory_to_speak_of(http: HttpServer, tmp_path: Path) -> None:
    script = tmp_path / "fetching.py"
    script.write_text(f"""
import asyncio, resource
from mailnode.node.address_guard import AddressGuard
from mailnode.node.fetch import fetch

async def main():
    peaks = []
    for path in ("/small", "/large"):
        await fetch("http://127.0.0.1:{http.port}" + path, max_bytes=2**30, allow=AddressGuard.from_text("127.0.0.1"))
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    print(peaks[1] - peaks[0])

asyncio.run(main())
""")
    http.on("/small", streaming(MB))
    http.on("/large", streaming(100 * MB))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", script, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    stdout, stderr = await process.communicate()
    assert (process.returncode, stderr) == (0, b"")
    unit = 1024 if sys.platform == "linux" else 1
    assert int(stdout) * unit <= 16 * MB


# https and names


async def test_host_and_sni_are_the_name_that_was_asked_for(https: HttpServer) -> None:
    https.on("/a", reply(b"secret"))
    resolve, asked = resolving(["127.0.0.1"])
    assert (await get(https.url("/a", "files.example"), resolve=resolve)).content == b"secret"
    request = https.requests[0]
    assert (asked, request.server_name) == (["files.example"], "files.example")
    assert request.headers["host"] == f"files.example:{https.port}"


async def test_a_dot_after_the_name_is_not_part_of_it(https: HttpServer) -> None:
    https.on("/a", reply(b"x"))
    assert (await get(https.url("/a", "localhost."))).size == 1


async def test_a_certificate_of_another_name_is_refused(https: HttpServer) -> None:
    https.on("/a", reply(b"x"))
    resolve, _ = resolving(["127.0.0.1"])
    error = await refused(https.url("/a", "other.example"), "fetchFailed", resolve=resolve)
    assert "certificate of other.example" in error.message
    assert https.requests == []


async def test_https_at_a_port_without_tls_says_so() -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(AttachmentError, match="answers, but without TLS") as raised:
            await get(f"https://127.0.0.1:{port}/a")
    assert raised.value.hint == "write http:// if the server offers no https there, or correct the port"


async def test_a_certificate_that_nobody_vouches_for_is_refused(https: HttpServer) -> None:
    with pytest.raises(AttachmentError, match="certificate") as caught:
        await fetch(https.url("/a", "localhost"), max_bytes=MB, allow=LOOPBACK)
    assert not caught.value.transient


# Addresses


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "0", "[::1]", "[::ffff:127.0.0.1]"],
)
async def test_no_spelling_leads_to_this_machine(http: HttpServer, host: str) -> None:
    error = await refused(http.url("/a", host), "privateAddress", allow=AddressGuard())
    assert "MAILNODE_FETCH_ALLOW" in error.hint
    assert http.connections == 0


@pytest.mark.parametrize("address", ["169.254.169.254", "10.0.0.1", "fe80::1", "::ffff:10.0.0.1", "64:ff9b::a00:1"])
async def test_a_name_that_leads_inside_is_refused(address: str) -> None:
    resolve, _ = resolving([address])
    error = await refused("http://inside.example/a", "privateAddress", resolve=resolve)
    assert f"leads to {ipaddress.ip_address(address)}" in error.message


async def test_one_private_address_among_the_addresses_is_enough_to_refuse(http: HttpServer) -> None:
    resolve, _ = resolving(["127.0.0.1", "10.0.0.1"])
    await refused(http.url("/a", "mixed.example"), "privateAddress", resolve=resolve)
    assert http.connections == 0


async def test_an_allowed_host_may_lead_inside(http: HttpServer) -> None:
    http.on("/a", reply(b"x"))
    resolve, _ = resolving(["127.0.0.1"])
    allow = AddressGuard.from_text("files.internal")
    assert (await get(http.url("/a", "FILES.internal"), resolve=resolve, allow=allow)).size == 1


async def test_a_name_is_resolved_once_so_it_can_not_change_its_address_in_between(http: HttpServer) -> None:
    http.on("/a", reply(b"x"))
    resolve, asked = resolving(["127.0.0.1"], ["10.0.0.1"])
    await get(http.url("/a", "rebinding.example"), resolve=resolve)
    assert (len(asked), http.connections) == (1, 1)


async def test_a_name_that_has_moved_inside_by_the_redirect_is_refused(http: HttpServer) -> None:
    http.on("/a", redirect("/b"))
    resolve, asked = resolving(["127.0.0.1"], ["10.0.0.1"])
    await refused(http.url("/a", "rebinding.example"), "privateAddress", resolve=resolve)
    assert (len(asked), http.connections) == (2, 1)


async def test_a_dead_address_leaves_room_for_the_next(http: HttpServer) -> None:
    http.on("/a", reply(b"x"))
    resolve, _ = resolving(["127.0.0.2", "127.0.0.1"])
    assert (await get(http.url("/a", "two.example"), resolve=resolve)).size == 1


async def test_a_host_that_nobody_knows_is_refused() -> None:
    error = await refused("http://nobody.invalid/a", "fetchFailed")
    assert "'nobody.invalid' was not found" in error.message


async def test_a_host_without_addresses_is_refused() -> None:
    resolve, _ = resolving([])
    assert "has no address" in (await refused("http://void.example/a", "fetchFailed", resolve=resolve)).message


async def test_a_server_that_is_down_is_a_passing_failure(http: HttpServer) -> None:
    error = await refused("http://127.0.0.1:1/a", "fetchFailed")
    assert error.transient


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_followed(http: HttpServer, status: int) -> None:
    url = http.on("/dir/a", redirect("b?x=1", status))
    http.on("/dir/b", reply(b"x"))
    assert (await get(url)).filename == "b"
    assert http.requests[1].target == "/dir/b?x=1"


async def test_a_redirect_goes_from_http_to_https_and_never_back(http: HttpServer, https: HttpServer) -> None:
    https.on("/a", reply(b"x"))
    assert (await get(http.on("/up", redirect(https.url("/a", "localhost"))))).size == 1
    https.on("/down", redirect(http.url("/a")))
    error = await refused(https.url("/down", "localhost"), "fetchFailed")
    assert "from https to http" in error.message


async def test_cookies_and_the_like_stay_behind(http: HttpServer) -> None:
    answer = raw(b"HTTP/1.1 302 Found\r\nSet-Cookie: a=b\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n")
    http.on("/b", reply(b"x"))
    await get(http.on("/a", answer))
    assert http.requests[1].headers.keys() == {"host", "accept", "accept-encoding", "user-agent"}


async def test_five_redirects_are_followed_and_a_sixth_is_not(http: HttpServer) -> None:
    for number in range(6):
        http.on(f"/{number}", redirect(f"/{number + 1}"))
    http.on("/6", reply(b"x"))
    assert (await get(http.url("/1"))).size == 1
    assert "redirects more than 5 times" in (await refused(http.url("/0"), "fetchFailed")).message


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("http://169.254.169.254/latest/meta-data", "privateAddress"),
        ("//10.0.0.1/", "privateAddress"),
        ("http://[::1]/", "privateAddress"),
        ("file:///etc/passwd", "fetchFailed"),
        ("gopher://127.0.0.1/", "fetchFailed"),
        ("data:,x", "fetchFailed"),
        ("http://user:pw@127.0.0.1/", "fetchFailed"),
        ("http://[::1", "fetchFailed"),
        ("http://h:99999/", "fetchFailed"),
    ],
)
async def test_a_redirect_is_judged_like_the_first_url(http: HttpServer, location: str, code: str) -> None:
    error = await refused(http.on("/a", redirect(location)), code)
    assert "pw" not in str(error) + error.hint
    assert http.connections == 1


async def test_a_redirect_to_nowhere_is_an_answer_without_content(http: HttpServer) -> None:
    error = await refused(http.on("/a", reply(b"x", status=302)), "fetchFailed")
    assert "302 Found" in error.message


# URLs


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.pdf",
        "/etc/passwd",
        "file:///etc/passwd",
        "ftp://example.org/a",
        "gopher://example.org/a",
        "javascript:alert(1)",
        "//example.org/a",
        "http:///a",
        "http:a",
        "http://",
        "http://exa\nmple.org/",
        "http://example.org/a\r\nHost: b",
        "http://\ud800/",
        "http://example.org/\ud800",
        "http://[::1",
        "http://h:port/",
        "http://0177.0.0.1/",
        "https://" + "a" * 70_000,
    ],
)
async def test_what_is_no_web_url_is_refused(url: str) -> None:
    error = await refused(url, "badUrl")
    str(error).encode()


@pytest.mark.parametrize(
    "url",
    [
        "http://jane:hunter2@127.0.0.1/a",
        "http://hunter2@127.0.0.1/a",
        "http://:hunter2@127.0.0.1/a",
        "http://127.0.0.1\\:hunter2@example.org/a",
        "http:\\\\jane:hunter2@127.0.0.1/a",
    ],
)
async def test_credentials_in_a_url_are_refused_and_not_repeated(url: str) -> None:
    error = await refused(url, "badUrl")
    assert "hunter2" not in str(error) + error.hint


async def test_no_error_shows_the_query(http: HttpServer) -> None:
    http.on("/slow", stalling())
    for path in ("/none", "/slow"):
        with pytest.raises(AttachmentError) as caught:
            await get(http.url(f"{path}?token=hunter2#hunter2"), seconds=0.2)
        assert "hunter2" not in str(caught.value)
    await refused("http://10.0.0.1/?token=hunter2", "privateAddress")


async def test_no_log_shows_the_query(http: HttpServer, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        await get(http.on("/a", reply(b"x")) + "?token=hunter2")
    assert "hunter2" not in caplog.text


# Sizes


@pytest.mark.parametrize(
    "answer",
    [
        reply(b"x" * 101),
        raw(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 101),
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n"),
        reply(gzip.compress(b"x" * 101), content_encoding="gzip"),
        endless(),
        endless(content_length="99999999"),
        endless(gzip.compress(bytes(2**20)), content_encoding="gzip"),
        gzip_bomb(20 * MB),
    ],
)
async def test_a_file_over_the_limit_is_refused(http: HttpServer, answer: Answer) -> None:
    error = await refused(http.on("/big.bin", answer), "attachmentTooLarge", max_bytes=100)
    assert "/big.bin" in error.message


async def test_a_file_at_the_limit_passes(http: HttpServer) -> None:
    assert (await get(http.on("/a", reply(b"x" * 100)), max_bytes=100)).size == 100
    packed = gzip.compress(bytes(range(100)))
    assert len(packed) > 100
    assert (await get(http.on("/b", reply(packed, content_encoding="gzip")), max_bytes=100)).size == 100


async def test_a_body_shorter_than_was_said_is_refused(http: HttpServer) -> None:
    error = await refused(http.on("/a", reply(b"hello", content_length="6")), "fetchFailed")
    assert error.transient


async def test_a_body_longer_than_was_said_ends_where_it_was_said(http: HttpServer) -> None:
    assert (await get(http.on("/a", reply(b"hello, evil", content_length="5")))).content == b"hello"


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"220 mail.example ESMTP\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 100_000,
        b"\x15\x03\x01\x00\x02\x02\x28",
    ],
)
async def test_an_answer_that_is_no_http_is_refused(http: HttpServer, octets: bytes) -> None:
    await refused(http.on("/a", raw(octets)), "fetchFailed")


@pytest.mark.parametrize(
    ("status", "words", "transient"),
    [
        (404, "404 Not Found", False),
        (403, "403 Forbidden", False),
        (500, "500 Internal Server Error", True),
        (503, "503 Service Unavailable", True),
        (429, "429 Too Many Requests", True),
        (304, "304 Not Modified", False),
        (204, "204 No Content", False),
        (206, "206 Partial Content", False),
        (599, "599 for", False),
    ],
)
async def test_a_status_other_than_success_is_an_error(
    http: HttpServer, status: int, words: str, transient: bool
) -> None:
    error = await refused(http.on("/a", reply(b"", status=status)), "fetchFailed")
    assert (words in error.message, error.transient) == (True, transient)


async def test_a_disk_that_takes_no_more_is_said(http: HttpServer) -> None:
    url = http.on("/a", streaming(2 * MB))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MB, hard))
    try:
        error = await refused(url, "fetchFailed", max_bytes=2 * MB)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "File too large" in error.message
    assert "TMPDIR" in error.hint


# Time


@pytest.mark.parametrize(
    "answer", [stalling(), stalling(b"HTTP/1.1 200 OK\r\n"), stalling(b"HTTP/1.1 200 OK\r\n\r\nhello"), dripping()]
)
async def test_slow_servers_are_given_up_after_the_time_in_all(http: HttpServer, answer: Answer) -> None:
    error = await refused(http.on("/a", answer), "fetchTimeout", seconds=0.2)
    assert error.transient


async def test_redirects_share_the_time(http: HttpServer) -> None:
    async def slowly_onwards(exchange: Exchange) -> None:
        await redirect("/a")(exchange)

    http.on("/a", stalling())
    await refused(http.on("/b", slowly_onwards), "fetchTimeout", seconds=0.2)


async def test_a_resolver_that_hangs_is_given_up() -> None:
    async def resolve(host: str, port: int) -> list[Address]:
        await asyncio.Event().wait()
        return []

    await refused("http://slow.example/a", ErrorCode.FETCH_TIMEOUT, seconds=0.05, resolve=resolve)
