"""Apps: what a person may set of them, and their logins."""

import asyncio
import json

import pytest
from click.testing import CliRunner

from mailnode.app import Mailnode
from mailnode.cli.main import cli
from mailnode.connections.rate_limit import RateLimit
from mailnode.errors import ConnectionsError, ErrorCode, SettingsError
from mailnode.submission.login_delays import LONGEST_SECONDS, LoginDelays
from mailnode.submission.rates import next_free

LOGIN = {"hosts": ["mail.x.example"], "username": "ann@x.example", "password": "secret"}
SECOND = 1_000_000


@pytest.mark.usefixtures("database_kind")
async def test_an_app_is_created_shown_changed_and_deleted(home):
    async with Mailnode.open(home=home) as opened:
        await opened.connections.create("shop", "basic", LOGIN)
        made = await opened.apps.create("web", {"connection": "shop"})
        assert (made.login, len(made.password), made.password.isalnum()) == ("web", 26, True)
        shown = await opened.apps.show("web")
        assert shown.pop("createdAt") == shown.pop("updatedAt")
        assert shown == {
            "name": "web", "connection": "shop", "senders": ["ann@x.example"], "notify": "sender",
            "duplicatesCheck": True, "lastUsedAt": None,
        }  # fmt: skip
        changed = {"senders": ["@Bücher.example", " <> ", "Bob <bob@x.example>"], "rateLimit": " 5 / MIN ",
                   "notify": "desk@x.example", "duplicatesCheck": False, "unixUser": "www-data", "host": "127.0.0.1",
                   "port": 25, "tlsOption": "none"}  # fmt: skip
        await opened.apps.update("web", changed)
        shown = await opened.apps.show("web")
        assert shown["senders"] == ["@xn--bcher-kva.example", "bob@x.example", "<>"]
        assert (shown["rateLimit"], shown["notify"], shown["unixUser"]) == ("5/min", "desk@x.example", "www-data")
        await opened.apps.update("web", {"rateLimit": None, "unixUser": None})
        (listed,) = await opened.apps.list()
        assert {"rateLimit", "unixUser"}.isdisjoint(listed)
        assert (await opened.apps.rotate("web")).password != made.password
        assert made.password not in str(listed)
        await opened.apps.delete("web")
        assert await opened.apps.list() == []


async def test_a_port_alone_is_that_of_the_connections_only_host(home):
    async with Mailnode.open(home=home) as opened:
        await opened.connections.create("shop", "basic", LOGIN)
        await opened.apps.create("web", {"connection": "shop", "port": 2525})
        shown = await opened.apps.show("web")
        assert [shown["host"], shown["port"]] == [*LOGIN["hosts"], 2525]


async def test_what_is_wrong_with_an_app_is_told_all_at_once(home):
    async with Mailnode.open(home=home) as opened:
        await opened.connections.create("shop", "basic", {**LOGIN, "username": "ann"})
        await opened.connections.create("several", "basic", {**LOGIN, "hosts": ["a.example", "b.example"]})
        gmail = {"service": "Gmail", "username": "ann@x.example", "password": "secret"}
        await opened.connections.create("gmail", "basic", gmail)
        for name, fields, key, said in (
            ("a b", {"connection": "shop"}, "name", "'a b'"),
            ("web", {}, "connection", "connection is missing"),
            ("web", {"connection": "shop"}, "senders", "no address of its own"),
            ("web", {"connection": "shop", "senders": []}, "senders", "empty"),
            ("web", {"connection": "shop", "senders": ["a@b@c"]}, "senders[0]", "a@b@c"),
            ("web", {"connection": "shop", "rateLimit": "fast"}, "rateLimit", "'fast'"),
            ("web", {"connection": "shop", "notify": "nobody"}, "notify", "nobody"),
            ("web", {"connection": "shop", "unixUser": "a/b"}, "unixUser", "'a/b'"),
            ("web", {"connection": "several", "port": 25}, "host", "for several hosts"),
            ("web", {"connection": "gmail", "tlsOption": "tls"}, "host", "the service Gmail"),
            ("web", {"connection": "shop", "host": "h", "port": 0}, "port", "not a port"),
            ("web", {"connection": "shop", "conection": "x"}, "conection", "no field"),
        ):
            with pytest.raises(SettingsError, match=said) as caught:
                await opened.apps.create(name, fields)
            assert (caught.value.key, bool(caught.value.hint)) == (key, True)
        with pytest.raises(SettingsError) as caught:
            await opened.apps.create("web", {"rateLimit": "fast", "port": "x", "duplicatesCheck": 1})
        assert len(caught.value.others) == 2
        with pytest.raises(ConnectionsError, match="'shpo'"):
            await opened.apps.create("web", {"connection": "shpo", "senders": ["a@b.example"]})
        await opened.apps.create("web", {"connection": "shop", "senders": ["a@b.example"], "unixUser": "jo"})
        for name, user in (("web", None), ("other", "jo")):
            given = {"connection": "shop", "senders": ["a@b.example"], "unixUser": user}
            with pytest.raises(SettingsError, match="already") as caught:
                await opened.apps.create(name, given)
            assert caught.value.code is ErrorCode.APP_CONFLICT
        for work in (opened.apps.show, opened.apps.rotate, opened.apps.delete):
            with pytest.raises(SettingsError, match="'nobody'") as caught:
                await work("nobody")
            assert caught.value.code is ErrorCode.UNKNOWN_APP


