"""Requests to run a flow, read without FastAPI where they are as programs write them.

Programs ask for runs by the thousand, and matching the route and solving what its function depends on takes FastAPI
longer than all else that is not the run. Where a request is not a JSON object of the right shape its own route reads
it, and says what is wrong.
"""

import json

from starlette.requests import ClientDisconnect, Request
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mailnode.web.api.flow_runs import run_flow
from mailnode.web.api.flows import RunRequest
from mailnode.web.flow_path import FLOW
from mailnode.web.site import site_of


class PlainRun:
    """The ASGI endpoint of such requests."""

    def __init__(self, documented: ASGIApp) -> None:
        """Leave what is not as expected to `documented`."""
        self._documented = documented

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the flow, and answer."""
        request = Request(scope, receive)
        try:
            body = await request.body()
        except ClientDisconnect:
            return
        if (asked := _read(request, body)) is None:
            await self._documented(scope, _again(body), send)
            return
        key = request.headers.get("idempotency-key")
        response = await run_flow(await site_of(request), request.path_params["name"], asked, key)
        await response(scope, receive, send)


def plain_run(documented: ASGIApp) -> Route:
    """Give the route, which comes before all others."""
    return Route(f"/api/flows/{FLOW}/runs", PlainRun(documented), methods=["POST"], include_in_schema=False)


def _read(request: Request, body: bytes) -> RunRequest | None:
    if request.scope["query_string"]:
        return None
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return None
    try:
        return RunRequest.model_validate(json.loads(body))
    except (ValueError, RecursionError):
        return None


def _again(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
