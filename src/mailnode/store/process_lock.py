"""The processes of one machine on a SQLite file, each with a lock that dies with it; and those of earlier versions."""

import fcntl
import os
import re
import uuid
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Column, ColumnElement, Connection, TextClause, func, select, text, update

from mailnode.errors import StoreError
from mailnode.store.clock import now_ms
from mailnode.store.files import NO_LOCKS, NO_LOCKS_HINT, lock_file
from mailnode.store.tables import deliveries, runs, tokens

# Ids tell by their form where the lock lies. Those of earlier versions, whose locks lay in the homes, have none.
_FORM = "lock-"
_OURS = re.compile(rf"{_FORM}[0-9a-f]{{32}}")
_EARLIER = re.compile(r"[0-9a-f]{32}")
# An id that nobody has, so that its process counts as dead.
_NOBODY = "nobody"


class ProcessLock:
    """This process, known by an id whose lock file it holds (flock).

    The kernel lets the lock go when the process ends, however it ends, so no clock or heartbeat is needed. The
    folder of the locks is beside the database, so every process that uses the one sees the other.
    """

    def __init__(self, folder: Path, earlier: Path | None = None) -> None:
        """Take a new id and its lock in `folder`, which is made if need be; `earlier` may hold those of old versions.

        Raises:
            StoreError: the folder can't be made or written to, or its file system has no locks.
        """
        self._folder = folder
        self._earlier = (folder, earlier or folder)
        self.id = f"{_FORM}{uuid.uuid4().hex}"
        self._file: int | None = None
        path = self._path(self.id)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            lock_file(self._file)
            is_locked = not _is_free(path)
        except OSError as error:
            self.close()
            hint = "check that it is a folder, or can be created, and that this user may write to it"
            raise _no_lock(folder, error.strerror, NO_LOCKS_HINT if error.errno in NO_LOCKS else hint) from None
        if not is_locked:
            self.close()
            raise _no_lock(folder, "its file system ignores locks (flock)", NO_LOCKS_HINT)

    def is_alive(self, _db: Connection, process_id: str | None) -> bool:
        """Tell whether the process that took this id still runs, or may: an earlier version's, whose lock is nowhere.

        Text that is not an id belongs to no process.

        Raises:
            StoreError: it can't be found out now.
        """
        if process_id == self.id:
            return self._file is not None
        if process_id is None or not _OURS.fullmatch(process_id):
            return process_id is not None and is_earlier(process_id) and self.is_proven(process_id) is not False
        path = self._path(process_id)
        if (is_dead := _is_free_now(path)) is None:
            return False
        if is_dead:
            # Nobody takes an id twice, so the file of a dead worker has no further use.
            path.unlink(missing_ok=True)
        return not is_dead

    def is_proven(self, process_id: str) -> bool | None:
        """Tell whether a worker of an earlier version lives (True) or is dead (False); None where its lock is not here.

        Raises:
            StoreError: it can't be found out now.
        """
        found = [_is_free_now(folder / f"{process_id}.lock") for folder in self._earlier]
        known = [is_free for is_free in found if is_free is not None]
        return not all(known) if known else None

    def dead_among(self, db: Connection, process_ids: Collection[str | None]) -> set[str | None]:
        """Give those of these ids whose processes have ended."""
        return {one for one in process_ids if not self.is_alive(db, one)}

    def still_holds(self, process_id: str) -> bool:
        """Tell that nobody can have taken over what this process has claimed."""
        return process_id == self.id and self._file is not None

    def close(self) -> None:
        """Leave, once or again: from here on others may take over what this process had claimed."""
        if self._file is not None:
            self._path(self.id).unlink(missing_ok=True)
            os.close(self._file)
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _path(self, process_id: str) -> Path:
        return self._folder / f"{process_id}.lock"


def is_earlier(process_id: str) -> bool:
    """Tell whether an id was taken by an earlier version."""
    return _EARLIER.fullmatch(process_id) is not None


def _is_free(path: Path) -> bool:
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        lock_file(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(file)


def _is_free_now(path: Path) -> bool | None:
    """Tell whether nobody holds the lock of a file; None where there is no such file."""
    try:
        return _is_free(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(
            f"can't tell whether a process is still running: {str(path)!r}: {error.strerror}",
            hint="check that this user may open it and that this process may open more files",
            transient=True,
        ) from None


def _no_lock(folder: Path, why: str | None, hint: str) -> StoreError:
    return StoreError(f"can't lock a file in {str(folder)!r}: {why}", hint=hint)


def held_by_earlier(db: Connection) -> dict[str, Counter[str]]:
    """Count what each process of an earlier version holds, by its id and by kind.

    Their locks lay in their homes, where not every process of this version sees them.
    """
    held: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for what, column, is_held in _held(db):
        for row in db.execute(select(column, func.count().label("number")).where(is_held).group_by(column)):
            if row[0] and is_earlier(row[0]):
                held[row[0]][what] += row.number
    return dict(held)


def release(db: Connection, process_ids: Sequence[str]) -> None:
    """Store that nobody holds what these processes held, so that it is taken over as after the end of any process."""
    for _, column, is_held in _held(db):
        db.execute(update(column.table).where(is_held, column.in_(process_ids)).values({column.name: _NOBODY}))


def maybe_running(database: str, held: Mapping[str, Counter[str]]) -> StoreError:
    """Make the error of work that may still be in the hands of processes that can't be seen from here."""
    counts = sum(held.values(), Counter[str]())
    summary = ", ".join(f"{count} {what if count > 1 else what[:-1]}" for what, count in sorted(counts.items()))
    return StoreError(
        f"a process of an earlier version may still be working on {database} ({summary})",
        hint="stop every worker, serve and run of the earlier version that uses it. If one was killed and this error"
        " remains, start once with MAILNODE_EARLIER_WORKERS=stopped; what it was sending is then in doubt, as after any"
        " crash",
    )


def _held(db: Connection) -> list[tuple[str, Column[Any], ColumnElement[bool] | TextClause]]:
    return [
        ("emails", deliveries.c.worker, text("state IN ('claimed', 'handingOver')")),
        ("runs", runs.c.worker, text("status = 'running'")),
        ("token renewals", tokens.c.refreshing_by, tokens.c.refreshing_until > now_ms(db)),
    ]
