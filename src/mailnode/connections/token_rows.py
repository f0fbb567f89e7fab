"""The rows of tokens, and the claims to renew them: everything here happens within one transaction."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection as Transaction
from sqlalchemy import Row, Update, insert, select, update

from mailnode.connections.endpoint import TokenAnswer
from mailnode.connections.secrets.cipher import Cipher
from mailnode.connections.secrets.database_key import lock_connections, record_key
from mailnode.errors import ErrorCode, StoreError, TokenError
from mailnode.store.tables import connections, tokens

TOKEN_SECRETS = ("accessToken", "refreshToken")
# The fields of a connection that are stored here.
TOKEN_FIELDS = (*TOKEN_SECRETS, "expiryDate")
# A token that expires on its way to a server is refused.
MARGIN_MS = 60_000
# How long a renewal may take; its deadline is shorter.
LEASE_MS = 60_000


@dataclass(frozen=True, slots=True)
class TokenRow:
    """The stored tokens of a connection; times are Unix ms.

    `generation` counts the changes. `in_doubt_since` is the start of a renewal whose answer was lost: it may have used
    up the refresh token.
    """

    connection_id: str
    generation: int
    access_token: str | None = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_at: int | None
    refreshing_by: str | None
    refreshing_until: int | None
    in_doubt_since: int | None
    failures: int
    retry_at: int | None
    last_error: TokenError | None

    def fresh_token(self, now: int, refused: str | None) -> str | None:
        """Give the access token if it is valid for another minute and not the one that a server has refused."""
        return self.live_token(now + MARGIN_MS, refused)

    def live_token(self, now: int, refused: str | None) -> str | None:
        """Give the access token if it is valid now and not the one that a server has refused."""
        is_over = self.expires_at is not None and now >= self.expires_at
        return None if is_over or self.access_token == refused else self.access_token

    def fields(self) -> dict[str, Any]:
        """Give the tokens as fields of the connection."""
        values = (self.access_token, self.refresh_token, self.expires_at)
        return {key: value for key, value in zip(TOKEN_FIELDS, values, strict=True) if value is not None}

    @property
    def needs_consent(self) -> bool:
        """Whether a person has to give consent."""
        return self.last_error is not None and self.last_error.code == ErrorCode.CONSENT_NEEDED


def read_tokens(db: Transaction, cipher: Cipher, connection_id: str, *, lock: bool = False) -> TokenRow | None:
    """Read the tokens of a connection; None where it has no row, as one with a password has.

    With `lock` no renewal can be claimed before the end of the transaction.
    """
    query = select(tokens).where(tokens.c.connection_id == connection_id)
    row = db.execute(query.with_for_update() if lock else query).first()
    if row is None:
        return None
    with _readable_row(db, connection_id):
        return _row(row, cipher)


def shown_tokens(db: Transaction, connection_id: str) -> dict[str, Any]:
    """Give what may be shown of the tokens of a connection; nothing where it has no row."""
    row = db.execute(select(tokens).where(tokens.c.connection_id == connection_id)).first()
    if row is None:
        return {}
    with _readable_row(db, connection_id):
        _check_numbers(row)
        error = _last_error(row)
        return {
            **({"expiryDate": row.expires_at} if row.expires_at else {}),
            "state": "needsConsent" if error and error.code == ErrorCode.CONSENT_NEEDED else "ready",
            **({"trouble": error.message} if error else {}),
            "secrets": list(_sealed_secrets(row)),
        }


def write_tokens(
    db: Transaction, cipher: Cipher, connection_id: str, given: Mapping[str, Any], now: int, *, at_least: int = 0
) -> None:
    """Replace the tokens by the `accessToken`, `refreshToken` and `expiryDate` that are given.

    A renewal in progress finds another generation, and its answer is dropped. `at_least` is the generation of tokens
    that were restored from a snapshot.
    """
    generation = db.execute(select(tokens.c.generation).where(tokens.c.connection_id == connection_id)).scalar()
    secrets = {key: given.get(key) for key in TOKEN_SECRETS}
    values = {
        **_AT_REST,
        "generation": max(at_least, 0 if generation is None else generation + 1),
        "secrets": _sealed(cipher, connection_id, secrets),
        "expires_at": given.get("expiryDate"),
        "updated_at": now,
    }
    if generation is None:
        db.execute(insert(tokens).values(connection_id=connection_id, **values))
    else:
        db.execute(update(tokens).where(tokens.c.connection_id == connection_id).values(**values))


def claim(db: Transaction, row: TokenRow, worker: str, now: int) -> TokenRow | None:
    """Claim the renewal of a row and give the claimed row; None when it has changed since it was read.

    An unfinished earlier claim puts the refresh token in doubt.
    """
    left_at = row.refreshing_until - LEASE_MS if row.refreshing_until else None
    claimed = replace(
        row,
        refreshing_by=worker,
        refreshing_until=now + LEASE_MS,
        in_doubt_since=row.in_doubt_since or left_at,
    )
    values = {
        "refreshing_by": claimed.refreshing_by,
        "refreshing_until": claimed.refreshing_until,
        "in_doubt_since": claimed.in_doubt_since,
    }
    return claimed if db.execute(_held(row).values(**values)).rowcount else None


def store_answer(db: Transaction, cipher: Cipher, row: TokenRow, answer: TokenAnswer, now: int) -> None:
    """Store the answer for a claimed row; without a new refresh token the old one stays.

    It does not matter who holds the claim by now: a late answer may have the latest refresh token. Only tokens that a
    person has given in the meantime are newer. Nor may it be lost because the key was changed in the meantime.
    """
    lock_connections(db)
    record_key(db, cipher)
    secrets = {"accessToken": answer.access_token, "refreshToken": answer.refresh_token or row.refresh_token}
    values = {
        **_AT_REST,
        "generation": row.generation + 1,
        "secrets": _sealed(cipher, row.connection_id, secrets),
        "expires_at": answer.expires_at,
        "updated_at": now,
    }
    db.execute(_at(row).values(**values))


def store_failure(db: Transaction, row: TokenRow, error: TokenError, retry_at: int, now: int) -> bool:
    """Store the failure of a claimed row, and release the claim; false when the row has changed since."""
    said = {"message": error.message, "code": error.code, "hint": error.hint, "transient": error.transient}
    values = {
        "refreshing_by": None,
        "refreshing_until": None,
        "in_doubt_since": row.in_doubt_since or (now if error.in_doubt else None),
        "failures": row.failures + 1,
        "retry_at": retry_at,
        "trouble": json.dumps(said),
        "updated_at": now,
    }
    return bool(db.execute(_held(row).values(**values)).rowcount)


def forget_access_token(db: Transaction, cipher: Cipher, row: TokenRow) -> None:
    """Have the next token requested again after an edit of the connection; a renewal in progress continues."""
    secrets = _sealed(cipher, row.connection_id, {"refreshToken": row.refresh_token})
    over = {"secrets": secrets, "expires_at": None, "failures": 0, "retry_at": None, "trouble": None}
    db.execute(_at(row).values(**over))


def forget_failure(db: Transaction, connection_id: str) -> None:
    """Forget the last failure; a renewal in progress, or in doubt, is not touched."""
    forgiven = {"failures": 0, "retry_at": None, "trouble": None}
    db.execute(update(tokens).where(tokens.c.connection_id == connection_id).values(**forgiven))


_AT_REST = {
    "refreshing_by": None,
    "refreshing_until": None,
    "in_doubt_since": None,
    "failures": 0,
    "retry_at": None,
    "trouble": None,
}


def _at(row: TokenRow) -> Update:
    """Select the row if nothing else was stored since."""
    return update(tokens).where(tokens.c.connection_id == row.connection_id, tokens.c.generation == row.generation)


def _held(row: TokenRow) -> Update:
    """Select the row if nothing else was stored, and nobody else has claimed it."""
    return _at(row).where(tokens.c.refreshing_by.is_not_distinct_from(row.refreshing_by))


def _sealed(cipher: Cipher, connection_id: str, secrets: Mapping[str, str | None]) -> str:
    return json.dumps({key: cipher.seal(text, connection_id, key) for key, text in secrets.items() if text})


def _row(row: Row[Any], cipher: Cipher) -> TokenRow:
    _check_numbers(row)
    secrets = {key: cipher.unseal(text, row.connection_id, key) for key, text in _sealed_secrets(row).items()}
    return TokenRow(
        connection_id=row.connection_id,
        generation=row.generation,
        access_token=secrets.get("accessToken"),
        refresh_token=secrets.get("refreshToken"),
        expires_at=row.expires_at,
        refreshing_by=row.refreshing_by,
        refreshing_until=row.refreshing_until,
        in_doubt_since=row.in_doubt_since,
        failures=row.failures,
        retry_at=row.retry_at,
        last_error=_last_error(row),
    )


def _sealed_secrets(row: Row[Any]) -> dict[str, str]:
    sealed = json.loads(row.secrets)
    if not isinstance(sealed, dict) or not all(isinstance(text, str) for text in sealed.values()):
        raise TypeError
    return sealed


def _last_error(row: Row[Any]) -> TokenError | None:
    stored = json.loads(row.trouble) if row.trouble else {}
    return TokenError(stored.pop("message"), code=ErrorCode(stored.pop("code")), **stored) if stored else None


_NUMBERS = ("generation", "expires_at", "refreshing_until", "in_doubt_since", "failures", "retry_at")
# The year 5138: a greater number is neither a time that can be shown nor a count.
_GREATEST = 100_000_000_000_000


def _check_numbers(row: Row[Any]) -> None:
    if not all(_is_number(getattr(row, column)) for column in _NUMBERS):
        raise ValueError


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int) and 0 <= value < _GREATEST)


@contextmanager
def _readable_row(db: Transaction, connection_id: str) -> Iterator[None]:
    """Turn the errors of a row that another program has changed into a StoreError."""
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        name = db.execute(select(connections.c.name).where(connections.c.id == connection_id)).scalar()
        raise StoreError(
            f"the tokens of the connection {name!r} are damaged: another program has changed them in the database",
            hint="delete the connection and create it again",
        ) from None
