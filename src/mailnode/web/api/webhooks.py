"""Webhooks as JSON: made with a secret that is shown once, tried, and posted to again."""

from typing import Literal
from urllib.parse import quote

from fastapi import APIRouter, Response
from pydantic import Field

from mailnode.web.api.problem import PROBLEMS, ApiModel
from mailnode.web.sentence import sentence
from mailnode.web.site import SiteHere

router = APIRouter(prefix="/api/webhooks", tags=["webhooks"], responses=PROBLEMS)


class Webhook(ApiModel):
    """Where outcomes of deliveries are posted to, without its secret and the query of its URL.

    `events` are the types that it gets; `waiting` and `failed` count events. While it is `failing` one event is tried
    at a time.
    """

    name: str
    url: str
    events: list[str]
    state: Literal["ready", "failing"]
    waiting: int
    failed: int
    created_at: int


class WebhookEvent(ApiModel):
    """An event that is `waiting`, `posted` or `failed`, and what came of its last try.

    Times are Unix ms, and `dueAt` is there while it waits.
    """

    id: str
    type: str
    delivery_id: str
    state: str
    tries: int
    status_code: int | None
    trouble: str
    created_at: int
    due_at: int | None


class WebhookDetails(Webhook):
    """A webhook with its latest events."""

    latest: list[WebhookEvent]


class NewWebhook(ApiModel):
    """A name, a URL, and the outcomes that are posted to it; none stands for all."""

    name: str = Field(max_length=200)
    url: str = Field(max_length=2000)
    events: list[str] = []


class WebhookSecret(ApiModel):
    """The secret that posts are signed with; it is not shown again."""

    name: str
    secret: str


class WebhookAnswer(ApiModel):
    """What came of a test: whether the receiver took it, its status, and what is wrong and what to do if it did not."""

    ok: bool
    status_code: int | None
    trouble: str
    hint: str


class Replay(ApiModel):
    """What is posted again: events by their ids or those of their deliveries, or all since a time (Unix ms).

    Without both it is what was given up, and what waits for its next try.
    """

    events: list[str] = Field(default=[], max_length=1000)
    since: int | None = Field(default=None, ge=0, le=2**53)


class Replayed(ApiModel):
    """How many events will be posted again."""

    count: int


@router.get("")
async def list_webhooks(site: SiteHere) -> list[Webhook]:
    """List the webhooks by name."""
    return [Webhook(**one) for one in await site.mailnode.webhooks.list()]


@router.post("", status_code=201)
async def create_webhook(site: SiteHere, new: NewWebhook, response: Response) -> WebhookSecret:
    """Create a webhook, which gets what ends from now on; its secret is shown only now."""
    secret = await site.mailnode.webhooks.create(new.name, new.url, new.events)
    response.headers["Location"] = f"{router.prefix}/{quote(new.name)}"
    return WebhookSecret(name=new.name, secret=secret)


@router.get("/{name}")
async def show_webhook(site: SiteHere, name: str) -> WebhookDetails:
    """Show a webhook with its latest events."""
    return WebhookDetails(**await site.mailnode.webhooks.show(name))


@router.post("/{name}/test")
async def test_webhook(site: SiteHere, name: str) -> WebhookAnswer:
    """Post a test event now, and tell what the receiver answers."""
    answer = await site.mailnode.webhooks.test(name)
    trouble, hint = sentence(answer.trouble), sentence(answer.hint)
    return WebhookAnswer(ok=not answer.trouble, status_code=answer.status_code, trouble=trouble, hint=hint)


@router.post("/{name}/replay")
async def replay_events(site: SiteHere, name: str, what: Replay) -> Replayed:
    """Have events posted again, for a day from now; their ids stay."""
    return Replayed(count=await site.mailnode.webhooks.replay(name, events=what.events, since=what.since))


@router.delete("/{name}", status_code=204)
async def delete_webhook(site: SiteHere, name: str) -> None:
    """Delete a webhook, with the events that wait for it."""
    await site.mailnode.webhooks.delete(name)
