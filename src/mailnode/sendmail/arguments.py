"""The command line of sendmail, as programs have used it for forty years: Sendmail's, Postfix's and msmtp's options."""

from mailnode.sendmail.exits import USAGE, Failure

TYPE_CHECKING = False  # as in mailnode/__init__.py
if TYPE_CHECKING:
    from collections.abc import Iterator

USAGE_LINE = (
    "usage: mailnode-sendmail [-t] [-i] [-f SENDER] [-F NAME] [RECIPIENT ...] < MESSAGE, or mailnode-sendmail -bs"
)
HELP = f"""{USAGE_LINE}

Queues a message with mailnode, as /usr/sbin/sendmail does for its own queue.

  RECIPIENT   who gets it
  -t          also who stands in To, Cc and Bcc; Bcc is taken out
  -f SENDER   the envelope sender, and the From of a message without one; <> for none (-r is the same)
  -F NAME     the name in the From of a message without one
  -i, -oi     a line with only a dot is text, and does not end the message
  -bs         speak SMTP on stdin and stdout
  --          what follows are recipients

Other options of sendmail are accepted and change nothing.
Exit status: that of sysexits.h, 0 once the message is stored, 75 if it is worth another try."""

_WITH_VALUE = frozenset("ABCDFLMNORVXbefhopr")
_WITH_VALUE_ATTACHED = frozenset("dq")  # never the next argument
_ALONE = frozenset("GTUacimnstvx")
# What has no meaning where another program is the queue, with what does it here.
_OTHER_MODES = {
    "a": "ARPANET mode",
    "d": "a daemon: `mailnode serve --submission-port` listens",
    "D": "a daemon: `mailnode serve --submission-port` listens",
    "h": "the status of hosts",
    "H": "the status of hosts",
    "p": "the queue: `mailnode deliveries list` shows it",
    "t": "address tests",
    "v": "address checks",
}
_MESSAGE, _SMTP, _ALIASES, _QUEUE = "m", "s", "i", "q"


class Options:
    """What the command line asks for.

    `sender` is None where none is given, "" for the null path. `mode` is "m" for a message on stdin, "s" for SMTP, and
    "i" or "q" for what there is nothing to do about: rebuilding the aliases, running the queue.
    """

    def __init__(self) -> None:
        """Begin with what sendmail does without options."""
        self.mode = _MESSAGE
        self.from_header = False
        self.dot_ends = True
        self.sender: str | None = None
        self.full_name: str | None = None
        self.recipients: list[str] = []


def parse(arguments: list[str]) -> Options:
    """Read the arguments; options may stand after recipients too, until `--`.

    Raises:
        Failure: an option is unknown, has no value, or asks for what is no part of sending.
    """
    options = Options()
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            options.recipients += rest
        elif argument.startswith("-") and argument != "-":
            _read(options, argument[1:], rest)
        else:
            options.recipients.append(argument)
    return options


def _read(options: Options, letters: str, rest: "Iterator[str]") -> None:
    """Read an argument of one or more option letters."""
    while letters:
        letter, letters = letters[0], letters[1:]
        if letter in _WITH_VALUE:
            value = letters or next(rest, None)
            if value is None:
                raise Failure(USAGE, f"the option -{letter} needs a value")
            _set(options, letter, value)
            return
        if letter in _WITH_VALUE_ATTACHED:
            if letter == "q" and options.mode == _MESSAGE:
                options.mode = _QUEUE
            return
        if letter == "I":
            options.mode = _ALIASES
            continue
        if letter not in _ALONE:
            raise Failure(USAGE, f"unknown option -{letter}")
        options.from_header |= letter == "t"
        options.dot_ends &= letter != "i"


def _set(options: Options, letter: str, value: str) -> None:
    if letter in "fr":
        options.sender = "" if value.strip() in {"", "<>"} else value.strip()
    elif letter == "F":
        options.full_name = value
    elif letter == "o" and value == "i":
        options.dot_ends = False
    elif letter == "b":
        if value not in {_MESSAGE, _SMTP, _ALIASES}:
            raise Failure(USAGE, f"-b{value} is not for sending mail: {_OTHER_MODES.get(value[:1], 'an unknown mode')}")
        options.mode = value
