"""The runs: the list, and one with what each of its nodes did."""

from dataclasses import asdict
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import Field

from mailnode.flow.run_queries import RUN_STATES, RunDetails, RunSummary, ShownRunStatus, error_of
from mailnode.web.api.runs import list_runs
from mailnode.web.json_safe import json_text, whole
from mailnode.web.live import Live, Part, live
from mailnode.web.page import render
from mailnode.web.paged import Choice
from mailnode.web.pages.deliveries import MOST_SUGGESTED
from mailnode.web.site import Site, SiteHere
from mailnode.web.verdict import mail_verdict

router = APIRouter(prefix="/runs", include_in_schema=False)


class RunChoice(Choice):
    """Which runs a reader has chosen to see."""

    NAME = "runs"

    flow: str = Field("", max_length=400)
    status: ShownRunStatus | Literal[""] = ""


Chosen = Annotated[RunChoice, Query()]


@router.get("")
async def show_list(request: Request, site: SiteHere, choice: Chosen) -> Response:
    """List runs."""
    flows = [flow.name for flow in site.flow_files.listed()[:MOST_SUGGESTED]]
    table = await _table(request, site, choice)
    page = render(request, "records/runs.html", choice=choice, statuses=RUN_STATES, flows=flows, table=table.html)
    page.headers["HX-Push-Url"] = choice.address()
    return page


@router.get("/live/table")
async def renew_table(request: Request, site: SiteHere, choice: Chosen) -> Response:
    """Give the list anew when it has changed."""
    return (await _table(request, site, choice)).answer(request)


# Before the page of a run, whose id may be anything that can be printed.
@router.get("/live/run/{run_id:path}")
async def renew_one(request: Request, site: SiteHere, run_id: str) -> Response:
    """Give what a run did anew when it has changed."""
    return _part(request, await site.mailnode.runs.show(run_id)).answer(request)


@router.get("/{run_id:path}")
async def show_one(request: Request, site: SiteHere, run_id: str) -> Response:
    """Show one run."""
    run = await site.mailnode.runs.show(run_id)
    names = whole({"run": run["run"], "flow": run["flow"]})
    return render(request, "records/run.html", **names, part=_part(request, run).html)


async def _table(request: Request, site: Site, choice: RunChoice) -> Live:
    wanted = choice.stripped()
    status = (wanted.status,) if wanted.status else ()
    page = await list_runs(site, flow=wanted.flow or None, status=status, after=wanted.after or None)
    return choice.table(request, page=page)


def _part(request: Request, run: RunDetails) -> Live:
    part = Part("run", "records/run_part.html", f"/runs/live/run/{quote(run['run'], safe='')}")
    nodes = whole([_node(node) for node in run["nodes"] or ()])
    facts = whole({name: value for name, value in run.items() if name in RunSummary.__annotations__})
    said = {"input": run["input"], "context": run["context"], "output": run["output"]}
    states = {name: json_text(value) for name, value in said.items() if value is not None}
    is_live = run["status"] == "running" or "queued" in run["mails"]
    return live(request, part, is_live=is_live, run=facts, nodes=nodes, states=states)


def _node(node: dict[str, Any]) -> dict[str, Any]:
    """Give what the page shows of a node."""
    result = node.get("result")
    mail = result if isinstance(result, dict) and "deliveryId" in result else {}
    verdict = mail_verdict(mail)
    return {
        "id": node["id"],
        "type": node["type"],
        "label": node["label"],
        "status": node["status"],
        "mail": mail.get("status", ""),
        "delivery": mail.get("deliveryId", ""),
        "verdict": verdict and asdict(verdict),
        "error": error_of(node),
        "result": None if result is None else json_text(result),
    }
