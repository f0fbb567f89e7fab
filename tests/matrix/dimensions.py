"""The one table of what can be set: whoever adds a setting adds a dimension, or names the setting as exempt (why)."""

from collections.abc import Mapping
from typing import NamedTuple, get_args

from mailnode.smtp.server import TlsOption

# New values go to the end of their row, and new rows to the end of the table: the ids of cases stay what they were.
DIMENSIONS: Mapping[str, tuple[str, ...]] = {
    "service": (
        *("tls only", "starttls only", "both by tls", "both by starttls", "none only"),
        *("other tls", "other starttls", "other none"),
    ),
    "connection": ("none", "basic", "oauth2", "oauth2ClientCredentials", "oauth2ServiceAccount"),
    "attachments": ("none", "url", "text", "base64", "custom", "mime", "several", "inline"),
    # "send" and "enqueue" are programs that send without a flow, the latter in a transaction of their own; "submission"
    # is one that hands in email by SMTP; "queued" are runs that nobody waits for.
    "face": ("run", "inputs", "worker", "serve", "python", "send", "submission", "enqueue", "queued"),
    "proxy": ("none", "socks5 of connection", "socks5 of environment", "http of connection", "http of environment"),
    # What the server does: "impostor" has the certificate of another name, "lost" goes away after the first final dot.
    "server": ("accepts", "refuses one", "defers once", "lost once", "impostor"),
    "login_extra": ("nothing", "from", "dkim", "allowedRecipients", "redirectAllTo"),
    "content": ("text", "html", "styled", "rows"),
    "store_result": ("none", "input", "context"),
    "asynchronous": ("waits", "asynchronous"),
    "database": ("sqlite", "postgres"),
    "stop_on_error": ("goes on", "stops"),
    "partial_delivery": ("allow", "refuse"),
    "on_unknown": ("resend", "hold"),
    "rate_limit": ("none", "20/s"),
    "trust": ("system", "ca"),
    # The settings that each are one header field, one limit or one name: as few as can be, or all there are.
    "rest": ("few", "all"),
    "layout": ("none", "html", "mjml"),
    "invitation": ("none", "request", "cancel"),
    # A webhook is there for a whole database, so also for what goes beside a case that has none.
    "webhook": ("none", "there"),
}
# Faces of what has no flow.
WITHOUT_FLOW = frozenset({"send", "submission", "enqueue"})


class Case(NamedTuple):
    """One combination: of each dimension a value."""

    service: str
    connection: str
    attachments: str
    face: str
    proxy: str
    server: str
    login_extra: str
    content: str
    store_result: str
    asynchronous: str
    database: str
    stop_on_error: str
    partial_delivery: str
    on_unknown: str
    rate_limit: str
    trust: str
    rest: str
    layout: str
    invitation: str
    webhook: str

    @property
    def id(self) -> str:
        """The case in short, one character a dimension."""
        return "".join(_DIGITS[values.index(value)] for values, value in zip(DIMENSIONS.values(), self, strict=True))

    @classmethod
    def of(cls, case_id: str) -> "Case":
        """Read an id."""
        return cls(*(values[_DIGITS.index(one)] for values, one in zip(DIMENSIONS.values(), case_id, strict=True)))

    @property
    def has_flow(self) -> bool:
        """Whether a flow sends it."""
        return self.face not in WITHOUT_FLOW

    @property
    def stage_face(self) -> str:
        """The face that it is played with: runs are queued at a server, on SQLite beside a worker."""
        return {"queued": "serve" if self.database == "postgres" else "worker"}.get(self.face, self.face)

    @property
    def is_other(self) -> bool:
        """Whether the server is given by hand."""
        return self.service.startswith("other")

    @property
    def tls_option(self) -> TlsOption:
        """How TLS begins."""
        return next(mode for mode in get_args(TlsOption) if mode in self.service.split())

    @property
    def has_tls(self) -> bool:
        """Whether it begins at all."""
        return self.tls_option != "none"

    def told(self) -> str:
        """The case for whoever has to understand why it failed."""
        values = "\n".join(f"  {name}: {value}" for name, value in self._asdict().items())
        return f"{values}\n  again: make matrix CASE={self.id}"


_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def why_not(chosen: Mapping[str, str]) -> str:
    """Say why there is no such case, "" if there can be; where not all is chosen yet, of what is chosen."""
    get = {name: chosen.get(name, "") for name in DIMENSIONS}
    is_named = bool(get["service"]) and not get["service"].startswith("other")
    is_clear = get["service"] in {"none only", "other none"}
    is_anonymous = get["connection"] == "none"
    rules = {
        "a service's own host is on this machine only by a proxy": is_named and get["proxy"] == "none",
        "who has no connection has no proxy of it": is_anonymous and get["proxy"].endswith("of connection"),
        "nor its rate limit": is_anonymous and get["rate_limit"] not in {"", "none"},
        "nor what else stands in one": is_anonymous and get["login_extra"] not in {"", "nothing"},
        "nor a tlsOption, and without a wish a service is reached by TLS": is_anonymous
        and get["service"] == "both by starttls",
        "who is waited for goes by no worker": get["face"] == "worker" and get["asynchronous"] == "waits",
        "without a flow there is no state to store in": get["face"] in WITHOUT_FLOW
        and get["store_result"] not in {"", "none"},
        "nor anything to stop": get["face"] in WITHOUT_FLOW and get["stop_on_error"] == "stops",
        "what is handed in or enqueued is in the queue": get["face"] in {"submission", "enqueue"}
        and get["asynchronous"] == "waits",
        "an app has a connection": get["face"] == "submission" and is_anonymous,
        "and SMTP has no words for what a node may wish": get["face"] == "submission"
        and (get["partial_delivery"] == "refuse" or get["on_unknown"] == "hold"),
        "other programs' transactions are in PostgreSQL": get["face"] == "enqueue" and get["database"] == "sqlite",
        "and others would wait for the number of an invitation there": get["face"] == "enqueue"
        and get["invitation"] not in {"", "none"},
        "without TLS nobody says who he is": is_clear and get["server"] == "impostor",
        "nor is there anything to trust": is_clear and get["trust"] == "ca",
        "ca is a setting of other servers": is_named and get["trust"] == "ca",
        "where all goes to one address no other is refused": get["login_extra"] == "redirectAllTo"
        and get["server"] == "refuses one",
        "a whole document stands in no layout": get["content"] == "styled" and get["layout"] not in {"", "none"},
        "nor does a text without HTML": get["content"] == "text" and get["layout"] not in {"", "none"},
        "a picture within the text wants HTML": get["content"] == "text" and get["attachments"] == "inline",
    }
    return next((reason for reason, holds in rules.items() if holds), "")
