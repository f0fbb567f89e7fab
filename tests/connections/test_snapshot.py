import base64
import hashlib
import json
import os
import stat

import pytest
from sqlalchemy import update

from mailnode.connections.repository import ConnectionRepository
from mailnode.connections.secrets.cipher import Cipher
from mailnode.connections.snapshot import sealed_file
from mailnode.connections.snapshot.contents import Snapshot, SnapshotFlow, write_snapshot
from mailnode.connections.snapshot.restore import ConnectionChange, plan, restore
from mailnode.connections.snapshot.sealed_file import Kdf, read_file, read_header, seal, write_file
from mailnode.connections.token_rows import claim, read_tokens
from mailnode.connections.tokens import TokenKeeper
from mailnode.errors import ConnectionsError, SnapshotError, StoreError
from mailnode.smtp.sasl import Login
from mailnode.store.clock import unix_ms
from mailnode.store.database import Database
from mailnode.store.process_lock import ProcessLock

PASSPHRASE = "canary phrase"
GMAIL = {"service": "gmail", "username": "shop@gmail.com", "password": "canary-password"}
OAUTH2 = {
    "service": "gmail",
    "user": "shop@gmail.com",
    "clientId": "client",
    "clientSecret": "canary-client",
    "refreshToken": "canary-refresh",
    "accessToken": "canary-access",
}
APPLICATION = {**{key: OAUTH2[key] for key in ("service", "user", "clientId", "clientSecret")}, "tenantId": "contoso"}
FLOW = SnapshotFlow("order.flow.yaml", "# Grüße\r\nversion: 1\n")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """A passphrase that costs nothing."""
    monkeypatch.setattr(sealed_file, "KDF", Kdf(2**4, 8, 1))


class Home:
    """An installation."""

    def __init__(self, folder):
        self.folder = folder
        self.database = Database.open(folder / "mailnode.db")
        self.cipher = Cipher.open(folder, None)
        self.process = ProcessLock(folder / "workers")
        self.repository = ConnectionRepository(
            self.database, self.cipher, TokenKeeper(self.database, self.cipher, self.process)
        )

    async def fill(self):
        await self.repository.create("shop", "basic", GMAIL)
        await self.repository.create("token", "oauth2", OAUTH2)
        return self

    async def keep(self, path, **what):
        await write_snapshot(self.database, self.cipher, path, PASSPHRASE, **what)
        return path

    async def plan(self, path, **rename):
        kept = Snapshot.opened(read_file(path), PASSPHRASE).connections
        return await self.database.read(lambda db: plan(db, self.cipher, kept, rename))

    async def restore(self, path, **rename):
        kept = Snapshot.opened(read_file(path), PASSPHRASE).connections
        planned = await self.plan(path, **rename)
        await self.database.write(lambda db: restore(db, self.cipher, kept, rename, planned))
        return planned

    async def password(self, name="shop"):
        login = (await self.repository.get(name)).login
        assert isinstance(login, Login)
        return login.password

    async def tokens(self, name="token"):
        connection_id = (await self.repository.get(name)).id
        return await self.database.read(lambda db: read_tokens(db, self.cipher, connection_id))

    async def consent(self, refresh_token, name="token"):
        await self.repository.update(name, {"refreshToken": refresh_token})

    async def names(self):
        return [one["name"] for one in await self.repository.list()]

    def close(self):
        self.process.close()
        self.database.close()


@pytest.fixture
async def source(tmp_path):
    home = await Home(tmp_path / "source").fill()
    yield home
    home.close()


@pytest.fixture
def target(tmp_path):
    home = Home(tmp_path / "target")
    yield home
    home.close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "all.mailnode-snapshot"


def refused(octets, passphrase=PASSPHRASE):
    with pytest.raises(SnapshotError) as caught:
        Snapshot.opened(octets, passphrase)
    assert caught.value.hint
    assert "canary" not in f"{caught.value}{caught.value.hint}"
    return caught.value.message


