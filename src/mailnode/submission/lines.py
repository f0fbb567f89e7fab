"""Bytes from a client, cut into lines of a limited length."""

from mailnode.submission.commands import AUTH_BYTES, longest

TLS_HELLO = b"\x16"  # RFC 8446 5.1: a client that expects TLS from the start


class Lines:
    """What has been received and not been read yet. A line that is too long is dropped while it comes."""

    def __init__(self) -> None:
        self._data = b""
        self._at = 0
        self._is_too_long = False

    @property
    def is_tls(self) -> bool:
        """Whether what comes next is TLS, and not a line."""
        return self._data.startswith(TLS_HELLO, self._at)

    def add(self, data: bytes) -> None:
        """Take what was received."""
        self._data, self._at = self._data[self._at :] + data, 0

    def next(self, *, is_response: bool) -> bytes | None:
        """Give the next line with its LF, b"" for one that was too long, None when it has not come.

        A response within AUTH may be longer than most commands.
        """
        end = self._data.find(b"\n", self._at)
        most = AUTH_BYTES if is_response else longest(self._data[self._at : self._at + 4])
        length = (end + 1 if end >= 0 else len(self._data)) - self._at
        if end < 0:
            if self._is_too_long or length > most:
                self.rest()
                self._is_too_long = True
            return None
        line, self._at = self._data[self._at : end + 1], end + 1
        is_too_long, self._is_too_long = self._is_too_long or length > most, False
        return b"" if is_too_long else line

    def rest(self) -> bytes:
        """Give all that was received and not read; nothing of it is kept."""
        rest = self._data[self._at :]
        self._data, self._at, self._is_too_long = b"", 0, False
        return rest
