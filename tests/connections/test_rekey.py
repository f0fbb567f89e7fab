import asyncio
import base64
import json
import os
import stat

import pytest
from sqlalchemy import select, text, update

from mailnode.connections.endpoint import TokenAnswer
from mailnode.connections.repository import ConnectionRepository
from mailnode.connections.secrets.cipher import Cipher
from mailnode.connections.secrets.database_key import reencrypt, rekey
from mailnode.connections.secrets.key_file import read_keys, write_keys
from mailnode.connections.token_rows import claim, read_tokens, store_answer
from mailnode.connections.tokens import TokenKeeper
from mailnode.errors import ErrorCode, StoreError
from mailnode.smtp.sasl import Login
from mailnode.store.database import Database
from mailnode.store.process_lock import ProcessLock
from mailnode.store.tables import connections, secret_check, tokens
from support.forked_python import python

FIRST, SECOND, THIRD = (base64.b64encode(octet * 32).decode() for octet in (b"\1", b"\2", b"\3"))
GMAIL = {"service": "gmail", "username": "shop@gmail.com", "password": "canary-password"}
OAUTH2 = {
    "service": "gmail",
    "user": "shop@gmail.com",
    "clientId": "client",
    "clientSecret": "canary-client",
    "refreshToken": "canary-refresh",
    "accessToken": "canary-access",
}


class Process:
    """What one process has of a home, with the key file or MAILNODE_SECRET_KEY."""

    def __init__(self, home, given=None):
        self.database = Database.open(home / "mailnode.db")
        self.cipher = Cipher.open(home, given)
        self.process = ProcessLock(home / "workers")
        self.repository = ConnectionRepository(
            self.database, self.cipher, TokenKeeper(self.database, self.cipher, self.process)
        )

    async def password(self, name="shop"):
        # Not the one that is remembered by its revision: what is in the database.
        self.repository._opened.clear()
        login = (await self.repository.get(name)).login
        assert isinstance(login, Login)
        return login.password

    async def tokens(self, name="token"):
        connection_id = (await self.repository.get(name)).id
        return await self.database.read(lambda db: read_tokens(db, self.cipher, connection_id))

    def close(self):
        self.process.close()
        self.database.close()


@pytest.fixture
def start(tmp_path):
    running = []

    def start(given=None):
        running.append(Process(tmp_path / "home", given))
        return running[-1]

    yield start
    for process in running:
        process.close()


async def filled(process):
    await process.repository.create("shop", "basic", GMAIL)
    await process.repository.create("token", "oauth2", OAUTH2)
    return process


async def sealing_keys(database):
    """The ids of all keys that something is sealed with, and of those that are remembered."""

    def work(db):
        sealed = [*db.execute(select(connections.c.secrets)).scalars(), *db.execute(select(tokens.c.secrets)).scalars()]
        used = {value.split(".")[1] for one in sealed for value in json.loads(one).values()}
        return used, set(db.execute(select(secret_check.c.key_id)).scalars())

    return await database.read(work)


class TestTheVariable:
    async def test_the_first_key_seals_all_and_the_other_may_be_dropped(self, start, tmp_path):
        old = await filled(start(FIRST))
        assert await rekey(old.database, tmp_path / "home", f"{SECOND},{FIRST}") == 2
        new = start(SECOND)
        assert await new.password() == "canary-password"
        assert (await new.tokens()).refresh_token == "canary-refresh"
        assert await sealing_keys(new.database) == ({new.cipher.key_id}, {new.cipher.key_id})

    async def test_a_process_with_the_old_key_only_says_restart_with_both(self, start, tmp_path):
        old = await filled(start(FIRST))
        await rekey(old.database, tmp_path / "home", f"{SECOND},{FIRST}")
        for work in (
            old.password,
            lambda: old.repository.update("shop", {"password": "x"}),
            lambda: old.repository.create("b", "basic", GMAIL),
        ):
            with pytest.raises(StoreError) as caught:
                await work()
            assert caught.value.code is ErrorCode.WRONG_SECRET_KEY
            assert "restart with both" in caught.value.hint
        assert await start(f"{SECOND},{FIRST}").password() == "canary-password"

    async def test_a_process_with_both_keys_reads_before_and_after(self, start, tmp_path):
        await filled(start(FIRST))
        both = start(f"{FIRST},{SECOND}")
        assert await both.password() == "canary-password"
        await rekey(both.database, tmp_path / "home", f"{SECOND},{FIRST}")
        assert await both.password() == "canary-password"

    async def test_one_key_is_none_to_change_to(self, start, tmp_path):
        old = await filled(start(FIRST))
        with pytest.raises(StoreError, match="one key"):
            await rekey(old.database, tmp_path / "home", FIRST)

    async def test_a_second_time_is_no_harm(self, start, tmp_path):
        old = await filled(start(FIRST))
        for _ in range(2):
            await rekey(old.database, tmp_path / "home", f"{SECOND},{FIRST}")
        assert await start(SECOND).password() == "canary-password"

    async def test_keys_that_open_nothing_change_nothing(self, start, tmp_path):
        old = await filled(start(FIRST))
        with pytest.raises(StoreError):
            await rekey(old.database, tmp_path / "home", f"{SECOND},{THIRD}")
        assert await old.password() == "canary-password"


