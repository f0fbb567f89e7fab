"""Several commands in a process of their own, one after the other, each from its arguments to its exit status.

Only the start of Python is shared: that takes longer than many a case.
"""

import contextlib
import io
import json
import sys

from mailnode.cli.main import main


def run(arguments: list[str]) -> dict[str, object]:
    """Run one, as `python -m mailnode` does."""
    stdout, stderr, status = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        try:
            main(arguments)
        except SystemExit as ended:
            status = int(ended.code or 0)
    return {"status": status, "stdout": stdout.getvalue(), "stderr": stderr.getvalue()}


if __name__ == "__main__":
    json.dump([run(arguments) for arguments in json.load(sys.stdin)], sys.stdout)
