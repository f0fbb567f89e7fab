"""What follows DATA, read: lines end with CRLF, and nothing but CRLF.CRLF ends it (RFC 5321 4.1.1.4, 4.5.2)."""

from mailnode.submission.gate import Reply
from mailnode.submission.replies import too_large

_END = b"\r\n.\r\n"
_BEGINNINGS = tuple(_END[:length] for length in (4, 3, 2, 1))


class Memory:
    """How many bytes of content all sessions may hold together."""

    def __init__(self, most: int) -> None:
        self._left = most

    def take(self, count: int) -> bool:
        """Take so many, if they are left."""
        if count > self._left:
            return False
        self._left -= count
        return True

    def give_back(self, count: int) -> None:
        """Give back what was taken."""
        self._left += count


class ContentReader:
    """Takes blocks, cut anywhere, and gives the content without its doubled dots.

    What can't be accepted is read to its end all the same, without being kept, so that none of it is taken for
    commands.
    """

    def __init__(self, most: int, memory: Memory) -> None:
        self._most = most
        self._memory = memory
        self._content = bytearray()  # and no list: a client may send two bytes at a time
        # What may be the beginning of the end: at first the CRLF of DATA itself, which is not content.
        self._held = b"\r\n"
        self._skip = 2
        self._size = 0
        self._taken = 0
        self._reply: Reply | None = None

    def feed(self, block: bytes) -> bytes | None:
        """Take a block; give what follows the end of the content, or None while that has not come."""
        data = self._held + block if self._held else block
        if (end := data.find(_END)) >= 0:
            self._held = b""
            self._keep(data[: end + 2])
            return data[end + len(_END) :]
        self._held = next((start for start in _BEGINNINGS if data.endswith(start)), b"")
        if piece := data[: len(data) - len(self._held)]:
            self._keep(piece)
        return None

    def result(self) -> bytes | Reply:
        """Give the content when it has ended, or the reply that refuses it."""
        return bytes(self._content) if self._reply is None else self._reply

    def close(self) -> None:
        """Forget it all."""
        self._content.clear()
        self._memory.give_back(self._taken)
        self._taken = 0

    def _keep(self, piece: bytes) -> None:
        # A piece never ends within a line end, so in each all CR and LF are counted with their pairs.
        ends = piece.count(b"\r\n")
        if piece.count(b"\n") != ends:
            self._refuse(Reply(550, "5.5.2", "Error: bare <LF> in the message; lines end with <CR><LF>"))
        elif piece.count(b"\r") != ends:
            self._refuse(Reply(550, "5.5.2", "Error: bare <CR> in the message; lines end with <CR><LF>"))
        if self._reply is not None:
            return
        piece = piece.replace(b"\r\n.", b"\r\n")
        if self._skip:
            piece, self._skip = piece[2:], 0
        self._size += len(piece)
        if self._size > self._most:
            self._refuse(too_large(self._most))
        elif not self._memory.take(len(piece)):
            self._refuse(Reply(452, "4.3.1", "Insufficient memory: too much is being received; try again later"))
        else:
            self._taken += len(piece)
            self._content += piece

    def _refuse(self, reply: Reply) -> None:
        self._reply = self._reply or reply
        self.close()
