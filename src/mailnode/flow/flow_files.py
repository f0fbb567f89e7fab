"""The flow files of a folder, by name; each may have a sample of `input` and `context` beside it."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mailnode.errors import ErrorCode, SettingsError, UsageError
from mailnode.flow.document import MAX_BYTES, FlowDocument, cached_flow, parse_flow, read_text
from mailnode.flow.edit import renamed
from mailnode.flow.flow_name import folders_of_flows, is_flow_name, top_of
from mailnode.flow.json_reader import read_json
from mailnode.json_text import json_of
from mailnode.printable import quoted
from mailnode.store.files import NO_LOCKS, locked, write_atomically

_YAML, _JSON, _SAMPLE = ".flow.yaml", ".flow.json", ".sample.json"
LOCK = ".flows.lock"
_NO_SAMPLE: dict[str, Any] = {"input": {}, "context": {}}


@dataclass(frozen=True, slots=True)
class ListedFlow:
    """A flow file that has not been read; `modified_at` is Unix ms."""

    name: str
    modified_at: int


@dataclass(frozen=True, slots=True)
class FlowFile:
    """A flow file with its present text; `modified_at` is Unix ms."""

    name: str
    path: Path
    text: str
    modified_at: int

    @property
    def revision(self) -> str:
        """A digest of the text, by which a change is noticed."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]

    @property
    def is_json(self) -> bool:
        """Whether the file is JSON; else it is YAML."""
        return self.path.name.endswith(_JSON)

    @property
    def folder(self) -> Path:
        """The folder of flows that it is in, where `files` and `layouts` are."""
        return top_of(self.path, _name_in(self))

    def document(self) -> FlowDocument:
        """Parse the flow; SettingsError if it is not one."""
        return cached_flow(self.text, self.path.name, str(self.path.absolute()), self.is_json)


