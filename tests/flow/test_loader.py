"""Flows are read off the event loop, and kept until their files change."""

import asyncio
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mailnode.errors import SettingsError
from mailnode.flow.builtin import SayType
from mailnode.flow.document import parse_flow, read_text
from mailnode.flow.loader import MOST, FlowLoader
from mailnode.flow.registry import Node, Registry

SECONDS = 60


class Slow(SayType):
    """A node whose settings are read only when the event loop has done something else meanwhile."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.count = 0

    def prepare(self, settings: Mapping[str, Any]) -> Node:
        self.count += 1
        turned = threading.Event()
        self._loop.call_soon_threadsafe(turned.set)
        assert turned.wait(SECONDS), "the event loop was held"
        return super().prepare(settings)


def text(said: str) -> str:
    return f'version: 1\nname: slow\nnodes:\n  - {{id: one, type: say, settings: {{text: "{said}"}}}}\n'


async def test_settings_are_read_beside_the_event_loop(tmp_path: Path) -> None:
    slow = Slow(asyncio.get_running_loop())
    path = tmp_path / "slow.flow.yaml"
    path.write_text(text("a"))
    loader = FlowLoader(Registry({"say": slow}))
    loaded = await loader.load(path)
    assert loaded.document.name == "slow"
    assert (await loader.load(path)).nodes is loaded.nodes, "the same text is the same flow"
    await loader.load(parse_flow(text("b"), file="b"))
    assert slow.count == 2


async def test_a_file_is_read_beside_the_event_loop(tmp_path: Path) -> None:
    path = tmp_path / "pipe.flow.yaml"
    os.mkfifo(path)
    loading = asyncio.create_task(FlowLoader(Registry({"say": SayType()})).load(path))
    await asyncio.to_thread(path.write_text, text("from a pipe"))
    assert (await asyncio.wait_for(loading, SECONDS)).document.name == "slow"


async def test_a_file_that_nobody_touched_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    path = tmp_path / "kept.flow.yaml"
    path.write_text(text("a"))
    loader = FlowLoader(Registry({"say": SayType()}), lambda: now)
    reads: list[Path] = []

    def counted(path: Path) -> str:
        reads.append(path)
        return read_text(path)

    monkeypatch.setattr("mailnode.flow.loader.read_text", counted)
    first = await loader.load(path)
    assert await loader.load(path) is first
    assert len(reads) == 2, "it was written just now, and may be again within one tick"
    now += 60
    assert await loader.load(path) is first
    assert await loader.load(path) is first
    assert len(reads) == 3
    path.write_text(text("b"))
    assert (await loader.load(path)).document.nodes[0].settings == {"text": "b"}
    path.unlink()
    with pytest.raises(SettingsError, match="does not exist"):
        await loader.load(path)


async def test_a_file_that_is_written_twice_within_one_tick_is_read_twice(tmp_path: Path) -> None:
    now = time.time()
    path = tmp_path / "twice.flow.yaml"
    path.write_text(text("a"))
    loader = FlowLoader(Registry({"say": SayType()}), lambda: now)
    await loader.load(path)
    times = path.stat()
    path.write_text(text("b"))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert (await loader.load(path)).document.nodes[0].settings == {"text": "b"}


async def test_an_empty_file_is_not_the_document_of_its_name(tmp_path: Path) -> None:
    path = tmp_path / "empty.flow.yaml"
    path.touch()
    loader = FlowLoader(Registry({"say": SayType()}))
    await loader.load(parse_flow(text("a"), file=str(path)))
    with pytest.raises(SettingsError):
        await loader.load(path)


async def test_a_wrong_flow_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "wrong.flow.yaml"
    path.write_text(text("a").replace("say", "sey"))
    loader = FlowLoader(Registry({"say": SayType()}), lambda: time.time() + 60)
    for _ in range(2):
        with pytest.raises(SettingsError, match="unknown node type"):
            await loader.load(path)
    path.write_text(text("a"))
    assert (await loader.load(path)).nodes


async def test_only_some_flows_are_kept(tmp_path: Path) -> None:
    loader = FlowLoader(Registry({"say": SayType()}), lambda: time.time() + 60)
    paths = [tmp_path / f"{number}.flow.yaml" for number in range(MOST + 1)]
    for path in paths:
        path.write_text(text(path.name))
    loaded = [await loader.load(path) for path in paths]
    assert await loader.load(paths[-1]) is loaded[-1]
    assert await loader.load(paths[0]) is not loaded[0]
