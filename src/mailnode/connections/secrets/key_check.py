"""Refuses a wrong secret key before anything is written or read with it."""

from sqlalchemy import Connection, delete, exists, insert, select

from mailnode.connections.secrets.cipher import Cipher
from mailnode.errors import ErrorCode, StoreError
from mailnode.store.advisory_lock import take_turn
from mailnode.store.tables import connections, secret_check

_ABOUT = ("", "check")


def take_book(db: Connection) -> None:
    """Be the only one who changes connections, tokens or keys until the end of the transaction; taken first.

    A change of the key rewrites every secret, and must overwrite none that comes meanwhile.
    """
    take_turn(db, "book")


def check_key(db: Connection, cipher: Cipher) -> None:
    """See to it that the cipher has a key that wrote here before; any key is right where none did.

    Raises:
        StoreError: none of its keys did.
    """
    values = _values(db)
    if values and not values.keys() & cipher.key_ids:
        cipher.reread()
    ours = values.keys() & cipher.key_ids
    if values and not ours:
        raise StoreError(
            "the secrets in this database were encrypted with another key",
            code=ErrorCode.WRONG_SECRET_KEY,
            hint="give the key that it was written with (MAILNODE_SECRET_KEY, or secret.key in MAILNODE_HOME);"
            " after a change of the key restart with both: MAILNODE_SECRET_KEY=new,old;"
            " if the key is lost, delete the connections and make them anew",
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
    note_key(db, cipher)


def note_key(db: Connection, cipher: Cipher) -> None:
    """Note the key that is going to write what must not get lost, though others may have changed the key meanwhile."""
    known = _values(db).keys()
    if cipher.key_id not in known:
        cipher.reread()
    if cipher.key_id not in known:
        db.execute(insert(secret_check).values(key_id=cipher.key_id, value=cipher.seal("mailnode", *_ABOUT)))


def keep_only(db: Connection, cipher: Cipher) -> None:
    """Forget every key that ever wrote here but the one that writes now."""
    note_key(db, cipher)
    db.execute(delete(secret_check).where(secret_check.c.key_id != cipher.key_id))


def _values(db: Connection) -> dict[str, str]:
    return {row.key_id: row.value for row in db.execute(select(secret_check))}
