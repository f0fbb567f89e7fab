"""Whether the server is well, for machines that watch it, and its figures (Prometheus' text format)."""

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from mailnode.web.api.problem import PROBLEMS, Told
from mailnode.web.site import VERSION, SiteHere

router = APIRouter(tags=["health"], responses=PROBLEMS)


class Health(Told):
    """The server answers, and so does its database.

    `outcomesWaiting` counts mails and runs of which the database can't be told what came of them; `reason` says so.
    """

    status: str = "ok"
    version: str = VERSION
    outcomes_waiting: int = 0
    reason: str | None = None


@router.get("/health")
async def health(site: SiteHere, response: Response) -> Health:
    """Tell whether the database can be read, and knows what has happened; nothing about what is in it.

    The status is 503 while outcomes wait for it.
    """
    if waiting := site.mailnode.unstored.count:
        response.status_code = 503
        reason = "the database can't be told what came of mail"  # why not may name its host
        return Health(status="waiting", outcomes_waiting=waiting, reason=reason)
    await site.mailnode.ledger.pending("none")
    return Health()


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(site: SiteHere) -> str:
    """Give counts of deliveries by state, of what this process has carried, and of flows."""
    states = await site.mailnode.ledger.states("")
    carried = site.mailnode.tally
    lines = ["# HELP mailnode_info The version that runs.", "# TYPE mailnode_info gauge"]
    lines.append(f'mailnode_info{{version="{VERSION}"}} 1')
    lines += ["# HELP mailnode_deliveries Deliveries in the database by state.", "# TYPE mailnode_deliveries gauge"]
    lines += [f'mailnode_deliveries{{state="{state}"}} {count}' for state, count in sorted(states.items())]
    lines += [
        "# HELP mailnode_carried_total Deliveries of the queue that ended here.",
        "# TYPE mailnode_carried_total counter",
    ]
    lines += [f'mailnode_carried_total{{status="{status}"}} {count}' for status, count in sorted(carried.items())]
    lines += ["# HELP mailnode_answers_due Mails whose server owes an answer.", "# TYPE mailnode_answers_due gauge"]
    lines.append(f"mailnode_answers_due {site.mailnode.answers_due}")
    lines += ["# HELP mailnode_outcomes_waiting Outcomes that the database does not take now."]
    lines += ["# TYPE mailnode_outcomes_waiting gauge", f"mailnode_outcomes_waiting {site.mailnode.unstored.count}"]
    lines += ["# HELP mailnode_flows Flows on the shelf.", "# TYPE mailnode_flows gauge"]
    lines.append(f"mailnode_flows {len(site.shelf.flows())}")
    return "\n".join(lines) + "\n"
