"""The command lines of a transaction (RFC 5321 4.1.1), safe from anything in a caller's addresses."""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from mailnode.errors import ErrorCode, Phase, Unsendable
from mailnode.message.envelope import Message
from mailnode.printable import ASCII_CONTROL, SURROGATE, quoted
from mailnode.smtp.content import is_header_ascii
from mailnode.smtp.extension import Extensions
from mailnode.smtp.reply import Reply

# A path may have spaces and angle brackets in a quoted local part only, or it could add parameters to its command.
_QUOTED = rf'"(?:[^"\\{ASCII_CONTROL}]|\\[^{ASCII_CONTROL}])*"'
_ATOM = rf'[^\s<>"@{ASCII_CONTROL}]+'
PATH = re.compile(f"(?:{_QUOTED}|{_ATOM})@{_ATOM}")
_UNSAYABLE = re.compile(f"[{ASCII_CONTROL}{SURROGATE}]")


class Command(NamedTuple):
    """A command line without its CRLF, the phase it belongs to, and what is called with its reply."""

    phase: Phase
    line: str
    on_reply: Callable[[Reply], None]


def encode(commands: Sequence[Command]) -> bytes:
    """Give the octets of a command group; a line break within a line is refused."""
    lines = [command.line for command in commands]
    if _UNSAYABLE.search("".join(lines)):
        phase, line = next((one.phase, one.line) for one in commands if _UNSAYABLE.search(one.line))
        raise _unsendable("a control character can't stand in an SMTP command", line, phase)
    return "\r\n".join([*lines, ""]).encode()


def mail(message: Message, extensions: Extensions) -> str:
    """Give the MAIL command with its parameters (RFC 1870, RFC 6531); Unsendable where the server can't accept it."""
    path = message.envelope.reverse_path
    return f"MAIL FROM:<{_path(path, 'mail') if path else ''}>{_parameters(message, extensions)}"


def rcpt(path: str) -> str:
    """Give the RCPT command for a forward-path."""
    return f"RCPT TO:<{_path(path, 'rcpt')}>"


def _parameters(message: Message, extensions: Extensions) -> str:
    if extensions.size and message.size > extensions.size:
        raise Unsendable(
            f"the message has {message.size} bytes, and the server accepts at most {extensions.size}",
            code=ErrorCode.OVER_SERVER_SIZE,
            hint="send a smaller attachment, or a link to it",
        )
    size = "" if extensions.size is None else f" SIZE={message.size}"
    is_ascii = message.is_ascii
    if not message.envelope.needs_smtputf8 and (is_ascii or is_header_ascii(message)):
        return size if is_ascii else f"{size} BODY=8BITMIME"
    if not extensions.smtputf8:
        raise Unsendable(
            "an address has non-ASCII characters before the @ and the server does not offer SMTPUTF8",
            code=ErrorCode.SMTPUTF8_NOT_OFFERED,
            hint="use the ASCII address of this mailbox, or a server that offers SMTPUTF8",
        )
    return size + (" BODY=8BITMIME" if extensions.eight_bit_mime else "") + " SMTPUTF8"


def _path(path: str, phase: Phase) -> str:
    if not PATH.fullmatch(path):
        raise _unsendable("the envelope has an invalid address", path, phase)
    return path


def _unsendable(what: str, text: str, phase: Phase) -> Unsendable:
    return Unsendable(
        f"{what}: {quoted(text)}",
        code=ErrorCode.BAD_MAILBOX,
        phase=phase,
        hint="give bare addresses, like jane@example.org, without line breaks",
    )


def ignore_reply(_reply: Reply) -> None:
    """Ignore a reply."""
