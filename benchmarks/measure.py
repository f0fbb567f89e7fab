"""One client measured once, and all clients of a row in turn, round by round."""

import json
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

from benchmarks import peers
from benchmarks.job import Job, Tally
from benchmarks.process import run

# What is compiled while it runs needs longer until it is at its best.
WARM_UP_SECONDS = {"Nodemailer": 1.5}
WARM_UP = 0.3
PILOT_SECONDS = 0.2
MESSAGE_OCTETS = 3200

MODULES = {
    "mailnode": "with_mailnode",
    "aiosmtplib": "with_aiosmtplib",
    "smtplib": "with_smtplib",
    "django": "with_django",
}


class Taken(NamedTuple):
    """What a client took: messages a second, seconds of CPU a message; of its process: seconds, octets of memory.

    Where that was counted, also instructions a message.
    """

    rate: float
    cpu: float
    wall: float
    peak: float
    instructions: float = math.nan


Measure = Callable[[], Taken]


def in_turn(row: str, clients: Mapping[str, Measure], rounds: int) -> dict[str, list[Taken]]:
    """Measure A B C, A B C, ..., so that a slow minute of the machine is everybody's."""
    taken: dict[str, list[Taken]] = {name: [] for name in clients}
    for number in range(rounds):
        for name, measure in clients.items():
            progress(f"{row}, round {number + 1} of {rounds}: {name}")
            taken[name].append(measure())
    progress("")
    return taken


def senders(job: Job, *names: str) -> dict[str, Measure]:
    """Give the clients of these names that are here, all with the same job."""
    return {name: measure for name in names if (measure := client(name, job)) is not None}


def client(name: str, job: Job) -> Measure | None:
    """Give a client with its job, or None if it is not here."""
    job = replace(job, warm_up=WARM_UP_SECONDS.get(name, WARM_UP) if job.warm_up else 0.0)
    if name == "smtp-source":
        return _smtp_source(job)
    if name == "Nodemailer":
        path = peers.node()
        script = "benchmarks/clients/with_nodemailer.mjs"
        return None if path is None else partial(worker, [path, script, job.dumps()])
    module, _, loop = name.partition(" on ")
    if not peers.has(module) and module != "smtplib":
        return None
    if loop == "asyncio":
        job = replace(job, loop="asyncio")
    return partial(worker, [sys.executable, "-m", f"benchmarks.clients.{MODULES[module]}", job.dumps()])


def whole_node(job: Job, home: Path | None = None) -> Measure:
    """Give ours that runs a flow, with its database in `home`, or without one the bare client with the same mail."""
    command = [sys.executable, "-m", "benchmarks.clients.whole_node", replace(job, warm_up=WARM_UP).dumps()]
    return partial(worker, [*command, str(home)] if home else command)


def worker(command: list[str], environment: Mapping[str, str] | None = None) -> Taken:
    """Run a client that has its job, and take what it tells."""
    ended = run(command, environment)
    tally = Tally(**json.loads(ended.output))
    return Taken(tally.messages / tally.wall, tally.cpu / tally.messages, ended.wall, ended.peak)


def _smtp_source(job: Job) -> Measure | None:
    """Give smtp-source, which counts messages, not seconds: a pilot tells how many fill the time of the job."""
    tool = peers.postfix_tool("smtp-source")
    if tool is None:
        return None

    def send(messages: int) -> Taken:
        options = f"-d -s {job.sessions} -m {messages} -l {MESSAGE_OCTETS} 127.0.0.1:{job.port}"
        ended = run([tool.path, *options.split()], tool.environment)
        return Taken(messages / ended.wall, ended.cpu / messages, ended.wall, ended.peak)

    @cache
    def enough() -> int:
        messages = job.sessions
        while (pilot := send(messages)).wall < PILOT_SECONDS:
            messages *= 4
        return max(job.sessions, int(pilot.rate * job.seconds))

    return lambda: send(enough())


def progress(words: str) -> None:
    """Say on a terminal what is under way."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{words}")
        sys.stderr.flush()
