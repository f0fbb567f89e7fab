"""Outcomes reach a receiver that fails: each at least once, those of a delivery in order, signed for whoever checks."""

import asyncio
import json
import random
import threading
from collections import defaultdict

import pytest
from sqlalchemy import select, update

from mailnode.app import Mailnode
from mailnode.connections.secrets.database_key import rekey
from mailnode.environment import Environment, open_connections
from mailnode.errors import SettingsError, StoreError
from mailnode.events.post import ALLOW_VARIABLE, check_url
from mailnode.events.queue import MANY_FAILURES
from mailnode.events.sender import MOST_OF_ONE
from mailnode.message.email import Email
from mailnode.node.address_guard import AddressGuard
from mailnode.store.webhook_tables import webhook_events, webhooks
from support.flows import to_server, write_flow
from support.scripted_smtp import ScriptedServer
from support.webhook_receiver import receiving

LAN = AddressGuard.from_text("10.0.0.0/24, nas.internal", ALLOW_VARIABLE)


@pytest.fixture(autouse=True)
def allowed(monkeypatch, home):
    monkeypatch.setenv("MAILNODE_WEBHOOK_ALLOW", "127.0.0.1")


@pytest.fixture
def at_once(monkeypatch):
    """Have what failed tried again at once."""
    monkeypatch.setattr("mailnode.events.queue.WAITS", (0.0,))


def email(to="bob@y.example"):
    return Email(from_="ann@x.example", to=to, subject="Hi", text="Hello")


def at(server):
    return {"host": "127.0.0.1", "port": server.port, "tls_option": "none"}


async def rows(mailnode, by=webhook_events.c.number):
    """Give the rows of a column's table, in its order."""
    database = mailnode.webhooks._database
    return await database.read(lambda db: db.execute(select(by.table).order_by(by)).all())


async def change(mailnode, table, *where, **values):
    await mailnode.webhooks._database.write(lambda db: db.execute(update(table).where(*where).values(**values)))


async def subscribe(mailnode, receiver, *events):
    receiver.secret = await mailnode.webhooks.create("shop", receiver.url, events)


class Held:
    """Takes events once `answer` is set, however long it takes."""

    def __init__(self):
        self._posted = threading.Event()
        self.answer = threading.Event()

    def status(self, _):
        self._posted.set()
        assert self.answer.wait(60)
        return 204

    def wait_for_post(self):
        assert self._posted.wait(60)


async def ended(mailnode, count):
    """Wait until so many events are no longer waiting."""
    while sum(row.state != "waiting" for row in await rows(mailnode)) < count:  # noqa: ASYNC110 -- another's commit
        await asyncio.sleep(0.01)


async def test_every_outcome_arrives_in_order_though_three_posts_in_ten_fail(database_kind, at_once):
    fate = random.Random(7)
    with receiving(lambda _: fate.choice([500, 503, 302, *[200] * 7])) as receiver:
        async with ScriptedServer({"RCPT TO:<no@y.example>": "550 5.1.1 who?"}) as server, Mailnode.open() as mailnode:
            await subscribe(mailnode, receiver)
            queued = [await mailnode.send(email(), **at(server), wait=False) for _ in range(10)]
            failed = [await mailnode.send(email("no@y.example"), **at(server)) for _ in range(5)]
            for result in failed:
                await mailnode.deliveries.retry(result["deliveryId"], as_queued=True)
                await mailnode.deliveries.cancel(result["deliveryId"])
                await mailnode.deliveries.retry(result["deliveryId"], as_queued=True)
            async with mailnode.working():
                await asyncio.to_thread(receiver.wait_for_taken, 25)
                await ended(mailnode, 25)
            assert {row.state for row in await rows(mailnode)} == {"posted"}
    told = defaultdict(list)
    for post in receiver.taken:
        told[post.delivery].append(post.event["type"])
    assert told == {
        **{one["deliveryId"]: ["delivery.sent"] for one in queued},
        **{one["deliveryId"]: ["delivery.failed", "delivery.cancelled", "delivery.failed"] for one in failed},
    }
    assert len({post.id for post in receiver.posts}) == 25
    assert len(receiver.posts) > 30
    # In order as they came, the failed ones too: what comes after one waits for it.
    for delivery in {one["deliveryId"] for one in failed}:
        came = list(dict.fromkeys(post.id for post in receiver.posts if post.delivery == delivery))
        assert came == [post.id for post in receiver.taken if post.delivery == delivery]


