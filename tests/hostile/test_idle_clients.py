"""A thousand clients that want nothing, in every way of it, and one that sends meanwhile."""

import asyncio
import resource
import smtplib

import pytest

from mailnode.submission.session import Limits
from support.gates import KeepingGate, listening
from support.tls import served_certificate

CLIENTS = 1000
WAYS = [b"", b"EHLO c\r\n", b"EHLO c\r\nMAI", b"EHLO c\r\nAUTH LOGIN\r\n", b"\x00" * 100, b"x" * 1000]


@pytest.mark.soak
async def test_a_thousand_idle_clients_harm_nobody(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8000), hard))
    gate = KeepingGate()
    limits = Limits(login_seconds=3600.0, tls_seconds=3600.0)

    def send(port):
        for _ in range(20):
            with smtplib.SMTP("127.0.0.1", port) as client:
                client.login("shop", "pencil")
                for _ in range(10):
                    client.sendmail("ann@x.example", ["bob@y.example"], b"Subject: hi\r\n\r\nhi\r\n")

    writers = []
    try:
        async with listening(
            gate, limits=limits, port=0, tls_port=0, certificate=served_certificate(tmp_path)
        ) as server:
            for number in range(CLIENTS + 100):
                port = server.tls_port if number % 7 == 0 else server.port
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(WAYS[number % len(WAYS)])
                writers.append(writer)
            await asyncio.to_thread(send, server.port)
    finally:
        for writer in writers:
            writer.transport.abort()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(gate.taken) == 200
