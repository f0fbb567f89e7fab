"""How `mailnode-sendmail` ends: a status of sysexits.h, and a sentence on stderr unless it is 0."""

SOCKET = "/run/mailnode/submission.sock"  # where a server is expected

OK = 0
USAGE = 64  # the command line is wrong
DATA_ERROR = 65  # the message is wrong
NO_USER = 67  # a recipient is refused
NO_HOST = 68  # the domain of a recipient is refused
UNAVAILABLE = 69  # refused for another reason
SOFTWARE = 70  # a fault of ours
PROTOCOL = 76  # the server says what SMTP does not allow
TEMPORARY = 75  # try again later
NO_PERMISSION = 77  # this user may not send so

_BY_STATUS = {"5.1.2": NO_HOST, "5.1.7": DATA_ERROR, "5.1.8": DATA_ERROR, "5.3.4": DATA_ERROR}
_BY_SUBJECT = {"1": NO_USER, "5": PROTOCOL, "6": DATA_ERROR, "7": NO_PERMISSION}
_TOO_LARGE = 552


class Failure(Exception):
    """Ends the program with `status`, after its sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        """Keep the status; the sentence is the exception's text."""
        super().__init__(sentence)
        self.status = status


def status_of(code: int, enhanced: str) -> int:
    """Give the exit status for a reply that refuses, by its code and its enhanced status (RFC 3463)."""
    if code < 500:  # noqa: PLR2004 -- RFC 5321 4.2.1
        return TEMPORARY
    if code == _TOO_LARGE:
        return DATA_ERROR
    return _BY_STATUS.get(enhanced) or _BY_SUBJECT.get(enhanced.partition(".")[2].partition(".")[0], UNAVAILABLE)
