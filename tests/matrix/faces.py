"""The faces: how a user has a flow run; each plays the cases of a stage at the same time, and each of them twice."""

import asyncio
import json
import re
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx2

from mailnode.app import Mailnode
from mailnode.flow.state import queued_in, results_in
from matrix.scenario import NODE, Scenario
from matrix.stage import PATIENCE, TOKEN, Json, Stage
from support.command import environment_of
from support.forked_python import Process, python

T = TypeVar("T")

_POLL_SECONDS = 0.1
_TESTS = str(Path(__file__).parents[1])


async def play(stage: Stage) -> None:
    """Play every case of a stage, and look what is stored then; raises TimeoutError where one comes to no end."""
    await stage.prepare()
    try:
        async with asyncio.timeout(PATIENCE), stage.hurrying():
            await _FACES[stage.scenarios[0].case.face](stage)
    finally:
        await stage.look()
    await stage.send_again()


async def _python(stage: Stage) -> None:
    async with Mailnode.open(stage.environment) as opened, _working(opened):

        async def once(scenario: Scenario, said: dict[str, Json]) -> None:
            for tag, run_id in stage.run_ids(scenario).items():
                run = await opened.run(stage.flow(scenario), input=scenario.input(tag), run_id=run_id)
                said[tag] = (await opened.settled(run)).to_json()

        await asyncio.gather(*(once(scenario, stage.of(scenario).said) for scenario in stage.scenarios))
        await asyncio.gather(*(once(scenario, stage.of(scenario).again) for scenario in stage.scenarios))


async def _send(stage: Stage) -> None:
    """A program sends by itself what the node would send."""
    async with Mailnode.open(stage.environment) as opened, _working(opened):

        async def twice(scenario: Scenario) -> None:
            (tag,) = scenario.tags()
            made = await opened.dry_run(stage.flow(scenario), NODE, input=scenario.input(tag)).compose()
            for said in (stage.of(scenario).said, stage.of(scenario).again):
                result = await opened.send(made.email, **scenario.send_options(tag))
                said[tag] = dict(result)
                if result["status"] == "queued":
                    ((_, ended),) = [one async for one in opened.drained([result["deliveryId"]])]
                    said[tag] |= ended or {}

        await asyncio.gather(*map(twice, stage.scenarios))


@asynccontextmanager
async def _working(opened: Mailnode) -> AsyncIterator[None]:
    """Carry the queue meanwhile; a worker that ends by itself ends the case at once."""
    async with asyncio.TaskGroup() as group:
        group.create_task(opened.work())
        yield
        await opened.stop()


async def _worker(stage: Stage) -> None:
    """Runs are queued by one process and left to a worker, which is stopped when all has ended."""
    async with Mailnode.open(stage.environment) as opened:
        runs = {}
        for scenario in stage.scenarios:
            ((tag, run_id),) = stage.run_ids(scenario).items()
            run = await opened.run(stage.flow(scenario), input=scenario.input(tag), run_id=run_id)
            runs[scenario.case.id] = run
        async with _process(stage, "mailnode", "worker", *_processes(stage)) as worker:
            for scenario in stage.scenarios:
                (tag,) = scenario.tags()
                run = await _while_it_lives(worker, opened.settled(runs[scenario.case.id]))
                stage.of(scenario).said[tag] = run.to_json()
            worker.send_signal(signal.SIGTERM)
            status = await worker.wait()
        for scenario in stage.scenarios:
            ((tag, run_id),) = stage.run_ids(scenario).items()
            stage.of(scenario).statuses.append(status)
            run = await opened.run(stage.flow(scenario), input=scenario.input(tag), run_id=run_id)
            stage.of(scenario).again[tag] = run.to_json()


def _processes(stage: Stage) -> tuple[str, ...]:
    """Give the options that have the queue worked by processes of its own, where the database allows several."""
    return ("--processes", "2") if stage.database_url else ()


async def _run(stage: Stage) -> None:
    def command(scenario: Scenario) -> list[str]:
        (run_id,) = stage.run_ids(scenario).values()
        return ["run", str(stage.flow(scenario)), "--input", f"@{stage.rows(scenario)}", "--run-id", run_id]

    await _command_line(stage, command)


