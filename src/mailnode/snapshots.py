"""Snapshots: flow files with what they use, and connections, saved in one encrypted file, and restored."""

import asyncio
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mailnode.connections.snapshot.contents import (
    Snapshot,
    SnapshotFile,
    SnapshotFlow,
    check_flow_name,
    write_snapshot,
)
from mailnode.connections.snapshot.restore import ConnectionChange, plan, restore
from mailnode.connections.snapshot.sealed_file import read_file, read_file_header
from mailnode.environment import Environment, OpenHome, open_connections
from mailnode.errors import MailnodeError, SnapshotError, TokenError
from mailnode.flow.beside import present_beside
from mailnode.flow.document import parse_flow
from mailnode.flow.flow_name import top_of
from mailnode.printable import quoted
from mailnode.store.files import put_in_place, written_beside

SUFFIX = ".mailnode-snapshot"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class FlowChange:
    """What a restore changes in one flow file, or in one that flows use."""

    path: Path
    change: Literal["new", "changed", "same"]


@dataclass(frozen=True, slots=True)
class RestorePlan:
    """What a restore would change."""

    flows: tuple[FlowChange, ...]
    connections: tuple[ConnectionChange, ...]
    beside: tuple[FlowChange, ...] = ()


def named_path(home: Path, name: str) -> Path:
    """Give the path of a new snapshot of this name; SnapshotError for an invalid name."""
    if not _NAME.fullmatch(name):
        raise SnapshotError(
            f"{quoted(name)} is not a valid snapshot name",
            hint="use up to 64 letters, digits, dots, hyphens and underscores, or give the path of a file",
        )
    return home / "snapshots" / f"{name}{SUFFIX}"


def find_path(home: Path, name: str) -> Path:
    """Give the path of a snapshot by its name, or check a path."""
    if _NAME.fullmatch(name) and (path := named_path(home, name)).exists():
        return path
    if (path := Path(name)).exists():
        return path
    raise SnapshotError(f"there is no snapshot {quoted(name)}", hint="check its name, or give the path of a snapshot")


def listed(home: Path) -> list[dict[str, Any]]:
    """Give name, time (Unix ms) and size in bytes of each snapshot in a home; for an unreadable one the reason."""
    return [_listed(path) for path in sorted((home / "snapshots").glob(f"*{SUFFIX}"))]


def read_flow(path: Path) -> SnapshotFlow:
    """Read a flow file for a snapshot.

    Raises:
        MailnodeError: it can't be read, or is not a flow.
    """
    check_flow_name(path.name)
    try:
        text = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SnapshotError(
            f"the flow {str(path)!r} can't be read: {why}", hint="give the path of a flow file"
        ) from None
    document = parse_flow(text.removeprefix("\ufeff"), file=str(path), json=path.suffix.lower() == ".json")
    path = path.absolute()
    return SnapshotFlow(check_flow_name(path.relative_to(top_of(path, document.name)).as_posix()), text)


async def create(
    environment: Environment,
    path: Path,
    passphrase: str,
    flows: Iterable[Path],
    names: Collection[str],
    hand_over: Collection[str],
) -> tuple[Snapshot, list[MailnodeError]]:
    """Write a snapshot with freshly renewed tokens; gives it, and the errors of tokens that could not be renewed.

    Raises:
        MailnodeError: a flow or a connection can't be taken, or the file can't be written; then nothing is changed.
    """
    paths = list(flows)
    texts = [read_flow(path) for path in paths]
    if len({text.name for text in texts}) < len(texts):
        raise SnapshotError("two flow files have the same name", hint="rename one, or create two snapshots")
    beside = await asyncio.to_thread(_read_beside, texts, paths)
    _make_room(path, environment.home)
    async with open_connections(environment) as opened:
        errors = await _renew(opened, names)
        snapshot = await write_snapshot(
            opened.database, opened.cipher, path, passphrase, texts, names, hand_over, beside=beside
        )
    return snapshot, errors


def open_snapshot(path: Path, passphrase: str) -> Snapshot:
    """Decrypt a snapshot file; SnapshotError if that fails."""
    return Snapshot.opened(read_file(path), passphrase)


async def plan_restore(
    environment: Environment, snapshot: Snapshot, folder: Path, rename: Mapping[str, str]
) -> RestorePlan:
    """Plan a restore, with the flow files in `folder`.

    Raises:
        MailnodeError: the snapshot can't be restored completely.
    """
    flows, beside = (
        [FlowChange(folder / name, _change(folder / name, content)) for name, content in group]
        for group in _contents(snapshot)
    )
    for one in {(folder / name).parent for group in _contents(snapshot) for name, _ in group} - {folder}:
        if one.is_symlink():
            raise SnapshotError(f"{str(one)!r} is a link", hint="make it a folder of its own beside the flows")
    async with open_connections(environment) as opened:
        steps = await opened.database.read(lambda db: plan(db, opened.cipher, snapshot.connections, rename))
    return RestorePlan(tuple(flows), tuple(steps), tuple(beside))


