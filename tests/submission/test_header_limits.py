"""What only a program that means harm sends keeps nobody else waiting, and is not kept."""

import threading
import tracemalloc

from mailnode.message.ready_made import ReadyMade
from mailnode.submission import database_gate
from mailnode.submission.content import ContentReader, Memory
from mailnode.submission.login_delays import LoginDelays
from support.submitting import CONTENT, an_app, take


async def test_a_header_without_end_is_refused_before_it_is_read(home, monkeypatch):
    async with an_app(home) as (_, opened, app):
        long = b"To: " + b"a@y.example,\r\n " * 20_000 + b"b@y.example\r\n"
        fits = b"To: " + b"a@y.example,\r\n " * 3_000 + b"b@y.example\r\n"
        assert (await take(opened, app, content=fits + CONTENT)).code == 250
        monkeypatch.setattr(database_gate, "ReadyMade", None)  # which would take its time
        for content in (long + CONTENT, long, b"X: " + b"x" * 2**20):
            reply = await take(opened, app, content=content)
            assert (reply.code, reply.enhanced) == (552, "5.3.4")


async def test_a_large_message_is_read_beside_the_others(home, monkeypatch):
    threads = set[int]()

    def reads(content: bytes) -> ReadyMade:
        threads.add(threading.get_ident())
        return ReadyMade(content)

    monkeypatch.setattr(database_gate, "ReadyMade", reads)
    async with an_app(home) as (_, opened, app):
        assert (await take(opened, app, content=CONTENT + b"x\r\n" * 2**19)).code == 250
    assert threads.isdisjoint({threading.get_ident()})


def test_of_wrong_logins_no_long_ones_are_kept():
    delays = LoginDelays()
    for number in range(100):
        delays.count("192.0.2.1", f"{number}" + "x" * 9000)
    assert sum(map(len, delays._counts)) < 10_000


def test_content_that_comes_in_small_pieces_takes_no_more_memory():
    memory = Memory(10**6)
    reader = ContentReader(10**6, memory)
    tracemalloc.start()
    try:
        for number in range(50_000):
            reader.feed(b"%02d" % (number % 100))
        assert tracemalloc.get_traced_memory()[1] < 5 * 100_000
    finally:
        tracemalloc.stop()
    assert reader.feed(b"\r\n.\r\nQUIT\r\n") == b"QUIT\r\n"
    assert reader.result() == b"".join(b"%02d" % number for number in range(100)) * 500 + b"\r\n"
