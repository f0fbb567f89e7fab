"""The secret key of a database: a wrong one is refused before anything is read or written with it; `rekey` changes it.

With a key file, a change writes the new key before the old ones into the file, then re-encrypts the database, then
leaves the new key alone in the file. After a crash at any moment the file has every key that is still in use.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import Connection as Transaction
from sqlalchemy import Table, delete, exists, insert, select, update

from mailnode.connections.secrets.cipher import Cipher
from mailnode.connections.secrets.key_file import FILE_NAME, new_key, read_keys, write_keys
from mailnode.errors import ErrorCode, StoreError
from mailnode.store.database import Database
from mailnode.store.files import NO_LOCKS, NO_LOCKS_HINT, lock_file
from mailnode.store.sql import take_advisory_lock
from mailnode.store.tables import connections, secret_check, tokens
from mailnode.store.webhook_tables import webhooks

_ABOUT = ("", "check")


def lock_connections(db: Transaction) -> None:
    """Lock connections, tokens, webhooks and keys until the end of the transaction; taken before any other lock.

    A change of the key rewrites every secret, and must not overwrite a new one.
    """
    take_advisory_lock(db, "book")


def check_key(db: Transaction, cipher: Cipher) -> None:
    """Check that the cipher has a key of this database; a new database takes any key.

    Raises:
        StoreError: it has none.
    """
    values = _values(db)
    if values and not values.keys() & cipher.key_ids:
        cipher.reread()
    matching = values.keys() & cipher.key_ids
    if values and not matching:
        raise StoreError(
            "the secrets in this database were encrypted with another key",
            code=ErrorCode.WRONG_SECRET_KEY,
            hint="give the key that it was written with (MAILNODE_SECRET_KEY, or secret.key in MAILNODE_HOME);"
            " after a change of the key restart with both: MAILNODE_SECRET_KEY=new,old;"
            " if the key is lost, delete the connections and create them again",
        )
    for key_id in matching:
        cipher.unseal(values[key_id], *_ABOUT)


def adopt_key(db: Transaction, cipher: Cipher) -> None:
    """Check the key as `check_key` does, and record the one that encrypts from now on.

    Without any connection and webhook no earlier key is needed, so earlier keys are forgotten.
    """
    if not db.execute(select(exists().select_from(connections) | exists().select_from(webhooks))).scalar():
        db.execute(delete(secret_check))
    check_key(db, cipher)
    record_key(db, cipher)


def record_key(db: Transaction, cipher: Cipher) -> None:
    """Record the key that encrypts from now on, even if another process has changed the key in the meantime."""
    known = _values(db).keys()
    if cipher.key_id not in known:
        cipher.reread()
    if cipher.key_id not in known:
        db.execute(insert(secret_check).values(key_id=cipher.key_id, value=cipher.seal("mailnode", *_ABOUT)))


def forget_other_keys(db: Transaction, cipher: Cipher) -> None:
    """Forget all recorded keys except the one that encrypts now."""
    record_key(db, cipher)
    db.execute(delete(secret_check).where(secret_check.c.key_id != cipher.key_id))


def _values(db: Transaction) -> dict[str, str]:
    return {row.key_id: row.value for row in db.execute(select(secret_check))}


async def rekey(database: Database, home: Path, given: str | None) -> int:
    """Encrypt every secret with a new key, and give the number of connections.

    `given` is MAILNODE_SECRET_KEY, whose first key is the new one; without it a new key is created in the home's key
    file, or an earlier unfinished change is finished. Revisions do not change.

    Raises:
        StoreError: no second key is given, a secret can't be decrypted, or file or database can't be written.
    """
    if given:
        if "," not in given:
            raise StoreError(
                "MAILNODE_SECRET_KEY contains only one key, so there is no new key to change to",
                code=ErrorCode.WRONG_SECRET_KEY,
                hint="put a new one (`openssl rand -base64 32`) before it: MAILNODE_SECRET_KEY=new,old",
            )
        return await reencrypt(database, Cipher.open(home, given))
    async with _alone(home):
        keys = read_keys(home)
        if len(keys) == 1:
            keys = [new_key(), *keys]
            write_keys(home, keys)
        count = await reencrypt(database, Cipher(keys))
        write_keys(home, keys[:1])
        return count


async def reencrypt(database: Database, cipher: Cipher) -> int:
    """Encrypt every secret with the first key of the cipher, all or none, and give the number of connections.

    Raises:
        StoreError: a secret can't be decrypted; then nothing is changed.
    """

    def work(db: Transaction) -> int:
        lock_connections(db)
        check_key(db, cipher)
        count = _reencrypt_all(db, cipher, connections, "connection")
        _reencrypt_all(db, cipher, webhooks, "webhook")
        forget_other_keys(db, cipher)
        return count

    return await database.write(work)


def _reencrypt_all(db: Transaction, cipher: Cipher, table: Table, what: str) -> int:
    rows = db.execute(select(table.c.id, table.c.name, table.c.secrets)).all()
    for row in rows:
        try:
            secrets = _reencrypted(cipher, row.id, row.secrets)
            db.execute(update(table).where(table.c.id == row.id).values(secrets=secrets))
            _seal_tokens(db, cipher, row.id)
        except StoreError as error:
            raise StoreError(
                f"the {what} {row.name!r}: {error.message}",
                code=error.code,
                hint=f"give the key that it was encrypted with too, or delete this {what}; nothing was changed",
            ) from None
    return len(rows)


def _seal_tokens(db: Transaction, cipher: Cipher, connection_id: str) -> None:
    matching = tokens.c.connection_id == connection_id
    sealed = db.execute(select(tokens.c.secrets).where(matching)).scalar()
    if sealed is not None:
        # The generation does not change, so a renewal in progress can store its answer.
        db.execute(update(tokens).where(matching).values(secrets=_reencrypted(cipher, connection_id, sealed)))


def _reencrypted(cipher: Cipher, connection_id: str, sealed: str) -> str:
    secrets = json.loads(sealed)
    return json.dumps(
        {
            field: cipher.seal(cipher.unseal(text, connection_id, field), connection_id, field)
            for field, text in secrets.items()
        }
    )


@asynccontextmanager
async def _alone(home: Path) -> AsyncIterator[None]:
    """Lock the key file against other processes; the lock ends with its process."""
    path = home / f"{FILE_NAME}.lock"
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            await asyncio.to_thread(lock_file, file)
        except BaseException:
            os.close(file)
            raise
    except OSError as error:
        hint = NO_LOCKS_HINT if error.errno in NO_LOCKS else "check that this user may write there"
        raise StoreError(f"{str(path)!r} can't be locked: {error.strerror}", hint=hint) from None
    try:
        yield
    finally:
        os.close(file)
