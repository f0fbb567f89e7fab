"""A run that nobody waits for, as it is stored until it has ended: its flow as it was then, and its state."""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

from mailnode.errors import StoreError
from mailnode.flow.document import FlowDocument, FlowNode


@dataclass(frozen=True, slots=True)
class QueuedRun:
    """The flow of a queued run, with the `input` and `context` that it begins with."""

    document: FlowDocument
    input: dict[str, Any]
    context: dict[str, Any]

    def to_text(self) -> str:
        """Write it as JSON."""
        return json.dumps({"flow": _text_of(self.document), "input": self.input, "context": self.context})

    @classmethod
    def from_text(cls, run_id: str, text: str) -> Self:
        """Read what `to_text` gave; the same flow again gives the same document.

        Raises:
            StoreError: it is something else.
        """
        try:
            stored = json.loads(text)
            return cls(_document_of(stored["flow"]), {**stored["input"]}, {**stored["context"]})
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            hint = "run the flow again with another run id"
            raise StoreError(f"what the queued run {run_id!r} begins with is damaged", hint=hint) from error


def _text_of(document: FlowDocument) -> str:
    nodes = [
        {
            "id": node.id,
            "type": node.type,
            "label": node.label,
            "when": node.when,
            "settings": node.settings,
            "line": node.line,
        }
        for node in document.nodes
    ]
    written = {
        "version": document.version,
        "name": document.name,
        "nodes": nodes,
        "file": document.file,
        "path": document.path,
        "folder": None if document.folder is None else str(document.folder.absolute()),
        "lines": dict(document.lines),
    }
    return json.dumps(written)


# One flow has many runs.
@lru_cache(maxsize=32)
def _document_of(text: str) -> FlowDocument:
    written = json.loads(text)
    folder = written.pop("folder")
    nodes = tuple(FlowNode(**node) for node in written.pop("nodes"))
    return FlowDocument(nodes=nodes, folder=None if folder is None else Path(folder), **written)
