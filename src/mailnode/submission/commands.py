"""Command lines of clients, read (RFC 5321 4.1.1, 4.5.3.1)."""

import re
from dataclasses import dataclass

from mailnode.printable import ASCII_CONTROL
from mailnode.smtp.command import PATH
from mailnode.submission.gate import Reply
from mailnode.submission.replies import LINE_TOO_LONG, TO_OTHERS, UNKNOWN

COMMAND_BYTES = 512
# RFC 1870 3, RFC 6152 2 and RFC 6531 3.4 (2), and RFC 4954 5 each allow the line of MAIL so many more.
MAIL_BYTES = COMMAND_BYTES + 26 + 17 + 10 + 500
AUTH_BYTES = 12288  # RFC 4954 4
_SIZE_DIGITS = 20  # RFC 1870 6

# A path stands in angle brackets; devices leave them out, and put a space before them.
_PATH_ARGUMENT = re.compile(
    r"""(?P<keyword>FROM|TO):[ ]*
        (?:<(?:@[^<>:"]+:)?(?P<path>(?:"(?:[^"\\]|\\.)*"|[^<>"])*)>|(?P<bare>[^ <>"]+))
        (?P<parameters>(?:[ ].*)?)""",
    re.VERBOSE | re.IGNORECASE,
)
_CONTROL = re.compile(f"[{ASCII_CONTROL}]")
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~]+))?")
# RFC 3461's, which are not offered.
_DSN = frozenset({"RET", "ENVID", "NOTIFY", "ORCPT"})


class Refused(Exception):
    """A command that can't be accepted, with the reply that says so; `counts` if no client needs to send it."""

    def __init__(self, reply: Reply, *, counts: bool = True) -> None:
        super().__init__(reply.text)
        self.reply = reply
        self.counts = counts


@dataclass(frozen=True, slots=True)
class MailCommand:
    """What MAIL says: `path` is "" for the null path, `size` 0 where none is declared."""

    path: str
    size: int
    smtputf8: bool


def longest(line: bytes) -> int:
    """Give how many bytes a command line that begins so may have, with its CRLF."""
    verb = line[:4].upper()
    return AUTH_BYTES if verb == b"AUTH" else MAIL_BYTES if verb == b"MAIL" else COMMAND_BYTES


def text_of(line: bytes) -> str:
    """Give a command line, ended by LF, as text without its CRLF; b"" stands for one that was too long.

    Raises:
        Refused: it was too long, does not end with CRLF, or is no text.
    """
    if not line:
        raise Refused(LINE_TOO_LONG)
    if not line.endswith(b"\r\n"):
        raise Refused(Reply(500, "5.5.2", "Error: bare <LF> received; lines end with <CR><LF>"))
    try:
        text = line[:-2].decode()
    except UnicodeDecodeError:
        raise Refused(Reply(500, "5.5.2", "Error: the command is not UTF-8")) from None
    if not text.isprintable() and _CONTROL.search(text):
        raise Refused(Reply(500, "5.5.2", "Error: the command has a control character"))
    return text.rstrip()


def read_mail(argument: str) -> MailCommand:
    """Read what follows `MAIL`.

    Raises:
        Refused: it is no reverse-path, or has a parameter that is not offered.
    """
    path, parameters = _path_and_parameters("FROM", argument)
    smtputf8, size = False, 0
    for name, value in parameters.items():
        match name, value:
            case "SIZE", str() if value.isascii() and value.isdigit() and len(value) <= _SIZE_DIGITS:
                size = int(value)
            case "BODY", str() if value.upper() in {"7BIT", "8BITMIME"}:
                pass
            case "SMTPUTF8", None:
                smtputf8 = True
            case "AUTH", str():
                pass  # RFC 4954 5: nobody's word on who has written it counts here
            case "SIZE" | "BODY" | "SMTPUTF8" | "AUTH", _:
                raise Refused(Reply(501, "5.5.4", f"Syntax error in the parameter {name}"))
            case _:
                raise _not_offered(name)
    if path and not PATH.fullmatch(path):
        raise Refused(Reply(501, "5.1.7", "Bad sender address syntax"))
    if not (smtputf8 or path.isascii()):
        raise Refused(Reply(553, "5.6.7", "Sender address needs SMTPUTF8"))
    return MailCommand(path, size, smtputf8)


def read_rcpt(argument: str, *, smtputf8: bool) -> str:
    """Read what follows `RCPT`, and give the forward-path.

    Raises:
        Refused: it is none, or has a parameter.
    """
    path, parameters = _path_and_parameters("TO", argument)
    for name in parameters:
        raise _not_offered(name)
    if not PATH.fullmatch(path):
        raise Refused(Reply(501, "5.1.3", "Bad recipient address syntax"))
    if not (smtputf8 or path.isascii()):
        raise Refused(Reply(553, "5.6.7", "Recipient address needs SMTPUTF8"))
    return path


def reply_to_other(verb: str) -> Reply:
    """Give the reply to a command that changes nothing.

    Raises:
        Refused: there is no such command.
    """
    if verb not in TO_OTHERS:
        raise Refused(UNKNOWN)
    return TO_OTHERS[verb]


def _path_and_parameters(keyword: str, argument: str) -> tuple[str, dict[str, str | None]]:
    found = _PATH_ARGUMENT.fullmatch(argument)
    if found is None or found["keyword"].upper() != keyword:
        verb = "MAIL" if keyword == "FROM" else "RCPT"
        raise Refused(Reply(501, "5.5.4", f"Syntax: {verb} {keyword}:<address>"))
    parameters = dict[str, str | None]()
    for word in found["parameters"].split():
        parameter = _PARAMETER.fullmatch(word)
        name = parameter[1].upper() if parameter else ""
        if parameter is None or name in parameters:
            raise Refused(Reply(501, "5.5.4", "Syntax error in the parameters"))
        parameters[name] = parameter[2]
    return found["bare"] or found["path"] or "", parameters


def _not_offered(name: str) -> Refused:
    why = "DSN is not offered" if name in _DSN else "it is not offered"
    return Refused(Reply(555, "5.5.4", f"Unsupported parameter {name}: {why}"))
