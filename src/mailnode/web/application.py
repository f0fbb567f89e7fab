"""The web application: a guard before everything, the API, the pages, and what the browser loads."""

from functools import cache

from fastapi import FastAPI
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from mailnode.tracing import IS_INSTALLED
from mailnode.web.api import (
    apps,
    connections,
    consent,
    deliveries,
    files,
    flow_list,
    flow_runs,
    flows,
    health,
    inbox,
    layouts,
    preview,
    runs,
    services,
    snapshots,
    trial,
    webhooks,
)
from mailnode.web.api.description import DescribedApi, operation_id
from mailnode.web.api.plain_run import plain_run
from mailnode.web.api.problem import JsonAnswer, answer_errors
from mailnode.web.page import STATIC
from mailnode.web.pages import api_docs, login
from mailnode.web.pages import apps as apps_pages
from mailnode.web.pages import connections as connections_pages
from mailnode.web.pages import deliveries as deliveries_pages
from mailnode.web.pages import flows as flows_pages
from mailnode.web.pages import inbox as inbox_pages
from mailnode.web.pages import layouts as layouts_pages
from mailnode.web.pages import runs as runs_pages
from mailnode.web.pages import webhooks as webhooks_pages
from mailnode.web.security.attempts import Attempts
from mailnode.web.security.callers import Callers
from mailnode.web.security.exposure import ON_THIS_MACHINE, Exposure
from mailnode.web.security.guard import Guard
from mailnode.web.security.login_codes import LoginCodes
from mailnode.web.security.sessions import Sessions
from mailnode.web.site import VERSION, Site
from mailnode.web.trace_context import TraceContext

API = (
    files,
    flow_list,
    flow_runs,
    flows,
    layouts,
    preview,
    trial,
    runs,
    deliveries,
    connections,
    apps,
    webhooks,
    consent,
    services,
    inbox,
    snapshots,
    health,
)
_PAGES = (
    api_docs,
    login,
    flows_pages,
    layouts_pages,
    deliveries_pages,
    runs_pages,
    inbox_pages,
    connections_pages,
    apps_pages,
    webhooks_pages,
)


def create_app(
    site: Site, token: str, codes: LoginCodes | None = None, exposure: Exposure = ON_THIS_MACHINE
) -> FastAPI:
    """Make the application of a site: `token` opens it, each of `codes` once, and others find it by `exposure`."""
    app = DescribedApi(
        title="mailnode",
        version=VERSION,
        description="Flows that send mail, their runs, and what became of each mail.",
        openapi_url="/api/openapi.json",
        servers=[{"url": exposure.base_path}] if exposure.base_path else None,
        docs_url=None,  # these pages load their scripts from other hosts
        redoc_url=None,
        default_response_class=JsonAnswer,
        generate_unique_id_function=operation_id,
    )
    app.state.site = site
    app.state.sessions = Sessions(token)
    app.state.attempts = Attempts()
    app.state.codes = codes or LoginCodes()
    answer_errors(app)
    app.router.routes.extend(_routes())
    app.mount("/static", _Static(directory=STATIC, check_dir=False), name="static")
    app.add_middleware(Guard, callers=Callers(site, app.state.sessions, app.state.attempts), exposure=exposure)
    if IS_INSTALLED:
        app.add_middleware(TraceContext)

    return app


@cache
def _routes() -> tuple[BaseRoute, ...]:
    """Give the routes, the same for all applications of a process: to find out what each takes, FastAPI needs long."""
    own = FastAPI(openapi_url=None, default_response_class=JsonAnswer, generate_unique_id_function=operation_id)
    for module in (*API, *_PAGES):
        own.include_router(module.router)
    return plain_run(flow_runs.router), *own.router.routes


class _Static(StaticFiles):
    """Files that browsers may keep: their addresses change with them."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Give a file."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response
