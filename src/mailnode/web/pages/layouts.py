"""The layouts, and the editor of one."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from mailnode.errors import MailnodeError
from mailnode.node.digest import SEND_SMTP_EMAIL
from mailnode.web.api.layouts import list_layouts, show_layout
from mailnode.web.page import render
from mailnode.web.site import Site, SiteHere

router = APIRouter(include_in_schema=False)


@router.get("/layouts")
async def show_layouts(request: Request, site: SiteHere) -> Response:
    """List the layouts."""
    return render(request, "layouts/list.html", layouts=await list_layouts(site), folder=site.flow_files.folder)


@router.get("/layouts/{name}")
async def edit_layout(request: Request, site: SiteHere, name: str) -> Response:
    """Open a layout in the editor."""
    layout = await show_layout(site, name)
    return render(
        request,
        "layouts/layout.html",
        layout=layout,
        said=layout.model_dump(by_alias=True),
        samples=_samples(site, layout.used_by),
    )


def _samples(site: Site, used_by: list[str]) -> list[tuple[str, str, str]]:
    """Give the nodes whose content a layout can be tried with, those that use it first: flow, node and words."""
    found: list[tuple[bool, str, str, str]] = []
    for flow in site.flow_files.flows():
        try:
            nodes = flow.document().nodes
        except MailnodeError:
            continue
        found += [
            (flow.name not in used_by, flow.name, node.id, f"{flow.name}: {node.label}")
            for node in nodes
            if node.type == SEND_SMTP_EMAIL
        ]
    return [(flow, node, words) for _, flow, node, words in sorted(found)]
