"""Deliveries read from the database, whose rows another version or another program may have written."""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, NamedTuple, cast, get_args

from sqlalchemy import Connection, Row, select

from mailnode.delivery.delivery import RESENT_AFTER_UNKNOWN, Delivery, Origin, Terms, UnreadableDelivery
from mailnode.delivery.result import Result, result_of
from mailnode.delivery.route import Destination, OtherServer
from mailnode.errors import MailnodeError
from mailnode.message.envelope import Field
from mailnode.printable import shortened
from mailnode.smtp.outcome import Recipient, RecipientStatus
from mailnode.smtp.reply import Reply
from mailnode.store.prepared import AnyOf, Query
from mailnode.store.tables import delivery_recipients

_OPTIONS = {"destination", "terms", "place", "origin", "asQueued", "retry", "redirectedFrom", "invitation"}
_STATUSES, _FIELDS = frozenset(get_args(RecipientStatus)), frozenset(get_args(Field))
_OTHER_SERVER = "name an existing server in its flow and retry it, or cancel it"


def read_deliveries(db: Connection, rows: Sequence[Row[Any]]) -> list[Delivery]:
    """Make deliveries of rows of their table.

    Raises:
        UnreadableDelivery: one of them is not as this version writes them.
    """
    recipients = _recipients_of(db, rows)
    return [_delivery(row, recipients[row.id], _strictly) for row in rows]


def read_leniently(db: Connection, rows: Sequence[Row[Any]]) -> list[Delivery]:
    """Make deliveries of rows as far as they can be read, to show or end them; not to send them."""
    recipients = _recipients_of(db, rows)
    return [_delivery(row, recipients[row.id], _leniently) for row in rows]


def options_of(row: Row[Any]) -> dict[str, Any]:
    """Read the options of a delivery's row.

    Raises:
        UnreadableDelivery: they are not a JSON object, or hold a key that this version does not know.
    """
    options = _json_object("its options", row.options)
    _check_keys("its options", options, _OPTIONS)
    return options


def stored_json(text: str | None) -> dict[str, Any]:
    """Give a stored JSON object to be shown; one that can't be read is empty."""
    try:
        return _json_object("", text or "{}")
    except UnreadableDelivery:
        return {}


def place_of(row: Row[Any]) -> Mapping[str, Any] | None:
    """Read where the result of a delivery is stored; None where that can't be read, too."""
    try:
        return _place(stored_json(row.options).get("place"))
    except ValueError:
        return None


def origin_of(row: Row[Any]) -> Origin | None:
    """Read which node of which flow a delivery comes from; None where that can't be read, too."""
    try:
        return Origin.from_json(stored_json(row.options).get("origin"))
    except TypeError:
        return None


def read_result(db: Connection, row: Row[Any]) -> Result | None:
    """Give the result of a delivery that has ended; one that can't be read is made again, of what else is known."""
    if row.result is None:
        return None
    stored = stored_json(row.result)
    if {"status", "error", "recipients", "warnings"} <= set(stored):
        return cast("Result", stored)
    (delivery,) = read_leniently(db, [row])
    return result_of(delivery, status=row.state, error=UnreadableDelivery("the stored result can't be read"))


def _recipients_of(db: Connection, rows: Sequence[Row[Any]]) -> Mapping[str, Sequence[Row[Any]]]:
    found: defaultdict[str, list[Row[Any]]] = defaultdict(list)
    for one in _RECIPIENTS.all(db, ids=[row.id for row in rows]):
        found[one.delivery_id].append(one)
    return found


_OF_THESE = AnyOf(delivery_recipients.c.delivery_id, "ids")
_RECIPIENTS = Query(select(delivery_recipients).where(_OF_THESE).order_by(delivery_recipients.c.position))

# Reads a part of a row, or gives the last value where that can't be read.
_Read = Callable[[str, Callable[[], Any], Any], Any]


class _Options(NamedTuple):
    """What the options of a delivery say."""

    destination: Destination
    terms: Terms
    place: Mapping[str, Any] | None
    redirected_from: tuple[Recipient, ...] = ()
    invitation: Mapping[str, Any] | None = None


def _delivery(row: Row[Any], recipients: Sequence[Row[Any]], read: _Read) -> Delivery:
    # What a redirection has kept are addresses, which stay no longer in memory than it takes; a uid is each mail's own.
    is_own = "redirectedFrom" in row.options or '"invitation"' in row.options
    common = None if is_own else _sound_options(row.options)
    options = common or _read_options(row, read)
    is_in_doubt = RESENT_AFTER_UNKNOWN in (row.warnings or "")
    return Delivery(
        id=row.id,
        generation=row.generation,
        claimed_by=row.worker or "",
        destination=options.destination,
        host=row.host,
        port=row.port,
        route_key=row.route_key,
        reverse_path=row.reverse_path,
        message_id=row.message_id,
        size=row.size,
        recipients=read("its recipients", lambda: _recipients(recipients), _lenient_recipients(recipients)),
        terms=options.terms,
        run_id=row.run_id,
        node_id=row.node_id,
        place=options.place,
        app=row.app,
        tries=row.tries,
        maybe_accepted=row.maybe_accepted,
        invitation=options.invitation,
        warnings=read("its warnings", lambda: _warnings(row.warnings), (RESENT_AFTER_UNKNOWN,) if is_in_doubt else ()),
        redirected_from=options.redirected_from,
    )


