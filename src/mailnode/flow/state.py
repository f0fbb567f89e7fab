"""What a run carries from node to node: `input` and `context`, two JSON objects."""

from typing import Any

from mailnode.node.node_api import Write, check_place


class State:
    """The `input` and `context` of one run."""

    def __init__(self, input: dict[str, Any], context: dict[str, Any]) -> None:  # noqa: A002 -- the editor's word
        """Begin with two JSON objects, which are this run's own from here on."""
        self.input = input
        self.context = context

    def write(self, write: Write) -> None:
        """Put a value at its dotted path; objects on the way are made.

        Raises:
            SettingsError: something on the way is there and is no object.
        """
        check_place(self._root(write), write.place, write.key)
        *way, last = write.key.split(".")
        place = self._root(write)
        for part in way:
            place = place.setdefault(part, {})
        place[last] = write.value

    def read(self, write: Write) -> Any:
        """Give what stands where this write would go; None when nothing does."""
        value: Any = self._root(write)
        for part in write.key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return value

    def _root(self, write: Write) -> dict[str, Any]:
        return self.input if write.place == "input" else self.context
