"""The webhooks of a database: stored by name, with encrypted secrets that are shown once."""

import json
import uuid
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, literal_column, select, update

from mailnode.collected import Collected
from mailnode.connections.secrets.cipher import Cipher
from mailnode.connections.secrets.database_key import adopt_key, lock_connections
from mailnode.errors import ErrorCode, SettingsError, StoreError
from mailnode.events.post import ALLOW_VARIABLE, Answer, Poster, check_url, shown_url
from mailnode.events.queue import DAY_MS, MANY_FAILURES, WAITING, sweep
from mailnode.events.webhook import (
    PREFIX,
    Event,
    Webhook,
    check_name,
    check_outcomes,
    is_name,
    new_secret,
    outcomes_column,
)
from mailnode.node.address_guard import AddressGuard
from mailnode.printable import quoted
from mailnode.store.clock import now_ms, unix_ms
from mailnode.store.database import Database
from mailnode.store.webhook_tables import webhook_events, webhooks

_SECRET = "secret"  # noqa: S105 -- the name of the field
_SWEPT_AT_ONCE = 500
_FAILED = webhook_events.c.state == literal_column("'failed'")
# How many of the latest events are shown.
LATEST = 20


class Webhooks:
    """What can be done with webhooks."""

    def __init__(self, database: Database, cipher: Cipher, allow: str = "") -> None:
        """Keep them in `database`, with secrets that `cipher` opens; `allow` is MAILNODE_WEBHOOK_ALLOW.

        Raises:
            UsageError: an entry of `allow` is no host, address or network.
        """
        self._database = database
        self._cipher = cipher
        self._guard = AddressGuard.from_text(allow, ALLOW_VARIABLE)
        self.poster = Poster(self._guard)

    async def create(self, name: str, url: str, events: Iterable[str] = ()) -> str:
        """Store a new webhook and give its secret, which nobody is shown again; it gets what ends from now on.

        `events` are outcomes such as `failed` or `delivery.failed`; none stands for all.

        Raises:
            SettingsError: the name is taken or invalid, or the URL or an outcome is invalid (`key` says which).
            StoreError: the secret key is not the one that this database was written with.
        """
        wrong, checked, outcomes = Collected(), "", ""
        with wrong.collecting():
            name = check_name(name)
        with wrong.collecting():
            checked = check_url(url, self._guard)
        with wrong.collecting():
            outcomes = outcomes_column(check_outcomes(events))
        wrong.raise_all()
        secret, webhook_id = new_secret(), uuid.uuid4().hex

        def work(db: Connection) -> None:
            lock_connections(db)
            if db.execute(select(webhooks.c.id).where(webhooks.c.name == name)).first():
                raise SettingsError(
                    f"a webhook named {name!r} already exists",
                    code=ErrorCode.WEBHOOK_CONFLICT,
                    hint="choose another name, or delete that webhook",
                ).locate(key="name")
            adopt_key(db, self._cipher)
            sealed = json.dumps({_SECRET: self._cipher.seal(secret, webhook_id, _SECRET)})
            values = {"failures": 0, "retry_at": 0, "created_at": unix_ms()}
            db.execute(
                insert(webhooks).values(
                    id=webhook_id, name=name, url=checked, events=outcomes, secrets=sealed, **values
                )
            )

        await self._database.write(work)
        return secret

    async def list(self) -> list[dict[str, Any]]:
        """Give the webhooks as JSON, by name.

        `url` is without its query, `waiting` and `failed` count events, and `state` is `ready`, or `failing` while
        nothing is taken and all but one event waits.
        """
        return await self._database.read(
            lambda db: [_shown(db, row) for row in db.execute(select(webhooks).order_by(webhooks.c.name)).all()]
        )

    async def show(self, name: str) -> dict[str, Any]:
        """Give a webhook as `list` does, and its `latest` events with what came of each.

        Raises:
            SettingsError: no webhook has this name.
        """

        def work(db: Connection) -> dict[str, Any]:
            row = _find(db, name)
            of_it = select(webhook_events).where(webhook_events.c.webhook_id == row.id)
            rows = db.execute(of_it.order_by(webhook_events.c.number.desc()).limit(LATEST)).all()
            return {**_shown(db, row), "latest": [_shown_event(one) for one in rows]}

        return await self._database.read(work)

    async def delete(self, name: str) -> None:
        """Delete a webhook, with its events.

        Raises:
            SettingsError: no webhook has this name.
        """
        await self._database.write(lambda db: db.execute(delete(webhooks).where(webhooks.c.id == _find(db, name).id)))

    async def test(self, name: str) -> Answer:
        """Post an event of the type `webhook.test` now, and tell what came of it; it is not stored.

        Raises:
            SettingsError: no webhook has this name.
            StoreError: its secret can't be decrypted.
        """
        row = await self._database.read(lambda db: _find(db, name))
        return await self.post_event(
            row, Event.of(f"evt_{uuid.uuid4().hex}", "webhook.test", unix_ms(), {"webhook": row.name})
        )

    async def replay(self, name: str, *, events: Iterable[str] = (), since: int | None = None) -> int:
        """Have events posted again, for a day from now, and give their number; their ids stay.

        It is these `events`, by their ids or the ids of their deliveries; or all that happened `since` a time (Unix
        ms); or those that were given up, and those that wait for their next try.

        Raises:
            SettingsError: there is no webhook of this name, or none of one of these ids.
        """
        table, given = webhook_events, list(events)

        def work(db: Connection) -> int:
            hook, now = _find(db, name), now_ms(db)
            over = update(table).where(table.c.webhook_id == hook.id, table.c.claim.is_(None))
            again = over.values(state="waiting", claim=None, tries=0, due_at=now, expires_at=now + DAY_MS)
            if since is not None:
                return db.execute(again.where(table.c.created_at >= since)).rowcount
            if not given:
                return db.execute(again.where(_FAILED | WAITING)).rowcount
            return sum(self._replay_one(db, hook, again, one) for one in given)

        return await self._database.write(work)

    def _replay_one(self, db: Connection, hook: Row[Any], again: Any, which: str) -> int:
        table, is_event, is_id = webhook_events, which.startswith("evt_"), is_name(which)
        of_delivery = table.c.delivery_id == (which.split("_")[1] if is_event else which)
        this = of_delivery & (table.c.id == which) if is_event else of_delivery
        if not (is_id and db.execute(select(table.c.number).where(table.c.webhook_id == hook.id, this)).first()):
            raise SettingsError(
                f"the webhook {hook.name!r} has no event {quoted(which)}",
                code=ErrorCode.UNKNOWN_EVENT,
                hint="give the id of an event or of a delivery; events are kept for MAILNODE_KEEP_DAYS",
            )
        return int(db.execute(again.where(this)).rowcount)

    async def sweep(self, days: float) -> int:
        """Delete events that are over and happened more than `days` ago, and give their number."""
        swept = 0
        while count := await self._database.write(
            lambda db: sweep(db, now_ms(db) - int(days * DAY_MS), _SWEPT_AT_ONCE)
        ):
            swept += count
        return swept

    async def post_event(self, row: Row[Any], event: Event) -> Answer:
        """Post an event to the webhook of a row.

        Raises:
            StoreError: its secret can't be decrypted.
        """
        return await self.poster.post(await self._opened(row), event)

    async def _opened(self, row: Row[Any]) -> Webhook:
        try:
            secret = self._cipher.unseal(json.loads(row.secrets)[_SECRET], row.id, _SECRET)
        except (ValueError, TypeError, KeyError):
            raise StoreError(
                f"the webhook {row.name!r} is damaged: another program has changed it in the database",
                hint="delete it and create it again",
            ) from None
        return Webhook(row.id, row.name, row.url, secret)


