"""SMTP with our own server over a connected socket: one message, all of its recipients or none."""

import socket
from contextlib import suppress

from mailnode.sendmail.exits import PROTOCOL, TEMPORARY, Failure, status_of

PATIENCE_SECONDS = 300.0
_MOST_REPLY_LINES = 1000
_MOST_REPLY_BYTES = 4096


class Dialogue:
    """The commands, one after another; each raises Failure where the server refuses or is gone."""

    def __init__(self, connection: socket.socket) -> None:
        """Speak over this connection, which stays the caller's."""
        connection.settimeout(PATIENCE_SECONDS)
        self._connection = connection
        self._replies = connection.makefile("rb")
        self._offered = frozenset[str]()

    def greet(self, name: str) -> None:
        """Hear the greeting, and say who we are."""
        self._hear("the server refuses connections")
        lines = self._ask(f"EHLO {name}", "the server refuses this program")
        self._offered = frozenset(line.partition(" ")[0].upper() for line in lines.split("\n"))

    def send(self, sender: str, recipients: list[str], content: bytes) -> str:
        """Hand in a message, and give what the server says of it; nothing is handed in if a recipient is refused."""
        parameters = self._if_offered("SIZE", f" SIZE={len(content)}")
        if not content.isascii():
            parameters += self._if_offered("8BITMIME", " BODY=8BITMIME")
        if not all(path.isascii() for path in (sender, *recipients)):
            parameters += self._if_offered("SMTPUTF8", " SMTPUTF8")
        self._ask(f"MAIL FROM:<{sender}>{parameters}", f"the sender <{sender}> is refused")
        for recipient in recipients:
            self._ask(f"RCPT TO:<{recipient}>", f"the recipient <{recipient}> is refused, so nobody gets the message")
        self._ask("DATA", "the message is refused")
        dotted = content.replace(b"\r\n.", b"\r\n..")
        self._say((b"." if content.startswith(b".") else b"") + dotted + b".\r\n")
        return self._hear("the message is refused")

    def quit(self) -> None:
        """End the session; the message is handed in, whatever happens now."""
        with suppress(Failure):
            self._ask("QUIT", "")

    def _if_offered(self, extension: str, parameter: str) -> str:
        return parameter if extension in self._offered else ""

    def _ask(self, command: str, refused: str) -> str:
        self._say(command.encode("utf-8", "surrogateescape") + b"\r\n")
        return self._hear(refused)

    def _say(self, data: bytes) -> None:
        try:
            self._connection.sendall(data)
        except BrokenPipeError:
            pass  # what the server said before it went away is read first
        except OSError as error:
            raise _lost(error) from None

    def _hear(self, refused: str) -> str:
        """Read a reply, and give its text, a line for each of its lines."""
        texts = list[str]()
        while True:
            try:
                line = self._replies.readline(_MOST_REPLY_BYTES)
            except OSError as error:
                raise _lost(error) from None
            if not line:
                raise Failure(TEMPORARY, "the server closed the connection")
            code, more, text = line[:3], line[3:4], line[4:].decode("utf-8", "replace").rstrip("\r\n")
            if not code.isdigit() or more not in {b" ", b"-", b"\r"} or len(texts) > _MOST_REPLY_LINES:
                raise Failure(PROTOCOL, f"the server says what is no reply: {line[:80]!r}")
            texts.append(text)
            if more != b"-":
                break
        if int(code) < 400:  # noqa: PLR2004 -- RFC 5321 4.2.1
            return "\n".join(texts)
        enhanced = texts[0].partition(" ")[0] if texts[0][:2] in {"4.", "5."} else ""
        said = " ".join(text.removeprefix(enhanced).strip() for text in texts)
        raise Failure(
            status_of(int(code), enhanced), f"{refused}: {' '.join(filter(None, (str(int(code)), enhanced, said)))}"
        )


def _lost(error: OSError) -> Failure:
    why = "it said nothing for too long" if isinstance(error, TimeoutError) else error.strerror or str(error)
    return Failure(TEMPORARY, f"the connection to the server is lost: {why}")
