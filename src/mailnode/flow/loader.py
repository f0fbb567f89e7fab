"""Loads flows for runs, off the event loop since a large one takes seconds."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple

from mailnode.flow.builtin import Say, SetContext
from mailnode.flow.document import FlowDocument, parse_flow_file, read_text
from mailnode.flow.registry import Registry
from mailnode.flow.run import PreparedNode, prepare_nodes
from mailnode.node.send_email import SendSmtpEmail

# How many flows are cached.
MOST = 32
# A file that was written less than this ago may change again without a change of its time stamp.
_SETTLED_SECONDS = 2
# A smaller file is read without a thread, which would cost more.
_SMALL_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class LoadedFlow:
    """A flow with its prepared nodes; any number of runs may share it.

    `is_stored_at_once` tells that no node does anything that takes long before its delivery is stored.
    """

    document: FlowDocument
    nodes: list[PreparedNode]
    is_stored_at_once: bool


class FlowLoader:
    """Loads flows, and caches the last ones until their files change."""

    def __init__(self, registry: Registry, clock: Callable[[], float] = time.time) -> None:
        """Load nothing yet; `clock` gives the Unix time in seconds."""
        self._registry = registry
        self._clock = clock
        self._cached: OrderedDict[str, _CachedFlow] = OrderedDict()

    async def load(self, flow: str | Path | FlowDocument) -> LoadedFlow:
        """Load a flow from its file, or take a document, and prepare its nodes.

        Raises:
            SettingsError: the file can't be read, or the flow or a setting is invalid.
        """
        if isinstance(flow, FlowDocument):
            cached = self._cached.get(flow.file)
            if cached and cached.loaded.document is flow:
                return cached.loaded
            return await self._ready(flow.file, None, None, flow)
        path = flow if isinstance(flow, Path) else Path(flow)
        name, version = str(path), _file_version(path)
        cached = self._cached.get(name)
        is_small = version is not None and version.size <= _SMALL_BYTES
        if version and not self._is_settled(version):
            version = None
        if cached and version and version == cached.version:
            return cached.loaded
        text = read_text(path) if is_small else await asyncio.to_thread(read_text, path)
        if cached and cached.text == text:
            return self._cache(name, _CachedFlow(version, text, cached.loaded))
        return await self._ready(name, version, text, await asyncio.to_thread(parse_flow_file, text, path))

    async def _ready(
        self, name: str, version: "_FileVersion | None", text: str | None, document: FlowDocument
    ) -> LoadedFlow:
        nodes = await asyncio.to_thread(prepare_nodes, document, self._registry)
        return self._cache(
            name, _CachedFlow(version, text, LoadedFlow(document, nodes, all(map(_is_stored_at_once, nodes))))
        )

    def _cache(self, name: str, cached: "_CachedFlow") -> LoadedFlow:
        self._cached[name] = cached
        self._cached.move_to_end(name)
        if len(self._cached) > MOST:
            self._cached.popitem(last=False)
        return cached.loaded

    def _is_settled(self, version: "_FileVersion") -> bool:
        return self._clock() - max(version.modified_ns, version.changed_ns) / 1e9 >= _SETTLED_SECONDS


def _is_stored_at_once(prepared: PreparedNode) -> bool:
    node = prepared.node
    return isinstance(node, Say | SetContext) or (isinstance(node, SendSmtpEmail) and node.is_stored_at_once)


class _FileVersion(NamedTuple):
    """The version of a file, by its metadata."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int


class _CachedFlow(NamedTuple):
    """A loaded flow with its file's text and version; None for a version that can't be told from a later one."""

    version: _FileVersion | None
    text: str | None
    loaded: LoadedFlow


def _file_version(path: Path) -> _FileVersion | None:
    """Give the version of a file; None if it is missing or not a regular file."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None  # reading it raises the error
    if not S_ISREG(found.st_mode):
        return None
    return _FileVersion(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