def test_the_command_shows_a_password_once(home):
    async def create():
        async with Mailnode.open(home=home) as opened:
            await opened.connections.create("shop", "basic", LOGIN)

    def done(*arguments):
        ended = CliRunner().invoke(cli, ["apps", *arguments])
        assert ended.exit_code == 0, ended.exception
        return ended.stdout

    def refused(*arguments):
        ended = CliRunner().invoke(cli, ["apps", *arguments])
        assert isinstance(ended.exception, SettingsError)
        return str(ended.exception)

    asyncio.run(create())
    made = done("create", "web", "--connection", "shop", "--rate", "9/min", "--sender", "@x.example")
    login, password = (line.split()[1] for line in made.splitlines())
    assert (login, len(password)) == ("web", 26)
    done("update", "web", "--no-rate", "--no-duplicates-check", "--notify", "none")
    shown = done("show", "web")
    assert (json.loads(shown)["duplicatesCheck"], json.loads(shown)["notify"]) == (False, "none")
    assert "rateLimit" not in shown
    assert password not in shown
    assert done("list").splitlines()[1].split() == ["web", "shop", "@x.example", "never"]
    assert json.loads(done("rotate", "web", "--json"))["password"] != password
    assert refused("create", "new", "--connection", "shop", "--rate", "fast").startswith("--rate: ")
    assert refused("create", "new", "--connection", "shop", "--sender", "a@b@c").startswith("--sender: ")
    assert password.encode() not in b"".join(one.read_bytes() for one in home.glob("mailnode.db*"))
    done("delete", "web", "--yes")
    assert "'web'" in refused("show", "web")


def test_a_rate_lets_in_all_of_it_at_once_and_then_as_time_goes_by():
    rate, now, free_at = RateLimit(3, 60), 10**15, 0
    for _ in range(3):
        free_at = next_free(free_at, now, rate) or 0
        assert free_at
    assert next_free(free_at, now, rate) is None
    assert next_free(free_at, now + 19 * SECOND, rate) is None
    assert next_free(free_at, now + 20 * SECOND, rate)
    # A clock that was set back keeps nobody waiting for longer than the rate's time.
    assert next_free(free_at, now - 9999 * SECOND, rate)


def test_wrong_logins_wait_ever_longer_for_address_and_app():
    delays, now = LoginDelays(), 100
    delays.clock = lambda: now
    waits = [delays.count("192.0.2.1", "web") for _ in range(8)]
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (0.5, LONGEST_SECONDS)
    assert delays.count("192.0.2.1", "other") == LONGEST_SECONDS
    assert delays.count("192.0.2.9", "web") == LONGEST_SECONDS
    assert delays.count("192.0.2.9", "third") == 1.0
    assert delays.count("2001:db8:1:2::1", "fourth") == 0.5
    assert delays.count("2001:db8:1:2::9", "fifth") == 1.0
    assert delays.count("2001:db8::a:b:c:d", "sixth") == 0.5
    assert delays.count("2001:db8::e:b:c:d", "seventh") == 1.0  # a zero that is left out is one of the network's
    now += 1000
    assert delays.count("192.0.2.1", "web") == 0.5
    for number in range(30_000):
        delays.count(f"10.0.{number}", "web")
    assert len(delays._counts) <= 10_000
