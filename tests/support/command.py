"""The command line as a user meets it: a process with arguments, an exit status, and two streams."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.forked_python import PIPE, python


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
    return {**os.environ, "COLUMNS": "140", **variables}


async def mailnode(*arguments: str | Path, stdin: str = "", **environment: str) -> Result:
    """Run `mailnode`; the environment is the test's, and no error may ever be a traceback."""
    return await ended(("-m", "mailnode"), arguments, stdin, environment)


async def ended(
    program: tuple[str, str], arguments: Iterable[str | Path], stdin: str, environment: Mapping[str, str]
) -> Result:
    """Run a program of Python until it ends, likewise."""
    process = await python(
        *program, *map(str, arguments), stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment_of(environment)
    )
    stdout, stderr = await process.communicate(stdin.encode())
    result = Result(await process.wait(), stdout.decode(), stderr.decode())
    assert "Traceback" not in result.stderr, result.stderr
    return result