async def test_an_event_tells_the_result_and_comes_with_the_end_of_a_run(tmp_path, home):
    with receiving() as receiver:
        async with ScriptedServer() as server, Mailnode.open() as mailnode:
            flow = write_flow(tmp_path, {"id": "tell", "type": "sendSmtpEmail", "settings": to_server(server.port)})
            await mailnode.send(email(), **at(server))
            assert await rows(mailnode) == []  # there was no webhook
            await subscribe(mailnode, receiver)
            run = await mailnode.run(flow, run_id="r1")
            await mailnode.work(drain=True)
    (post,) = receiver.posts
    data = post.event["data"]
    assert (post.event["type"], data["runId"], data["nodeId"]) == ("delivery.sent", "r1", "tell")
    assert data["result"]["messageId"] in json.dumps(run.to_json())
    assert data["result"]["status"] == "sent"
    assert data["deliveryId"] == data["result"]["deliveryId"]
    assert post.headers["content-type"] == "application/json"
    assert post.event["timestamp"].endswith("Z")


async def test_only_the_outcomes_that_were_asked_for_are_told(home):
    with receiving() as receiver:
        async with ScriptedServer({"RCPT TO:<no@y.example>": "550 5.1.1 who?"}) as server, Mailnode.open() as mailnode:
            await subscribe(mailnode, receiver, "delivery.failed", "held")
            await mailnode.send(email(), **at(server))
            await mailnode.send(email("no@y.example"), **at(server))
            await mailnode.work(drain=True)
    assert [post.event["type"] for post in receiver.posts] == ["delivery.failed"]


async def test_what_a_dead_process_has_claimed_is_posted_by_the_next_one(database_kind):
    with receiving() as receiver:
        async with ScriptedServer() as server, Mailnode.open() as mailnode:
            await subscribe(mailnode, receiver)
            await mailnode.send(email(), **at(server))
            assert await mailnode._background.event_sender._claim_due() != []
            await mailnode.work(drain=True)
            assert receiver.posts == []  # it may still be alive
            await change(mailnode, webhook_events, due_at=1)
            await mailnode.work(drain=True)
            (row,) = await rows(mailnode)
    assert (len(receiver.posts), row.state, row.claim) == (1, "posted", None)


async def test_after_a_day_an_event_is_given_up_until_it_is_replayed(database_kind):
    answers = iter([500, 500, 500, 200, 200])
    with receiving(lambda _: next(answers)) as receiver:
        async with ScriptedServer() as server, Mailnode.open() as mailnode:
            await subscribe(mailnode, receiver)
            sent = await mailnode.send(email(), **at(server))
            await mailnode.work(drain=True)
            (row,) = await rows(mailnode)
            assert (row.state, row.tries, row.status_code) == ("waiting", 1, 500)
            assert 4000 < row.due_at - row.created_at < 60_000
            assert await mailnode.webhooks.replay("shop") == 1  # now, and not when it is due
            await mailnode.work(drain=True)
            await change(mailnode, webhook_events, due_at=1, expires_at=1)
            await mailnode.work(drain=True)
            shown = await mailnode.webhooks.show("shop")
            assert (shown["failed"], shown["waiting"]) == (1, 0)
            assert shown["latest"][0]["trouble"] == "the receiver answered 500 Internal Server Error"
            assert await mailnode.webhooks.replay("shop") == 1
            await mailnode.work(drain=True)
            assert await mailnode.webhooks.replay("shop", events=[sent["deliveryId"]]) == 1
            await mailnode.work(drain=True)
            with pytest.raises(SettingsError, match="no event"):
                await mailnode.webhooks.replay("shop", events=["evt_1_2"])
            assert await mailnode.webhooks.replay("shop", since=2**41) == 0
            await change(mailnode, webhook_events, created_at=1)
            assert await mailnode.webhooks.sweep(30) == 1
    assert len({post.id for post in receiver.posts}) == 1
    assert [post.status for post in receiver.posts] == [500, 500, 500, 200, 200]
    assert "private words" not in json.dumps(shown)


