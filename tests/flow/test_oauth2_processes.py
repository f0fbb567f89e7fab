"""Several processes over one home, and one consent: a single renewal for all, and a refresh token that none loses."""

import asyncio
import os
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from mailnode.environment import Environment, open_connections
from mailnode.errors import ErrorCode, TokenError
from mailnode.smtp.bearer import TokenLogin
from support.aiosmtp import submission
from support.flows import to_server, write_flow
from support.forked_python import python
from support.token_endpoint import CLIENT_ID, CLIENT_SECRET, USER, in_ms, token_endpoint

SEND_MANY = """
import asyncio, sys
from mailnode.app import Mailnode

async def main():
    async with Mailnode.open() as mailnode:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        runs = await asyncio.gather(*(mailnode.run(sys.argv[1]) for _ in range(int(sys.argv[2]))))
        print(sum(run.nodes[0].result["status"] == "sent" for run in runs), flush=True)

asyncio.run(main())
"""
# Renews once for each line that it is given.
RENEW = """
import asyncio, sys
from mailnode.environment import Environment, open_connections

async def main():
    async with open_connections(Environment.read()) as opened:
        while await asyncio.to_thread(sys.stdin.readline):
            await opened.connections.renew("shop")
            print("renewed", flush=True)

asyncio.run(main())
"""


async def process(code, *arguments):
    return await python(
        *("-c", code, *map(str, arguments)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=dict(os.environ),
    )


async def consent(endpoint, **fields):
    given = {
        "hosts": ["127.0.0.1"],
        "user": USER,
        "accessUrl": endpoint.url,
        "clientId": CLIENT_ID,
        "clientSecret": CLIENT_SECRET,
        "refreshToken": endpoint.consent(),
        "accessToken": "at-old",
        "expiryDate": in_ms(-1),
        **fields,
    }
    async with open_connections(Environment.read()) as opened:
        await opened.connections.create("shop", "oauth2", given)


async def stored(generation):
    """Wait until that many answers are in the database; it tells nobody, so it is asked."""

    def read():
        with closing(sqlite3.connect(Path(os.environ["MAILNODE_HOME"]) / "mailnode.db")) as file:
            return file.execute("SELECT generation FROM tokens").fetchone()[0]

    while await asyncio.to_thread(read) < generation:
        pass


async def a_token():
    async with open_connections(Environment.read()) as opened:
        login = (await opened.connections.get("shop")).login
        assert isinstance(login, TokenLogin)
        return await login.tokens.token()


async def test_two_hundred_messages_over_an_expired_token_from_two_processes_are_one_renewal(tmp_path):
    async with token_endpoint(rotate=True) as endpoint, submission(accepts=endpoint.accepts) as server:
        await consent(endpoint)
        flow = write_flow(
            tmp_path,
            {
                "id": "tell",
                "type": "sendSmtpEmail",
                "settings": to_server(server.port, connection="shop", **{"from": None}),
            },
        )
        senders = [await process(SEND_MANY, flow, 100) for _ in range(2)]
        for sender in senders:
            assert await sender.stdout.readline() == b"ready\n"
        said = await asyncio.gather(*(sender.communicate(b"go\n") for sender in senders))
        assert [out.strip() for out, _ in said] == [b"100", b"100"]
        assert endpoint.grants == ["refresh_token"]
        assert len(server.envelopes) == 200


async def test_fifty_renewals_and_kills_after_their_commit_never_lock_the_connection_out():
    """The endpoint rotates, and whoever shows an old refresh token ends the consent."""
    chance = random.Random(50)
    async with token_endpoint(rotate=True) as endpoint:
        await consent(endpoint)
        worker, kills = await process(RENEW), 0
        for number in range(50):
            worker.stdin.write(b"go\n")
            if chance.random() < 0.4:
                await stored(number + 1)  # the answer is on the disk, and perhaps nobody has been told yet
                worker.kill()
                await worker.communicate()
                worker, kills = await process(RENEW), kills + 1
            else:
                assert await worker.stdout.readline() == b"renewed\n"
        await worker.communicate(b"")
        assert endpoint.accepts(await a_token()) == USER
    assert kills > 10
    assert len({form["refresh_token"] for form in endpoint.requests}) == 50


async def test_a_kill_before_the_commit_is_found_and_named(tmp_path):
    async with token_endpoint(rotate=True) as endpoint:
        await consent(endpoint)
        endpoint.hold()
        worker = await process(RENEW)
        worker.stdin.write(b"go\n")
        await endpoint.asked.wait()
        worker.kill()
        await worker.communicate()
        endpoint.release()
        with pytest.raises(TokenError) as caught:
            await a_token()
        assert caught.value.code == ErrorCode.CONSENT_NEEDED
        assert "crash" in caught.value.message
        assert "authorize the connection" in caught.value.hint
        assert len(endpoint.requests) == 2
