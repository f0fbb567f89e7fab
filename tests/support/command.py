"""The command line as a user meets it: a process with arguments, an exit status, and two streams."""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Modules are compiled once a test run, also where the environment keeps Python from writing beside the sources.
_CACHE = Path(tempfile.gettempdir()) / f"mailnode-tests-pycache-{os.getuid()}"


@dataclass(frozen=True)
class Result:
    """How it ended and what it said."""

    status: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """What stands on stdout, as JSON."""
        return json.loads(self.stdout)


def environment_of(variables: Mapping[str, str]) -> dict[str, str]:
    """Give what a process is started with: the test's own environment, and these."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**inherited, "PYTHONPYCACHEPREFIX": str(_CACHE), "COLUMNS": "140", **variables}


async def mailnode(*arguments: str | Path, stdin: str = "", **environment: str) -> Result:
    """Run `mailnode`; the environment is the test's, and no error may ever be a traceback."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mailnode"),
        *map(str, arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment_of(environment),
    )
    stdout, stderr = await process.communicate(stdin.encode())
    assert process.returncode is not None
    result = Result(process.returncode, stdout.decode(), stderr.decode())
    assert "Traceback" not in result.stderr, result.stderr
    return result
