"""The page of apps: programs that hand in email by SMTP."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from mailnode.web.page import render
from mailnode.web.site import SiteHere

router = APIRouter(include_in_schema=False)


@router.get("/apps")
async def apps_page(request: Request, site: SiteHere) -> HTMLResponse:
    """List the apps, with the dialogs that make and change them."""
    connections = [one["name"] for one in await site.mailnode.connections.list()]
    return render(request, "apps/index.html", apps=await site.mailnode.apps.list(), connections=connections)
