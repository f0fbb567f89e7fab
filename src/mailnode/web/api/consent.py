"""A person's consent for a connection as JSON: asked for, come back, and what became of it."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response

from mailnode.connections.consent.pending import CALLBACK, PendingConsents
from mailnode.web.api.connections import SHOWN, Connection, shown
from mailnode.web.api.problem import PROBLEMS, ApiModel, ErrorDetail, error_detail
from mailnode.web.base_path import at
from mailnode.web.sentence import sentence
from mailnode.web.site import SiteHere

router = APIRouter(prefix="/api/connections", tags=["connections"])

# The cookie by which the browser that began to ask for consent is known again; one for each request.
CONSENT_COOKIE = "mailnode-consent-"


class ConsentRequest(ApiModel):
    """The page that a person opens, and where the answer comes back to; register the latter at the provider."""

    url: str
    redirect_uri: str


class ConsentState(ApiModel):
    """What became of the last authorization; `error` says why it failed, and `warning` why tokens will not last."""

    state: Literal["none", "waiting", "authorized", "failed"]
    error: ErrorDetail | None = None
    warning: str = ""


class PastedAddress(ApiModel):
    """The address of the page where the browser ended."""

    address: str


class Authorization(ApiModel):
    """An authorized connection; `warning` says why its tokens will not last, and is "" if they will."""

    connection: Connection
    warning: str


async def pending_consents(request: Request) -> PendingConsents:
    """Give the requests for consent that this server waits for."""
    state = request.app.state
    if not hasattr(state, "consents"):
        state.consents = PendingConsents()
    consents: PendingConsents = state.consents
    return consents


ConsentsHere = Annotated[PendingConsents, Depends(pending_consents)]


@router.post("/{name}/authorize", responses=PROBLEMS)
async def authorize_connection(
    site: SiteHere, name: str, request: Request, response: Response, consents: ConsentsHere
) -> ConsentRequest:
    """Begin an authorization: return the address that a person opens in the browser that asked."""
    connection = await site.mailnode.connections.get(name)
    pending = consents.begin(connection, f"{request.scope['arrival'].origin}{at('')}")
    response.set_cookie(
        f"{CONSENT_COOKIE}{pending.id}",
        pending.proof,
        max_age=int(consents.seconds),
        path=CALLBACK,
        httponly=True,
        # The provider's page is another site's, and a strict cookie would not come along from there.
        samesite="lax",
    )
    return ConsentRequest(url=pending.request.url, redirect_uri=pending.request.redirect_uri)


@router.get("/{name}/authorize", responses=PROBLEMS)
async def authorization_state(site: SiteHere, name: str, consents: ConsentsHere) -> ConsentState:
    """Say what became of the authorization that was begun last; `none` where there was none, or it took too long."""
    proper = (await shown(site, name)).name
    if consents.is_waiting(proper):
        return ConsentState(state="waiting")
    outcome = consents.outcome(proper)
    if outcome is None:
        return ConsentState(state="none")
    if outcome.error:
        return ConsentState(state="failed", error=error_detail(outcome.error))
    return ConsentState(state="authorized", warning=sentence(outcome.warning))


@router.post("/{name}/authorize/finish", **SHOWN)
async def finish_authorization(
    site: SiteHere, name: str, pasted: PastedAddress, consents: ConsentsHere
) -> Authorization:
    """Finish an authorization with the address where the browser ended, if it did not come back by itself."""
    proper = (await shown(site, name)).name
    pending, code = consents.pasted(proper, pasted.address)
    warning = await consents.settle(pending, code, site.mailnode.connections)
    return Authorization(connection=await shown(site, proper), warning=sentence(warning))
