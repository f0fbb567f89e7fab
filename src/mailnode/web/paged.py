"""Lists that are shown page by page: what a reader chose to see of one, and the part of its page that renews itself."""

from typing import Any, ClassVar, Self
from urllib.parse import urlencode

from fastapi import Request
from pydantic import BaseModel, Field

from mailnode.web.live import Live, Part, Query, live


class Choice(BaseModel):
    """What a reader has chosen to see of a list; `after` is the cursor of the page before."""

    NAME: ClassVar[str]
    # Fields by which nothing is left out of the list.
    NO_FILTERS: ClassVar[frozenset[str]] = frozenset({"after"})

    after: str = Field("", max_length=220)

    def pairs(self, **changed: str | int) -> Query:
        """Give it as a query, without what is so anyhow."""
        chosen = {**self.model_dump(exclude_defaults=True), **changed}
        return tuple((name, str(value)) for name, value in chosen.items() if value != "")

    def address(self, **changed: str | int) -> str:
        """Give the address of the page that shows it."""
        return f"/{self.NAME}?{urlencode(self.pairs(**changed))}".removesuffix("?")

    @property
    def is_filter(self) -> bool:
        """Whether it leaves anything out."""
        return bool(self.model_dump(exclude_defaults=True, exclude=set(self.NO_FILTERS)))

    def table(self, request: Request, **values: Any) -> Live:
        """Fill in the table of the list, with what its template wants."""
        part = Part(self.NAME, f"records/{self.NAME}_table.html", f"/{self.NAME}/live/table", self.pairs())
        return live(request, part, choice=self, **values)

    def stripped(self) -> Self:
        """Give it without blanks around what was typed."""
        return self.model_copy(update={k: v.strip() for k, v in self.model_dump().items() if isinstance(v, str)})
