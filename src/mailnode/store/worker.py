"""Who is alive among the processes that work on one database, and whose claims may be taken over."""

from collections.abc import Collection
from typing import Protocol, Self

from sqlalchemy import Connection


class Worker(Protocol):
    """This process, as the others see it."""

    @property
    def id(self) -> str:
        """What is written into a claim now; another one once all earlier claims may have been taken over."""

    def alive(self, db: Connection, worker_id: str | None) -> bool:
        """Tell whether nobody may take over what was claimed under this id."""

    def dead_among(self, db: Connection, worker_ids: Collection[str | None]) -> set[str | None]:
        """Give those of these ids whose claims may be taken over."""

    def holds(self, worker_id: str) -> bool:
        """Tell, without the database, that nobody can have taken over what this process claimed under this id."""

    def close(self) -> None:
        """Leave, once or again: from here on others may take over what this process had claimed."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...
