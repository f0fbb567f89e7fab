"""A change of the key: every secret is sealed anew, at once, and the old key is needed no more.

With a key file the order is: new key before the old ones in the file, then the database, then the new key alone. At
each moment, and after a crash in any, the file has every key that something is sealed with.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import Connection as Transaction
from sqlalchemy import select, update

from mailnode.connections.secrets.cipher import Cipher
from mailnode.connections.secrets.key_check import check_key, keep_only, take_book
from mailnode.connections.secrets.key_file import FILE_NAME, new_key, read_keys, write_keys
from mailnode.errors import ErrorCode, StoreError
from mailnode.store.database import Database
from mailnode.store.files import NO_LOCKS, NO_LOCKS_HINT, lock_file
from mailnode.store.tables import connections, tokens


async def rekey(database: Database, home: Path, given: str | None) -> int:
    """Seal every secret with another key, and give how many connections there are.

    `given` is MAILNODE_SECRET_KEY, whose first key is the new one; without it the key file of the home gets a new one,
    or, where an earlier change was left unfinished, that one is finished. Revisions stay as they are.

    Raises:
        StoreError: no second key is given, a secret does not open, or file or database can't be written.
    """
    if given:
        if "," not in given:
            raise StoreError(
                "MAILNODE_SECRET_KEY holds only one key, so there is no new one to change to",
                code=ErrorCode.WRONG_SECRET_KEY,
                hint="put a new one (`openssl rand -base64 32`) before it: MAILNODE_SECRET_KEY=new,old",
            )
        return await seal_anew(database, Cipher.open(home, given))
    async with _alone(home):
        keys = read_keys(home)
        if len(keys) == 1:
            keys = [new_key(), *keys]
            write_keys(home, keys)
        count = await seal_anew(database, Cipher(keys))
        write_keys(home, keys[:1])
        return count


async def seal_anew(database: Database, cipher: Cipher) -> int:
    """Seal every secret with the key that writes, all or none, and give how many connections there are.

    Raises:
        StoreError: one does not open; then nothing is changed.
    """

    def work(db: Transaction) -> int:
        take_book(db)
        check_key(db, cipher)
        rows = db.execute(select(connections.c.id, connections.c.name, connections.c.secrets)).all()
        for row in rows:
            try:
                secrets = _sealed_anew(cipher, row.id, row.secrets)
                db.execute(update(connections).where(connections.c.id == row.id).values(secrets=secrets))
                _seal_tokens(db, cipher, row.id)
            except StoreError as error:
                raise StoreError(
                    f"the connection {row.name!r}: {error.message}",
                    code=error.code,
                    hint="give the key it was sealed with too, or delete this connection; nothing is changed yet",
                ) from None
        keep_only(db, cipher)
        return len(rows)

    return await database.write(work)


def _seal_tokens(db: Transaction, cipher: Cipher, connection_id: str) -> None:
    ours = tokens.c.connection_id == connection_id
    sealed = db.execute(select(tokens.c.secrets).where(ours)).scalar()
    if sealed is not None:
        # The generation stays: a renewal under way finds its place again.
        db.execute(update(tokens).where(ours).values(secrets=_sealed_anew(cipher, connection_id, sealed)))


def _sealed_anew(cipher: Cipher, connection_id: str, sealed: str) -> str:
    secrets = json.loads(sealed)
    return json.dumps(
        {
            field: cipher.seal(cipher.unseal(text, connection_id, field), connection_id, field)
            for field, text in secrets.items()
        }
    )


@asynccontextmanager
async def _alone(home: Path) -> AsyncIterator[None]:
    """Keep other processes from changing the key file meanwhile; the lock dies with its process."""
    path = home / f"{FILE_NAME}.lock"
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            await asyncio.to_thread(lock_file, file)
        except BaseException:
            os.close(file)
            raise
    except OSError as error:
        hint = NO_LOCKS_HINT if error.errno in NO_LOCKS else "see that this user may write there"
        raise StoreError(f"no lock can be kept in {str(path)!r}: {error.strerror}", hint=hint) from None
    try:
        yield
    finally:
        os.close(file)
