"""Which node of which flow a delivery comes from, and what a person's retry learns there."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from mailnode.delivery.route import Destination, Route


@dataclass(frozen=True, slots=True)
class Origin:
    """The node that a delivery was made by.

    `file` is the absolute path of the flow file. `content` is a digest of what the node's settings said of the mail: it
    stays the same while the route to the server is mended, and tells the node from another one in its place.
    """

    file: str
    flow: str
    node: str
    content: str

    def to_json(self) -> dict[str, str]:
        """Give it as it is stored with a delivery."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any] | None) -> Self | None:
        """Read what `to_json` gave; None for a delivery that comes from no flow file."""
        return cls(**stored) if stored else None


@dataclass(frozen=True, slots=True)
class PresentRoute:
    """Where a node sends its mail by now, the route that this makes, and for how many hours mail is tried."""

    destination: Destination
    route: Route
    retry_hours: float


# Raises a MailnodeError that says why nothing can be learned there.
FindPresentRoute = Callable[[Origin], Awaitable[PresentRoute]]
