"""Who a message is from and to as far as servers are concerned (RFC 5321 2.3.1)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Envelope:
    """The reverse-path, None for `<>`, and the forward-paths, at least one and no two of them equal."""

    reverse_path: str | None
    forward_paths: tuple[str, ...]

    @property
    def needs_smtputf8(self) -> bool:
        """Whether an address is beyond ASCII, so that the server must offer SMTPUTF8 (RFC 6531)."""
        return not ((self.reverse_path or "").isascii() and all(path.isascii() for path in self.forward_paths))
