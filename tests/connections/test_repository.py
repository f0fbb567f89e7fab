import asyncio
import base64
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import text

from mailnode.connections.repository import ConnectionRepository
from mailnode.connections.secrets.cipher import Cipher
from mailnode.connections.tokens import TokenKeeper
from mailnode.errors import ConnectionsError, ErrorCode, StoreError
from mailnode.smtp.sasl import Login
from mailnode.store.database import Database
from mailnode.store.process_lock import ProcessLock
from support.database import both

FIRST, SECOND = (base64.b64encode(octet * 32).decode() for octet in (b"\1", b"\2"))
DKIM_KEY = (
    ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
)
DKIM = {"domain": "example.org", "selector": "s1", "privateKey": DKIM_KEY}
GMAIL = {"service": "gmail", "username": "shop@gmail.com", "password": "canary-password"}
RELAY = {"hosts": ["mail.example.org"], "username": "shop", "password": "canary-password", "dkim": DKIM}


@pytest.fixture
def database(where):
    database = Database.open(where)
    yield database
    database.close()


@pytest.fixture
def repository(database, tmp_path):
    return with_key(database, tmp_path, FIRST)


def with_key(database, tmp_path, key):
    cipher = Cipher.open(tmp_path, key)
    return ConnectionRepository(database, cipher, TokenKeeper(database, cipher, ProcessLock(tmp_path / "workers")))


@both
async def test_connections_are_found_and_listed_page_by_page(repository):
    for name, fields in (("b", RELAY), ("a", GMAIL), ("J\u00dcRGEN", {**RELAY, "username": "J\u00f6rg"}), ("c", RELAY)):
        await repository.create(name, "basic", fields)

    async def names(**wanted):
        return [one["name"] for one in await repository.list(**wanted)]

    everyone = await names()
    assert sorted(everyone) == sorted(["a", "b", "c", "J\u00dcRGEN"])
    assert await names(limit=2) == everyone[:2]
    assert await names(limit=2, after=everyone[1]) == everyone[2:]
    assert await names(search="GMAIL") == ["a"]
    assert await names(search="mail.EXAMPLE", limit=1) == [name for name in everyone if name != "a"][:1]
    assert await names(search="j\u00fcrgen") == await names(search="J\u00d6RG") == ["J\u00dcRGEN"]
    assert await names(search="canary") == await names(search="%") == []


@both
async def test_the_last_test_is_good_for_the_revision_that_was_tested(repository):
    await repository.create("shop", "basic", RELAY)
    first = (await repository.get("shop")).identity
    assert "lastTest" not in await repository.show("shop")
    await repository.keep_test(first, failed_step="auth", found="the login failed", hint="check the password")
    failed = (await repository.show("shop"))["lastTest"]
    assert {**failed, "at": 0} == {
        "at": 0, "ok": False, "failedStep": "auth", "found": "the login failed", "hint": "check the password",
    }  # fmt: skip
    await repository.keep_test(first)
    assert (await repository.list())[0]["lastTest"]["ok"]
    await repository.update("shop", {"username": "other"})
    await repository.keep_test(first)  # it began before the change
    assert "lastTest" not in await repository.show("shop")
    await repository.keep_test((await repository.get("shop")).identity)
    await repository.delete("shop")
    assert await repository.list() == []


@both
async def test_a_connection_is_read_as_it_was_written(repository):
    await repository.create("shop", "basic", {**RELAY, "tlsOption": "starttls", "allowPlaintextAuth": True})
    shop = await repository.get("shop")
    assert (shop.name, shop.type, shop.revision) == ("shop", "basic", 1)
    assert (shop.service, shop.hosts) == (None, ("mail.example.org",))
    assert shop.login == Login("shop", "canary-password")
    assert (shop.tls_option, shop.allow_plaintext_auth) == ("starttls", True)
    assert (shop.dkim.domain, shop.dkim.selector, shop.dkim.private_key) == ("example.org", "s1", DKIM_KEY)
    assert (shop.from_, shop.redirect_all_to, shop.allowed_recipients) == (None, None, ())


async def test_no_secret_is_in_the_files_that_are_shown_or_kept(repository, tmp_path):
    await repository.create("shop", "basic", RELAY)
    await repository.update("shop", {"username": "shop2"})
    canaries = [b"canary", *(line.encode() for line in DKIM_KEY.splitlines()[1:-1])]
    kept = b"".join(file.read_bytes() for file in tmp_path.glob("mailnode.db*"))
    assert b"shop2" in kept
    assert [canary for canary in canaries if canary in kept] == []
    shown = f"{await repository.show('shop')}{await repository.list()}{await repository.get('shop')!r}".encode()
    assert [canary for canary in canaries if canary in shown] == []


async def test_show_gives_the_public_fields_and_which_secrets_are_set(repository):
    await repository.create("shop", "basic", RELAY)
    assert await repository.show("shop") == {
        "name": "shop",
        "type": "basic",
        "revision": 1,
        "hosts": ["mail.example.org"],
        "username": "shop",
        "dkim": {"domain": "example.org", "selector": "s1"},
        "secrets": ["dkim.privateKey", "password"],
    }


