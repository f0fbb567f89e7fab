"""The command `mailnode-sendmail`: what it is asked for, done, and told by its exit status."""

import os
import sys

from mailnode.sendmail import exits
from mailnode.sendmail.arguments import HELP, Options, parse
from mailnode.sendmail.exits import Failure

TYPE_CHECKING = False  # as in mailnode/__init__.py
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pwd import struct_passwd

_PROGRAM = "mailnode-sendmail"


def main() -> None:
    """Run the command of this process, and exit."""
    sys.exit(run(sys.argv))


def run(arguments: list[str]) -> int:
    """Do what the arguments say, the first of which is the program's name, and give the exit status."""
    try:
        return _run(arguments)
    except Failure as failure:
        print(f"{_PROGRAM}: {_printable(str(failure))}", file=sys.stderr)  # noqa: T201 -- click takes longer than all else
        return failure.status
    except KeyboardInterrupt:
        return exits.TEMPORARY
    except Exception as error:  # noqa: BLE001 -- no traceback reaches a user, and nobody may take it for sent
        print(f"{_PROGRAM}: this is a bug in mailnode: {type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
        return exits.SOFTWARE


def _run(arguments: list[str]) -> int:
    name, given = os.path.basename(arguments[0]), arguments[1:]  # noqa: PTH119 -- pathlib takes a third of our start
    if given in (["--help"], ["--version"]):
        print(HELP if given == ["--help"] else _version())  # noqa: T201
        return exits.OK
    if name in {"mailq", "newaliases"}:
        given = ["-bp" if name == "mailq" else "-bi", *given]
    options = parse(given)
    if options.mode == "s":
        return _smtp()
    return _message(options) if options.mode == "m" else exits.OK


def _message(options: Options) -> int:
    from mailnode.sendmail.addresses import addresses_in
    from mailnode.sendmail.letter import read_letter
    from mailnode.sendmail.local_names import LocalNames

    if not (options.recipients or options.from_header):
        raise Failure(exits.USAGE, "no recipient is given; name them, or use -t for those of the message")
    letter = read_letter(_stdin(), dot_ends=options.dot_ends)
    recipients = list[str]()
    for given in options.recipients:
        _check_line(given.strip())
        if not (found := addresses_in(given)):
            raise Failure(exits.USAGE, f"{given!r} is not an address")
        recipients += [address.text for address in found]
    if options.from_header:
        recipients += letter.recipients
    if not recipients:
        raise Failure(exits.USAGE, "no recipient is given, and none stands in To, Cc or Bcc")
    names, user = LocalNames(), _user()
    domain, senders = names.domain(), names.senders()
    own = senders.get(user.pw_name) or f"{user.pw_name}@{domain}"
    sender = own if options.sender is None else _sender(options.sender, domain, senders)
    letter.add_sender(sender or own, _full_name(options, user))
    letter.qualify(domain, senders)
    _send(sender, names.recipients(recipients, domain), letter.content())
    return exits.OK


def _sender(given: str, domain: str, senders: "dict[str, str]") -> str:
    """Give the reverse-path for the sender that the command line names."""
    from mailnode.sendmail.addresses import addresses_in

    if not given:
        return ""
    _check_line(given.strip())
    found = addresses_in(given)
    if len(found) != 1:
        raise Failure(exits.USAGE, f"-f needs one address: {given}")
    [address] = found
    return address.text if address.is_qualified else senders.get(address.text) or f"{address.text}@{domain}"


def _send(sender: str, recipients: "list[str]", content: bytes) -> None:
    from mailnode.sendmail.dialogue import Dialogue

    for path in (sender, *recipients):
        _check_line(path)

    def hand_in(connection: "socket.socket") -> None:
        dialogue = Dialogue(connection)
        dialogue.greet("localhost")
        dialogue.send(sender, recipients, content)
        dialogue.quit()

    _with_connection(hand_in)


def _check_line(address: str) -> None:
    """Refuse what breaks the line: what stands behind the break could be another address."""
    if not address.isprintable() and any(letter < " " or letter == "\x7f" for letter in address):
        raise Failure(exits.USAGE, f"{address!r} is not an address")


def _smtp() -> int:
    from mailnode.sendmail.relay import relay

    def carry(connection: "socket.socket") -> None:
        try:
            relay(connection, sys.stdin.fileno(), sys.stdout.fileno())
        except OSError as error:
            raise Failure(exits.TEMPORARY, f"the session is lost: {error.strerror or error}") from None

    _with_connection(carry)
    return exits.OK


def _with_connection(work: "Callable[[socket.socket], None]") -> None:
    """Call `work` with a connection to the server, or where none listens and this user owns the outbox, to our own.

    Raises:
        Failure: there is neither.
    """
    import socket

    path = os.environ.get("MAILNODE_SUBMISSION_SOCKET", "").strip() or exits.SOCKET
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(path)
        except OSError as error:
            why = f"no server listens at {path} ({error.strerror or error})"
        else:
            work(connection)
            return
    from mailnode.sendmail.outbox import with_own_server

    with_own_server(work, why)


def _stdin() -> bytes:
    try:
        return sys.stdin.buffer.read()
    except OSError as error:
        raise Failure(exits.TEMPORARY, f"the message can't be read: {error.strerror or error}") from None


def _user() -> "struct_passwd":
    import pwd

    try:
        return pwd.getpwuid(os.geteuid())
    except KeyError:
        raise Failure(exits.TEMPORARY, f"the user {os.geteuid()} has no name on this machine") from None


def _full_name(options: Options, user: "struct_passwd") -> str:
    if options.full_name is not None:
        return options.full_name
    return user.pw_gecos.partition(",")[0].replace("&", user.pw_name.capitalize())


def _version() -> str:
    from importlib.metadata import version

    return f"{_PROGRAM} {version('mailnode')}"


def _printable(text: str) -> str:
    shown = text.encode("utf-8", "replace").decode()
    return "".join(letter if letter.isprintable() else "?" for letter in shown)
