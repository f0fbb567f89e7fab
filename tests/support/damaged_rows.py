"""Deliveries that another version has queued, or another hand has changed, for tests."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, select, update

from mailnode.store.database import Database
from mailnode.store.tables import deliveries, delivery_content, delivery_recipients


def _options(change: Callable[[dict[str, Any]], object]) -> Callable[[Connection, str], None]:
    def work(db: Connection, which: str) -> None:
        is_it = deliveries.c.id == which
        options = json.loads(db.execute(select(deliveries.c.options).where(is_it)).scalar_one())
        change(options)
        db.execute(update(deliveries).where(is_it).values(options=json.dumps(options)))

    return work


def _column(**values: Any) -> Callable[[Connection, str], None]:
    def work(db: Connection, which: str) -> None:
        db.execute(update(deliveries).where(deliveries.c.id == which).values(**values))

    return work


def _recipients(status: str) -> Callable[[Connection, str], None]:
    of_it = delivery_recipients.c.delivery_id

    def work(db: Connection, which: str) -> None:
        if status:
            db.execute(update(delivery_recipients).where(of_it == which).values(status=status))
        else:
            db.execute(delivery_recipients.delete().where(of_it == which))

    return work


def _content(change: Callable[[bytes], bytes]) -> Callable[[Connection, str], None]:
    def work(db: Connection, which: str) -> None:
        of_it = delivery_content.c.delivery_id == which
        octets = db.execute(select(delivery_content.c.octets).where(of_it)).scalar_one()
        db.execute(update(delivery_content).where(of_it).values(octets=change(octets)))

    return work


_CHANGES: Mapping[str, tuple[Callable[[Connection, str], None], str]] = {
    "a service that is gone": (
        _options(lambda one: one.update(destination={"service": "Gone", "connection": "", "ehloName": None})),
        "no email service 'Gone'",
    ),
    "a server with an unknown key": (_options(lambda one: one["destination"]["server"].update(bimi=1)), "server"),
    "a server without a host": (_options(lambda one: one["destination"].update(server={})), "server"),
    "no server": (_options(lambda one: one.pop("destination")), "server"),
    "an unknown term": (_options(lambda one: one["terms"].update(notify="never")), "terms"),
    "an unknown choice": (_options(lambda one: one["terms"].update(on_unknown="ask")), "on_unknown 'ask'"),
    "a term of another kind": (_options(lambda one: one["terms"].update(seconds="long")), "seconds"),
    "an unknown option": (_options(lambda one: one.update(encrypt="pgp")), "encrypt"),
    "another place": (_options(lambda one: one.update(place=["a"])), "place"),
    "no JSON": (_column(options='{"destination": {'), "not JSON"),
    "no object": (_column(options="[]"), "not a JSON object"),
    "warnings of another kind": (_column(warnings="7"), "warnings"),
    "no recipient": (_recipients(""), "recipients"),
    "an unknown status": (_recipients("greylisted"), "greylisted"),
}
DAMAGES = tuple(_CHANGES)
_CONTENTS: Mapping[str, tuple[Callable[[Connection, str], None], str]] = {
    "content that is cut short": (_content(lambda octets: octets[:-1]), "content is damaged"),
    "content that is gone": (_content(lambda _: b""), "content is damaged"),
    "content that is longer": (_content(lambda octets: octets + b"more\r\n"), "content is damaged"),
}
CONTENT_DAMAGES = tuple(_CONTENTS)


async def damage(database: Database, delivery_id: str, what: str) -> str:
    """Do this to a delivery; give words that its error has."""
    change, words = {**_CHANGES, **_CONTENTS}[what]
    await database.write(lambda db: change(db, delivery_id))
    return words
