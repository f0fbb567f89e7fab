"""The faces: how a user has a flow run; each plays the cases of a stage at the same time, and each of them twice."""

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx2

from mailnode.app import Mailnode
from mailnode.flow.run import Run
from mailnode.flow.run_queue import AcceptedRun
from mailnode.flow.state import queued_in, results_in
from matrix.at_work import heard, process, processes, while_it_lives, working
from matrix.doors import enqueue_all, submit_all
from matrix.scenario import NODE, Scenario
from matrix.stage import PATIENCE, TOKEN, Json, Stage

_POLL_SECONDS = 0.1


async def play(stage: Stage) -> None:
    """Play every case of a stage, and look what is stored then; raises TimeoutError where one comes to no end."""
    await stage.prepare()
    try:
        async with asyncio.timeout(PATIENCE), stage.hurrying():
            await _FACES[stage.scenarios[0].case.stage_face](stage)
    finally:
        await stage.look()
    await stage.send_again()


async def _python(stage: Stage) -> None:
    async with Mailnode.open(stage.environment) as opened, working(opened):

        async def once(scenario: Scenario, said: dict[str, Json]) -> None:
            for tag, run_id in stage.run_ids(scenario).items():
                run = await opened.run(stage.flow(scenario), input=scenario.input(tag), run_id=run_id)
                said[tag] = (await opened.settled(run)).to_json()

        await asyncio.gather(*(once(scenario, stage.of(scenario).said) for scenario in stage.scenarios))
        await asyncio.gather(*(once(scenario, stage.of(scenario).again) for scenario in stage.scenarios))


async def _send(stage: Stage) -> None:
    """A program sends by itself what the node would send."""
    async with Mailnode.open(stage.environment) as opened, working(opened):

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


async def _worker(stage: Stage) -> None:
    """Runs or their email are queued by one process and left to a worker, which is stopped when all has ended."""
    async with Mailnode.open(stage.environment) as opened:
        begun = {scenario.name: await _begun(opened, stage, scenario) for scenario in stage.scenarios}
        async with process(stage, "mailnode", "worker", *processes(stage)) as worker:
            for scenario in stage.scenarios:
                (tag,) = scenario.tags()
                end = _end_of(opened, begun[scenario.name])
                stage.of(scenario).said[tag] = await while_it_lives(worker, end)
            worker.send_signal(signal.SIGTERM)
            status = await worker.wait()
        for scenario in stage.scenarios:
            (tag,) = scenario.tags()
            stage.of(scenario).statuses.append(status)
            again = await _begun(opened, stage, scenario)
            stage.of(scenario).again[tag] = await _end_of(opened, again) | again.to_json()


async def _begun(opened: Mailnode, stage: Stage, scenario: Scenario) -> Run | AcceptedRun:
    ((tag, run_id),) = stage.run_ids(scenario).items()
    begin = opened.queue_run if scenario.case.face == "queued" else opened.run
    return await begin(stage.flow(scenario), input=scenario.input(tag), run_id=run_id)


async def _end_of(opened: Mailnode, begun: Run | AcceptedRun) -> Json:
    if isinstance(begun, Run):
        return (await opened.settled(begun)).to_json()
    while _is_under_way(run := dict(await opened.runs.show(begun.id))):  # noqa: ASYNC110 -- another's commit
        await asyncio.sleep(_POLL_SECONDS)
    return run


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
    async with process(stage, "matrix.command_line") as started:
        stdout, stderr = await started.communicate(json.dumps(commands * 2).encode())
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


def _is_under_way(run: Json) -> bool:
    return run["status"] == "running" or bool(queued_in(results_in(run)))


async def _serve(stage: Stage) -> None:
    async with process(stage, "mailnode", "serve", "--port", "0", "--inbox-port", "0", *processes(stage)) as started:
        url = await heard(started, r"editor +(http://\S+)")
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
                    ask = {"wait": "false"} if scenario.case.face == "queued" else {}
                    answer = await client.post(path, json=body, headers={"Idempotency-Key": run_id}, params=ask)
                    run = answer.raise_for_status().json()
                    while "nodes" not in run or _is_under_way(run):
                        await asyncio.sleep(_POLL_SECONDS)
                        run |= (await client.get(f"/api/runs/{run_id}")).raise_for_status().json()
                    said[tag] = run

            await asyncio.gather(*(once(scenario, stage.of(scenario).said) for scenario in stage.scenarios))
            await asyncio.gather(*(once(scenario, stage.of(scenario).again) for scenario in stage.scenarios))
        started.send_signal(signal.SIGTERM)
        status = await started.wait()
        for scenario in stage.scenarios:
            stage.of(scenario).statuses.append(status)


_FACES: Mapping[str, Callable[[Stage], Awaitable[Any]]] = {
    "python": _python,
    "worker": _worker,
    "run": _run,
    "inputs": _inputs,
    "serve": _serve,
    "send": _send,
    "submission": submit_all,
    "enqueue": enqueue_all,
}
