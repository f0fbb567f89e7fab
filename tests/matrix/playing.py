"""Cases played: stage by stage, what can go together at the same time."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from matrix.checks import check
from matrix.cover import SEED
from matrix.dimensions import Case
from matrix.faces import play
from matrix.scenario import Scenario
from matrix.stage import Ran, Stage
from matrix.world import World

# Processes of their own, so no more at once than two processors bear.
_STAGES_AT_ONCE = 3
# How many cases a stage has: a process that does one after the other has few.
_MOST = 25
_MOST_OF = {"run": 4, "inputs": 4}

# What was played, or why it could not be played to its end.
Played = Mapping[str, tuple[Scenario, Ran, BaseException | None]]


def played(cases: Iterable[Case], world: World, folder: Path, fresh: Callable[[], str]) -> Played:
    """Play cases of one database; `fresh` gives the URL of an empty one, "" for a file in the home."""
    together: dict[tuple[str, ...], list[Scenario]] = defaultdict(list)
    for case in cases:
        scenario = Scenario(case, world)
        together[case.stage_face, *scenario.environment.values()].append(scenario)
    groups = [
        scenarios[first : first + most]
        for (face, *_), scenarios in together.items()
        for most in [_MOST_OF.get(face, _MOST)]
        for first in range(0, len(scenarios), most)
    ]
    stages = [Stage(scenarios, folder / str(number), fresh()) for number, scenarios in enumerate(groups)]
    return asyncio.run(_played(stages))


async def _played(stages: Iterable[Stage]) -> Played:
    turn = asyncio.Semaphore(_STAGES_AT_ONCE)

    async def one(stage: Stage) -> BaseException | None:
        async with turn:
            try:
                await play(stage)
            except Exception as error:  # noqa: BLE001 -- told by each test of the stage
                return error
        return None

    stages = list(stages)
    ends = await asyncio.gather(*map(one, stages))
    return {
        scenario.case.id: (scenario, stage.of(scenario), end)
        for stage, end in zip(stages, ends, strict=True)
        for scenario in stage.scenarios
    }


def judge(case: Case, all_played: Played) -> None:
    """Fail with all that is needed to see it again."""
    scenario, ran, trouble = all_played[case.id]
    if trouble:
        trouble.add_note(f"its deliveries: {ran.deliveries}")
    try:
        check(scenario, ran, trouble)
    except Exception as failed:
        failed.add_note(f"seed {SEED}\n{case.told()}")
        raise