async def _inputs(stage: Stage) -> None:
    def command(scenario: Scenario) -> list[str]:
        return ["run", str(stage.flow(scenario)), "--inputs", str(stage.rows(scenario)), "--run-id", scenario.name]

    await _command_line(stage, command)


async def _command_line(stage: Stage, command: Callable[[Scenario], list[str]]) -> None:
    """Give the command of each case, and give it again; what each printed stands for its first tag."""
    commands = [command(scenario) for scenario in stage.scenarios]
    async with _process(stage, "matrix.command_line") as process:
        stdout, stderr = await process.communicate(json.dumps(commands * 2).encode())
    ended = json.loads(stdout or "[]")
    assert len(ended) == 2 * len(commands), stderr.decode()
    for number, result in enumerate(ended):
        scenario = stage.scenarios[number % len(commands)]
        assert result["stdout"], result["stderr"]
        assert "a bug in mailnode" not in result["stderr"], result["stderr"]
        ran = stage.of(scenario)
        ran.statuses.append(result["status"])
        said = ran.again if ran.said else ran.said
        said[scenario.tags()[0]] = json.loads(result["stdout"])


async def _serve(stage: Stage) -> None:
    async with _process(stage, "mailnode", "serve", "--port", "0", "--inbox-port", "0", *_processes(stage)) as process:
        url = await _heard(process, r"editor +(http://\S+)")
        headers = {"Authorization": f"Bearer {TOKEN}"}
        # A connection that is kept may be closed by the server at the very moment that it is used again.
        limits = httpx2.Limits(max_keepalive_connections=0)
        async with httpx2.AsyncClient(
            base_url=url, headers=headers, timeout=PATIENCE, trust_env=False, limits=limits
        ) as client:

            async def once(scenario: Scenario, said: dict[str, Json]) -> None:
                for tag, run_id in stage.run_ids(scenario).items():
                    body = {"input": scenario.input(tag)}
                    path = f"/api/flows/{scenario.name}/runs"
                    answer = await client.post(path, json=body, headers={"Idempotency-Key": run_id})
                    run = answer.raise_for_status().json()
                    while queued_in(results_in(run)):
                        await asyncio.sleep(_POLL_SECONDS)
                        run |= (await client.get(f"/api/runs/{run_id}")).raise_for_status().json()
                    said[tag] = run

            await asyncio.gather(*(once(scenario, stage.of(scenario).said) for scenario in stage.scenarios))
            await asyncio.gather(*(once(scenario, stage.of(scenario).again) for scenario in stage.scenarios))
        process.send_signal(signal.SIGTERM)
        status = await process.wait()
        for scenario in stage.scenarios:
            stage.of(scenario).statuses.append(status)


@asynccontextmanager
async def _process(stage: Stage, module: str, *arguments: str) -> AsyncIterator[Process]:
    """Run a module; what it says on stderr is read by whoever wants to, and is never a traceback."""
    process = await python(
        *("-m", module, *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment_of({**stage.variables, "PYTHONPATH": _TESTS}),
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        _, told = await process.communicate()
        assert "Traceback" not in told.decode(), told.decode()


async def _while_it_lives(process: Process, work: Coroutine[Any, Any, T]) -> T:
    """Wait for a work that a process has a part in; one that has ended brings it to no end."""
    ended, task = asyncio.create_task(process.wait()), asyncio.create_task(work)
    await asyncio.wait({ended, task}, return_when=asyncio.FIRST_COMPLETED)
    ended.cancel()
    if not task.done():
        task.cancel()
    assert task.done(), "the process has ended before its work was done"
    return await task


async def _heard(process: Process, pattern: str) -> str:
    assert process.stderr
    said = ""
    while not (found := re.search(pattern, said)):
        line = await process.stderr.readline()
        assert line, said
        said += line.decode()
    return found[1]


_FACES: Mapping[str, Callable[[Stage], Awaitable[Any]]] = {
    "python": _python,
    "worker": _worker,
    "run": _run,
    "inputs": _inputs,
    "serve": _serve,
    "send": _send,
}
