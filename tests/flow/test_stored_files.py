"""The folder `files` beside flows: what is stored there whole or not at all, and what goes, when, and when never."""

import asyncio
import errno
import hashlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mailnode.app import Mailnode
from mailnode.errors import MailnodeError
from mailnode.flow import clearing
from mailnode.flow.stored_files import StoredFiles, sweep_below
from mailnode.node.stored_file import is_stored_name, plain_name, read_stored

HOUR, DAY = 3600.0, 24 * 3600.0
CONTENT = b"terms" * 50_000


async def blocks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def stored(files: StoredFiles, name: str = "terms.pdf", content: bytes = CONTENT, **rules: Any) -> str:
    rules = {"limit": 2**20, **rules}
    return (await files.store(name, blocks(content[:1000], content[1000:]), **rules)).path


def there(folder: Path) -> list[str]:
    found = (folder / "files").glob("*") if (folder / "files").exists() else iter(())
    return sorted(path.name for path in found if path.name != ".swept")


@pytest.fixture
def files(tmp_path: Path) -> StoredFiles:
    return StoredFiles(tmp_path)


class TestStoring:
    async def test_a_file_is_stored_by_its_digest_and_given_as_it_was(self, files: StoredFiles) -> None:
        given = await files.store("Preise & Mehr 2026.PDF", blocks(CONTENT, b"!"), limit=2**20)
        digest = hashlib.sha256(CONTENT + b"!").hexdigest()[:32]
        assert given.path == f"files/{digest}-Preise-Mehr-2026.PDF"
        assert (given.filename, given.content_type, given.size) == (
            "Preise & Mehr 2026.PDF",
            "application/pdf",
            250_001,
        )
        content: Any = read_stored(files.folder, given.path, 2**20)
        assert content == CONTENT + b"!"
        assert (files.folder / given.path).stat().st_mode & 0o777 == 0o600

    @pytest.mark.parametrize(
        ("given", "plain"),
        [
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\a\\b.pdf", "b.pdf"),
            ("..", "file"),
            ("", "file"),
            (".bashrc", "bashrc"),
            ("a" * 300 + ".pdf", "a" * 100 + ".pdf"),
            ("ä" * 300, "ä" * 50),
            ("a.tar.gz", "a.tar.gz"),
            ("$(rm -rf ~)`; '\".txt", "rm-rf-.txt"),
            ("\u202egpj.exe", "gpj.exe"),
            ("日本語 のファイル.pdf", "日本語-のファイル.pdf"),
        ],
    )
    async def test_a_name_of_a_stranger_becomes_a_plain_one(self, files: StoredFiles, given: str, plain: str) -> None:
        path = await stored(files, given)
        assert plain_name(path) == plain
        assert is_stored_name(path.removeprefix("files/"))
        assert there(files.folder) == [path.removeprefix("files/")]

    @pytest.mark.parametrize(
        ("rules", "words"),
        [
            ({"content": b""}, "is empty"),
            ({"limit": 1000}, "has 250,000 bytes or more; the limit is"),
            ({"digest": bytes(32)}, "did not arrive as it was sent"),
            ({"name": "a\nb.pdf"}, "contains a control character"),
        ],
    )
    async def test_what_is_refused_leaves_nothing(self, files: StoredFiles, rules: Any, words: str) -> None:
        with pytest.raises(MailnodeError, match=words) as caught:
            await stored(files, **rules)
        assert caught.value.hint
        assert there(files.folder) == []

    async def test_who_goes_away_midway_leaves_nothing(self, files: StoredFiles) -> None:
        async def cut() -> AsyncIterator[bytes]:
            yield CONTENT
            assert there(files.folder) != []
            raise ConnectionResetError

        with pytest.raises(ConnectionResetError):
            await files.store("a.pdf", cut(), limit=2**20)
        assert there(files.folder) == []

    async def test_a_full_disk_is_told_and_leaves_nothing(
        self, files: StoredFiles, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: Any) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr("os.write", full)
        with pytest.raises(MailnodeError, match="No space left on device") as caught:
            await stored(files)
        monkeypatch.undo()
        assert "the disk has space" in caught.value.hint
        assert there(files.folder) == []

    async def test_the_same_file_twice_at_once_is_one(self, files: StoredFiles) -> None:
        paths = await asyncio.gather(*(stored(files) for _ in range(5)))
        assert len(set(paths)) == 1
        assert len(there(files.folder)) == 1

    async def test_a_link_in_its_place_is_not_followed(self, files: StoredFiles, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "files").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(MailnodeError, match="is a link"):
            await stored(files)
        assert list((tmp_path / "elsewhere").iterdir()) == []


def write(folder: Path, path: str, name: str = "a.flow.yaml") -> None:
    attachment = {"type": "file", "path": path}
    node = {"id": "tell", "type": "sendSmtpEmail", "settings": {"attachments": [attachment]}}
    (folder / name).write_text(json.dumps({"version": 1, "name": "a", "nodes": [node]}))


