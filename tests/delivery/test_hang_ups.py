"""Servers that hang up on a worker: behind each 250, and in the middle of a mail."""

import asyncio
from dataclasses import replace

import pytest

from mailnode.delivery.delivery import Terms
from mailnode.engine.embedded import EmbeddedEngine
from mailnode.store.tables import attempts, deliveries
from support.deliveries import prepared, sending
from support.impatient_server import ImpatientServer
from support.loops import LOOPS, on_loop
from support.messages import letter
from support.scripted_smtp import CUT, DROP, RESET, USUAL, ScriptedServer
from support.tls import ca_pem, server_context

SOON = replace(Terms().for_queue(24), first_wait=0.0)
PIECE = b"".join(b"%063d\r\n" % line for line in range(1000))
LARGE = letter(content=(b"Subject: large\r\n\r\n", *[PIECE] * 400))

pytestmark = pytest.mark.parametrize("loop", LOOPS)


async def drain(admin):
    await asyncio.wait_for(EmbeddedEngine().work(admin.queue_worker, drain=True), 60)


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("end", [DROP, CUT, RESET], ids=["close_notify", "close", "reset"])
def test_a_queue_of_400_to_one_that_closes_tls_behind_each_250_leaves_whole_and_once(loop, end, tmp_path, caplog):
    names = [f"n{number}@y.example" for number in range(400)]

    async def work():
        async with (
            ScriptedServer({"dot": (USUAL, end)}, tls=server_context(), implicit_tls=True) as server,
            sending(tmp_path) as admin,
        ):
            queue = [
                admin.dispatcher.queue(prepared(server.port, letter(name), terms=SOON, ca=ca_pem())) for name in names
            ]
            await asyncio.gather(*queue)
            await drain(admin)
            rows = await admin.rows(deliveries)
            tried = await admin.rows(attempts)
        assert [row.state for row in rows] == ["sent"] * 400
        assert len(tried) == 400
        taken = sorted(path for message in server.accepted for path in message.forward_paths)
        assert taken == sorted(f"RCPT TO:<{name}>" for name in names)

    on_loop(loop, work)
    assert caplog.text == ""


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("words", ["", "552 5.3.4 too big for us"])
@pytest.mark.parametrize("tls", [False, True], ids=["clear", "TLS"])
def test_one_that_reads_300_kb_of_25_mb_and_goes_leaves_no_mail_in_doubt(loop, tls, words, tmp_path, caplog, capfd):
    async def work():
        context = server_context() if tls else None
        async with (
            ImpatientServer(content_bytes=300_000, words=words, tls=context) as server,
            sending(tmp_path) as admin,
        ):
            terms = replace(SOON, tries=2, on_unknown="hold")
            await admin.dispatcher.queue(prepared(server.port, LARGE, terms=terms, ca=ca_pem() if tls else None))
            await drain(admin)
            (row,) = await admin.rows(deliveries)
            tried = await admin.rows(attempts)
        assert row.state == "failed"
        assert len(tried) == server.begun == (1 if words else 2)
        assert words in str(tried[-1])

    on_loop(loop, work)
    assert caplog.text == ""
    assert capfd.readouterr().err == ""
