"""The state of a run, `input` and `context`, and how the outcome of an email replaces its first result there."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from sqlalchemy import Connection, select

from mailnode.delivery.result import Result, is_unstored
from mailnode.delivery.row_reader import place_of, read_result
from mailnode.node.node_api import StateName, Write, check_path
from mailnode.store.tables import deliveries


class State:
    """The `input` and `context` of a run.

    `replaced` has what stood at its beginning under each outermost key that was written since: `[value]`, or `[]` where
    there was none.
    """

    def __init__(self, input: dict[str, Any], context: dict[str, Any]) -> None:  # noqa: A002 -- the editor's word
        """Take two JSON objects, which belong to this run from here on."""
        self.input = input
        self.context = context
        self.replaced: dict[StateName, dict[str, list[Any]]] = {}

    def write(self, write: Write) -> None:
        """Put a value at its dotted path; missing objects on the path are created.

        Raises:
            SettingsError: a value on the path is not an object.
        """
        check_path(self._root(write), write.place, write.key)
        *path, last = write.key.split(".")
        container = self._root(write)
        self._remember(write.place, (*path, last)[0])
        for part in path:
            container = container.setdefault(part, {})
        container[last] = write.value

    def _remember(self, place: StateName, key: str) -> None:
        root = self.input if place == "input" else self.context
        kept = self.replaced.setdefault(place, {})
        if key not in kept:  # a copy by way of JSON, which has no limit of depth here
            kept[key] = [json.loads(json.dumps(root[key]))] if key in root else []

    def replace(self, write: Write, first: Any) -> bool:
        """Write a result if the `first` one, or one of the same delivery, is still there; gives whether it was."""
        is_there = is_same_result(self.read(write), first)
        if is_there:
            self.write(write)
        return is_there

    def read(self, write: Write) -> Any:
        """Give the value where this write would go; None when there is none."""
        value: Any = self._root(write)
        for part in write.key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return value

    def _root(self, write: Write) -> dict[str, Any]:
        return self.input if write.place == "input" else self.context


def began_with(stored: Mapping[str, Any]) -> dict[str, dict[str, Any]] | None:
    """Give `input` and `context` as a stored run began with them; None where it has none, as before its end.

    Runs of versions that did not keep what was replaced give what they ended with.
    """
    ends = {name: stored.get(name) for name in get_args(StateName)}
    replaced = stored.get("replaced", {})
    if not isinstance(replaced, dict) or not all(isinstance(one, dict) for one in (*ends.values(), *replaced.values())):
        return None
    return {name: _restored(end, replaced.get(name, {})) for name, end in ends.items()}


def _restored(end: Any, replaced: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in end.items() if key not in replaced}
    return kept | {key: value[0] for key, value in replaced.items() if isinstance(value, list) and value}


@dataclass(frozen=True, slots=True)
class MailOutcome:
    """How the email of a node ended; `place` (`{place, key}`) is where its result was stored, None for nowhere."""

    node_id: str | None
    place: Mapping[str, Any] | None
    result: Result


def results_in(run: Mapping[str, Any]) -> Iterator[Any]:
    """Give the results of the nodes of a run, as JSON."""
    return (node.get("result") for node in run["nodes"])


def queued_in(results: Iterable[Any]) -> list[str]:
    """Give the ids of the deliveries that these results of nodes call queued."""
    return [
        result["deliveryId"]
        for result in results
        if isinstance(result, dict) and result.get("status") == "queued" and "deliveryId" in result
    ]


def unstored_in(results: Iterable[Any]) -> list[str]:
    """Give the ids of the deliveries whose outcome could not be stored, by these results of nodes."""
    return [str(result["deliveryId"]) for result in results if isinstance(result, dict) and is_unstored(result)]


def is_same_result(value: Any, first: Any) -> bool:
    """Whether a stored value is still the result that was put there first: of the same delivery, or equal."""
    if isinstance(first, dict) and "deliveryId" in first:
        return isinstance(value, dict) and value.get("deliveryId") == first["deliveryId"]
    return bool(value == first)


def outcomes_of(db: Connection, delivery_ids: Sequence[str]) -> Iterator[MailOutcome]:
    """Read the outcomes of those deliveries that have one by now."""
    if not delivery_ids:
        return
    ended = select(deliveries).where(deliveries.c.id.in_(delivery_ids), deliveries.c.result.is_not(None))
    for row in db.execute(ended).all():
        if result := read_result(db, row):
            yield MailOutcome(row.node_id, place_of(row), result)


def apply_outcome(run: dict[str, Any], outcome: MailOutcome) -> bool:
    """Put an outcome into a run, as JSON, where it still has a result of the same delivery; gives whether it had."""
    changed = False
    for node in run["nodes"]:
        if node["id"] == outcome.node_id and is_same_result(node.get("result"), outcome.result):
            node["result"] = outcome.result
            changed = True
    if outcome.place:
        write = Write(outcome.place["place"], outcome.place["key"], outcome.result)
        changed |= State(run["input"], run["context"]).replace(write, outcome.result)
    return changed