def _find(db: Connection, name: str) -> Row[Any]:
    # No database is asked for what can't be a name, such as half a character.
    row = db.execute(select(webhooks).where(webhooks.c.name == name)).first() if is_name(name) else None
    if row is None:
        raise SettingsError(
            f"there is no webhook {quoted(name)}", code=ErrorCode.UNKNOWN_WEBHOOK, hint="check the spelling"
        )
    return row


def _shown(db: Connection, row: Row[Any]) -> dict[str, Any]:
    def count(state: Any) -> int:
        of_it = select(func.count()).select_from(webhook_events).where(webhook_events.c.webhook_id == row.id, state)
        return int(db.execute(of_it).scalar_one())

    return {
        "name": row.name,
        "url": shown_url(row.url),
        "events": [PREFIX + one for one in row.events.split()],
        "state": "failing" if row.failures >= MANY_FAILURES else "ready",
        "waiting": count(WAITING),
        "failed": count(_FAILED),
        "createdAt": row.created_at,
    }


def _shown_event(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "type": PREFIX + row.outcome,
        "deliveryId": row.delivery_id,
        "state": row.state,
        "tries": row.tries,
        "statusCode": row.status_code,
        "trouble": row.trouble or "",
        "createdAt": row.created_at,
        "dueAt": row.due_at if row.state == "waiting" else None,
    }
