"""An SMTP server for one session, where none listens and the user owns the outbox; it loads all of mailnode."""

import asyncio
import os
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

from mailnode.app import Mailnode
from mailnode.environment import Environment
from mailnode.errors import MailnodeError
from mailnode.sendmail.exits import SOCKET, TEMPORARY, Failure
from mailnode.submission.doors import Doors
from mailnode.submission.server import SubmissionServer


def with_own_server(work: Callable[[socket.socket], None], why: str) -> None:
    """Call `work` with a connection to a server of this process.

    Raises:
        Failure: the outbox is not this user's, or can't be opened; `why` there is no other server is told.
    """
    try:
        environment = Environment.read()
        if not _is_own(environment):
            remedy = f"start `mailnode serve --submission-socket {SOCKET}`"
            raise Failure(TEMPORARY, f"{why}, and this user has no outbox in {environment.home}: {remedy}")
        asyncio.run(_serve(environment, work))
    except MailnodeError as error:
        raise Failure(TEMPORARY, f"{why}, and the outbox can't be opened: {error.message}") from None


def _is_own(environment: Environment) -> bool:
    home = environment.home
    try:
        has_database = environment.database_url is not None or (home / "mailnode.db").exists()
        return has_database and home.stat().st_uid == os.geteuid()
    except OSError:
        return False


async def _serve(environment: Environment, work: Callable[[socket.socket], None]) -> None:
    with tempfile.TemporaryDirectory(prefix="mailnode-") as folder:  # for this user alone
        place = Path(folder) / "submission.sock"
        async with Mailnode.open(environment) as mailnode, SubmissionServer(mailnode.gate, Doors(socket=place)):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(place))
                await asyncio.to_thread(work, connection)