class TestTheFile:
    SEALED = b""

    @pytest.fixture
    def sealed(self):
        return Snapshot(1_700_000_000_000, (FLOW,), ()).sealed(PASSPHRASE)

    def test_it_opens_as_it_was(self, sealed):
        opened = Snapshot.opened(sealed, PASSPHRASE)
        assert opened == Snapshot(1_700_000_000_000, (FLOW,), ())

    def test_its_header_can_be_read_by_anyone(self, sealed):
        first, second = sealed.split(b"\n")[:2]
        assert first == b"mailnode snapshot 1"
        assert json.loads(second)["createdAt"] == 1_700_000_000_000
        assert read_header(sealed).created_at == 1_700_000_000_000

    def test_no_two_are_alike(self, sealed):
        assert Snapshot(1_700_000_000_000, (FLOW,), ()).sealed(PASSPHRASE) != sealed

    def test_a_wrong_passphrase_is_told_from_damage(self, sealed):
        assert "the passphrase is wrong" in refused(sealed, "another")

    def test_a_passphrase_is_the_same_on_every_keyboard(self):
        sealed = Snapshot(1, (), ()).sealed("Gru\u0308ße")
        assert Snapshot.opened(sealed, "Gr\u00fcße").flows == ()

    def test_one_that_is_cut_at_any_length_says_so(self, sealed, path):
        assert "not a mailnode snapshot" in refused(b"")
        for length in range(1, len(sealed)):
            assert refused(sealed[:length]) == "the snapshot is incomplete", length
        path.write_bytes(sealed[:-1])
        with pytest.raises(SnapshotError, match="incomplete"):
            read_file(path)

    def test_any_changed_octet_is_seen(self, sealed):
        for place in range(len(sealed)):
            for bit in (1, 128):
                changed = bytearray(sealed)
                changed[place] ^= bit
                refused(bytes(changed))

    def test_more_octets_are_seen(self, sealed):
        assert "longer" in refused(sealed + b"x")

    def test_a_newer_format_is_named(self, sealed):
        message = refused(sealed.replace(b"snapshot 1", b"snapshot 3", 1))
        assert "format 3" in message
        assert "up to 2" in message

    @pytest.mark.parametrize("octets", [b"PK\3\4", b"\0" * 5000, b"mailnode snapshot 01\n{}\n", b"x" * 5000, b"\n"])
    def test_what_is_no_snapshot_says_so(self, octets):
        assert "not a mailnode snapshot" in refused(octets)

    @pytest.mark.parametrize(
        "kdf",
        [
            {"n": 2**40, "r": 8, "p": 1},
            {"n": 2**20, "r": 32, "p": 1},
            {"n": 2**17, "r": 8, "p": 2**30},
            {"n": 2**19, "r": 8, "p": 16},
            {"n": 1000, "r": 8, "p": 1},
            {"n": 0, "r": 8, "p": 1},
            {"n": 16, "r": 0, "p": 1},
            {"n": 16, "r": 8, "p": -1},
            {"n": 16.0, "r": 8, "p": 1},
            {"n": True, "r": 8, "p": 1},
            {"n": 10**400, "r": 8, "p": 1},
        ],
    )
    def test_a_hostile_cost_is_refused_before_it_is_paid(self, sealed, kdf):
        assert "damaged" in refused(self.with_header(sealed, kdf=lambda old: {**old, **kdf}))

    @pytest.mark.parametrize(
        "said",
        [
            {"bodyOctets": 2**52},
            {"bodyOctets": 10**30},
            {"bodyOctets": -1},
            {"bodyOctets": "1"},
            {"nonce": "AAAA"},
            {"nonce": "ä"},
            {"nonce": None},
            {"createdAt": "now"},
            {"kdf": []},
        ],
    )
    def test_a_hostile_header_is_refused(self, sealed, said):
        refused(self.with_header(sealed, **{key: lambda _, value=value: value for key, value in said.items()}))

    def test_a_header_without_end_is_refused(self, sealed):
        refused(b"mailnode snapshot 1\n" + b"[" * 10**6)
        refused(b"mailnode snapshot 1\n" + b"[" * 4000 + b"\n" + bytes(100))

    def test_one_that_says_it_is_huge_is_not_read(self, path):
        header = {
            "createdAt": 1,
            "kdf": {"n": 16, "r": 8, "p": 1, "salt": base64.b64encode(bytes(16)).decode()},
            "nonce": base64.b64encode(bytes(12)).decode(),
            "bodyOctets": 2**40,
        }
        start = f"mailnode snapshot 1\n{json.dumps(header)}\n".encode()
        path.write_bytes(start)
        os.truncate(path, len(start) + 2**40 + 32)  # a hole: it takes no room
        with pytest.raises(SnapshotError, match="larger than 256 MB"):
            read_file(path)

    def test_one_that_would_be_too_large_is_not_written(self, monkeypatch):
        monkeypatch.setattr(sealed_file, "MAX_BYTES", 5000)
        with pytest.raises(SnapshotError, match="larger") as caught:
            seal(b"x" * 5000, PASSPHRASE, 1)
        assert caught.value.hint

    def test_a_header_that_was_changed_with_its_checksum_does_not_open(self, sealed):
        changed = self.with_header(sealed, createdAt=lambda _: 7)
        assert "tampered with" in refused(changed)

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"[]",
            b"{}",
            b"\xff",
            b'{"flows": [], "connections": [{}]}',
            b'{"flows": [{"name": 1, "text": "x"}], "connections": []}',
            b'{"flows": [{"name": "a.yaml", "text": "\\ud800"}], "connections": []}',
            b'{"flows": [{"name": "a.yaml", "text": "x"}, {"name": "a.yaml", "text": "y"}], "connections": []}',
        ],
    )
    def test_a_body_of_another_form_is_refused(self, body):
        refused(seal(body, PASSPHRASE, 1))

    @pytest.mark.parametrize(
        "name",
        [
            "../x.yaml",
            "/x.yaml",
            "a/../x.yaml",
            "files/x.yaml",
            "a//x.yaml",
            "a b/x.yaml",
            "a\\x.yaml",
            ".x.yaml",
            "x",
            "",
            "x\0.yaml",
        ],
    )
    def test_a_flow_whose_name_has_a_path_in_it_is_refused(self, name):
        body = {"flows": [{"name": name, "text": ""}], "connections": []}
        assert "is not a valid file name" in refused(seal(json.dumps(body).encode(), PASSPHRASE, 1))

    def test_it_is_written_for_its_owner_to_read_and_never_over_another(self, sealed, path):
        write_file(path, sealed)
        assert stat.S_IMODE(path.stat().st_mode) == 0o400
        with pytest.raises(SnapshotError, match="already") as caught:
            write_file(path, b"other")
        assert caught.value.hint
        assert path.read_bytes() == sealed
        assert list(path.parent.glob(".all*")) == []

    @pytest.mark.parametrize("number", [1, 2])
    def test_a_disk_that_fails_leaves_no_file(self, sealed, path, monkeypatch, number):
        calls = []

        def failing(_file):
            calls.append(1)
            if len(calls) == number:
                raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", failing)
            with pytest.raises(SnapshotError, match="No space left"):
                write_file(path, sealed)
        assert not path.exists()

    def test_one_that_is_not_there_says_so(self, path):
        for missing in (path, path.parent):
            with pytest.raises(SnapshotError, match="can't be read"):
                read_file(missing)

    @staticmethod
    def with_header(sealed, **changes):
        """Change the header, and make size and checksum of the file right."""
        first, line, rest = sealed[:-32].split(b"\n", 2)
        header = json.loads(line)
        for key, change in changes.items():
            header[key] = change(header[key])
        octets = b"\n".join([first, json.dumps(header).encode(), rest])
        return octets + hashlib.sha256(octets).digest()


