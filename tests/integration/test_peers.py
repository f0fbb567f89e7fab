"""Node-RED's e-mail node and n8n's Send Email send through us; `make peers` installs both, and runs this."""

import asyncio
import json
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from benchmarks import http_peers, peers
from benchmarks.clients.flow import SUBJECT
from integration.front_door import Recorder, front_door, outlook, recorder
from matrix.world import World
from support.daemon import open_folder, until
from support.require import absent
from support.submitting import without_trace

pytestmark = pytest.mark.peers

_UNTAGGED = "nobody's"
Peer = Callable[..., AbstractContextManager[http_peers.Asked]]


class _Sink:
    """What a peer sends to: our server, by the recorder; it counts what has come to the other end."""

    def __init__(self, recorder: Recorder, world: World) -> None:
        self.port = recorder.port
        self._world = world

    def taken(self) -> int:
        return len(self._world.books.taken.get(_UNTAGGED, ()))


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with outlook() as running:
        yield running


@pytest.mark.parametrize("peer", [http_peers.node_red, http_peers.n8n])
async def test_its_mail_reads_back_byte_for_byte(world: World, peer: Peer) -> None:
    if not (peers.node_red() if peer is http_peers.node_red else peers.n8n()):
        absent("it is not installed: `make peers` does so")
    world.books.taken.clear()
    with open_folder("peers") as folder, ExitStack() as stack:
        async with (
            front_door(world, folder, senders=("shop@example.com",), tls=False) as door,
            recorder(door.port) as recording,
        ):
            login = http_peers.Login(door.login, door.password)
            # It is up when its first mail has come.
            asked = await asyncio.to_thread(stack.enter_context, peer(folder, _Sink(recording, world), login))
            await asyncio.to_thread(_ask, asked)
            await asyncio.to_thread(stack.close)
            await until(lambda: len(world.books.taken[_UNTAGGED]) >= len(recording.contents))
    taken = world.books.taken[_UNTAGGED]
    assert sorted(without_trace(one.content) for one in taken) == sorted(recording.contents)
    received = taken[-1]
    assert (received.mail_from, received.rcpt_tos) == ("shop@example.com", ("jane@example.org",))
    told = message_from_bytes(received.content, policy=policy.default)
    assert isinstance(told, EmailMessage)
    assert told["Subject"] == SUBJECT
    html = told.get_body(("html",))
    assert isinstance(html, EmailMessage)
    assert "your order 17 left our house" in html.get_content()


def _ask(asked: http_peers.Asked) -> None:
    body = json.dumps({"input": {"order": 17, "cents": 1250}}).encode()
    url = f"http://127.0.0.1:{asked.port}{asked.path}"
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method="POST")
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()
