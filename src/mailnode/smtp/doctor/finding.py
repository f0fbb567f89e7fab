"""What the doctor found at a server, step by step, and the settings that would work there."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any, Literal

from mailnode.errors import ErrorCode, TokenError
from mailnode.smtp.bearer import Tokens
from mailnode.smtp.server import ServerSettings, TlsOption

Step = Literal[
    "settings", "resolve", "connect", "port", "tls", "greeting", "ehlo", "token", "auth", "mail", "rcpt", "quit"
]
Status = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One step: what was found, in plain words, how long it took, and what to do about it.

    `step` is the phase of an error where there is one of that name. `port` is used where a port speaks another
    protocol than the settings say, and `settings` where these themselves need a remark.
    """

    step: Step
    status: Status
    found: str
    ms: float = 0.0
    hint: str = ""
    code: ErrorCode | None = None

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON."""
        return {
            "step": self.step,
            "status": self.status,
            "found": self.found,
            "ms": round(self.ms, 1),
            "hint": self.hint,
            "code": self.code,
        }


@dataclass(frozen=True, slots=True)
class WorkingSettings:
    """Settings that were tried, and worked as far as EHLO."""

    host: str
    port: int
    tls_option: TlsOption

    @classmethod
    def of(cls, server: ServerSettings) -> "WorkingSettings":
        """Take them from a server's settings."""
        return cls(server.host, server.port, server.tls_option)

    def to_json(self) -> dict[str, Any]:
        """Give them as a node's `smtp` has them."""
        return {"host": self.host, "port": self.port, "tlsOption": self.tls_option}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All findings, in order; `settings` are those that work: the given ones, else others, else None."""

    findings: tuple[Finding, ...]
    settings: WorkingSettings | None

    @property
    def ok(self) -> bool:
        """Whether no step failed."""
        return not self.failed

    @property
    def failed(self) -> tuple[Finding, ...]:
        """The findings that keep mail from being sent."""
        return tuple(finding for finding in self.findings if finding.status == "failed")

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON."""
        return {
            "ok": self.ok,
            "findings": [finding.to_json() for finding in self.findings],
            "settings": self.settings.to_json() if self.settings else None,
        }


OnFinding = Callable[[Finding], None]


class FindingLog:
    """Collects findings and passes each on at once; the time of a step begins where the one before it ended."""

    def __init__(self, on_finding: OnFinding) -> None:
        self.findings: list[Finding] = []
        self._on_finding = on_finding
        self._since = monotonic()

    def note(self, step: Step, status: Status, found: str, *, hint: str = "", code: ErrorCode | None = None) -> None:
        """Add a finding."""
        finding = Finding(step, status, found, (monotonic() - self._since) * 1000, hint, code)
        self.findings.append(finding)
        self._on_finding(finding)
        self._since = monotonic()


class TokenCheck:
    """Gives the access tokens of another source, each with a finding."""

    def __init__(self, tokens: Tokens, log: FindingLog) -> None:
        self._tokens = tokens
        self._log = log

    async def token(self) -> str:
        """Give a token that should be good."""
        return await self._noted(self._tokens.token(), "an access token is available")

    async def renewed(self, refused: str) -> str:
        """Give another one than was refused."""
        return await self._noted(self._tokens.renewed(refused), "the access token was renewed")

    async def _noted(self, coming: Awaitable[str], found: str) -> str:
        try:
            token = await coming
        except TokenError as error:
            self._log.note("token", "failed", error.message, hint=error.hint, code=error.code)
            raise
        self._log.note("token", "ok", found)
        return token