class TestWhatIsKept:
    async def test_all_connections_with_their_secrets_and_none_readable(self, source, path):
        await source.repository.create("app", "oauth2ClientCredentials", {**APPLICATION, "service": "Outlook365"})
        await source.keep(path, flows=[FLOW])
        octets = path.read_bytes()
        for word in (b"canary", b'"shop"', b"order.flow", b"gmail.com"):
            assert word not in octets.lower()
        opened = Snapshot.opened(octets, PASSPHRASE)
        assert opened.flows == (FLOW,)
        assert [one.name for one in opened.connections] == ["app", "shop", "token"]
        assert "canary" not in f"{opened!r}{[one.shown() for one in opened.connections]}"

    async def test_only_those_that_are_named(self, source, path):
        await source.keep(path, names=["shop"])
        assert [one.name for one in Snapshot.opened(path.read_bytes(), PASSPHRASE).connections] == ["shop"]

    async def test_an_unknown_one_is_an_error_and_makes_no_file(self, source, path):
        with pytest.raises(ConnectionsError, match="sohp"):
            await source.keep(path, names=["sohp"])
        assert not path.exists()


class TestAnotherHome:
    async def test_connections_arrive_with_their_secrets_and_ids(self, source, target, path):
        await source.keep(path)
        assert await target.restore(path) == [
            ConnectionChange("shop", "basic", "new", "none"),
            ConnectionChange("token", "oauth2", "new", "needsConsent"),
        ]
        assert await target.password() == "canary-password"
        assert (await target.repository.get("shop")).id == (await source.repository.get("shop")).id
        kept = b"".join(file.read_bytes() for file in target.folder.glob("mailnode.db*"))
        assert b"canary" not in kept

    async def test_an_oauth2_connection_arrives_without_tokens_and_takes_a_consent(self, source, target, path):
        await source.keep(path)
        await target.restore(path)
        assert (await target.repository.show("token"))["state"] == "needsConsent"
        assert (await target.tokens()).fields() == {}
        await target.consent("canary-own")
        assert (await target.repository.show("token"))["state"] == "ready"
        assert (await source.tokens()).refresh_token == "canary-refresh"

    async def test_tokens_of_its_own_stay_however_often_the_source_renews(self, source, target, path, tmp_path):
        await source.keep(path)
        await target.restore(path)
        await target.consent("canary-own")
        for number in range(5):
            await source.consent(f"canary-{number}")
        again = await source.keep(tmp_path / "again")
        assert (await target.restore(again))[1] == ConnectionChange("token", "oauth2", "same", "kept")
        assert (await target.tokens()).refresh_token == "canary-own"

    async def test_one_that_gets_its_tokens_by_itself_arrives_ready(self, source, target, path):
        await source.repository.create("app", "oauth2ClientCredentials", {**APPLICATION, "service": "Outlook365"})
        await source.keep(path, names=["app"])
        assert await target.restore(path) == [ConnectionChange("app", "oauth2ClientCredentials", "new", "none")]
        assert (await target.repository.show("app"))["state"] == "ready"

    async def test_one_with_a_token_and_no_application_can_be_kept_again(self, source, target, path, tmp_path):
        await source.repository.create(
            "fixed", "oauth2", {"service": "gmail", "user": "u@gmail.com", "accessToken": "canary"}
        )
        await source.keep(path, names=["fixed"])
        await target.restore(path)
        again = await target.keep(tmp_path / "again", names=["fixed"])
        assert Snapshot.opened(again.read_bytes(), PASSPHRASE).connections[0].tokens == {}

    async def test_a_name_that_another_one_has_is_an_error_and_nothing_is_changed(self, source, target, path):
        await target.repository.create("token", "basic", {**GMAIL, "password": "own"})
        await source.keep(path)
        with pytest.raises(SnapshotError, match="another connection named 'token'") as caught:
            await target.restore(path)
        assert "rename the one" in caught.value.hint
        assert await target.names() == ["token"]
        await target.restore(path, token="token2")
        assert await target.names() == ["shop", "token", "token2"]
        assert await target.password("token") == "own"

    @pytest.mark.parametrize("rename", [{"nobody": "x"}, {"shop": "token"}])
    async def test_a_rename_that_can_not_be_is_an_error(self, source, target, path, rename):
        await source.keep(path)
        with pytest.raises(SnapshotError):
            await target.restore(path, **rename)

    async def test_all_or_nothing(self, source, target, path, monkeypatch):
        await source.keep(path)
        kept = Snapshot.opened(path.read_bytes(), PASSPHRASE).connections
        planned = await target.plan(path)

        def fails(*_given, **_more):
            raise StoreError("the disk is full")

        with monkeypatch.context() as patch:
            patch.setattr("mailnode.connections.snapshot.restore.write_tokens", fails)
            with pytest.raises(StoreError, match="full"):
                await target.database.write(lambda db: restore(db, target.cipher, kept, {}, planned))
        assert await target.names() == []
        await target.restore(path)
        assert await target.names() == ["shop", "token"]

    async def test_what_was_not_planned_is_not_done(self, source, target, path):
        await source.keep(path)
        kept = Snapshot.opened(path.read_bytes(), PASSPHRASE).connections
        planned = await target.plan(path)
        await target.restore(path)
        with pytest.raises(SnapshotError, match="since the preview"):
            await target.database.write(lambda db: restore(db, target.cipher, kept, {}, planned))


