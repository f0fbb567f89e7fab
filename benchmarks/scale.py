"""`make scale`: a queue of a million in PostgreSQL, shared by ten thousand connections with rate limits, and no vacuum.

What is told: the rate beside that of ten thousand queued, the longest that any connection waited from one of its mails
to the next, and the dead rows that are left. It is measured for some seconds of each queue, which is not emptied.
"""

import argparse
import json
import math
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import peers
from benchmarks.measure import progress
from benchmarks.process import cpu_seconds, free_port, run, started, wait_for, wait_until
from benchmarks.queues import Folders, worker_of
from benchmarks.servers import CountingSink, Postgres, postgres

CONNECTIONS, QUEUED, FEW, WORKERS, RATE_LIMIT, SECONDS = 10_000, 1_000_000, 10_000, 8, "30/min", 120.0
# Of the mails a tenth goes before, or so many; a queue that is all but empty is left alone.
WARM_UP, WARM_UP_MOST, MOST = 0.1, 1000, 0.9
# As if the vacuum came too late all the time; each worker has some sessions.
SETTINGS = ("autovacuum=off", "max_connections=300")
LOOK_SECONDS = 0.05

# The longest time of each connection from mail to mail, from the beginning on, and to the end if it had more to send.
_WAITS = """
WITH points AS (
    SELECT connection, ended_at AS at FROM attempts JOIN deliveries ON id = delivery_id
        WHERE ended_at BETWEEN %(begin)s AND %(end)s
    UNION ALL SELECT connection, %(begin)s FROM deliveries GROUP BY connection
    UNION ALL SELECT connection, %(end)s FROM deliveries WHERE state = 'queued' GROUP BY connection
),
gaps AS (SELECT connection, at - lag(at) OVER (PARTITION BY connection ORDER BY at) AS gap FROM points),
longest AS (SELECT connection, max(gap) AS gap FROM gaps GROUP BY connection)
SELECT coalesce(max(gap), 0) / 1000.0, coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY gap), 0) / 1000.0
FROM longest
"""
_DEAD = "SELECT sum(n_dead_tup) FROM pg_stat_user_tables"
_NOW = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"
_SIZE = "SELECT pg_database_size(current_database()) / 1048576.0"


@dataclass(frozen=True, kw_only=True)
class Scaled:
    """What came of one queue.

    The rate of the first third, the last third and all of the time, CPU a mail of workers and PostgreSQL in
    microseconds; the longest wait of the connection that waited longest and of the median one, in seconds; dead rows
    that a mail left, and after a vacuum of so many seconds; megabytes of the database.
    """

    queued: int
    sent: int
    rate: float
    first: float
    last: float
    cpu: float
    longest_wait: float
    median_wait: float
    dead_a_mail: float
    dead_after_vacuum: int
    vacuum_seconds: float
    megabytes: float


