"""Log records by email: a handler for Python's logging."""

import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from typing import Any, Unpack

from mailnode.direct import SendOptions
from mailnode.integrations.threaded import ThreadedMailnode
from mailnode.message.email import Email

_SUBJECT_CHARACTERS = 150
_FORMAT = "%(asctime)s %(levelname)s %(name)s (%(pathname)s, line %(lineno)d)\n\n%(message)s"


class EmailHandler(logging.Handler):
    """Sends each log record as an email, at most `most` in `per_seconds`.

    The next email tells how many were left out. It is made at once and sent by a thread of its own, so the program goes
    on; a program that ends waits for 10 s at most. Records of mailnode itself, and of what it uses, are never sent.
    """

    clock: Callable[[], float] = staticmethod(time.monotonic)

    def __init__(
        self,
        *,
        to: str | Sequence[str],
        from_: str = "",
        level: int | str = logging.ERROR,
        most: int = 10,
        per_seconds: float = 3600.0,
        queue: bool = False,
        home: str | None = None,
        **options: Unpack[SendOptions],
    ) -> None:
        """Send to `to`, from `from_` or the connection's sender; the options are those of `Mailnode.send`.

        With `queue` a worker sends; without, this process does. `home` is in place of MAILNODE_HOME.
        """
        super().__init__(level)
        if unknown := options.keys() - SendOptions.__annotations__.keys() | options.keys() & {"wait", "key"}:
            raise TypeError(f"EmailHandler() got an unexpected keyword argument {min(unknown)!r}")
        self.setFormatter(logging.Formatter(_FORMAT))
        self._to = to
        self._from = from_
        self._most, self._per_seconds = most, per_seconds
        self._home = home
        self._options: SendOptions = {**options, "wait": not queue}
        self._sent_at: deque[float] = deque(maxlen=max(most, 1))
        self._left_out = 0

    def filter(self, record: logging.LogRecord) -> Any:
        """Leave out what mailnode's own work makes somebody log: it would send itself."""
        if record.name.partition(".")[0] == "mailnode" or threading.current_thread().name.startswith("mailnode-"):
            return False
        return super().filter(record)

    def emit(self, record: logging.LogRecord) -> None:
        """Have a record sent."""
        if self._is_too_many():
            self._left_out += 1
            return
        try:
            left_out, self._left_out = self._left_out, 0
            text = self.format(record)
            if left_out:
                text += (
                    f"\n\n{left_out} more before it were left out: {self._most} are sent in {self._per_seconds:g} s."
                )
            email = Email(from_=self._from, to=self._to, subject=_subject(record), text=text)
            threaded = ThreadedMailnode.of(self._home)
            future = threaded.submit(lambda mailnode: mailnode.send(email, **self._options))
            future.add_done_callback(_tell)
        except Exception:  # noqa: BLE001 -- as every handler does
            self.handleError(record)

    def flush(self) -> None:
        """Leave what is under way to its thread: the end of the program waits for it."""

    def _is_too_many(self) -> bool:
        now = self.clock()
        if self._most < 1 or (len(self._sent_at) == self._most and now < self._sent_at[0] + self._per_seconds):
            return True
        self._sent_at.append(now)
        return False


def _subject(record: logging.LogRecord) -> str:
    first = next((line for line in record.getMessage().splitlines() if line.strip()), "")
    words = " ".join(f"{record.levelname}: {first}".split())
    return words if len(words) <= _SUBJECT_CHARACTERS else f"{words[: _SUBJECT_CHARACTERS - 1]}…"


def _tell(future: "Future[Any]") -> None:
    """Say on stderr that a record was not sent: to log it would send it."""
    if not logging.raiseExceptions or sys.stderr is None:
        return
    try:
        result = future.result()
        error = result["error"] and result["error"]["message"]
    except (Exception, CancelledError) as failure:  # noqa: BLE001 -- it is told
        error = str(failure) or type(failure).__name__
    if error:
        sys.stderr.write(f"mailnode: a log record was not sent by email: {error}\n")
