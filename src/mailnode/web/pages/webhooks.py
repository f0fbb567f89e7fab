"""The pages of webhooks: where outcomes are posted to, and the latest events of each."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from mailnode.events.webhook import OUTCOMES, PREFIX
from mailnode.web.page import render
from mailnode.web.site import SiteHere

router = APIRouter(include_in_schema=False)


@router.get("/webhooks")
async def webhooks_page(request: Request, site: SiteHere) -> HTMLResponse:
    """List the webhooks, with the dialog that makes one."""
    webhooks = await site.mailnode.webhooks.list()
    return render(request, "webhooks/index.html", webhooks=webhooks, outcomes=OUTCOMES, prefix=PREFIX)


@router.get("/webhooks/{name}")
async def webhook_page(request: Request, site: SiteHere, name: str) -> HTMLResponse:
    """Show the latest events of a webhook."""
    return render(request, "webhooks/webhook.html", webhook=await site.mailnode.webhooks.show(name))
