"""A command that is killed at one of its commits: `python killed_worker.py before|after N COMMAND`."""

import os
import signal
import sys
import threading

from sqlalchemy import Engine, event

from mailnode.cli.main import main
from mailnode.store import writer


def kill_at(when: str, number: int) -> None:
    """Have the kernel end this process right before or right after the nth commit of its writer."""
    commits = 0
    answer = writer._answer

    def count(_: object) -> None:
        nonlocal commits
        if threading.current_thread().name.startswith("mailnode-writer"):
            commits += 1
            if when == "before" and commits == number:
                os.kill(os.getpid(), signal.SIGKILL)

    def answered(answers: writer._Answers) -> None:
        if when == "after" and commits == number:
            os.kill(os.getpid(), signal.SIGKILL)
        answer(answers)

    event.listen(Engine, "commit", count)
    writer._answer = answered


if __name__ == "__main__":
    kill_at(sys.argv[1], int(sys.argv[2]))
    main(sys.argv[3:])