@both
async def test_list_gives_all_by_name(repository):
    assert await repository.list() == []
    for name in ("b", "a"):
        await repository.create(name, "basic", GMAIL)
    assert [(one["name"], one["service"]) for one in await repository.list()] == [("a", "Gmail"), ("b", "Gmail")]


async def test_a_name_is_given_once(repository):
    await repository.create("shop", "basic", GMAIL)
    with pytest.raises(ConnectionsError, match="'shop' already exists") as caught:
        await repository.create("shop", "basic", RELAY)
    assert caught.value.key == "name"
    assert (await repository.get("shop")).service == "Gmail"


@both
async def test_of_two_that_create_one_name_at_once_one_is_refused(repository):
    answers = await asyncio.gather(
        *(repository.create("shop", "basic", GMAIL) for _ in range(5)), return_exceptions=True
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["ConnectionsError"] * 4 + ["NoneType"]


@pytest.mark.parametrize("name", ["shop", "Shop 2", "a.b-c_d", "Bücher", "1", "x" * 64])
async def test_a_sane_name_is_taken(repository, name):
    await repository.create(name, "basic", GMAIL)
    assert (await repository.get(name)).name == name


@pytest.mark.parametrize(
    "name", ["", " ", " a", "a ", "a\nb", "a/b", "-a", "a@b", "x" * 65, "a\0", "{{ a }}", "\ud800"]
)
async def test_any_other_name_is_refused(repository, name):
    with pytest.raises(ConnectionsError) as caught:
        await repository.create(name, "basic", GMAIL)
    assert caught.value.key == "name"


async def test_two_ways_to_write_one_letter_are_one_name(repository):
    await repository.create("Bu\u0308cher", "basic", GMAIL)
    assert (await repository.get("B\u00fccher")).revision == 1
    assert (await repository.get("Bu\u0308cher")).revision == 1


@pytest.mark.parametrize("use", ["get", "show", "delete"])
async def test_an_unknown_name_is_an_error_that_names_the_near_ones(repository, use):
    await repository.create("Newsletter", "basic", GMAIL)
    with pytest.raises(ConnectionsError, match="no connection 'newslettr'") as caught:
        await getattr(repository, use)("newslettr")
    assert caught.value.code is ErrorCode.UNKNOWN_CONNECTION
    assert "Newsletter" in caught.value.hint


@pytest.mark.parametrize("name", ["x" * 10_000, "\ud800", "\0"])
async def test_a_name_that_can_not_be_is_unknown(repository, name):
    with pytest.raises(ConnectionsError) as caught:
        await repository.get(name)
    assert caught.value.code is ErrorCode.UNKNOWN_CONNECTION
    assert len(caught.value.message) < 500


async def test_a_wrong_field_writes_nothing(repository):
    with pytest.raises(ConnectionsError):
        await repository.create("shop", "basic", {**GMAIL, "pasword": "x"})
    assert await repository.list() == []


@both
async def test_an_update_changes_what_is_named_and_counts_the_revision(repository):
    await repository.create("shop", "basic", {**RELAY, "tlsOption": "tls"})
    before = await repository.get("shop")
    await repository.update("shop", {"username": "other", "tlsOption": None})
    after = await repository.get("shop")
    assert (after.revision, after.login.username, after.tls_option) == (2, "other", None)
    assert (after.id, after.login.password, after.dkim) == (before.id, before.login.password, before.dkim)


async def test_an_update_of_dkim_keeps_the_key_unless_it_is_given(repository):
    await repository.create("shop", "basic", RELAY)
    await repository.update("shop", {"dkim": {"selector": "s2"}})
    dkim = (await repository.get("shop")).dkim
    assert dkim
    assert (dkim.domain, dkim.selector, dkim.private_key) == ("example.org", "s2", DKIM_KEY)
    await repository.update("shop", {"dkim": None})
    assert (await repository.get("shop")).dkim is None
    assert (await repository.show("shop"))["secrets"] == ["password"]


@pytest.mark.parametrize(
    "change", [{"hosts": ["evil.example"]}, {"service": "office365"}, {"hosts": ["mail.example.org", "b"]}]
)
async def test_secrets_are_asked_for_again_when_they_may_go_elsewhere(repository, change):
    await repository.create("shop", "basic", RELAY)
    with pytest.raises(ConnectionsError, match="requires entering password again") as caught:
        await repository.update("shop", change)
    assert caught.value.key == "password"
    assert (await repository.get("shop")).revision == 1
    await repository.update("shop", {**change, "password": "new"})
    shop = await repository.get("shop")
    assert (shop.revision, shop.login.password) == (2, "new")
    assert bool(shop.service) != bool(shop.hosts)


async def test_the_same_place_in_another_spelling_asks_for_nothing(repository):
    await repository.create("shop", "basic", RELAY)
    await repository.update("shop", {"hosts": ["MAIL.example.org."]})
    assert (await repository.get("shop")).hosts == ("mail.example.org",)


async def test_a_wrong_update_changes_nothing(repository):
    await repository.create("shop", "basic", GMAIL)
    for wrong in (
        {"password": None},
        {"service": None},
        {"tlsOption": "none"},
        {"name": "x"},
        {"hosts": ["a"], "service": "b"},
    ):
        with pytest.raises(ConnectionsError):
            await repository.update("shop", wrong)
    assert (await repository.get("shop")).revision == 1


@both
async def test_updates_at_once_are_all_counted(repository):
    await repository.create("shop", "basic", GMAIL)
    await asyncio.gather(*(repository.update("shop", {"username": f"u{n}"}) for n in range(10)))
    assert (await repository.get("shop")).revision == 11


@both
async def test_a_deleted_connection_is_gone_and_its_name_free(repository):
    await repository.create("shop", "basic", GMAIL)
    first = await repository.get("shop")
    await repository.delete("shop")
    with pytest.raises(ConnectionsError, match="no connection"):
        await repository.get("shop")
    await repository.create("shop", "basic", RELAY)
    assert (await repository.get("shop")).id != first.id


async def test_a_connection_that_did_not_change_is_opened_once(repository):
    await repository.create("shop", "basic", GMAIL)
    assert await repository.get("shop") is await repository.get("shop")


async def test_an_edit_by_another_process_takes_effect_at_the_next_get(repository, tmp_path):
    await repository.create("shop", "basic", GMAIL)
    await repository.get("shop")
    code = """
import asyncio, sys
from pathlib import Path
from mailnode.environment import Environment, open_connections

async def main():
    async with open_connections(Environment(home=Path(sys.argv[1]), secret_key=sys.argv[2])) as opened:
        await opened.connections.update("shop", {"password": "changed"})

asyncio.run(main())
"""
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code, tmp_path, FIRST], check=True, timeout=60)
    shop = await repository.get("shop")
    assert (shop.revision, shop.login.password) == (2, "changed")


