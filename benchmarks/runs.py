"""A flow run for those who ask from outside: `mailnode run` over the rows of a file, `mailnode serve` over HTTP."""

import json
import math
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks.clients.flow import flow_file
from benchmarks.job import Job
from benchmarks.measure import WARM_UP, Measure, Taken, worker
from benchmarks.process import cpu_seconds, free_port, started, wait_for
from benchmarks.queues import Folders
from benchmarks.servers import counting_sink, sink

# Of the rows of a file the first and the last ones do not count: at the ends fewer run at once.
AT_THE_ENDS, COUNTED = 100, 800
HTTP_SECONDS = 2.0


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


@contextmanager
def over_http(folder: Path) -> Iterator[Mapping[str, Measure]]:
    """Give `mailnode serve` with the flow, asked by ten clients at once."""
    flows = folder / "flows"
    flows.mkdir()
    environment = {"MAILNODE_HOME": str(folder), "MAILNODE_TOKEN": "0123456789abcdef" * 4}
    port = free_port()
    options = f"--port {port} --inbox-port 0 --flows {flows}"
    with sink() as server:
        flow_file(flows, server)
        command = [sys.executable, "-m", "mailnode", "serve", *options.split()]
        with started(command, environment, errors=folder / "log") as process:
            wait_for(process, port)
            job = Job(port=port, sessions=10, seconds=HTTP_SECONDS, warm_up=WARM_UP)
            client = [sys.executable, "-m", "benchmarks.clients.http_runs", job.dumps(), str(process.pid)]
            yield {"mailnode": partial(worker, client, environment)}