async def test_a_receiver_that_is_down_gets_one_event_at_a_time_and_all_when_it_is_back(database_kind):
    status = 500
    with receiving(lambda _: status) as receiver:
        async with ScriptedServer() as server, Mailnode.open() as mailnode:
            await subscribe(mailnode, receiver)
            for _ in range(30):
                await mailnode.send(email(), **at(server))
            await mailnode.work(drain=True)
            tried = len(receiver.posts)
            assert MANY_FAILURES <= tried < MANY_FAILURES + MOST_OF_ONE
            assert (await mailnode.webhooks.show("shop"))["state"] == "failing"
            await mailnode.work(drain=True)
            assert len(receiver.posts) == tried  # it pauses
            await change(mailnode, webhooks, retry_at=0)
            await mailnode.work(drain=True)
            assert len(receiver.posts) == tried + 1
            status = 200
            await change(mailnode, webhooks, retry_at=0)
            await mailnode.work(drain=True)
            assert {row.state for row in await rows(mailnode)} == {"posted"}
            assert (await mailnode.webhooks.show("shop"))["state"] == "ready"


async def test_an_answer_that_is_not_stored_yet_leaves_no_room_for_more(database_kind, monkeypatch):
    monkeypatch.setattr("mailnode.events.sender.MOST_OF_ONE", 2)
    with receiving(lambda _: 500) as receiver:
        async with ScriptedServer() as server, Mailnode.open() as mailnode:
            await subscribe(mailnode, receiver)
            for _ in range(3):
                await mailnode.send(email(), **at(server))
            sender = mailnode._background.event_sender
            assert await sender._start_due() == 2
            await asyncio.wait(sender._posts)
            assert await sender._start_due() == 0
            await sender._settle()
            assert await sender._start_due() == 1
            await asyncio.wait(sender._posts)


async def test_a_drain_waits_for_the_answer_to_what_was_posted_beside_the_mail(database_kind, monkeypatch):
    monkeypatch.setattr("mailnode.events.sender.STOP_SECONDS", 0.0)
    held = Held()
    with receiving(held.status) as receiver:
        async with ScriptedServer() as server, Mailnode.open() as mailnode:
            await subscribe(mailnode, receiver)
            await mailnode.send(email(), **at(server))
            sender = mailnode._background.event_sender
            async with sender.working():
                await asyncio.to_thread(held.wait_for_post)
                draining = asyncio.create_task(sender.drain(lambda: False))
                ended_early, _ = await asyncio.wait({draining}, timeout=0.5)
                held.answer.set()
                await draining
            assert [row.state for row in await rows(mailnode)] == ["posted"]
    assert not ended_early
    assert len(receiver.posts) == 1


async def test_a_drain_that_is_stopped_waits_for_no_answer(home, monkeypatch):
    monkeypatch.setattr("mailnode.events.sender.STOP_SECONDS", 0.0)
    held, is_stopped = Held(), threading.Event()
    with receiving(held.status) as receiver:
        async with ScriptedServer() as server, Mailnode.open() as mailnode:
            await subscribe(mailnode, receiver)
            await mailnode.send(email(), **at(server))
            sender = mailnode._background.event_sender
            async with sender.working():
                await asyncio.to_thread(held.wait_for_post)
                draining = asyncio.create_task(sender.drain(is_stopped.is_set))
                await asyncio.sleep(0)
                is_stopped.set()
                await draining
            (row,) = await rows(mailnode)
            held.answer.set()
    assert (row.state, row.tries, row.claim) == ("waiting", 0, None)


async def test_a_drain_posts_all_where_the_answer_that_a_receiver_is_back_came_just_before(database_kind):
    with receiving() as receiver:
        async with ScriptedServer() as server, Mailnode.open() as mailnode:
            await subscribe(mailnode, receiver)
            await change(mailnode, webhooks, failures=10, retry_at=5)
            for _ in range(3):
                await mailnode.send(email(), **at(server))
            sender = mailnode._background.event_sender
            assert await sender._start_due() == 1
            await asyncio.wait(sender._posts)
            await sender.drain(lambda: False)
            assert [row.state for row in await rows(mailnode)] == ["posted"] * 3


