"""The folder `files` beside flows: what is uploaded there, and what goes when no flow has named it for long."""

import asyncio
import hashlib
import json
import logging
import math
import os
import re
import tempfile
import time
import unicodedata
from collections.abc import AsyncIterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from mailnode.errors import AttachmentError, ErrorCode, SettingsError, UsageError
from mailnode.flow.document import parse_flow_file, read_text
from mailnode.flow.flow_files import LOCK
from mailnode.flow.flow_name import folders_of_flows
from mailnode.message.media_type import by_filename
from mailnode.node.filename import check_filename
from mailnode.node.spool import check_size
from mailnode.node.stored_file import DIGEST_CHARACTERS, FOLDER, STORED_NAME
from mailnode.printable import MOST_SHOWN_LONG, quoted
from mailnode.store.files import locked, put_in_place

# How long a file stays that no flow names, seen hourly.
KEPT_SECONDS = 30 * 24 * 3600.0
_SEEN_SECONDS = 2 * 3600.0
# Flows stand no deeper; what else lies in their folder may be large.
_MOST_LEVELS = 4
_UPLOAD = ".upload."
_UPLOAD_SECONDS = 24 * 3600.0
_SWEPT = ".swept"
_LONGEST_STEM, _LONGEST_EXTENSION = 100, 20  # bytes
_DIGEST = re.compile(rf"[0-9a-f]{{{DIGEST_CHARACTERS}}}(?=-)")
_FLOWS = re.compile(r".*\.(?:ya?ml|json)", re.IGNORECASE)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file beside a flow: its `path` as an attachment names it, the name that it was uploaded by, and its bytes."""

    path: str
    filename: str
    content_type: str
    size: int


class StoredFiles:
    """The folder `files` in a folder of flows; it is made when the first file is stored."""

    def __init__(self, folder: Path) -> None:
        """Take the folder of the flows."""
        self.folder = folder

    @property
    def _files(self) -> Path:
        return self.folder / FOLDER

    async def store(
        self, filename: str, blocks: AsyncIterable[bytes], *, limit: int, digest: bytes | None = None
    ) -> StoredFile:
        """Store a file of at most `limit` bytes; `digest` is the SHA-256 that it must have.

        It is on the disk as a whole then; whatever ends this early leaves nothing.

        Raises:
            AttachmentError: it is empty or too large, or has a name that no file can have.
            UsageError: it has another digest, or can't be written.
        """
        name = check_filename(filename) or "file"
        size, hashed = 0, hashlib.sha256()
        with self._beside() as (file, beside):
            async for block in blocks:
                size += len(block)
                check_size(name, size, limit)
                hashed.update(block)
                # On the event loop: a block into the page cache takes less time than a hop to a thread.
                with self._telling():
                    _write(file, block)
            if not size:
                raise AttachmentError(
                    f"{quoted(name, MOST_SHOWN_LONG)} is empty", code=ErrorCode.BAD_SETTING, hint="choose another file"
                )
            if digest not in {None, hashed.digest()}:
                raise UsageError(
                    f"{quoted(name, MOST_SHOWN_LONG)} did not arrive as it was sent: its SHA-256 is another one",
                    hint="send it again",
                )
            stored = f"{hashed.hexdigest()[:DIGEST_CHARACTERS]}-{_plain(name)}"
            with self._telling():
                await asyncio.to_thread(self._put, file, beside, stored)
        return StoredFile(f"{FOLDER}/{stored}", name, by_filename(name), size)

    def sweep(self, now: float | None = None) -> list[str]:
        """Delete what no flow here has named for 30 days, and give its names; a flow that can't be read keeps all.

        The time of a file's last change tells when it was last named. What nobody watched does not count.

        Raises:
            OSError: the folder can't be used.
        """
        if not self._files.is_dir() or self._files.is_symlink():
            return []
        with locked(self.folder / LOCK):
            return self._swept(time.time() if now is None else now)

    def _swept(self, now: float) -> list[str]:
        self._clear_uploads(now)
        unwatched = self._unwatched(now)
        stored = {entry.name: entry.stat(follow_symlinks=False).st_mtime for entry in self._stored()}
        named = _digests_in(self.folder) if stored else set()
        gone = []
        for name, changed in stored.items():
            since = now if named is None or name[:DIGEST_CHARACTERS] in named else min(now, changed + unwatched)
            if now - since > KEPT_SECONDS and not _may_be_named(self.folder, name):
                (self._files / name).unlink(missing_ok=True)
                gone.append(name)
            elif now - since > KEPT_SECONDS:
                os.utime(self._files / name, (now, now))
            elif since != changed:
                os.utime(self._files / name, (since, since))
        return gone

    def _stored(self) -> list[os.DirEntry[str]]:
        """What mailnode has stored; what a person put there under a name of their own is theirs."""
        with os.scandir(self._files) as entries:
            return [one for one in entries if STORED_NAME.fullmatch(one.name) and one.is_file(follow_symlinks=False)]

    def _unwatched(self, now: float) -> float:
        """Give the seconds since the last sweep, where that was too long ago to know of what a flow named meanwhile."""
        mark = self._files / _SWEPT
        with suppress(FileNotFoundError):
            gap = now - mark.stat().st_mtime
            os.utime(mark, (now, now))
            return gap if gap > _SEEN_SECONDS else 0
        mark.touch()
        os.utime(mark, (now, now))
        return math.inf

    def _clear_uploads(self, now: float) -> None:
        """A process that was killed leaves what it had received."""
        for left in self._files.glob(f"{_UPLOAD}*"):
            with suppress(FileNotFoundError):
                if now - left.stat().st_mtime > _UPLOAD_SECONDS:
                    left.unlink()

    @contextmanager
    def _beside(self) -> Iterator[tuple[int, Path]]:
        with self._telling():
            self._files.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._files.is_symlink():
                raise UsageError(f"{self._files} is a link", hint="make it a folder of its own beside the flows")
            file, made = tempfile.mkstemp(dir=self._files, prefix=_UPLOAD)
        try:
            yield file, Path(made)
        finally:
            os.close(file)
            Path(made).unlink(missing_ok=True)

    def _put(self, file: int, beside: Path, name: str) -> None:
        os.fsync(file)
        with locked(self.folder / LOCK):
            put_in_place(beside, self._files / name)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UsageError(
                f"the file can't be stored in {self._files}: {error.strerror}",
                hint="check that you may write there and that the disk has space, and send the file again",
            ) from None


def sweep_below(folder: Path) -> None:
    """Sweep the files of a folder of flows and of the folders in it; what fails is logged."""
    for here, folders, _ in os.walk(folder):
        if len(Path(here).relative_to(folder).parts) >= _MOST_LEVELS:
            folders.clear()
            continue
        if FOLDER in folders:
            folders.remove(FOLDER)
            try:
                if gone := StoredFiles(Path(here)).sweep():
                    _log.info("deleted %d files in %s/%s that no flow has named for 30 days", len(gone), here, FOLDER)
            except OSError as error:
                _log.warning("the files in %s/%s can't be looked through: %s", here, FOLDER, error.strerror)
        folders[:] = [one for one in folders if not one.startswith(".")]


def _write(file: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(file, view) :]


def _plain(name: str) -> str:
    """Make a file name one of letters, digits, dots and hyphens, which needs no quotes anywhere."""
    plain = re.sub(r"[^\w.]+", "-", unicodedata.normalize("NFC", name)).strip("-.")
    stem, dot, extension = plain.rpartition(".")
    if not stem:
        return _cut(extension, _LONGEST_STEM) or "file"
    return f"{_cut(stem, _LONGEST_STEM)}{dot}{_cut(extension, _LONGEST_EXTENSION)}"


def _cut(text: str, size: int) -> str:
    return text.encode()[:size].decode(errors="ignore")


def _flows_in(folder: Path) -> Iterator[Path]:
    """Give the files that may be flows of a folder: all of its own, and those of flows in the folders in it."""
    for below, names in folders_of_flows(folder):
        for name in names:
            if _FLOWS.fullmatch(name) and (not below or ".flow." in name):
                yield folder / below / name


def _digests_in(folder: Path) -> set[str] | None:
    """Give what may be digests of files in the flows of a folder; None where one of them can't be read."""
    found: set[str] = set()
    for path in _flows_in(folder):
        try:
            found |= set(_DIGEST.findall(read_text(path)))
        except SettingsError:
            return None
    return found


def _may_be_named(folder: Path, name: str) -> bool:
    """Say whether a flow names a file in other characters (escapes), or is no flow just now and may name any."""
    digest = name[:DIGEST_CHARACTERS]
    for path in _flows_in(folder):
        if ".flow." not in path.name:
            continue
        try:
            document = parse_flow_file(read_text(path), path)
        except SettingsError:
            return True
        if any(digest in json.dumps(node.settings) for node in document.nodes):
            return True
    return False
