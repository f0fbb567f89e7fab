"""Refuses a wrong secret key before anything is written or read with it."""

from sqlalchemy import Connection, delete, exists, insert, select

from mailnode.connections.cipher import Cipher
from mailnode.errors import ErrorCode, StoreError
from mailnode.store.tables import connections, secret_check

_ABOUT = ("", "check")


def check_key(db: Connection, cipher: Cipher) -> None:
    """See to it that the cipher has a key that wrote here before; any key is right where none did.

    Raises:
        StoreError: none of its keys did.
    """
    values = {row.key_id: row.value for row in db.execute(select(secret_check))}
    ours = values.keys() & cipher.key_ids
    if values and not ours:
        raise StoreError(
            "the secrets in this database were encrypted with another key",
            code=ErrorCode.WRONG_SECRET_KEY,
            hint="give the key that it was written with (MAILNODE_SECRET_KEY, or secret.key in MAILNODE_HOME);"
            " if that is lost, delete the connections and make them anew",
        )
    for key_id in ours:
        cipher.unseal(values[key_id], *_ABOUT)


def take_key(db: Connection, cipher: Cipher) -> None:
    """Check the key as `check_key` does, and note the one that is going to write.

    When no connection is left there is nothing that an earlier key could be needed for, so it is forgotten.
    """
    if not db.execute(select(exists().select_from(connections))).scalar():
        db.execute(delete(secret_check))
    check_key(db, cipher)
    known = select(secret_check.c.key_id).where(secret_check.c.key_id == cipher.key_id)
    if db.execute(known).first() is None:
        db.execute(insert(secret_check).values(key_id=cipher.key_id, value=cipher.seal("mailnode", *_ABOUT)))
