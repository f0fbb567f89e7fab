"""The flows, and the editor of one."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from mailnode.web.api.connections import list_connections
from mailnode.web.api.flows import list_flows, show_flow
from mailnode.web.api.services import list_services
from mailnode.web.connection_form import form_values
from mailnode.web.page import render
from mailnode.web.panel import NODE_TYPES, PANELS
from mailnode.web.site import SiteHere

router = APIRouter(include_in_schema=False)


@router.get("/flows")
async def show_flows(request: Request, site: SiteHere) -> Response:
    """List the flows."""
    return render(request, "flows.html", flows=await list_flows(site), folder=site.flow_files.folder)


@router.get("/flows/{name}")
async def edit_flow(request: Request, site: SiteHere, name: str) -> Response:
    """Open a flow in the editor."""
    flow = await show_flow(site, name)
    return render(
        request,
        "editor/editor.html",
        flow=flow,
        said={
            "flow": flow.model_dump(by_alias=True, exclude_unset=True),
            "services": [service.model_dump(by_alias=True) for service in await list_services()],
            "connections": [one.model_dump(by_alias=True, exclude_unset=True) for one in await list_connections(site)],
            "inboxPort": site.inbox_port,
        },
        panels=PANELS,
        node_types=NODE_TYPES,
        **form_values(),
    )
