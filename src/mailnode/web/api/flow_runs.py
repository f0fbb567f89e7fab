"""Flows are run: to their end, or later by a worker."""

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Header, Query, Response

from mailnode.errors import UsageError
from mailnode.web.api.flows import RunRequest
from mailnode.web.api.problem import PROBLEMS, JsonAnswer
from mailnode.web.api.runs import AcceptedRun, FinishedRun
from mailnode.web.flow_path import FLOW
from mailnode.web.site import SiteHere

router = APIRouter(prefix="/api/flows", tags=["flows"], responses=PROBLEMS)

_ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {
        "model": AcceptedRun,
        "description": "With `wait=false`: the run is stored, and will be run.",
        "headers": {"Location": {"description": "The address of the run.", "schema": {"type": "string"}}},
    }
}


@router.post(f"/{FLOW}/runs", response_model=FinishedRun, responses=_ACCEPTED)
async def run_flow(
    site: SiteHere,
    name: str,
    request: RunRequest,
    idempotency_key: Annotated[
        str | None, Header(description="The run's id; the same again runs nothing twice.")
    ] = None,
    wait: Annotated[bool, Query(description="Whether to answer when the run has ended, or once it is stored.")] = True,
) -> Response:
    """Run a flow to its end and return the run; email that it sends asynchronously may still be queued.

    With `wait=false` the answer is 202 once the run is stored with its flow and its input; it is run even if this
    server dies. A run that ended is 200 however its email did: `mail` and `nodes` tell.
    """
    # By its path: an unchanged file is neither read nor parsed again.
    path, run_id = site.flow_files.path(name), _header_text(idempotency_key)
    if wait:
        run = await site.mailnode.run(path, input=request.input, context=request.context, run_id=run_id)
        return JsonAnswer(run.to_json())
    accepted = await site.mailnode.queue_run(path, input=request.input, context=request.context, run_id=run_id)
    return JsonAnswer(accepted.to_json(), 202, {"Location": f"/api/runs/{quote(accepted.id, safe='')}"})


def _header_text(value: str | None) -> str | None:
    """Read a header field's octets as UTF-8, which is what clients send beyond ASCII."""
    if value is None:
        return None
    try:
        return value.encode("latin-1").decode()
    except UnicodeDecodeError:
        raise UsageError("the Idempotency-Key is not UTF-8", hint="use printable characters") from None