async def test_a_worker_that_stops_gives_back_the_one_try_of_a_receiver_that_is_down(database_kind, monkeypatch):
    monkeypatch.setattr("mailnode.events.sender.STOP_SECONDS", 0.0)
    held = Held()
    with receiving(held.status) as receiver:
        async with ScriptedServer() as server, Mailnode.open() as mailnode:
            await subscribe(mailnode, receiver)
            await change(mailnode, webhooks, failures=10, retry_at=5)
            await mailnode.send(email(), **at(server))
            async with mailnode._background.event_sender.working():
                await asyncio.to_thread(held.wait_for_post)
            (hook,) = await rows(mailnode, webhooks.c.name)
            assert (hook.failures, hook.retry_at) == (10, 5)
            held.answer.set()
            await mailnode.work(drain=True)
            assert [row.state for row in await rows(mailnode)] == ["posted"]
    assert len({post.id for post in receiver.posts}) == 1


async def test_the_one_try_of_a_receiver_that_is_down_is_kept_until_something_is_due(database_kind):
    with receiving() as busy, receiving(lambda _: 500) as down:
        async with ScriptedServer() as server, Mailnode.open() as mailnode:
            await subscribe(mailnode, busy)
            await mailnode.webhooks.create("down", down.url, ["delivery.failed"])
            await change(mailnode, webhooks, failures=10, retry_at=5)
            await mailnode.send(email(), **at(server))
            await mailnode.work(drain=True)
            hooks = await rows(mailnode, webhooks.c.name)
    assert len(busy.posts) == 1
    down_row, shop_row = hooks
    assert (down_row.failures, down_row.retry_at, shop_row.failures) == (10, 5, 0)


async def test_the_one_try_of_a_receiver_that_is_down_is_kept_while_others_take_all_the_room(
    database_kind, monkeypatch
):
    monkeypatch.setattr("mailnode.events.sender.MOST_AT_ONCE", 1)
    async with ScriptedServer() as server, Mailnode.open() as mailnode:
        await mailnode.webhooks.create("down", "https://127.0.0.1/")
        await mailnode.webhooks.create("shop", "https://127.0.0.1/")
        await mailnode.send(email(), **at(server))
        down, shop = await rows(mailnode, webhooks.c.name)
        await change(mailnode, webhooks, webhooks.c.name == "down", failures=10, retry_at=5)
        sender = mailnode._background.event_sender
        sender._last_rounds[down.id] = 1  # so that it comes second
        assert [one.webhook.id for one in await sender._claim_due()] == [shop.id]
        assert (await rows(mailnode, webhooks.c.name))[0].retry_at == 5
        sender._last_rounds[down.id] = 0
        assert [one.webhook.id for one in await sender._claim_due()] == [down.id]
        assert (await rows(mailnode, webhooks.c.name))[0].retry_at > 5


async def test_the_one_try_of_a_receiver_that_is_down_is_kept_while_an_earlier_event_is_posted(database_kind):
    with receiving() as receiver:
        async with ScriptedServer({"RCPT TO:<no@y.example>": "550 5.1.1 who?"}) as server, Mailnode.open() as mailnode:
            await subscribe(mailnode, receiver)
            failed = await mailnode.send(email("no@y.example"), **at(server))
            (first,) = await mailnode._background.event_sender._claim_due()
            await mailnode.deliveries.retry(failed["deliveryId"], as_queued=True)
            await mailnode.deliveries.cancel(failed["deliveryId"])
            await change(mailnode, webhooks, failures=10, retry_at=5)
            assert await mailnode._background.event_sender._claim_due() == []
            assert [hook.retry_at for hook in await rows(mailnode, webhooks.c.name)] == [5]
            await change(mailnode, webhook_events, webhook_events.c.claim == first.claim, claim=None, due_at=1)
            await mailnode.work(drain=True)
            assert {row.state for row in await rows(mailnode)} == {"posted"}
    assert [post.event["type"] for post in receiver.posts] == ["delivery.failed", "delivery.cancelled"]


async def test_receivers_take_turns_where_one_alone_would_take_all_the_room(database_kind, monkeypatch):
    monkeypatch.setattr("mailnode.events.sender.MOST_AT_ONCE", 2)
    with receiving() as receiver:
        async with ScriptedServer() as server, Mailnode.open() as mailnode:
            for name in ("a", "b", "c"):
                await mailnode.webhooks.create(name, receiver.url)
            for _ in range(4):
                await mailnode.send(email(), **at(server))
            sender = mailnode._background.event_sender
            served = []
            for _ in range(6):
                assert await sender._start_due() == 2
                served.append({one.webhook.name for one in sender._posts.values()})
                await asyncio.wait(sender._posts)
                await sender._settle()
    assert all(len(names) == 1 for names in served)
    assert served[:3] == served[3:]
    assert set.union(*served[:3]) == {"a", "b", "c"}


