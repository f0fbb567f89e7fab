"""Whether the server is well, for machines that watch it, and its figures (Prometheus' text format)."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, get_args

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from mailnode.delivery.delivery import State
from mailnode.errors import StoreError
from mailnode.supervision import TaskStatus
from mailnode.web.api.problem import PROBLEMS, ApiModel
from mailnode.web.site import VERSION, Site, SiteHere

_STATES: tuple[str, ...] = get_args(State)

router = APIRouter(tags=["health"], responses=PROBLEMS)


class WorkerHealth(ApiModel):
    """Who works on the queue; `lastLook` is Unix ms, null for never, `reason` says why nobody is alive."""

    alive: bool
    last_look: int | None
    reason: str = ""


class Health(ApiModel):
    """The server answers (`live`); `ready` is that its database does too, and that mail is sent.

    `outcomesWaiting` counts mails and runs of which the database can't be told what came; `reason` says why not.
    """

    status: Literal["ok", "waiting", "failing"] = "ok"
    version: str = VERSION
    live: bool = True
    ready: bool = True
    outcomes_waiting: int = 0
    reason: str | None = None
    worker: WorkerHealth


class Probe(ApiModel):
    """What a supervisor needs: whether to restart it (`/health/live`), or to send it requests (`/health/ready`)."""

    status: Literal["ok", "failing"] = "ok"
    reason: str | None = None


@router.get("/health", responses={503: {"model": Health, "description": "not ready, for this reason"}})
async def health(site: SiteHere, response: Response) -> Health:
    """Tell whether the database can be read, and knows what has happened, and whether the queue is worked off.

    Nothing is told about what is in it. The status is 503 where one of them is not so.
    """
    told = await _health(site)
    if not told.ready:
        response.status_code = 503
    return told


@router.get("/health/live")
async def live() -> Probe:
    """Tell that the server answers; where it does not, a restart may help."""
    return Probe()


@router.get("/health/ready", responses={503: {"model": Probe, "description": "not ready, for this reason"}})
async def ready(site: SiteHere, response: Response) -> Probe:
    """Tell whether the server does all its work, as `/health` does, in few words and without a token."""
    reason = (await _health(site)).reason
    if reason is None:
        return Probe()
    response.status_code = 503
    return Probe(status="failing", reason=reason)


async def _health(site: Site) -> Health:
    report = site.report
    worker = _worker_health(report.queue_tasks)
    waiting = report.outcomes_waiting
    reason = None if worker.alive else f"queued mail is not being sent: {worker.reason}"
    if waiting:
        reason = "outcomes of mail can't be stored in the database"  # why not may name its host
    else:
        try:
            await site.mailnode.deliveries.check_database()
        except StoreError:
            reason = "the database can't be read"
    if reason is None:
        return Health(worker=worker)
    status: Literal["waiting", "failing"] = "waiting" if waiting else "failing"
    return Health(status=status, ready=False, outcomes_waiting=waiting, reason=reason, worker=worker)


def _worker_health(tasks: Sequence[TaskStatus]) -> WorkerHealth:
    last_look = max((task.succeeded_at for task in tasks if task.succeeded_at is not None), default=None)
    is_alive = any(task.is_alive for task in tasks)
    return WorkerHealth(alive=is_alive, last_look=last_look, reason="" if is_alive else tasks[0].reason)


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(site: SiteHere) -> str:
    """Give counts of deliveries by state, of what the processes of this server have carried, and of flows."""
    states = await site.mailnode.deliveries.counts()
    report = site.report
    carried = report.outcomes
    lines = ["# HELP mailnode_info The version that runs.", "# TYPE mailnode_info gauge"]
    lines.append(f'mailnode_info{{version="{VERSION}"}} 1')
    lines += ["# HELP mailnode_deliveries Deliveries in the database by state.", "# TYPE mailnode_deliveries gauge"]
    counts = {**dict.fromkeys(_STATES, 0), **states}
    lines += [f'mailnode_deliveries{{state="{state}"}} {count}' for state, count in sorted(counts.items())]
    lines += [
        "# HELP mailnode_carried_total Queued deliveries that have ended in this server's processes, by outcome.",
        "# TYPE mailnode_carried_total counter",
    ]
    lines += [f'mailnode_carried_total{{status="{status}"}} {count}' for status, count in sorted(carried.items())]
    lines += [
        "# HELP mailnode_answers_due Emails handed over whose server has not replied yet.",
        "# TYPE mailnode_answers_due gauge",
    ]
    lines.append(f"mailnode_answers_due {report.answers_due}")
    lines += ["# HELP mailnode_outcomes_waiting Outcomes that could not be stored yet."]
    lines += ["# TYPE mailnode_outcomes_waiting gauge", f"mailnode_outcomes_waiting {report.outcomes_waiting}"]
    lines += _tasks(report.tasks)
    lines += ["# HELP mailnode_flows Flow files in the folder of flows.", "# TYPE mailnode_flows gauge"]
    lines.append(f"mailnode_flows {len(site.flow_files.listed())}")
    return "\n".join(lines) + "\n"


def _tasks(tasks: Iterable[TaskStatus]) -> list[str]:
    alive, defects, looked = Counter[str](), Counter[str](), dict[str, int]()
    for task in tasks:
        alive[task.name] += task.is_alive
        defects[task.name] += task.defects
        if task.succeeded_at is not None:
            looked[task.name] = max(task.succeeded_at // 1000, looked.get(task.name, 0))
    return [
        *_of_tasks("alive", "gauge", "In how many processes a long-running task is alive.", alive),
        *_of_tasks("last_look_seconds", "gauge", "When it last did its work (Unix time).", looked),
        *_of_tasks("defects_total", "counter", "How often it failed unexpectedly, or was restarted.", defects),
    ]


def _of_tasks(what: str, kind: str, means: str, values: Mapping[str, int]) -> list[str]:
    name = f"mailnode_task_{what}"
    lines = [f'{name}{{task="{task}"}} {value}' for task, value in values.items()]
    return [f"# HELP {name} {means}", f"# TYPE {name} {kind}", *lines]
