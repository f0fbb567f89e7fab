"""Flows read and made ready to run, off the event loop: a large one takes seconds."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mailnode.flow.document import FlowDocument, load_flow
from mailnode.flow.registry import Registry
from mailnode.flow.run import Prepared, prepare

# How many flows are kept.
MOST = 32
# A file that was written less than this before it was read may be written again within one tick of its clock.
_SETTLED_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Loaded:
    """A flow that has been read, and may be run by many at once."""

    document: FlowDocument
    nodes: list[Prepared]


class FlowLoader:
    """Reads flows, and keeps those that were run last until their files change."""

    def __init__(self, registry: Registry, clock: Callable[[], float] = time.time) -> None:
        """Read nothing yet; `clock` gives what the time is, in seconds, by which files are dated."""
        self._registry = registry
        self._clock = clock
        self._kept: OrderedDict[str, tuple[_Seen | None, Loaded]] = OrderedDict()

    async def load(self, flow: str | Path | FlowDocument) -> Loaded:
        """Give a flow, from its file or read already, with the settings of its nodes read.

        Raises:
            SettingsError: the file can't be read, or the flow or its settings are wrong.
        """
        if isinstance(flow, FlowDocument):
            seen, name, document = None, flow.file, flow
        else:
            path = Path(flow)
            seen, name = self._seen(path), str(path)
            kept_as, kept = self._kept.get(name, (None, None))
            if kept and seen and seen == kept_as:
                return kept
            document = await asyncio.to_thread(load_flow, path)
        return await self._ready(name, seen, document)

    async def _ready(self, name: str, seen: "_Seen | None", document: FlowDocument) -> Loaded:
        _, loaded = self._kept.get(name, (None, None))
        if loaded is None or loaded.document is not document:
            loaded = Loaded(document, await asyncio.to_thread(prepare, document, self._registry))
        self._kept[name] = seen, loaded
        self._kept.move_to_end(name)
        if len(self._kept) > MOST:
            self._kept.popitem(last=False)
        return loaded

    def _seen(self, path: Path) -> "_Seen | None":
        """Tell a file's version; None where it can't be told, or may change without another one."""
        try:
            found = path.stat()
        except (OSError, ValueError):
            return None  # whoever reads it says why
        if self._clock() - max(found.st_mtime, found.st_ctime) < _SETTLED_SECONDS:
            return None
        return _Seen(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


class _Seen(NamedTuple):
    """Which version of a file it is."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int
