"""What a server offers: the keywords of its reply to EHLO (RFC 5321 4.1.1.1)."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Extensions:
    """The service extensions that are used; a server that only knows HELO has none.

    `size` is the largest message in octets, 0 when the server names none, None when it does not offer SIZE (RFC 1870).
    `auth` holds SASL mechanisms in upper case, in the server's order (RFC 4954). `pipelines_messages` is False for a
    server that takes command groups, but none behind a final dot.
    """

    pipelining: bool = False
    size: int | None = None
    eight_bit_mime: bool = False
    smtputf8: bool = False
    starttls: bool = False
    auth: tuple[str, ...] = ()
    pipelines_messages: bool = True

    @classmethod
    def parse(cls, lines: Iterable[str]) -> "Extensions":
        """Read the lines of an EHLO reply; the first one, the server's name, is skipped."""
        keywords: dict[str, list[str]] = {}
        for line in list(lines)[1:]:
            # `AUTH=LOGIN PLAIN` is the form before RFC 2554; some servers still send both.
            keyword, *parameters = line.upper().replace("=", " ", 1).split() or [""]
            keywords.setdefault(keyword, []).extend(parameters)
        return cls(
            pipelining="PIPELINING" in keywords,
            size=_size(keywords.get("SIZE")),
            eight_bit_mime="8BITMIME" in keywords,
            smtputf8="SMTPUTF8" in keywords,
            starttls="STARTTLS" in keywords,
            auth=tuple(dict.fromkeys(keywords.get("AUTH", ()))),
        )

    def __str__(self) -> str:
        """Give what the server offers, as keywords."""
        words = [
            "PIPELINING" if self.pipelining else "",
            "" if self.size is None else f"SIZE {self.size}" if self.size else "SIZE",
            "8BITMIME" if self.eight_bit_mime else "",
            "SMTPUTF8" if self.smtputf8 else "",
            "STARTTLS" if self.starttls else "",
            f"AUTH {' '.join(self.auth)}" if self.auth else "",
        ]
        return ", ".join(filter(None, words)) or "no known extension"


def _size(parameters: list[str] | None) -> int | None:
    if parameters is None:
        return None
    number = parameters[0] if parameters else ""
    # RFC 1870 allows 20 digits; anything else counts as no limit.
    return int(number) if number.isascii() and number.isdigit() and len(number) <= 20 else 0  # noqa: PLR2004 -- above
