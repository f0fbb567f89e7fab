"""A worker that another process has started: it is a part of that one's command, and of its log."""

import asyncio
import io
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from mailnode.cli.output import says_records
from mailnode.log_ids import from_now_on
from mailnode.worker_report import WorkerReport

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from mailnode.app import Mailnode

REPORT_SECONDS = 1.0
# Longer than a stop takes that waits for servers and for the database.
_ORPHAN_SECONDS = 30.0


class Parent:
    """The process that has started this one: it hears reports, and its end ends this one."""

    def __init__(self, number: int) -> None:
        """Label what this process says on stderr, and watch the parent."""
        label = f"worker {number}: "
        if says_records():  # a line is one JSON object
            from_now_on(worker=str(number))
            label = ""
        self._reports = os.dup(1)
        os.dup2(2, 1)  # whatever else is printed there is no report
        os.set_blocking(self._reports, False)  # a parent that is stopped must not stop this one
        sys.stderr = io.TextIOWrapper(
            io.BufferedWriter(_Labelled(label.encode())),
            encoding=sys.stderr.encoding,
            errors="backslashreplace",
            line_buffering=True,
        )
        threading.Thread(target=_end_with_parent, name="mailnode-parent", daemon=True).start()

    def tell(self, report: WorkerReport) -> None:
        """Report to the parent, if it listens."""
        with suppress(OSError):
            os.write(self._reports, report.to_line())

    async def tell_regularly(self, mailnode: "Mailnode") -> None:
        """Report each second."""
        while True:
            self.tell(mailnode.report)
            await asyncio.sleep(REPORT_SECONDS)


class _Labelled(io.RawIOBase):
    """stderr with a label before each line; a line is written at once, so lines of several processes don't mix."""

    def __init__(self, label: bytes) -> None:
        super().__init__()
        self._label = label
        self._rest = b""

    def writable(self) -> bool:
        return True

    def write(self, data: "ReadableBuffer") -> int:
        said = bytes(data)
        *lines, self._rest = (self._rest + said).split(b"\n")
        if lines:
            os.write(2, b"".join(self._label + line + b"\n" for line in lines))
        return len(said)


def _end_with_parent() -> None:
    """Stop as a signal would when the parent has died, and at the latest after a while."""
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_ORPHAN_SECONDS)
    os._exit(1)
