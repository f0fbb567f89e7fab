"""Which deliveries a request is about: the same words for lists, and for what is done to many at once."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from mailnode.delivery.bulk import MOST_AT_ONCE
from mailnode.delivery.delivery import AskedState, asked_states
from mailnode.delivery.pages import Filter
from mailnode.store.sql import CURSOR_PATTERN, Cursor
from mailnode.web.api.problem import ApiModel

MOST_LISTED = 500
_Time = Annotated[int | None, Field(ge=0, le=10**15)]


class DeliveryFilter(ApiModel):
    """Only deliveries that fit all of these; what is left out, or null, fits any."""

    state: list[AskedState] = Field(
        [], description="Only these; may be repeated. `sending`: `claimed` and `handingOver`."
    )
    connection: str | None = Field(None, max_length=200)
    recipient: str | None = Field(
        None, max_length=320, description="An address, the beginning of one, or a domain (@example.org)."
    )
    run: str | None = Field(None, max_length=200)
    flow: str | None = Field(None, max_length=400, description="The flow's name.")
    app: str | None = Field(None, max_length=200, description="The app that handed it in by SMTP.")
    subject: str | None = Field(None, max_length=200, description="Words that the subject contains.")
    since: _Time = Field(None, description="Created at this time or later (Unix ms).")
    until: _Time = Field(None, description="Created before this time (Unix ms).")

    def filter(self, *, after: Cursor | None = None, limit: int) -> Filter:
        """Give it as `delivery/` takes it."""
        return Filter(
            states=asked_states(self.state),
            connection=self.connection,
            recipient=self.recipient,
            run=self.run,
            flow=self.flow,
            app=self.app,
            subject=self.subject,
            since=self.since,
            until=self.until,
            after=after,
            limit=limit,
        )


class ListedDeliveries(DeliveryFilter):
    """Which page of the list is asked for."""

    after: str | None = Field(None, pattern=CURSOR_PATTERN, description="`next` of the page before.")
    limit: Annotated[int, Field(ge=1, le=MOST_LISTED)] = 50

    @property
    def page(self) -> Filter:
        """The page as `delivery/` takes it."""
        return self.filter(after=Cursor.parse(self.after) if self.after else None, limit=self.limit)


class ChosenDeliveries(DeliveryFilter):
    """The deliveries of these ids, or all that fit what else is given, the latest first, `limit` at the most.

    With `dryRun` nothing is done: the answer tells for which it would be.
    """

    delivery_ids: list[Annotated[str, Field(max_length=1000)]] | None = Field(None, max_length=MOST_AT_ONCE)
    limit: Annotated[int, Field(ge=1, le=MOST_AT_ONCE)] = MOST_AT_ONCE
    dry_run: bool = False

    @model_validator(mode="after")
    def _named(self) -> Self:
        given = {key for key, value in self if key in DeliveryFilter.model_fields and value not in (None, [])}
        if (self.delivery_ids is None) == (not given):
            raise ValueError("give deliveryIds, or at least one filter such as state or flow")
        return self


class RetriedDeliveries(ChosenDeliveries):
    """The same, and as for one delivery: whether an unknown outcome is accepted, and by which route they go."""

    is_sure: bool = False
    as_queued: bool = False
