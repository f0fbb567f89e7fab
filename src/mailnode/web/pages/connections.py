"""The page of connections, and the one at which a provider's consent comes back."""

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import Field

from mailnode.connections.consent.pending import CALLBACK
from mailnode.errors import MailnodeError
from mailnode.web.api.consent import CONSENT_COOKIE, ConsentsHere
from mailnode.web.api.problem import error_detail, status_of
from mailnode.web.connection_form import TYPE_LABELS, form_values
from mailnode.web.page import render
from mailnode.web.paged import Choice
from mailnode.web.sentence import sentence
from mailnode.web.site import Site, SiteHere

router = APIRouter(include_in_schema=False)

AT_ONCE = 50


class ConnectionChoice(Choice):
    """Which connections a reader has chosen to see; `after` is the name of the last one on the page before."""

    NAME = "connections"

    search: str = Field("", max_length=200)


Chosen = Annotated[ConnectionChoice, Query()]


@router.get("/connections")
async def connections_page(site: SiteHere, request: Request, choice: Chosen) -> HTMLResponse:
    """Show the connections, with the dialog that makes and changes them."""
    page = render(request, "connections/index.html", **await _listing(site, choice), **form_values())
    page.headers["HX-Push-Url"] = choice.address()
    return page


@router.get("/connections/list")
async def connections_list(site: SiteHere, request: Request, choice: Chosen) -> HTMLResponse:
    """Show the list alone."""
    return render(request, "connections/list.html", **await _listing(site, choice))


@router.get(CALLBACK)
async def consent_page(site: SiteHere, request: Request, consents: ConsentsHere) -> HTMLResponse:
    """Take a provider's answer from the browser that asked for it, and say what came of it."""
    proofs = [text for name, text in request.cookies.items() if name.startswith(CONSENT_COOKIE)]
    try:
        pending, code = consents.answered(request.url.query, proofs)
        warning = sentence(await consents.settle(pending, code, site.mailnode.connections))
    except MailnodeError as error:
        page = render(
            request, "connections/consent.html", status_of(error), error=error_detail(error), name="", warning=""
        )
    else:
        page = render(request, "connections/consent.html", error=None, name=pending.connection, warning=warning)
        page.delete_cookie(f"{CONSENT_COOKIE}{pending.id}", path=CALLBACK, httponly=True, samesite="lax")
    page.headers["Referrer-Policy"] = "no-referrer"  # there is a code in the address
    return page


@router.get("/")
async def start(request: Request, consents: ConsentsHere) -> RedirectResponse:
    """Lead to the flows; or a provider's answer to its page, at the address where the browser's cookie is known."""
    query = request.url.query
    if home := consents.home_of(query):
        return RedirectResponse(f"{home}{CALLBACK}?{query}", 303)
    return RedirectResponse(f"{CALLBACK}?{query}" if "state" in request.query_params else "/flows", 303)


async def _listing(site: Site, choice: ConnectionChoice) -> dict[str, Any]:
    found = await site.mailnode.connections.list(search=choice.search.strip(), after=choice.after, limit=AT_ONCE + 1)
    shown = found[:AT_ONCE]
    return {
        "connections": shown,
        "choice": choice,
        "next": shown[-1]["name"] if len(found) > AT_ONCE else "",
        "again": f"/connections/list?{urlencode(choice.pairs())}",
        "type_labels": TYPE_LABELS,
    }