@both
async def test_a_wrong_key_is_refused_before_anything_is_read_or_written(repository, database, tmp_path):
    await repository.create("shop", "basic", GMAIL)
    wrong = with_key(database, tmp_path, SECOND)
    for use in (wrong.get("shop"), wrong.create("new", "basic", GMAIL), wrong.update("shop", {"username": "x"})):
        with pytest.raises(StoreError, match="another key") as caught:
            await use
        assert caught.value.code is ErrorCode.WRONG_SECRET_KEY
        assert "MAILNODE_SECRET_KEY" in caught.value.hint
    assert [one["revision"] for one in await wrong.list()] == [1]


@both
async def test_who_lost_the_key_deletes_the_connections_and_goes_on(repository, database, tmp_path):
    await repository.create("shop", "basic", GMAIL)
    other = with_key(database, tmp_path, SECOND)
    await other.delete("shop")
    await other.create("shop", "basic", GMAIL)
    assert (await other.get("shop")).login.password == "canary-password"
    with pytest.raises(StoreError, match="another key"):
        await repository.get("shop")


@both
async def test_a_new_key_takes_over_beside_the_old_one(repository, database, tmp_path):
    await repository.create("shop", "basic", GMAIL)
    both = with_key(database, tmp_path, f"{SECOND},{FIRST}")
    assert (await both.get("shop")).login.password == "canary-password"
    await both.update("shop", {"username": "rewritten"})
    assert (await with_key(database, tmp_path, SECOND).get("shop")).login.password == "canary-password"


@both
async def test_secrets_that_were_swapped_in_the_database_do_not_open(repository, database):
    for name in ("a", "b"):
        await repository.create(name, "basic", GMAIL)

    def swap(db):
        db.execute(text("UPDATE connections SET secrets = (SELECT secrets FROM connections WHERE name = 'b')"))

    await database.write(swap)
    with pytest.raises(StoreError) as caught:
        await repository.get("a")
    assert caught.value.code is ErrorCode.WRONG_SECRET_KEY


async def test_a_connection_survives_closing(repository, database, tmp_path):
    await repository.create("shop", "basic", RELAY)
    database.close()
    with closing(Database.open(tmp_path / "mailnode.db")) as again:
        assert (await with_key(again, tmp_path, FIRST).get("shop")).login.password == "canary-password"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("hosts", "{bad"),
        ("hosts", "5"),
        ("settings", "[1]"),
        ("secrets", "x"),
        ("secrets", '{"password": 5}'),
        ("secrets", "{}"),
    ],
)
async def test_a_row_that_another_hand_has_changed_is_told_and_can_be_deleted(one, tmp_path, column, value):
    fields = {"hosts": ["mail.example"], "username": "jane", "password": "hunter2"}
    await one.repository.create("shop", "basic", fields)
    with closing(sqlite3.connect(tmp_path / "mailnode.db")) as db, db:
        db.execute(f"UPDATE connections SET {column} = ?", (value,))
    with pytest.raises(StoreError, match="'shop'") as caught:
        await one.repository.get("shop")
    assert "delete the connection" in caught.value.hint
    await one.repository.delete("shop")
    await one.repository.create("shop", "basic", fields)
    assert (await one.repository.get("shop")).name == "shop"
