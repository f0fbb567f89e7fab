"""Whether the server is well, for machines that watch it, and its figures (Prometheus' text format)."""

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

from mailnode.web.api.problem import PROBLEMS, Told
from mailnode.web.site import VERSION, SiteHere

router = APIRouter(tags=["health"], responses=PROBLEMS)


class Health(Told):
    """The server answers, and so does its database."""

    status: str = "ok"
    version: str = VERSION


@router.get("/health")
async def health(site: SiteHere) -> Health:
    """Tell whether the database can be read; nothing about what is in it."""
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
    lines += ["# HELP mailnode_flows Flows on the shelf.", "# TYPE mailnode_flows gauge"]
    lines.append(f"mailnode_flows {len(site.shelf.flows())}")
    return "\n".join(lines) + "\n"
