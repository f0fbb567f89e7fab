"""Mail that a program hands in by SMTP: from its first to the last that the server behind has accepted."""

import asyncio
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.measure import Measure, Taken
from benchmarks.process import free_port, serving, started, wait_for
from benchmarks.queue_job import QueueJob
from benchmarks.queues import SQLITE, Folders, Process, environment_of, go_on
from benchmarks.servers import CountingSink, counting_plain_sink

POSTFIX, RELAY = "Postfix", "no queue"
_JOB = QueueJob(port=0)
_MAIN = """\
compatibility_level = 3.6
queue_directory = {root}/queue
data_directory = {root}/data
maillog_file = {root}/log
maillog_file_prefixes = {root}
myhostname = mail.bench.example
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
relayhost = 127.0.0.1:{behind}
initial_destination_concurrency = 10
default_destination_concurrency_limit = 10
smtp_destination_recipient_limit = 1
smtp_connection_cache_destinations = 127.0.0.1
smtp_tls_security_level = none
"""
_MASTER = """\
{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
scache unix - - n - 1 scache
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


@contextmanager
def handed_in(folder: Path) -> Iterator[Mapping[str, Measure]]:
    """Give mailnode's server, Postfix as a local relay if it is here, and a server that keeps nothing."""
    folders = Folders(folder)
    clients: dict[str, Measure] = {
        SQLITE: partial(_through_mailnode, folders),
        RELAY: partial(_through_relay, folders),
    }
    if (program := shutil.which("postfix", path=f"{os.environ.get('PATH', '')}:/usr/sbin")) and os.geteuid() == 0:
        clients[POSTFIX] = partial(_through_postfix, program, folders)
    yield clients


def _measure(sink: CountingSink, port: int, environment: Mapping[str, str], *others: subprocess.Popen[bytes]) -> Taken:
    job = replace(_JOB, port=port)
    producer: Process = [sys.executable, "-m", "benchmarks.clients.submit", job.dumps()], environment
    with started(*producer) as submitter:
        sink.wait(job.warm_up, submitter, *others)
        wall = time.perf_counter()
        go_on(submitter)
        sink.wait(job.warm_up + job.messages, submitter, *others)
        wall = time.perf_counter() - wall
    return Taken(job.messages / wall, math.nan, wall, math.nan)


def _through_mailnode(folders: Folders) -> Taken:
    home = folders.fresh()
    environment = environment_of(home, None)
    with counting_plain_sink(home) as sink, ExitStack() as stack:
        password = asyncio.run(_make_app(home, sink.port))
        port = free_port()
        command = [sys.executable, "-m", "mailnode", "submission", "--port", str(port)]
        server = stack.enter_context(started(command, environment, errors=home / "log"))
        wait_for(server, port)
        return _measure(sink, port, {"BENCH_PASSWORD": password}, server)


async def _make_app(home: Path, port: int) -> str:
    from mailnode.app import Mailnode

    async with Mailnode.open(home=home) as opened:
        login = {"hosts": ["127.0.0.1"], "username": "bench", "password": "bench", "allowPlaintextAuth": True}
        await opened.connections.create("sink", "basic", login)
        place = {"host": "127.0.0.1", "port": port, "tlsOption": "none"}
        made = await opened.apps.create("bench", {"connection": "sink", "senders": ["@example.com"], **place})
    return made.password


def _through_relay(folders: Folders) -> Taken:
    home, port = folders.fresh(), free_port()
    with counting_plain_sink(home) as sink:
        command = [sys.executable, "-m", "benchmarks.plain_relay", str(port), str(sink.port)]
        with serving(command, port):
            return _measure(sink, port, {})


def _through_postfix(program: str, folders: Folders) -> Taken:
    # Its processes are those of another user, to whom the folder of the run is closed.
    root = Path(tempfile.mkdtemp(prefix="mailnode-bench-postfix-"))
    try:
        root.chmod(0o755)
        for name in ("etc", "queue", "data"):
            (root / name).mkdir()
        shutil.chown(root / "data", "postfix")
        port = free_port()
        with counting_plain_sink(folders.fresh()) as sink:
            (root / "etc/main.cf").write_text(_MAIN.format(root=root, behind=sink.port))
            (root / "etc/master.cf").write_text(_MASTER.format(port=port))
            subprocess.run([program, "-c", root / "etc", "start"], check=True, capture_output=True)
            try:
                return _measure(sink, port, {})
            finally:
                subprocess.run([program, "-c", root / "etc", "stop"], check=False, capture_output=True)
    finally:
        shutil.rmtree(root)
