"""The folder in which the demo keeps its flow and its email: one of its own, in which it overwrites nothing."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from mailnode.errors import UsageError
from mailnode.node.layout import FOLDER as LAYOUTS
from mailnode.store.files import write_atomically

FLOW = "order-shipped"
MARKER = "made-by-the-demo"

_PACKAGE = Path(__file__).parents[1]

# The wheel has the examples in the package, a checkout beside src.
EXAMPLES = next(path for path in (_PACKAGE / "examples", _PACKAGE.parents[1] / "examples") if path.exists())


class Example(NamedTuple):
    """The flow as it lies in the home, and what it is run with."""

    flow: Path
    input: dict[str, Any]

    @property
    def name(self) -> str:
        """The flow's name, which is the file's too."""
        return self.flow.name.removesuffix(".flow.yaml")


def take_home(home: Path) -> None:
    """Make the home the demo's, if it is empty or was so before.

    Raises:
        UsageError: it holds something else, or can't be written.
    """
    marker = home / MARKER
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not marker.exists():
            if any(home.iterdir()):
                raise UsageError(
                    f"the demo did not make the folder {home}, so it leaves it alone",
                    hint="set MAILNODE_HOME to an empty folder, or to one that does not exist yet",
                )
            write_atomically(marker, b"`mailnode demo` made this folder, and may use it again.\n")
    except OSError as error:
        raise UsageError(
            f"the demo can't use the folder {home}: {error.strerror}", hint="set MAILNODE_HOME to a folder of your own"
        ) from None


def put_example(home: Path, inbox_port: int, invoice_url: str) -> Example:
    """Put the example into the home, for the present ports; where one of its name was changed, beside it."""
    folder = home / "flows"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _put_layouts(folder)
    flow = _put_flow(folder, inbox_port)
    input_: dict[str, Any] = json.loads((EXAMPLES / f"{FLOW}.input.json").read_text(encoding="utf-8"))
    example = Example(flow, input_ | {"invoiceUrl": invoice_url})
    # What the first node of the flow computes, for the preview of the second.
    total = sum(item["price"] * item["count"] for item in input_["items"])
    sample = {"input": example.input, "context": {"order": {"total": total}}}
    with suppress(FileExistsError):
        write_atomically(
            folder / f"{example.name}.sample.json", json.dumps(sample, indent=2).encode(), mode=0o644, overwrite=False
        )
    return example


def _put_layouts(folder: Path) -> None:
    """Put the layouts beside the flow, for whoever wants to try them; one of the same name stays as it is."""
    (folder / LAYOUTS).mkdir(mode=0o700, exist_ok=True)
    for layout in (EXAMPLES / LAYOUTS).glob("*.html"):
        with suppress(FileExistsError):
            write_atomically(folder / LAYOUTS / layout.name, layout.read_bytes(), mode=0o644, overwrite=False)


def _put_flow(folder: Path, inbox_port: int) -> Path:
    text = (EXAMPLES / f"{FLOW}.flow.yaml").read_text(encoding="utf-8").replace("port: 1025", f"port: {inbox_port}")
    number = 1
    while True:
        name = FLOW if number == 1 else f"{FLOW}-{number}"
        path = folder / f"{name}.flow.yaml"
        octets = text.replace(f"name: {FLOW}", f"name: {name}", 1).encode()
        try:
            write_atomically(path, octets, mode=0o644, overwrite=False)
        except FileExistsError:
            if path.read_bytes() != octets:
                number += 1
                continue
        return path