class FlowFiles:
    """A folder of flow files, `NAME.flow.yaml` or `NAME.flow.json`, where NAME is the flow's own name.

    `marketing/welcome` is in the folder `marketing` in it, which is there as long as a flow is in it.

    Files are written atomically, by one process at a time. A link to a file outside the folder is not followed. Each
    call raises UsageError if the folder can't be used.
    """

    def __init__(self, folder: Path) -> None:
        """Use the flows in `folder`, which is created when the first one is written."""
        self.folder = folder

    def listed(self) -> list[ListedFlow]:
        """Give all flows, unread, the last changed first."""
        found: dict[str, int] = {}
        try:
            for folder, files in folders_of_flows(self.folder):
                for end in (_JSON, _YAML):  # of two of one name the second counts
                    for file in files:
                        if file.endswith(end) and is_flow_name(name := f"{folder}{file.removesuffix(end)}"):
                            with suppress(FileNotFoundError):  # deleted meanwhile, or a link that leads nowhere
                                found[name] = (self.folder / folder / file).stat().st_mtime_ns
        except OSError as error:
            raise _unusable(self.folder, error) from None
        return [
            ListedFlow(name, at // 10**6) for at, name in sorted(((at, n) for n, at in found.items()), reverse=True)
        ]

    def flows(self) -> list[FlowFile]:
        """Give all readable flows, by name."""
        return self.read(sorted(one.name for one in self.listed()))

    def read(self, names: Iterable[str]) -> list[FlowFile]:
        """Give the readable ones of these flows."""
        flows: list[FlowFile] = []
        for name in names:
            with suppress(SettingsError):
                flows.append(self.get(name))
        return flows

    def get(self, name: str) -> FlowFile:
        """Give one flow.

        Raises:
            SettingsError: there is no flow of this name, or its file can't be read.
        """
        path = self.path(name)
        text = read_text(path)
        return FlowFile(name, path, text, path.stat().st_mtime_ns // 10**6)

    def path(self, name: str) -> Path:
        """Give the file of a flow, unread; SettingsError if there is no flow of this name."""
        path = self._path(name)
        if path is None:
            raise SettingsError(
                f"there is no flow {quoted(name)}",
                code=ErrorCode.UNKNOWN_FLOW,
                hint=f"check the names of the files in {self.folder}",
            )
        if self._is_outside(path):
            raise SettingsError(
                f"{path.name} is a link to a file outside the flows' folder",
                code=ErrorCode.UNKNOWN_FLOW,
                hint="put the file itself into the folder",
            )
        return path

    def create(self, text: str, *, json_file: bool = False) -> FlowFile:
        """Write a new flow file, named by the flow's own name.

        Raises:
            SettingsError: the text is not a flow, or there is one of this name (flowConflict).
        """
        name = parse_flow(text, file="", json=json_file).name
        with self._locked():
            self._check_free(name)
            self._write(self.folder / f"{name}{_JSON if json_file else _YAML}", text)
        return self.get(name)

    def save(self, name: str, text: str, revision: str) -> FlowFile:
        """Replace the text of a flow; if its name has changed, its file is renamed.

        Raises:
            SettingsError: the text is not a flow; or (flowConflict) the file has another revision by now, or the new
                name belongs to another flow.
        """
        with self._locked():
            old = self.get(name)
            if old.revision != revision:
                raise SettingsError(
                    f"the flow {name!r} was changed by somebody else in the meantime",
                    code=ErrorCode.FLOW_CONFLICT,
                    hint="reload the flow and apply your change again, or save it under another name",
                )
            return self._replace(old, text)

    def _replace(self, old: FlowFile, text: str) -> FlowFile:
        named = parse_flow(text, file=old.path.name, json=old.is_json).name
        if named in {old.name, _name_in(old)}:  # where a person has put it, whatever it is called there
            self._write(old.path, text)
            return self.get(old.name)
        self._check_free(named)
        self._write(self.folder / f"{named}{_JSON if old.is_json else _YAML}", text)
        if self._sample_path(old.name).exists():
            self._sample_path(old.name).replace(self._sample_path(named))
        old.path.unlink()
        self._remove_empty(old.path.parent)
        return self.get(named)

    def _remove_empty(self, folder: Path) -> None:
        """Remove a folder in which no flow is left, and those above it likewise."""
        with suppress(OSError):
            while folder != self.folder:
                folder.rmdir()
                folder = folder.parent

    def duplicate(self, name: str, new_name: str) -> FlowFile:
        """Write a copy of a flow; raises as `get` and `create` do."""
        old = self.get(name)
        copy = self.create(renamed(old.text, new_name, json_file=old.is_json), json_file=old.is_json)
        self.store_sample(new_name, self.sample(name))
        return copy

    def rename(self, name: str, new_name: str) -> FlowFile:
        """Give a flow, its file and its sample another name; raises as `get` and `create` do."""
        with self._locked():
            old = self.get(name)
            return self._replace(old, renamed(old.text, new_name, json_file=old.is_json))

    def delete(self, name: str) -> None:
        """Delete a flow and its sample; SettingsError if there is none."""
        with self._locked():
            old = self.get(name)
            try:
                old.path.unlink()
                self._sample_path(name).unlink(missing_ok=True)
                self._remove_empty(old.path.parent)
            except OSError as error:
                raise _unusable(old.path, error) from None

    def sample(self, name: str) -> dict[str, Any]:
        """Give the sample of a flow: `input` and `context`, empty objects if none was stored."""
        path = self._sample_path(name)
        if not path.exists() or self._is_outside(path):
            return dict(_NO_SAMPLE)
        try:
            stored = read_json(read_text(path)).value
        except SettingsError:
            return dict(_NO_SAMPLE)  # a damaged file of the editor is ignored
        is_whole = isinstance(stored, dict) and all(isinstance(stored.get(key), dict) for key in _NO_SAMPLE)
        return {key: stored[key] for key in _NO_SAMPLE} if is_whole else dict(_NO_SAMPLE)

    def store_sample(self, name: str, sample: dict[str, Any]) -> None:
        """Store the sample of a flow.

        Raises:
            SettingsError: there is no such flow, or the sample could not be read again.
        """
        self.get(name)
        text = json_of(sample, indent=2) + "\n"
        read_json(text)
        with self._locked():
            self._write(self._sample_path(name), text)

    def _path(self, name: str) -> Path | None:
        if not is_flow_name(name):  # no name leads outside the folder
            return None
        paths = (self.folder / f"{name}{end}" for end in (_YAML, _JSON))
        return next((path for path in paths if path.is_file()), None)

    def _is_outside(self, path: Path) -> bool:
        """Whether a file is a link to one outside the folder, perhaps one that only this process may read."""
        is_linked = path.is_symlink() or path.parent != self.folder
        return is_linked and not path.resolve().is_relative_to(self.folder.resolve())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Lock the folder against other processes between reading and changing it."""
        lock = self.folder / LOCK
        with ExitStack() as held:
            try:
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                held.enter_context(locked(lock))
            except OSError as error:
                raise _unusable(lock, error) from None
            yield

    def _sample_path(self, name: str) -> Path:
        return self.folder / f"{name}{_SAMPLE}"

    def _check_free(self, name: str) -> None:
        if self._path(name) is not None:
            raise SettingsError(
                f"a flow named {name!r} already exists", code=ErrorCode.FLOW_CONFLICT, hint="choose another name"
            ).locate(key="name")

    def _write(self, path: Path, text: str) -> None:
        data = text.encode("utf-8", "surrogatepass")
        if len(data) > MAX_BYTES:
            raise SettingsError(f"{path.name} is larger than {MAX_BYTES // 2**20} MB", hint="fetch attachments by URL")
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if path.parent != self.folder and not path.parent.resolve().is_relative_to(self.folder.resolve()):
                raise UsageError(f"{path.parent} is a link", hint="make it a folder of its own in the flows' folder")
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(path, data)
        except OSError as error:
            raise _unusable(path, error) from None


def _name_in(flow: FlowFile) -> str:
    """Give the name that a flow's text says; its file's where it is no flow just now."""
    with suppress(SettingsError):
        return flow.document().name
    return flow.name


def _unusable(path: Path, error: OSError) -> UsageError:
    hint = (
        "choose a folder on a file system that supports locks"
        if error.errno in NO_LOCKS
        else "check that you may write there"
    )
    return UsageError(f"{path} can't be used: {error.strerror}", hint=hint)
