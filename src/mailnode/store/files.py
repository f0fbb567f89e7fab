"""Files that are written whole or not at all, and locked against other processes."""

import errno
import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# What some network file systems answer to every lock.
NO_LOCKS = frozenset({errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS})
NO_LOCKS_HINT = (
    "some network file systems have none: put the file on a local disk, by MAILNODE_HOME or"
    " MAILNODE_DATABASE_URL=sqlite:///path; for several machines use PostgreSQL"
)


def lock_file(file: int, how: int = fcntl.LOCK_EX) -> None:
    """Lock an open file against other processes that lock it (flock).

    Raises:
        BlockingIOError: another process has it, and `how` is not to wait.
        OSError: it can't be locked; where its file system has no locks, with words for that.
    """
    try:
        fcntl.flock(file, how)
    except OSError as error:
        if error.errno in NO_LOCKS:
            raise OSError(error.errno, f"its file system has no locks (flock: {error.strerror})") from None
        raise


def write_atomically(path: Path, octets: bytes, *, mode: int = 0o600, overwrite: bool = True) -> None:
    """Write a file that is whole and on the disk under its name, or not there at all, whenever the process ends.

    Raises:
        FileExistsError: there is a file of this name, and `overwrite` is false.
        OSError: it can't be written.
    """
    with written_beside(path, octets, mode=mode) as beside:
        if overwrite:
            put_in_place(beside, path)
        else:
            os.link(beside, path)
            sync_folder(path.parent)


@contextmanager
def written_beside(path: Path, octets: bytes, *, mode: int = 0o600, name: str = "") -> Iterator[Path]:
    """Write what a file is to hold into another one in its folder, to the disk; at the end that is deleted.

    It has a name of its own, or `name`, where only one process writes it at a time and none may be left by a crash.

    Raises:
        OSError: it can't be written.
    """
    if name:
        beside = path.with_name(name)
        beside.unlink(missing_ok=True)
        file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    else:
        file, made = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
        beside = Path(made)
    try:
        with os.fdopen(file, "wb") as opened:
            opened.write(octets)
            opened.flush()
            os.fchmod(file, mode)
            os.fsync(file)
        yield beside
    finally:
        beside.unlink(missing_ok=True)


def put_in_place(beside: Path, path: Path) -> None:
    """Replace a file by what was written beside it, and have the disk know.

    Raises:
        OSError: it can't be replaced.
    """
    beside.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Have the disk know the names of the files in a folder."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextmanager
def locked(path: Path) -> Iterator[int]:
    """Hold the lock of a file, made where it is missing, against other processes that ask for it; give the file, open.

    Raises:
        OSError: the file can't be made, or its file system has no locks.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        lock_file(file)
        yield file
    finally:
        os.close(file)
