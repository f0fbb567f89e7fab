"""Servers that are killed under load: what got its 250 is sent, and each second copy says so."""

import asyncio
import os
import random
import signal
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import select

from mailnode.app import Mailnode
from mailnode.errors import MailnodeError
from mailnode.message.envelope import Envelope
from mailnode.smtp.client import SmtpClient
from mailnode.smtp.sasl import Login
from mailnode.store.tables import deliveries, delivery_recipients, workers
from support import killed_door
from support.forked_python import PIPE, python
from support.scripted_smtp import ScriptedServer
from support.submitting import CONTENT, create_app

pytestmark = pytest.mark.usefixtures("database_kind")

# As programs keep it that try again; without a date the client would add one each time.
DATED = b"Date: Mon, 30 Nov 2026 02:00:00 +0000\r\n" + CONTENT
SENDER = "ann@x.example"
PROGRAMS = 4
SEED = 5321
SOAK_KILLS = int(os.environ.get("SOAK_KILLS", "200"))


class Programs:
    """Programs that hand in one message after the other, each until it has its 250, at whichever port it is now."""

    def __init__(self, password):
        self._login = Login("web", password)
        self._port = asyncio.get_running_loop().create_future()
        self._is_over = False
        self.names = []

    def use(self, port):
        """Have them hand in at this port from now on; None is nowhere."""
        if self._port.done():
            self._port = asyncio.get_running_loop().create_future()
        if port is not None:
            self._port.set_result(port)

    def end(self):
        """Have each end with the message that it is at."""
        self._is_over = True

    async def run(self):
        await asyncio.gather(*(self._run(number) for number in range(PROGRAMS)))

    async def _run(self, program):
        number = 0
        while not self._is_over:
            name = f"p{program}n{number}"
            await self._hand_in(name)
            self.names.append(name)
            number += 1

    async def _hand_in(self, name):
        content = DATED.replace(b"<1@", f"<{name}@".encode())
        to = Envelope(SENDER, (f"{name}@y.example",))
        while True:
            port = await self._port
            try:
                async with SmtpClient("127.0.0.1", port, tls_option="none", login=self._login) as client:
                    outcome = await client.send(content, to)
            except MailnodeError:
                await asyncio.sleep(0.01)  # it was killed, and the port is still known
                continue
            # Another server may have got a port that is free again.
            if "queued as" in outcome.reply.text:
                return


async def begun(*arguments):
    process = await python(Path(killed_door.__file__), *arguments, stdout=PIPE)
    assert process.stdout
    return process, int(await process.stdout.readline())


async def check(opened, server, names):
    """See that each message was sent, once, unless its delivery says that there may be a copy."""
    database = opened._run_store._database
    await database.write(lambda db: db.execute(workers.update().values(lease_until=0)))
    await opened.work(drain=True)
    rows = {row.id: row for row in await database.read(lambda db: db.execute(select(deliveries)).all())}
    recipients = await database.read(lambda db: db.execute(select(delivery_recipients)).all())
    assert Counter(row.state for row in rows.values()) == {"sent": len(names)}
    assert sorted(one.address for one in recipients) == sorted(f"{name}@y.example" for name in names)
    copies = Counter(message.forward_paths[0][9:-1] for message in server.accepted)
    assert set(copies) == {f"{name}@y.example" for name in names}
    marked = {one.address for one in recipients if "resentAfterUnknown" in rows[one.delivery_id].warnings}
    assert {address for address, count in copies.items() if count > 1} <= marked
    return len(marked)


@asynccontextmanager
async def load(home):
    """Have programs hand in messages; what is given to the programs' server to be sent is checked at the end."""
    async with (
        ScriptedServer(extensions=("PIPELINING", "8BITMIME", "AUTH PLAIN")) as server,
        Mailnode.open(home=home) as opened,
    ):
        await create_app(opened, server.port)
        programs = Programs((await opened.apps.rotate("web")).password)
        running = asyncio.create_task(programs.run())
        yield programs
        last, port = await begun()
        programs.use(port)
        programs.end()
        await running
        last.kill()
        await last.wait()
        await check(opened, server, programs.names)


async def test_a_server_that_is_killed_at_a_commit_loses_nothing_that_it_took(home):
    async with load(home) as programs:
        for when, number in (("before", 3), ("after", 5), ("after", 9)):
            process, port = await begun(when, str(number))
            programs.use(port)
            assert await process.wait() == -signal.SIGKILL
            programs.use(None)


@pytest.mark.soak
async def test_servers_that_are_killed_at_random_under_load(home):
    chance = random.Random(SEED)
    async with load(home) as programs:
        for _ in range(SOAK_KILLS):
            process, port = await begun()
            programs.use(port)
            await asyncio.sleep(chance.uniform(0.0, 0.4))
            process.kill()
            await process.wait()
            programs.use(None)
