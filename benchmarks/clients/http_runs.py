"""Runs of a flow asked for over HTTP, as many at once as there are sessions, each over a connection that is kept.

python -m benchmarks.clients.http_runs JOB PID PATH    the port of the job is the server's, whose CPU is told by its PID
"""

import asyncio
import json
import os
import sys
from asyncio import StreamReader, StreamWriter

from benchmarks.job import Job, Tally, report, run, some_at_once
from benchmarks.process import cpu_seconds


async def ask(job: Job, pid: int, path: str) -> Tally:
    """Ask for what the job says."""
    ways = asyncio.Queue[tuple[StreamReader, StreamWriter]]()
    for _ in range(job.sessions):
        ways.put_nowait(await asyncio.open_connection("127.0.0.1", job.port))

    async def one(number: int) -> bool:
        reader, writer = way = ways.get_nowait()
        writer.write(_request(job.port, path, number))
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        body = await reader.readexactly(length)
        ways.put_nowait(way)
        # Of ours also a run that was halted is a run.
        return head.startswith(b"HTTP/1.1 200 ") and not (
            path.startswith("/api") and json.loads(body)["status"] != "done"
        )

    tally = await some_at_once(job, one, lambda: cpu_seconds(pid))
    while not ways.empty():
        ways.get_nowait()[1].close()
    return tally


def _request(port: int, path: str, number: int) -> bytes:
    body = json.dumps({"input": {"order": number, "cents": number}})
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Authorization: Bearer {os.environ['MAILNODE_TOKEN']}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


if __name__ == "__main__":
    report(run(Job.of_this_process(), lambda job: ask(job, int(sys.argv[2]), sys.argv[3])))
