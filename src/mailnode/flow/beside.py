"""What a flow uses beside its own file, in its folder: files of attachments, and layouts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mailnode.errors import AttachmentError
from mailnode.flow.document import NAME, FlowDocument
from mailnode.node.stored_file import check_stored_path

LAYOUTS = "layouts"


def paths_beside(document: FlowDocument) -> tuple[str, ...]:
    """Give the paths that a flow names in its folder (`files/…`, `layouts/NAME.html`), each once."""
    return tuple(dict.fromkeys(path for node in document.nodes for path in _paths(node.settings)))


def present_beside(document: FlowDocument, folder: Path) -> tuple[str, ...]:
    """Give those of them that are there; a link is not."""
    there = (path for path in paths_beside(document) if (folder / path).is_file())
    return tuple(path for path in there if not (folder / path).is_symlink() and not (folder / path).parent.is_symlink())


def _paths(settings: dict[str, Any]) -> Iterator[str]:
    # Settings that are wrong name nothing: a flow is carried as it is.
    layout = settings.get("layout")
    if isinstance(layout, str) and NAME.fullmatch(layout.strip()):
        yield f"{LAYOUTS}/{layout.strip()}.html"
    attachments = settings.get("attachments")
    for one in attachments if isinstance(attachments, list) else ():
        if isinstance(one, dict) and one.get("type") == "file" and isinstance(one.get("path"), str):
            try:
                yield check_stored_path(one["path"])
            except AttachmentError:
                continue
