"""What a flow and its nodes say to each other: the call of a node, and the step that it made of it."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mailnode.delivery.result import ResultError
from mailnode.errors import SettingsError

Place = Literal["input", "context"]


@dataclass(frozen=True, slots=True)
class NodeCall:
    """A flow has reached a node; `input` and `context` are to be read, a step says what to write.

    `file` is the absolute path of the flow file, "" for a flow that comes from none.
    """

    flow: str
    run_id: str
    node_id: str
    input: Mapping[str, Any]
    context: Mapping[str, Any]
    file: str = ""


@dataclass(frozen=True, slots=True)
class Write:
    """A JSON value for a dotted path in `input` or `context`."""

    place: Place
    key: str
    value: Any


def check_place(root: Mapping[str, Any], place: Place, key: str) -> None:
    """See that a value can be stored at a dotted path.

    Raises:
        SettingsError: something on the way is there and is no object.
    """
    at: Any = root
    for part in key.split(".")[:-1]:
        at = at.get(part, {})
        if not isinstance(at, Mapping):
            raise SettingsError(
                f"{place}.{key} can't be stored: {part} exists and is not an object",
                hint="choose another key, or remove the value that is in the way",
            )


@dataclass(frozen=True, slots=True)
class NodeReturn:
    """What a node did.

    `result` is shown in the run, and `error` where no result holds it. `writes` go into the state, `output` to whoever
    reads the run. `halt` ends the run. `later` brings a result that takes the place of this step's own, if that still
    stands there when it comes.
    """

    status: Literal["done", "failed"] = "done"
    result: Any = None
    error: ResultError | None = None
    writes: tuple[Write, ...] = ()
    output: tuple[str, ...] = ()
    halt: bool = False
    later: Awaitable[Any] | None = None
