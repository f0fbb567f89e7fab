"""What a flow and its nodes exchange: the call of a node, and what the node returns."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mailnode.delivery.recovery import RunEnd
from mailnode.delivery.result import ResultError
from mailnode.errors import SettingsError

StateName = Literal["input", "context"]


@dataclass(frozen=True, slots=True)
class NodeCall:
    """A flow calls a node, which reads `input` and `context` and returns what to write.

    `file` is the absolute path of the flow file, "" for a flow that comes from none; `folder` is where the files are
    that the flow names, None where it belongs to no folder. `end_run` gives how the run ends if the node is about to
    return this, None if it goes on: a node that stores its outcome stores that with it.
    """

    flow: str
    run_id: str
    node_id: str
    input: Mapping[str, Any]
    context: Mapping[str, Any]
    file: str = ""
    folder: Path | None = None
    end_run: "Callable[[NodeReturn], RunEnd | None] | None" = None


@dataclass(frozen=True, slots=True)
class Write:
    """A JSON value for a dotted path in `input` or `context`."""

    place: StateName
    key: str
    value: Any


def check_path(root: Mapping[str, Any], place: StateName, key: str) -> None:
    """Check that a value can be stored at a dotted path.

    Raises:
        SettingsError: a part of the path exists and is not an object.
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

    `result` is shown in the run, and `error` where no result holds it. `writes` go into the state, `output` into the
    run's output. `halt` ends the run. `later` gives a result that replaces `result` once it is there, unless something
    else has been stored in its place.
    """

    status: Literal["done", "failed"] = "done"
    result: Any = None
    error: ResultError | None = None
    writes: tuple[Write, ...] = ()
    output: tuple[str, ...] = ()
    halt: bool = False
    later: Awaitable[Any] | None = None
