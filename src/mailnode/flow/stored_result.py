"""The outcome of a mail follows its first word into the result that a run has stored."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from mailnode.delivery.result import Result, is_unstored
from mailnode.delivery.row_reader import place_of
from mailnode.delivery.stored import read_report
from mailnode.flow.state import State
from mailnode.node.node_api import Write
from mailnode.store.tables import deliveries


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the mail of a node ended; `place` (`{place, key}`) is where its result was stored, None for nowhere."""

    node_id: str | None
    place: Mapping[str, Any] | None
    report: Result


def pending_of(said: Mapping[str, Any]) -> list[str]:
    """Give the ids of the deliveries that a run, as JSON, still calls queued."""
    results = [node.get("result") for node in said["nodes"]]
    return [
        result["deliveryId"]
        for result in results
        if isinstance(result, dict) and result.get("status") == "queued" and "deliveryId" in result
    ]


def unstored_of(said: Mapping[str, Any]) -> list[str]:
    """Give the ids of the deliveries of which a run, as JSON, says that their outcome is not stored."""
    results = [node.get("result") for node in said["nodes"]]
    return [str(result["deliveryId"]) for result in results if isinstance(result, dict) and is_unstored(result)]


def outcomes_of(db: Connection, delivery_ids: Sequence[str]) -> Iterator[Outcome]:
    """Read the outcomes that have come by now."""
    if not delivery_ids:
        return
    ended = select(deliveries).where(deliveries.c.id.in_(delivery_ids), deliveries.c.result.is_not(None))
    for row in db.execute(ended).all():
        if report := read_report(db, row):
            yield Outcome(row.node_id, place_of(row), report)


def follow(said: dict[str, Any], outcome: Outcome) -> bool:
    """Put an outcome into a run, as JSON, wherever that still holds the same delivery; tell whether it did anywhere."""
    changed = False
    for node in said["nodes"]:
        if node["id"] == outcome.node_id and _is_of(node.get("result"), outcome):
            node["result"] = outcome.report
            changed = True
    if outcome.place:
        state = State(said["input"], said["context"])
        write = Write(outcome.place["place"], outcome.place["key"], outcome.report)
        if _is_of(state.read(write), outcome):
            state.write(write)
            changed = True
    return changed


def _is_of(value: Any, outcome: Outcome) -> bool:
    return isinstance(value, dict) and value.get("deliveryId") == outcome.report["deliveryId"]
