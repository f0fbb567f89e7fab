"""Spans of a run, its node, its delivery and its attempts, one within the other; nothing where the API is not there."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import Iterator

import httpx2
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.types import Receive, Scope, Send

from mailnode.app import Mailnode
from mailnode.web.trace_context import TraceContext
from support.flows import to_server, write_flow
from support.scripted_smtp import ScriptedServer

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture(scope="module")
def exporter() -> InMemorySpanExporter:
    """Collect the spans of this process, which can be told once to whom they go."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


@pytest.fixture
def spans(exporter: InMemorySpanExporter) -> Iterator[InMemorySpanExporter]:
    exporter.clear()
    yield exporter
    exporter.clear()


async def ran(tmp_path, rcpt):
    async with ScriptedServer({"RCPT": rcpt}) as server, Mailnode.open() as mailnode:
        settings = to_server(server.port, to="jane@example.org", stopOnError=False)
        flow = write_flow(tmp_path, {"id": "tell", "type": "sendSmtpEmail", "settings": settings})
        await mailnode.run(flow, run_id="r1")


def parents(found: tuple[ReadableSpan, ...]) -> list[tuple[str, str | None]]:
    names = {span.context.span_id: span.name for span in found if span.context}
    return sorted((span.name, names[span.parent.span_id] if span.parent else None) for span in found)


async def test_a_run_its_node_its_delivery_and_its_attempt_are_spans(tmp_path, home, spans):
    await ran(tmp_path, "250 2.1.5 ok")
    found = {span.name: span for span in spans.get_finished_spans()}
    assert parents(spans.get_finished_spans()) == [
        ("mailnode.attempt", "mailnode.delivery"),
        ("mailnode.delivery", "mailnode.node"),
        ("mailnode.node", "mailnode.run"),
        ("mailnode.run", None),
    ]
    assert (found["mailnode.run"].attributes or {})["mailnode.run.id"] == "r1"
    assert (found["mailnode.delivery"].attributes or {})["mailnode.delivery.status"] == "sent"
    assert {span.status.is_ok for span in found.values()} == {True}


async def test_what_failed_says_with_which_code_and_no_more(tmp_path, home, spans):
    await ran(tmp_path, "550 5.1.1 jane@example.org is gone")
    codes = {span.name: (span.attributes or {}).get("error.type") for span in spans.get_finished_spans()}
    assert codes["mailnode.attempt"] == codes["mailnode.delivery"] == "recipientsRefused"
    assert (codes["mailnode.node"], codes["mailnode.run"]) == ("failed", None)  # it has no stopOnError
    told = "".join(span.to_json() for span in spans.get_finished_spans())
    assert "jane" not in told


@pytest.mark.parametrize(
    ("headers", "expected"), [({"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}, TRACE), ({}, "")]
)
async def test_a_request_continues_the_trace_that_it_names(exporter, headers, expected):
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        here = trace.get_current_span().get_span_context()
        answer = f"{here.trace_id:032x}" if here.is_valid else ""
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": answer.encode()})

    transport = httpx2.ASGITransport(TraceContext(app))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        assert (await client.get("/", headers=headers)).text == expected


@pytest.mark.parametrize(("before", "is_plain"), [("sys.modules['opentelemetry'] = None", True), ("", False)])
async def test_nothing_is_imported_that_the_program_has_not_imported(home, before, is_plain):
    program = (
        f"import sys; {before}\n"
        "from mailnode.app import Mailnode\n"
        "from mailnode.delivery.attempt_loop import AttemptLoop\n"
        f"assert hasattr(AttemptLoop._run, '__wrapped__') is not {is_plain}\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry.')])\n"
    )
    # A process of its own from the start: those that the tests fork have loaded everything.
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=PIPE, stderr=PIPE)
    stdout, stderr = await process.communicate()
    assert (process.returncode, stdout.decode().strip()) == (0, "[]"), stderr.decode()
