"""An SMTP server for programs, with a worker, that is killed at one of its commits: `killed_door.py before|after N`.

Without arguments nothing kills it. It prints its port.
"""

import asyncio
import sys

from mailnode.app import Mailnode
from mailnode.submission.doors import Doors
from mailnode.submission.server import SubmissionServer
from support.killed_worker import kill_at


async def serve() -> None:
    """Take messages and send them for as long as the process lives."""
    async with Mailnode.open() as opened, SubmissionServer(opened.gate, Doors(port=0)) as server:
        sys.stdout.write(f"{server.port}\n")
        sys.stdout.flush()
        await opened.work()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        kill_at(sys.argv[1], int(sys.argv[2]))
    asyncio.run(serve())