class TestTheSameHome:
    async def test_what_is_the_same_stays_at_its_revision(self, source, path):
        await source.keep(path)
        before = await source.repository.list()
        planned = await source.restore(path)
        assert planned == [
            ConnectionChange("shop", "basic", "same", "none"),
            ConnectionChange("token", "oauth2", "same", "kept"),
        ]
        assert await source.repository.list() == before

    async def test_what_was_changed_comes_back_as_a_new_revision(self, source, path):
        await source.keep(path)
        await source.repository.update("shop", {"password": "other", "from": "me@gmail.com"})
        assert (await source.restore(path))[0] == ConnectionChange("shop", "basic", "changed", "none")
        assert await source.password() == "canary-password"
        shown = await source.repository.show("shop")
        assert shown["revision"] == 3
        assert "from" not in shown

    async def test_newer_tokens_are_kept(self, source, path):
        await source.keep(path)
        await source.consent("canary-newer")
        assert (await source.restore(path))[1] == ConnectionChange("token", "oauth2", "same", "kept")
        assert (await source.tokens()).refresh_token == "canary-newer"

    async def test_a_database_of_an_older_day_gets_the_tokens_of_the_snapshot_once(self, source, path):
        for number in range(3):
            await source.consent(f"canary-{number}")
        await source.keep(path)
        row = await source.tokens()
        older = {"generation": 0}
        from mailnode.store.tables import tokens

        change = update(tokens).where(tokens.c.connection_id == row.connection_id).values(**older)
        await source.database.write(lambda db: db.execute(change))
        assert (await source.restore(path))[1].tokens == "restored"
        assert (await source.tokens()).refresh_token == "canary-2"
        assert (await source.restore(path))[1].tokens == "kept"

    async def test_a_deleted_one_comes_back_and_needs_consent(self, source, path):
        await source.keep(path)
        for name in ("shop", "token"):
            await source.repository.delete(name)
        assert [step.tokens for step in await source.restore(path)] == ["none", "needsConsent"]
        assert (await source.repository.show("token"))["state"] == "needsConsent"

    async def test_living_tokens_are_not_sent_to_servers_that_a_file_names(self, source, path):
        await source.repository.create("moved", "oauth2", {**OAUTH2, "accessUrl": "https://old.example.org/token"})
        await source.keep(path)
        moved = {"accessUrl": "https://new.example.org/token", "refreshToken": "canary-2", "clientSecret": "canary"}
        await source.repository.update("moved", moved)
        with pytest.raises(SnapshotError, match="other servers") as caught:
            await source.restore(path)
        assert "delete" in caught.value.hint
        assert (await source.tokens("moved")).refresh_token == "canary-2"

    async def test_another_application_asks_for_its_own_access_token(self, source, path):
        await source.keep(path)
        await source.repository.update("token", {"clientId": "other", "accessToken": "canary-other"})
        assert (await source.restore(path))[1] == ConnectionChange("token", "oauth2", "changed", "kept")
        assert (await source.tokens()).access_token is None
        assert (await source.tokens()).refresh_token == "canary-refresh"