class TestTheKeyFile:
    async def test_it_gets_a_new_key_alone_for_its_owner_alone(self, start, tmp_path):
        one = await filled(start())
        home = tmp_path / "home"
        before = read_keys(home)
        assert await rekey(one.database, home, None) == 2
        after = read_keys(home)
        assert len(after) == 1
        assert after != before
        assert stat.S_IMODE((home / "secret.key").stat().st_mode) == 0o600
        fresh = start()
        assert await fresh.password() == "canary-password"
        assert (await fresh.tokens()).access_token == "canary-access"
        assert await sealing_keys(one.database) == ({fresh.cipher.key_id}, {fresh.cipher.key_id})

    async def test_a_running_process_reads_and_writes_on_without_a_restart(self, start, tmp_path):
        running, other = await filled(start()), start()
        for number in range(3):
            await rekey(other.database, tmp_path / "home", None)
            assert await running.password() == "canary-password"
            await running.repository.update("shop", {"from": f"shop{number}@gmail.com"})
            assert await start().password() == "canary-password"
            assert len((await sealing_keys(other.database))[1]) == 1

    async def test_revisions_and_generations_stay(self, start, tmp_path):
        one = await filled(start())
        before = await one.repository.list()
        generation = (await one.tokens()).generation
        await rekey(one.database, tmp_path / "home", None)
        assert await one.repository.list() == before
        assert (await one.tokens()).generation == generation

    async def test_a_process_that_writes_first_after_it_writes_with_the_new_key(self, start, tmp_path):
        running, other = await filled(start()), start()
        await rekey(other.database, tmp_path / "home", None)
        await running.repository.create("second", "basic", GMAIL)
        assert await start().password("second") == "canary-password"
        assert len((await sealing_keys(other.database))[0]) == 1

    async def test_the_answer_to_a_renewal_that_was_under_way_is_not_lost(self, start, tmp_path):
        running, other = await filled(start()), start()
        row = await running.tokens()
        held = await running.database.write(lambda db: claim(db, row, running.process.id, 1))
        await rekey(other.database, tmp_path / "home", None)
        answer = TokenAnswer("canary-new", None, "canary-rotated")
        await running.database.write(lambda db: store_answer(db, running.cipher, held, answer, 2))
        assert (await start().tokens()).refresh_token == "canary-rotated"

    async def test_one_that_does_not_open_is_named_and_nothing_is_changed(self, start, tmp_path):
        one = await filled(start())
        foreign = Cipher([b"\7" * 32]).seal("x", "id", "password")
        damaged = update(connections).where(connections.c.name == "token")
        await one.database.write(lambda db: db.execute(damaged.values(secrets=json.dumps({"clientSecret": foreign}))))
        with pytest.raises(StoreError, match="'token'") as caught:
            await rekey(one.database, tmp_path / "home", None)
        assert caught.value.hint
        assert await start().password() == "canary-password"
        await one.repository.delete("token")
        await rekey(one.database, tmp_path / "home", None)
        assert len(read_keys(tmp_path / "home")) == 1
        assert await start().password() == "canary-password"

    async def test_no_octet_of_an_old_key_stays_in_the_folder(self, start, tmp_path):
        one = await filled(start())
        old = (tmp_path / "home/secret.key").read_bytes().strip()
        await rekey(one.database, tmp_path / "home", None)
        kept = b"".join(file.read_bytes() for file in (tmp_path / "home").rglob("*") if file.is_file())
        assert old not in kept
        assert sorted(path.name for path in (tmp_path / "home").glob("secret.key*")) == [
            "secret.key",
            "secret.key.lock",
        ]