async def test_a_receiver_that_asks_for_time_gets_it(home):
    with receiving(lambda _: 429) as receiver:
        receiver.headers["Retry-After"] = "600"
        async with ScriptedServer() as server, Mailnode.open() as mailnode:
            await subscribe(mailnode, receiver)
            await mailnode.send(email(), **at(server))
            await mailnode.work(drain=True)
            (row,) = await rows(mailnode)
    assert row.due_at - row.created_at >= 600_000


async def test_no_redirect_is_followed_and_no_answer_is_shown(home):
    with receiving() as elsewhere, receiving(lambda _: 307) as receiver:
        receiver.headers["Location"] = elsewhere.url
        async with Mailnode.open() as mailnode:
            await subscribe(mailnode, receiver)
            answer = await mailnode.webhooks.test("shop")
    assert answer.status_code == 307
    assert "no redirect is followed" in answer.trouble
    assert (elsewhere.posts, len(receiver.posts)) == ([], 1)
    assert "private" not in repr(answer)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://hooks.example/a", "not encrypted"),
        ("http://10.0.1.1/a", "not encrypted"),
        ("ftp://hooks.example/a", "not an https URL"),
        ("https://ann:secret@hooks.example/", "contains credentials"),
        ("https://hooks.example/#part", "after #"),
        ("https://hooks.example:99999/", "no possible port"),
        ("hooks", "not an https URL"),
        ("https://[::1/", "not a URL"),
    ],
)
def test_a_url_that_must_not_be_posted_to_is_refused(url, words):
    with pytest.raises(SettingsError, match=words) as failure:
        check_url(url, LAN)
    assert failure.value.key == "url"
    assert "secret" not in str(failure.value)


@pytest.mark.parametrize("url", ["https://hooks.example/a?b=c", "http://10.0.0.7:80/", "http://NAS.internal./x"])
def test_a_url_may_be_plain_where_the_list_names_its_host(url):
    assert check_url(f" {url} ", LAN)


async def test_a_private_address_is_reached_only_where_the_list_has_it(home, monkeypatch):
    with receiving() as receiver:
        async with Mailnode.open() as mailnode:
            await subscribe(mailnode, receiver)
            assert (await mailnode.webhooks.test("shop")).trouble == ""
        monkeypatch.setenv("MAILNODE_WEBHOOK_ALLOW", "")
        monkeypatch.setenv("MAILNODE_FETCH_ALLOW", "127.0.0.1")  # which is another list
        async with Mailnode.open() as mailnode:
            assert "not encrypted" in (await mailnode.webhooks.test("shop")).trouble
            await mailnode.webhooks.create("private", f"https://localhost:{receiver.port}/")
            answer = await mailnode.webhooks.test("private")
    assert "which is not a public address" in answer.trouble
    assert "MAILNODE_WEBHOOK_ALLOW" in answer.hint
    assert len(receiver.posts) == 1


async def test_a_secret_is_encrypted_and_goes_along_with_a_change_of_the_key(home):
    with receiving() as receiver:
        async with Mailnode.open() as mailnode:
            await subscribe(mailnode, receiver)
            with pytest.raises(SettingsError, match="already exists"):
                await mailnode.webhooks.create("shop", receiver.url)
            assert receiver.secret not in json.dumps(await mailnode.webhooks.show("shop"))
        assert receiver.secret.encode() not in (home / "mailnode.db").read_bytes()
        key = (home / "secret.key").read_text()
        async with open_connections(Environment.read()) as opened:
            await rekey(opened.database, home, None)
        assert (home / "secret.key").read_text() != key
        async with Mailnode.open() as mailnode:
            assert (await mailnode.webhooks.test("shop")).trouble == ""
            (home / "secret.key").write_text(key)
        async with Mailnode.open() as mailnode:
            with pytest.raises(StoreError, match="another key"):
                await mailnode.connections.create("c", "basic", {"hosts": ["h"], "username": "u", "password": "p"})
            with pytest.raises(StoreError, match="not available"):
                await mailnode.webhooks.test("shop")