class TestHandOver:
    async def test_it_is_removed_here_and_ready_there(self, source, target, path):
        await source.keep(path, hand_over=["token"])
        assert await source.names() == ["shop"]
        assert (await target.restore(path))[1] == ConnectionChange("token", "oauth2", "new", "restored")
        assert (await target.repository.show("token"))["state"] == "ready"
        assert (await target.tokens()).refresh_token == "canary-refresh"

    async def test_its_tokens_are_taken_once(self, source, target, path):
        await source.keep(path, hand_over=["token"])
        await target.restore(path)
        await target.consent("canary-newer")
        assert (await target.restore(path))[1] == ConnectionChange("token", "oauth2", "same", "kept")
        assert (await target.tokens()).refresh_token == "canary-newer"

    async def test_one_that_waits_for_consent_there_takes_them(self, source, target, path, tmp_path):
        await target.restore(await source.keep(tmp_path / "before"))
        await source.keep(path, hand_over=["token"])
        assert (await target.restore(path))[1] == ConnectionChange("token", "oauth2", "same", "restored")
        assert (await target.tokens()).refresh_token == "canary-refresh"

    async def test_nothing_is_removed_when_the_file_can_not_be_written(self, source, path):
        path.write_bytes(b"mine")
        with pytest.raises(SnapshotError, match="already"):
            await source.keep(path, hand_over=["token"])
        assert await source.names() == ["shop", "token"]
        assert path.read_bytes() == b"mine"

    async def test_there_is_no_file_when_it_can_not_be_removed(self, source, path, monkeypatch):
        def fails(*_given):
            raise StoreError("the disk is full")

        with monkeypatch.context() as patch:
            patch.setattr("mailnode.connections.snapshot.contents.delete", fails)
            with pytest.raises(StoreError, match="full"):
                await source.keep(path, hand_over=["token"])
        assert not path.exists()
        assert (await source.tokens()).refresh_token == "canary-refresh"

    async def test_not_while_its_tokens_are_being_renewed(self, source, path):
        row = await source.tokens()
        await source.database.write(lambda db: claim(db, row, source.process.id, unix_ms()))
        with pytest.raises(SnapshotError, match="being renewed") as caught:
            await source.keep(path, hand_over=["token"])
        assert caught.value.transient
        assert not path.exists()

    @pytest.mark.parametrize(
        ("what", "words"),
        [({"hand_over": ["shop"]}, "type basic"), ({"names": ["shop"], "hand_over": ["token"]}, "not in the snapshot")],
    )
    async def test_what_can_not_be_handed_over_is_an_error(self, source, path, what, words):
        with pytest.raises(SnapshotError, match=words):
            await source.keep(path, **what)
        assert await source.names() == ["shop", "token"]
