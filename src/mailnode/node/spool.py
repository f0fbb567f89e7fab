"""Holds the bytes of an attachment within a limit: small ones in memory, large ones in a temporary file."""

import io
import os
import tempfile
from typing import TYPE_CHECKING, BinaryIO

from mailnode.errors import AttachmentError, ErrorCode
from mailnode.printable import MOST_SHOWN_LONG, quoted

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MEGABYTE = 2**20
# Up to here an attachment stays in memory.
MEMORY_BYTES = MEGABYTE


def check_size(name: str, size: int, limit: int) -> None:
    """Refuse an attachment of more bytes than the limit; `name` is what a person knows it by."""
    if size > limit:
        raise AttachmentError(
            f"{quoted(name, MOST_SHOWN_LONG)} has {size:,} bytes or more;"
            f" the limit is {limit / MEGABYTE:g} MB ({limit:,} bytes)",
            code=ErrorCode.ATTACHMENT_TOO_LARGE,
            hint="raise maxAttachmentMB, or link to the file in the content",
        )


class Spool:
    """Takes bytes up to a limit and gives them back as bytes or as a seekable file."""

    def __init__(self, name: str, limit: int) -> None:
        """Begin empty; `name` stands in the error of the limit."""
        self.size = 0
        self._name = name
        self._limit = limit
        self._memory = bytearray()
        self._file: _AnonymousFile | None = None

    def write(self, data: bytes) -> None:
        """Take more bytes.

        Raises:
            AttachmentError: more than the limit, or the disk takes no more.
        """
        self.size += len(data)
        check_size(self._name, self.size, self._limit)
        try:
            self._keep(data)
        except OSError as error:
            raise AttachmentError(
                f"{quoted(self._name, MOST_SHOWN_LONG)} can't be stored in the temporary folder: {error.strerror}",
                hint="free some space there, or set TMPDIR to another folder",
                transient=True,
            ) from None

    def _keep(self, data: bytes) -> None:
        # Written on the event loop: 64 KiB into the page cache take less time than a hop to a thread.
        if self._file is None and self.size > MEMORY_BYTES:
            self._file = _AnonymousFile()
            self._file.append(self._memory)
            self._memory.clear()
        if self._file is None:
            self._memory += data
        else:
            self._file.append(data)

    def content(self) -> bytes | BinaryIO:
        """Give what was written; a file is at its beginning, and is closed when nothing refers to it any more."""
        if self._file is None:
            return bytes(self._memory)
        self._file.seek(0)
        return io.BufferedReader(self._file)


class _AnonymousFile(io.RawIOBase):
    """A temporary file that the garbage collector closes, since a message is read long after it was composed.

    It holds a descriptor and no file object, whose own end would warn when a cycle is collected.
    """

    def __init__(self) -> None:
        with tempfile.TemporaryFile() as file:
            self._descriptor = os.dup(file.fileno())

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def append(self, data: bytes | bytearray) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def readinto(self, buffer: "WriteableBuffer") -> int:
        return os.readv(self._descriptor, [buffer])

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return os.lseek(self._descriptor, offset, whence)

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()