@lru_cache(maxsize=128)
def _sound_options(text: str) -> _Options | None:
    """Read options once that all mails of a node have; None for those that are not as this version writes them."""
    try:
        stored = _json_object("its options", text)
        _check_keys("its options", stored, _OPTIONS)
        return _Options(_destination(stored["destination"]), _terms(stored["terms"]), _place(stored["place"]))
    except Exception:  # noqa: BLE001 -- whoever reads them key by key says what is wrong
        return None


def _read_options(row: Row[Any], read: _Read) -> _Options:
    options = read("its options", lambda: options_of(row), stored_json(row.options))
    by_hand = Destination(OtherServer(host=row.host, port=row.port), row.connection)
    return _Options(
        destination=read("its server", lambda: _destination(options["destination"]), by_hand),
        terms=read("its terms", lambda: _terms(options["terms"]), Terms().for_queue(0)),
        place=read("the place of its result", lambda: _place(options["place"]), None),
        redirected_from=read(
            "its own recipients",
            lambda: _recipients([SimpleNamespace(**one) for one in options.get("redirectedFrom", ())], fewest=0),
            (),
        ),
        invitation=read("its invitation", lambda: _invitation(options.get("invitation")), None),
    )


def _strictly(what: str, read: Callable[[], Any], _: Any) -> Any:
    try:
        return read()
    except UnreadableDelivery:
        raise
    except MailnodeError as error:
        raise UnreadableDelivery(f"the delivery can't be sent: {error.message}", hint=_OTHER_SERVER) from error
    except Exception as error:
        why = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise UnreadableDelivery(f"the delivery can't be read: {what}: {shortened(why)}") from error


def _leniently(_: str, read: Callable[[], Any], otherwise: Any) -> Any:
    try:
        return read()
    except Exception:  # noqa: BLE001 -- whatever another hand has made of the row
        return otherwise


def _json_object(what: str, text: str) -> dict[str, Any]:
    try:
        stored = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableDelivery(f"the delivery can't be read: {what} are not JSON: {error}") from None
    if not isinstance(stored, dict):
        raise UnreadableDelivery(f"the delivery can't be read: {what} are not a JSON object")
    return stored


def _check_keys(what: str, stored: Mapping[str, Any], known: set[str]) -> None:
    if unknown := ", ".join(sorted(set(stored) - known)):
        raise UnreadableDelivery(f"the delivery can't be read: {what}: unknown keys: {shortened(unknown)}")


def _destination(stored: Mapping[str, Any]) -> Destination:
    server = stored.get("server", {})
    _check_keys("its server", stored, {"service", "server", "connection", "ehloName"})
    _check_keys("its server", server, {one.name for one in fields(OtherServer)})
    if "service" not in stored and "host" not in server:
        raise KeyError("host")
    return Destination.from_json(stored)


def _terms(stored: Mapping[str, Any]) -> Terms:
    _check_keys("its terms", stored, {one.name for one in fields(Terms)})
    return Terms.from_json(stored)


def _place(stored: Any) -> Mapping[str, Any] | None:
    if stored is None or (isinstance(stored, dict) and set(stored) == {"place", "key"}):
        return stored
    raise ValueError("it is invalid")


def _invitation(stored: Any) -> Mapping[str, Any] | None:
    if stored is None or (isinstance(stored, dict) and set(stored) == {"uid", "sequence"}):
        return stored
    raise ValueError("it is invalid")


def _warnings(text: str) -> tuple[str, ...]:
    if text == "[]":
        return ()
    stored = json.loads(text)
    if not isinstance(stored, list) or not all(isinstance(one, str) for one in stored):
        raise ValueError("they are not a list of strings")
    return tuple(stored)


def _recipients(rows: Sequence[Row[Any] | SimpleNamespace], *, fewest: int = 1) -> tuple[Recipient, ...]:
    if len(rows) < fewest:
        raise ValueError("none are stored")
    for row in rows:
        if row.status not in _STATUSES or row.field not in _FIELDS:
            raise ValueError(f"{row.field} {row.status} is unknown")
    return _lenient_recipients(rows)


def _lenient_recipients(rows: Sequence[Row[Any] | SimpleNamespace]) -> tuple[Recipient, ...]:
    return tuple(Recipient(row.address, row.field, row.status, _reply(row)) for row in rows)


def _reply(row: Row[Any] | SimpleNamespace) -> Reply | None:
    return Reply(row.reply_code, (row.reply_text or "",), row.enhanced_status_code) if row.reply_code else None
