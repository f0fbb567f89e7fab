"""The command line with little patience for servers, which counts its tasks: `python hasty.py FILE ARGUMENT ...`."""

import asyncio.tasks
import sys
import threading
from pathlib import Path

from mailnode.cli.main import main
from mailnode.smtp.server import Deadlines

PATIENCE_SECONDS = 8.0
COUNT_SECONDS = 2.0


def be_hasty() -> None:
    """Wait for no reply for as long as RFC 5321 would."""
    defaults = Deadlines.__init__.__kwdefaults__
    assert defaults
    defaults.update({name: min(seconds, PATIENCE_SECONDS) for name, seconds in defaults.items()})


def count_tasks(file: Path) -> None:
    """Write how many tasks there are, those that are done and kept by somebody too."""
    # Not by gc.get_objects: to look at a tuple that another thread still builds breaks what builds it (bpo-15108).
    names = ("_all_tasks", "_scheduled_tasks")  # the second one since Python 3.12
    known = next(getattr(asyncio.tasks, name) for name in names if hasattr(asyncio.tasks, name))
    while True:
        file.write_text(str(len(known)))
        threading.Event().wait(COUNT_SECONDS)


if __name__ == "__main__":
    be_hasty()
    threading.Thread(target=count_tasks, args=(Path(sys.argv[1]),), daemon=True).start()
    main(sys.argv[2:])
