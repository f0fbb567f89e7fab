"""The flows, and the editor of one."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from mailnode.connections.service import Service, services
from mailnode.web.api.flows import list_flows, show_flow
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
            "flow": flow.model_dump(by_alias=True),
            "services": [_service(service) for service in services()],
            "connections": await site.mailnode.connections.list(),
            "inboxPort": site.inbox_port,
        },
        panels=PANELS,
        node_types=NODE_TYPES,
        **form_values(),
    )


def _service(service: Service) -> dict[str, object]:
    """Give what the panel shows of a service."""
    names = [service.name, *service.aliases]
    return {"name": service.name, "names": names, "host": service.host, "note": service.dead or service.note}
