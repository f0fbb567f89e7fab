"""The page of apps: programs that hand in email by SMTP."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from mailnode.submission.doors import Doors
from mailnode.web.page import render
from mailnode.web.site import SiteHere

router = APIRouter(include_in_schema=False)

# Of these a program uses the name of the host, as the browser does.
_EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104 -- nothing listens here


@router.get("/apps")
async def apps_page(request: Request, site: SiteHere) -> HTMLResponse:
    """List the apps, with the dialogs that make and change them."""
    connections = [one["name"] for one in await site.mailnode.connections.list()]
    return render(
        request,
        "apps/index.html",
        apps=await site.mailnode.apps.list(),
        connections=connections,
        host="" if site.doors.host in _EVERYWHERE else site.doors.host,
        ports=_ports(site.doors),
    )


def _ports(doors: Doors) -> list[tuple[int, str]]:
    """Give the ports that programs can use, each with its encryption as programs name it."""
    found = []
    if doors.port:
        found.append((doors.port, "STARTTLS" if doors.certificate else "None, as it is for this machine alone"))
    if doors.tls_port:
        found.append((doors.tls_port, "SSL/TLS"))
    return found
