"""A worker on one machine: it holds a lock that dies with its process."""

import fcntl
import os
import re
import uuid
from collections.abc import Collection
from pathlib import Path
from typing import Self

from sqlalchemy import Connection

from mailnode.errors import StoreError
from mailnode.store.files import NO_LOCKS, NO_LOCKS_HINT, lock_file

# Ids tell by their form where the lock lies. Those of earlier versions, whose locks lay in the homes, have none.
_FORM = "lock-"
_OURS = re.compile(rf"{_FORM}[0-9a-f]{{32}}")
_EARLIER = re.compile(r"[0-9a-f]{32}")


class FlockWorker:
    """One process at work, known by an id whose lock file it holds (flock).

    The kernel lets the lock go when the process ends, however it ends, so nobody needs a clock or a heartbeat. The
    folder of the locks stands beside the database, so whoever has the one sees the other.
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
            hint = "see that it is a folder, or can be made one, and that this user may write to it"
            raise _no_lock(folder, error.strerror, NO_LOCKS_HINT if error.errno in NO_LOCKS else hint) from None
        if not is_locked:
            self.close()
            raise _no_lock(folder, "its file system keeps nobody out (flock)", NO_LOCKS_HINT)

    def alive(self, _db: Connection, worker_id: str | None) -> bool:
        """Tell whether the process that took this id still runs, or may: an earlier version's, whose lock is nowhere.

        What is no id is nobody's.

        Raises:
            StoreError: it can't be told now.
        """
        if worker_id == self.id:
            return self._file is not None
        if worker_id is None or not _OURS.fullmatch(worker_id):
            return worker_id is not None and is_earlier(worker_id) and self.is_proven(worker_id) is not False
        path = self._path(worker_id)
        if (is_dead := _is_free_now(path)) is None:
            return False
        if is_dead:
            # Nobody takes an id twice, so the file of a dead worker has no further use.
            path.unlink(missing_ok=True)
        return not is_dead

    def is_proven(self, worker_id: str) -> bool | None:
        """Tell whether a worker of an earlier version lives (True) or is dead (False); None where its lock is not here.

        Raises:
            StoreError: it can't be told now.
        """
        found = [_is_free_now(folder / f"{worker_id}.lock") for folder in self._earlier]
        told = [is_free for is_free in found if is_free is not None]
        return not all(told) if told else None

    def dead_among(self, db: Connection, worker_ids: Collection[str | None]) -> set[str | None]:
        """Give those of these ids whose processes have ended."""
        return {one for one in worker_ids if not self.alive(db, one)}

    def holds(self, worker_id: str) -> bool:
        """Tell that nobody can have taken over what this process has claimed."""
        return worker_id == self.id and self._file is not None

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

    def _path(self, worker_id: str) -> Path:
        return self._folder / f"{worker_id}.lock"


def is_earlier(worker_id: str) -> bool:
    """Tell whether an id was taken by an earlier version."""
    return _EARLIER.fullmatch(worker_id) is not None


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
            f"it can't be told whether a process still runs: {str(path)!r}: {error.strerror}",
            hint="see that this user may open it, and that this process may open more files",
            transient=True,
        ) from None


def _no_lock(folder: Path, why: str | None, hint: str) -> StoreError:
    return StoreError(f"no lock can be kept in {str(folder)!r}: {why}", hint=hint)
