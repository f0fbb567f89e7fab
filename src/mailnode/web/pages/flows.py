"""The flows, and the editor of one."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import Field

from mailnode.node.layout import layout_names
from mailnode.web.api.connections import list_connections
from mailnode.web.api.flow_list import listed, matching, summaries
from mailnode.web.api.flows import show_flow
from mailnode.web.api.services import list_services
from mailnode.web.connection_form import form_values, popularity
from mailnode.web.flow_path import FLOW
from mailnode.web.page import render
from mailnode.web.paged import Choice
from mailnode.web.panel import NODE_TYPES, PANELS
from mailnode.web.site import SiteHere

router = APIRouter(include_in_schema=False)

AT_ONCE = 50


class FlowChoice(Choice):
    """Which flows a reader has chosen to see; `after` counts those on the pages before."""

    NAME = "flows"

    after: str = Field("", pattern=r"^[0-9]{0,6}$")
    search: str = Field("", max_length=200)
    folder: str = Field("", max_length=400)


@router.get("/flows")
async def show_flows(request: Request, site: SiteHere, choice: Annotated[FlowChoice, Query()]) -> Response:
    """List the flows."""
    flows = await listed(site)
    found, begin = matching(flows, choice.search, choice.folder), int(choice.after or 0)
    end = begin + AT_ONCE
    folders = {one.name.rpartition("/")[0] for one in flows}
    page = render(
        request,
        "flows.html",
        flows=await summaries(site, found[begin:end]),
        choice=choice,
        folders=sorted(folders - {""}),
        next=str(end) if len(found) > end else "",
        folder=site.flow_files.folder,
    )
    page.headers["HX-Push-Url"] = choice.address()
    return page


@router.get(f"/flows/{FLOW}")
async def edit_flow(request: Request, site: SiteHere, name: str) -> Response:
    """Open a flow in the editor."""
    flow = await show_flow(site, name)
    services = sorted(await list_services(), key=popularity)
    return render(
        request,
        "editor/editor.html",
        flow=flow,
        said={
            "flow": flow.model_dump(by_alias=True, exclude_unset=True),
            "services": [service.model_dump(by_alias=True) for service in services],
            "connections": [one.model_dump(by_alias=True, exclude_unset=True) for one in await list_connections(site)],
            "layouts": layout_names(site.flow_files.folder),
            "inboxPort": site.inbox_port,
        },
        panels=PANELS,
        node_types=NODE_TYPES,
        **form_values(),
    )