class TestACrash:
    async def test_after_the_first_writing_of_the_file(self, start, tmp_path):
        one = await filled(start())
        home = tmp_path / "home"
        new, old = b"\5" * 32, read_keys(home)[0]
        write_keys(home, [new, old])
        # Somebody who starts now writes with the new key, one who runs since before with the old one.
        await start().repository.create("after", "basic", GMAIL)
        await one.repository.create("before", "basic", GMAIL)
        for name in ("shop", "after", "before"):
            assert await start().password(name) == "canary-password"
            assert await one.password(name) == "canary-password"
        await rekey(one.database, home, None)
        assert read_keys(home) == [new]
        for name in ("shop", "after", "before"):
            assert await start().password(name) == "canary-password"

    async def test_after_the_database(self, start, tmp_path):
        one = await filled(start())
        home = tmp_path / "home"
        keys = [b"\5" * 32, *read_keys(home)]
        write_keys(home, keys)
        await reencrypt(one.database, Cipher(keys))
        assert await start().password() == "canary-password"
        await rekey(one.database, home, None)
        assert read_keys(home) == keys[:1]
        assert await start().password() == "canary-password"

    @pytest.mark.parametrize("step", range(7))
    async def test_a_kill_at_any_step_leaves_all_readable_and_a_second_time_finishes(self, start, tmp_path, step):
        one = await filled(start())
        home = tmp_path / "home"
        code = """
import asyncio, os, signal, sys
from pathlib import Path
from mailnode.connections.secrets import database_key as module
from mailnode.store.database import Database
steps = iter(range(99))
def fatal(function):
    def run(*args, **more):
        if next(steps) == int(sys.argv[2]): os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **more)
    return run
os.fsync = fatal(os.fsync)
module._reencrypted = fatal(module._reencrypted)
home = Path(sys.argv[1])
asyncio.run(module.rekey(Database.open(home / "mailnode.db"), home, None))
"""
        killed = await python("-c", code, home, str(step))
        assert await killed.wait() == -9
        for process in (one, start()):
            assert await process.password() == "canary-password"
            assert (await process.tokens()).refresh_token == "canary-refresh"
        await rekey(one.database, home, None)
        assert len(read_keys(home)) == 1
        for process in (one, start()):
            assert await process.password() == "canary-password"

    async def test_a_full_disk_is_an_error_with_a_remedy(self, start, tmp_path, monkeypatch):
        one = await filled(start())

        def full(_file):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(StoreError, match="No space left") as caught:
                await rekey(one.database, tmp_path / "home", None)
        assert caught.value.hint
        assert await start().password() == "canary-password"


async def test_two_processes_that_change_the_key_at_once_end_well(start, tmp_path):
    one = await filled(start())
    code = """
import asyncio, sys
from pathlib import Path
from mailnode.connections.secrets.database_key import rekey
from mailnode.store.database import Database
home = Path(sys.argv[1])
database = Database.open(home / "mailnode.db")
sys.stdin.read()
for _ in range(3): asyncio.run(rekey(database, home, None))
"""
    crowd = [await python("-c", code, tmp_path / "home", stdin=asyncio.subprocess.PIPE) for _ in range(3)]
    for process in crowd:
        assert process.stdin
        process.stdin.close()
    while any(process.returncode is None for process in crowd):
        assert await one.password() == "canary-password"
        await one.repository.update("shop", {"password": "canary-password"})
        await asyncio.sleep(0)
    assert {await process.wait() for process in crowd} == {0}
    assert await start().password() == "canary-password"
    assert len(read_keys(tmp_path / "home")) == 1
    assert len((await sealing_keys(one.database))[0]) == 1


async def test_a_home_without_connections_gets_another_key_too(start, tmp_path):
    one = start()
    assert await rekey(one.database, tmp_path / "home", None) == 0
    await start().repository.create("shop", "basic", GMAIL)
    assert await one.password() == "canary-password"


async def test_a_wrong_key_is_refused_as_ever(start):
    await filled(start(FIRST))
    with pytest.raises(StoreError) as caught:
        await start(SECOND).password()
    assert caught.value.code is ErrorCode.WRONG_SECRET_KEY


async def test_a_database_that_says_nothing_of_keys_takes_any(start):
    one = start(FIRST)
    assert await one.database.read(lambda db: db.execute(text("select count(*) from secret_check")).scalar()) == 0
