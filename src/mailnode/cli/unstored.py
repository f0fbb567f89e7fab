"""Outcomes that stand in no database: a command that knows of one says so, and has an exit status for it."""

from mailnode.cli.output import show_error

EXIT_NOT_STORED = 4


def show_not_stored(what: str, reason: str) -> int:
    """Say on stderr what could not be stored, and why; give the exit status."""
    show_error(
        f"{what} could not be stored: {reason}",
        "what a server has accepted must not be sent again under a new run id; `mailnode deliveries list --state"
        " interrupted` shows what is in doubt now, the next worker or the same run id sends it once more, marked as a"
        " second copy, and `mailnode deliveries cancel ID` hinders that",
    )
    return EXIT_NOT_STORED


def counted(lost: int) -> str:
    """Say how many outcomes."""
    return "1 outcome" if lost == 1 else f"{lost} outcomes"