def watch(files: StoredFiles, since: float, until: float) -> list[str]:
    """Sweep as often as a process that is up does, from one time to another."""
    gone = []
    at = since
    while at < until:
        gone += files.sweep(at)
        at += 1.9 * HOUR
    return gone + files.sweep(until)


class TestSweeping:
    async def test_a_file_goes_thirty_days_after_a_flow_last_named_it(self, files: StoredFiles) -> None:
        path = await stored(files)
        now = (files.folder / path).stat().st_mtime
        write(files.folder, path)
        assert watch(files, now, now + 40 * DAY) == []
        (files.folder / "a.flow.yaml").unlink()
        assert watch(files, now + 40 * DAY + HOUR, now + 69 * DAY) == []
        assert watch(files, now + 69 * DAY, now + 71 * DAY) == [path.removeprefix("files/")]
        assert there(files.folder) == []

    async def test_it_is_named_anew_in_time(self, files: StoredFiles) -> None:
        path = await stored(files)
        now = (files.folder / path).stat().st_mtime
        assert watch(files, now, now + 29 * DAY) == []
        write(files.folder, path)
        assert watch(files, now + 29 * DAY, now + 32 * DAY) == []
        (files.folder / "a.flow.yaml").unlink()
        assert watch(files, now + 32 * DAY, now + 61 * DAY) == []

    async def test_a_time_in_which_nobody_watched_does_not_count(self, files: StoredFiles) -> None:
        path = await stored(files)
        now = (files.folder / path).stat().st_mtime
        # It may have been named until a moment ago, by a flow that was changed by hand.
        assert files.sweep(now + 400 * DAY) == []
        assert watch(files, now + 400 * DAY + HOUR, now + 410 * DAY) == []
        assert files.sweep(now + 900 * DAY) == []
        assert watch(files, now + 900 * DAY, now + 919 * DAY) == []
        assert len(watch(files, now + 919 * DAY, now + 921 * DAY)) == 1

    @pytest.mark.parametrize("what", ["denied", "not UTF-8", "no flow", "escaped", "another name", "a folder"])
    async def test_nothing_goes_while_a_flow_cannot_be_read_or_names_it_in_other_words(
        self, files: StoredFiles, what: str
    ) -> None:
        path = await stored(files)
        now = (files.folder / path).stat().st_mtime
        flow = files.folder / "a.flow.yaml"
        write(files.folder, path)
        if what == "denied":
            flow.unlink()
            flow.symlink_to(flow)
        elif what == "not UTF-8":
            flow.write_bytes(b"\xff" * 100)
        elif what == "no flow":
            flow.write_text("version: 1\nnodes: [")
        elif what == "escaped":
            digest = path.removeprefix("files/")
            flow.write_text(flow.read_text().replace(digest, f"\\u{ord(digest[0]):04x}{digest[1:]}"))
        elif what == "another name":
            flow.rename(files.folder / "order.yml")
        else:
            flow.unlink()
            flow.mkdir()
        assert watch(files, now, now + 35 * DAY) == []
        assert there(files.folder) == [path.removeprefix("files/")]

    async def test_what_a_person_put_there_stays(self, files: StoredFiles) -> None:
        await stored(files)
        (files.folder / "files" / "logo.png").write_bytes(b"x")
        (files.folder / "files" / ("a" * 32 + "-link")).symlink_to("logo.png")
        now = (files.folder / "files").stat().st_mtime
        assert len(watch(files, now, now + 31 * DAY)) == 1
        assert there(files.folder) == ["a" * 32 + "-link", "logo.png"]

    async def test_what_a_killed_process_has_left_goes_after_a_day(self, files: StoredFiles) -> None:
        (files.folder / "files").mkdir()
        left = files.folder / "files" / ".upload.abc"
        left.write_bytes(b"half")
        now = left.stat().st_mtime
        files.sweep(now + HOUR)
        assert left.exists()
        files.sweep(now + 2 * DAY)
        assert not left.exists()

    async def test_folders_in_the_folder_are_swept_and_what_fails_is_logged(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        sweep_below(tmp_path / "nowhere")
        for name in ("a", "b", ".git"):
            await stored(StoredFiles(tmp_path / name))
        (tmp_path / "a" / ".flows.lock").unlink()
        (tmp_path / "a" / ".flows.lock").mkdir()
        sweep_below(tmp_path)
        swept = [name for name in ("a", "b", ".git") if (tmp_path / name / "files" / ".swept").exists()]
        assert swept == ["b"]
        assert "can't be looked through" in caplog.text


async def test_who_works_on_the_queue_sweeps_the_flows_of_the_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loop, swept = asyncio.get_running_loop(), asyncio.Queue[Path]()
    monkeypatch.setattr(clearing, "sweep_below", lambda folder: loop.call_soon_threadsafe(swept.put_nowait, folder))
    async with Mailnode.open() as mailnode, mailnode.working():
        assert await swept.get() == home / "flows"