async def restore_snapshot(
    environment: Environment, snapshot: Snapshot, planned: RestorePlan, rename: Mapping[str, str], *, overwrite: bool
) -> None:
    """Restore as planned, completely or not at all; `overwrite` allows flow files to be replaced.

    Raises:
        MailnodeError: it fails, or something has changed since the plan; then nothing is changed.
    """
    check_overwrite(planned, overwrite=overwrite)
    flows, beside = _contents(snapshot)
    # What a flow uses is there before the flow is.
    steps = [*zip(planned.beside, beside, strict=True), *zip(planned.flows, flows, strict=True)]
    for step, (_, content) in steps:
        if _change(step.path, content) != step.change:
            raise SnapshotError(
                "the flow files here have changed since the preview",
                hint="restore again, and check what would be changed",
            )
    with ExitStack() as written:
        besides = [
            (_write_beside(step.path, content, written), step.path)
            for step, (_, content) in steps
            if step.change != "same"
        ]
        async with open_connections(environment) as opened:
            await opened.database.write(
                lambda db: restore(db, opened.cipher, snapshot.connections, rename, list(planned.connections))
            )
        _put_in_place(besides)


def check_overwrite(planned: RestorePlan, *, overwrite: bool) -> None:
    """Raise SnapshotError, with their names, if flow files would be replaced without `overwrite`."""
    changed = [str(step.path) for step in (*planned.flows, *planned.beside) if step.change == "changed"]
    if changed and not overwrite:
        raise SnapshotError(
            f"flow files here differ from the snapshot's: {', '.join(changed)}",
            hint="allow them to be overwritten, or choose another folder for the flows; nothing was changed",
        )


def _make_room(path: Path, home: Path) -> None:
    if path.parent == home / "snapshots":
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists():
        raise SnapshotError(
            f"the file {str(path)!r} already exists", hint="choose another name: a snapshot is never overwritten"
        )


def _listed(path: Path) -> dict[str, Any]:
    name = path.name.removesuffix(SUFFIX)
    try:
        header, size = read_file_header(path)
    except SnapshotError as error:
        return {"name": name, "trouble": error.message}
    return {"name": name, "createdAt": header.created_at, "size": size}


async def _renew(opened: OpenHome, names: Collection[str]) -> list[MailnodeError]:
    repository = opened.connections
    chosen = names or [one["name"] for one in await repository.list()]
    found = await asyncio.gather(*(repository.renew(name) for name in chosen), return_exceptions=True)
    for error in found:
        if isinstance(error, BaseException) and not isinstance(error, TokenError):
            raise error
    return [error for error in found if isinstance(error, TokenError)]


def _contents(snapshot: Snapshot) -> tuple[list[tuple[str, bytes]], list[tuple[str, bytes]]]:
    """Give the flow files by name, and what they use by path."""
    flows = [(flow.name, flow.text.encode()) for flow in snapshot.flows]
    return flows, [(one.path, one.content) for one in snapshot.beside]


def _read_beside(flows: Sequence[SnapshotFlow], paths: Sequence[Path]) -> list[SnapshotFile]:
    """Read what flows use in their folders."""
    found: dict[str, bytes] = {}
    for flow, path in zip(flows, paths, strict=True):
        text = flow.text.removeprefix("\ufeff")
        document = parse_flow(text, file=str(path), json=path.suffix.lower() == ".json")
        folder = top_of(path.absolute(), document.name)
        for beside in present_beside(document, folder):
            try:
                content = (folder / beside).read_bytes()
            except OSError as error:
                raise SnapshotError(
                    f"the file {str(folder / beside)!r} can't be read: {error.strerror}",
                    hint="check that you may read it: the flow uses it",
                ) from None
            if found.setdefault(beside, content) != content:
                raise SnapshotError(
                    f"flows of two folders use different files {beside}", hint="create two snapshots, or rename one"
                )
    return [SnapshotFile(path, content) for path, content in found.items()]


def _change(path: Path, content: bytes) -> Literal["new", "changed", "same"]:
    try:
        return "same" if path.read_bytes() == content else "changed"
    except FileNotFoundError:
        return "new"
    except OSError as error:
        raise _unwritable(path, error) from None


def _write_beside(path: Path, content: bytes, written: ExitStack) -> Path:
    """Write the new content of a file to a file beside it, which `written` deletes at its end unless it was moved."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
        return written.enter_context(written_beside(path, content, mode=mode))
    except OSError as error:
        raise _unwritable(path, error) from None


def _put_in_place(files: Iterable[tuple[Path, Path]]) -> None:
    for beside, path in files:
        try:
            put_in_place(beside, path)
        except OSError as error:
            raise SnapshotError(
                f"the connections were restored, but the flow {str(path)!r} can't be replaced: {error.strerror}",
                hint="correct that and restore again: what was restored stays",
            ) from None


def _unwritable(path: Path, error: OSError) -> SnapshotError:
    return SnapshotError(
        f"the flow {str(path)!r} can't be written: {error.strerror}",
        hint="choose a folder for the flows that you may write to; nothing was changed",
    )
