"""A flow run for each row of a file: `mailnode run --inputs`."""

import json
import math
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks.clients.flow import flow_file
from benchmarks.measure import Measure, Taken
from benchmarks.process import cpu_seconds, started
from benchmarks.queues import Folders
from benchmarks.servers import counting_sink

# Of the rows of a file the first and the last ones do not count: at the ends fewer run at once.
AT_THE_ENDS, COUNTED = 100, 800


@contextmanager
def over_rows(folder: Path) -> Iterator[Mapping[str, Measure]]:
    """Give `mailnode run` with a file of rows."""
    yield {"mailnode": partial(_over_rows, Folders(folder))}


def _over_rows(folders: Folders) -> Taken:
    home = folders.fresh()
    rows = home / "rows.jsonl"
    numbers = range(AT_THE_ENDS + COUNTED + AT_THE_ENDS)
    rows.write_text("".join(json.dumps({"order": number, "cents": number}) + "\n" for number in numbers))
    with counting_sink(home) as server:
        command = [sys.executable, "-m", "mailnode", "run", str(flow_file(home, server.port)), "--inputs", str(rows)]
        with started(command, {"MAILNODE_HOME": str(home)}, errors=home / "log") as process:
            server.wait(AT_THE_ENDS, process)
            begun = server.taken()
            cpu, wall = cpu_seconds(process.pid), time.perf_counter()
            server.wait(AT_THE_ENDS + COUNTED, process)
            wall = time.perf_counter() - wall
            cpu = cpu_seconds(process.pid) - cpu
            ran = server.taken() - begun
    return Taken(ran / wall, cpu / ran, wall, math.nan)
