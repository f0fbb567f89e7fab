"""What is on the disk: the name of a file too, once its folder is; and who may change it now."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# What some network file systems say of every lock.
NO_LOCKS = frozenset({errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS})
NO_LOCKS_HINT = (
    "some network file systems have none: put the file on a disk of this machine, by MAILNODE_HOME or"
    " MAILNODE_DATABASE_URL=sqlite:///path; for several machines use PostgreSQL"
)


def lock_file(file: int, how: int = fcntl.LOCK_EX) -> None:
    """Lock an open file against whoever else asks for that (flock).

    Raises:
        BlockingIOError: somebody has it, and `how` is not to wait.
        OSError: it can't be locked; where its file system has no locks, with words for that.
    """
    try:
        fcntl.flock(file, how)
    except OSError as error:
        if error.errno in NO_LOCKS:
            raise OSError(error.errno, f"its file system has no locks (flock: {error.strerror})") from None
        raise


def sync_folder(folder: Path) -> None:
    """Have the disk know the names of the files in a folder."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextmanager
def locked(path: Path) -> Iterator[int]:
    """Hold the lock of a file, made where it is missing, against whoever else asks for it; give the file, open.

    Raises:
        OSError: the file can't be made, or its file system has no locks.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        lock_file(file)
        yield file
    finally:
        os.close(file)
