"""A flow run asked for over HTTP, as many at once as there are sessions: of `mailnode serve`, Node-RED and n8n.

All of them answer when the server has accepted the mail, and send to one sink, which counts: an answer without its mail
ends the benchmark.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

from benchmarks import peers
from benchmarks.clients.flow import FLOW, flow_file
from benchmarks.figure import Figure, Row, cpu, mails
from benchmarks.http_peers import Asked, n8n, node_red
from benchmarks.job import Job
from benchmarks.measure import Measure, Taken, worker
from benchmarks.process import free_port, started, wait_for
from benchmarks.servers import CountingSink, counting_sink

SECONDS, WARM_UP_SECONDS = 3.0, 3.0
TOKEN = "0123456789abcdef" * 4


@contextmanager
def _clients(folder: Path) -> Iterator[Mapping[str, Measure]]:
    with counting_sink(folder) as sink, ExitStack() as stack:
        # Each is started when it is first measured: who compares two commits asks for ours alone.
        def measure(server: AbstractContextManager[Asked]) -> Measure:
            started = cache(partial(stack.enter_context, server))
            return lambda: _asked(sink, started())

        clients = {"mailnode": measure(_mailnode(folder, sink.port))}
        if peers.node_red():
            clients["Node-RED"] = measure(node_red(folder, sink))
        if peers.n8n():
            clients["n8n"] = measure(n8n(folder, sink))
        yield clients


def _asked(sink: CountingSink, server: Asked) -> Taken:
    job = Job(port=server.port, sessions=10, seconds=SECONDS, warm_up=WARM_UP_SECONDS)
    command = [sys.executable, "-m", "benchmarks.clients.http_runs", job.dumps(), str(server.pid), server.path]
    before = sink.taken()
    taken = worker(command, {"MAILNODE_TOKEN": TOKEN})
    if (came := sink.taken() - before) < taken.rate * SECONDS:
        raise SystemExit(f"{server.path} answered {taken.rate * SECONDS:.0f} times, but only {came} mails have come")
    return taken


@contextmanager
def _mailnode(folder: Path, sink: int) -> Iterator[Asked]:
    flows = folder / "flows"
    flows.mkdir()
    flow_file(flows, sink)
    port = free_port()
    options = f"--port {port} --inbox-port 0 --flows {flows}"
    command = [sys.executable, "-m", "mailnode", "serve", *options.split()]
    environment = {"MAILNODE_HOME": str(folder), "MAILNODE_TOKEN": TOKEN}
    with started(command, environment, errors=folder / "log") as process:
        wait_for(process, port)
        yield Asked(port, process.pid, f"/api/flows/{FLOW['name']}/runs")


HTTP = Figure(
    work="`mailnode serve`, 10 requests at once", unit="runs/s", pick=mails, beside="Node-RED", reach=1, least=0.8
)
HTTP_BESIDE_N8N = replace(HTTP, beside="n8n", reach=12, least=8)
HTTP_CPU = replace(HTTP, unit="us CPU a run", pick=cpu, is_cost=True, reach=None, least=None)
HTTP_CPU_BESIDE_N8N = replace(HTTP_CPU, beside="n8n")

HTTP_ROWS = (Row("http", _clients, (HTTP, HTTP_BESIDE_N8N, HTTP_CPU, HTTP_CPU_BESIDE_N8N)),)