def main() -> None:
    """Measure both queues, and print what came of them."""
    options = _options()
    if not peers.has_postgres():
        raise SystemExit("PostgreSQL is not here: install postgresql.")
    print(f"{', '.join(peers.versions())}.\n{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs.")
    print(
        f"{options.workers} workers, {options.connections:,} connections of {options.rate_limit}, PostgreSQL without"
        f" autovacuum, {options.seconds:g} s of each queue.\n",
        flush=True,
    )
    with TemporaryDirectory() as folder, postgres(*SETTINGS) as server:
        folders = Folders(Path(folder))
        came = [
            _scaled(options, folders, server, queued) for queued in (min(FEW, options.queued // 10), options.queued)
        ]
    few, many = came
    for work, pick in _TOLD.items():
        print(f"{work:<58} {pick(few):>10} {pick(many):>10}")
    print(f"\nwith {many.queued:,} queued the rate is {many.rate / few.rate:.2f} times that with {few.queued:,}")


_TOLD: Mapping[str, Callable[[Scaled], str]] = {
    "queued": lambda one: f"{one.queued:,}",
    "sent while it was measured": lambda one: f"{one.sent:,}",
    "mails/s": lambda one: f"{one.rate:,.0f}",
    "in the first third of the time": lambda one: f"{one.first:,.0f}",
    "in the last third": lambda one: f"{one.last:,.0f}",
    "us CPU a mail, workers and PostgreSQL": lambda one: f"{one.cpu:,.0f}",
    "longest wait of any connection for its next mail, s": lambda one: f"{one.longest_wait:.1f}",
    "longest wait of the median connection, s": lambda one: f"{one.median_wait:.1f}",
    "dead rows a mail": lambda one: f"{one.dead_a_mail:.1f}",
    "dead rows after a vacuum": lambda one: f"{one.dead_after_vacuum:,}",
    "seconds of that vacuum": lambda one: f"{one.vacuum_seconds:.1f}",
    "MB of the database": lambda one: f"{one.megabytes:,.0f}",
}


def _scaled(options: argparse.Namespace, folders: Folders, server: Postgres, queued: int) -> Scaled:
    """Fill a queue, measure the workers on it, and look at what they leave."""
    home, environment = folders.home(server)
    with _sink(home) as sink:
        progress(f"{queued:,} are put into the queue")
        filling = {
            "port": sink.port,
            "connections": options.connections,
            "deliveries": queued,
            "rate_limit": options.rate_limit,
        }
        run([sys.executable, "-m", "benchmarks.clients.fill_queue", json.dumps(filling)], environment)
        (begin,) = server.ask(home.name, _NOW)
        command, _ = worker_of(environment)
        command = [*command, "--processes", str(options.workers)]
        with started(command, environment, errors=home / "log") as workers:
            wait_until(sink.taken, min(WARM_UP_MOST, int(queued * WARM_UP)), workers)
            counts, cpu = _watched(options, sink, queued, [workers.pid, server.process.pid])
            (end,) = server.ask(home.name, _NOW)
        waits = server.ask(home.name, _WAITS, {"begin": begin, "end": end})
        return _told(queued, counts, cpu, waits, _vacuumed(server, home.name))


def _watched(
    options: argparse.Namespace, sink: CountingSink, queued: int, pids: list[int]
) -> tuple[list[tuple[float, int]], float]:
    """Give the counts of the sink as they grow, each with its time, and the CPU of all that."""
    begin, cpu = time.perf_counter(), cpu_seconds(*pids)
    counts = [(0.0, sink.taken())]
    while counts[-1][0] < options.seconds and counts[-1][1] < queued * MOST:
        time.sleep(LOOK_SECONDS)
        counts.append((time.perf_counter() - begin, sink.taken()))
        progress(f"{queued:,} queued, {counts[-1][0]:.0f} of {options.seconds:g} s: {counts[-1][1]:,} are sent")
    progress("")
    return counts, cpu_seconds(*pids) - cpu


def _told(
    queued: int,
    counts: list[tuple[float, int]],
    cpu: float,
    waits: tuple[float, ...],
    left: tuple[float, ...],
) -> Scaled:
    def rate(begin: float, end: float) -> float:
        within = [one for one in counts if begin * counts[-1][0] <= one[0] <= end * counts[-1][0]]
        return (within[-1][1] - within[0][1]) / ((within[-1][0] - within[0][0]) or math.inf)

    sent = counts[-1][1] - counts[0][1]
    dead, megabytes, dead_after, seconds = left
    return Scaled(
        queued=queued,
        sent=sent,
        rate=rate(0, 1),
        first=rate(0, 1 / 3),
        last=rate(2 / 3, 1),
        cpu=cpu * 1e6 / sent,
        longest_wait=float(waits[0]),
        median_wait=float(waits[1]),
        dead_a_mail=dead / counts[-1][1],
        dead_after_vacuum=int(dead_after),
        vacuum_seconds=seconds,
        megabytes=megabytes,
    )


def _vacuumed(server: Postgres, name: str) -> tuple[float, float, float, float]:
    """Count the dead rows, and the megabytes; vacuum, and count what is left, and the seconds."""
    (dead,) = server.ask(name, _DEAD)
    (megabytes,) = server.ask(name, _SIZE)
    began = time.perf_counter()
    server.vacuum(name)
    seconds = time.perf_counter() - began
    (dead_after,) = server.ask(name, _DEAD)
    return float(dead), float(megabytes), float(dead_after), seconds


@contextmanager
def _sink(home: Path) -> Iterator[CountingSink]:
    """Run a sink that counts, and takes logins too."""
    port, said = free_port(), home / "sink.out"
    with started([sys.executable, "-m", "benchmarks.plain_sink", str(port), "-c"], said=said) as process:
        wait_for(process, port)
        yield CountingSink(port, said, process)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    parser.add_argument("--queued", type=int, default=QUEUED)
    parser.add_argument("--workers", type=int, default=WORKERS)
    parser.add_argument("--rate-limit", default=RATE_LIMIT, help="of each connection")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long each queue is measured at the most")
    return parser.parse_args()


if __name__ == "__main__":
    main()
