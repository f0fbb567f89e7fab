"""Files beside a flow, in the folder `files` of its folder: their paths in settings, and their content."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

from mailnode.errors import AttachmentError, ErrorCode
from mailnode.node.spool import Spool, check_size
from mailnode.printable import CONTROL, LINE_SEPARATOR, MOST_SHOWN_LONG, SURROGATE, quoted

FOLDER = "files"
# What mailnode stores is named by its content, so that a name never comes to mean something else.
DIGEST_CHARACTERS = 32
STORED_NAME = re.compile(rf"[0-9a-f]{{{DIGEST_CHARACTERS}}}-.+")
_MOST_BYTES = 255  # what file systems take
# A name that is one on every system: no folder, no drive, no stream of a file, nothing hidden.
_NEVER = rf'/\\:*?"<>|{CONTROL}{LINE_SEPARATOR}{SURROGATE}'
_NAME = re.compile(rf"[^.{_NEVER}][^{_NEVER}]*")
_BLOCK_BYTES = 2**20


def check_stored_path(text: str) -> str:
    """Check the path of a file beside a flow, `files/NAME`, and give it without blanks around it.

    Raises:
        AttachmentError: it leads into another folder, or might on another system.
    """
    path = text.strip()
    folder, slash, name = path.partition("/")
    if folder != FOLDER or not slash or not is_stored_name(name):
        raise AttachmentError(
            f"{quoted(text, MOST_SHOWN_LONG)} is not the path of a file beside the flow",
            code=ErrorCode.BAD_SETTING,
            hint=f"put the file into the folder {FOLDER} beside the flow, and write {FOLDER}/ and its name here",
        )
    return path


def is_stored_name(name: str) -> bool:
    """Say whether a file in the folder `files` can have this name."""
    return bool(_NAME.fullmatch(name)) and len(name.encode()) <= _MOST_BYTES and name == name.rstrip(". ")


def plain_name(path: str) -> str:
    """Give the name of a file as its author knows it: without the digest that mailnode put before it."""
    name = path.removeprefix(f"{FOLDER}/")
    return name[DIGEST_CHARACTERS + 1 :] if STORED_NAME.fullmatch(name) else name


def read_stored(folder: Path | None, path: str, limit: int) -> bytes | BinaryIO:
    """Read a file beside a flow, of at most `limit` bytes; `folder` is that of the flow.

    A copy is given, so that what is sent later stays what it was.

    Raises:
        AttachmentError: there is none, it can't be read, or it is too large.
    """
    name = plain_name(path)
    if folder is None:
        raise AttachmentError(
            f"{path} can't be found, since this flow belongs to no folder",
            code=ErrorCode.UNKNOWN_FILE,
            hint="run the flow from its file: files are looked for in its folder",
        )
    with opened_stored(folder, path) as file:
        check_size(name, os.fstat(file.fileno()).st_size, limit)
        spool = Spool(name, limit)
        try:
            while block := file.read(_BLOCK_BYTES):
                spool.write(block)
        except OSError as error:
            raise _unreadable(path, error.strerror or str(error)) from None
    return spool.content()


@contextmanager
def opened_stored(folder: Path, path: str) -> Iterator[BinaryIO]:
    """Open a file beside a flow for reading; no link is followed, so that nothing outside is read.

    Raises:
        AttachmentError: there is none, or it can't be read.
    """
    name = check_stored_path(path).removeprefix(f"{FOLDER}/")
    try:
        files = os.open(folder / FOLDER, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            # A pipe has nobody who writes into it, and would be waited for.
            opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=files)
        finally:
            os.close(files)
    except FileNotFoundError:
        raise AttachmentError(
            f"the file {quoted(path, MOST_SHOWN_LONG)} is not beside the flow",
            code=ErrorCode.UNKNOWN_FILE,
            hint=f"choose the file again, or put it into {folder / FOLDER}",
        ) from None
    except OSError as error:
        is_link = error.errno in {errno.ELOOP, errno.ENOTDIR}
        raise _unreadable(path, "it is a link" if is_link else error.strerror or str(error)) from None
    if not S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise _unreadable(path, "it is not a regular file")
    with os.fdopen(opened, "rb") as file:
        yield file


def _unreadable(path: str, why: str) -> AttachmentError:
    return AttachmentError(
        f"the file {quoted(path, MOST_SHOWN_LONG)} can't be read: {why}",
        code=ErrorCode.UNKNOWN_FILE,
        hint="put the file itself into the folder, readable for the user that mailnode runs as",
    )
