"""A worker on one machine: it holds a lock that dies with its process."""

import fcntl
import os
import uuid
from collections.abc import Collection
from pathlib import Path
from typing import Self

from sqlalchemy import Connection

from mailnode.errors import StoreError


class FlockWorker:
    """One process at work, known by an id whose lock file it holds (flock).

    The kernel lets the lock go when the process ends, however it ends, so nobody needs a clock or a heartbeat.
    """

    def __init__(self, folder: Path) -> None:
        """Take a new id and its lock in `folder`, which is made if need be.

        Raises:
            StoreError: the folder can't be made or written to.
        """
        self._folder = folder
        self.id = uuid.uuid4().hex
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file: int | None = os.open(self._path(self.id), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StoreError(
                f"no lock can be kept in {str(folder)!r}: {error.strerror}",
                hint="see that it is a folder, or can be made one, and that this user may write to it",
            ) from None
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def alive(self, _db: Connection, worker_id: str) -> bool:
        """Tell whether the process that took this id still runs."""
        if worker_id == self.id:
            return self._file is not None
        path = self._path(worker_id)
        try:
            file = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        else:
            # Nobody takes an id twice, so the file of a dead worker has no further use.
            path.unlink(missing_ok=True)
            return False
        finally:
            os.close(file)

    def dead_among(self, db: Connection, worker_ids: Collection[str]) -> set[str]:
        """Give those of these ids whose processes have ended."""
        return {one for one in worker_ids if not self.alive(db, one)}

    def holds(self, worker_id: str) -> bool:
        """Tell that nobody can have taken over what this process has claimed."""
        return worker_id == self.id and self._file is not None

    def close(self) -> None:
        """Leave, once or again: from here on others may take over what this process had claimed."""
        self._path(self.id).unlink(missing_ok=True)
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _path(self, worker_id: str) -> Path:
        return self._folder / f"{worker_id}.lock"
