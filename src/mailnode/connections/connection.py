"""A connection: as whom mail is sent, where its secrets may go, and to whom it may write."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Self

from mailnode.connections.grant import Grant, grant_of
from mailnode.connections.rate_limit import RateLimit
from mailnode.connections.service import find_service
from mailnode.connections.values import host_key, recipient_key
from mailnode.errors import ConnectionsError, ErrorCode
from mailnode.printable import quoted
from mailnode.smtp.bearer import TokenLogin, Tokens
from mailnode.smtp.proxy import Proxy, parse_proxy
from mailnode.smtp.sasl import Login
from mailnode.smtp.server import TlsOption

ConnectionType = Literal["basic", "oauth2", "oauth2ClientCredentials", "oauth2ServiceAccount"]


class ConnectionRevision(NamedTuple):
    """Which revision of which connection: another one of the same name is another connection."""

    name: str
    id: str
    revision: int


@dataclass(frozen=True, slots=True)
class DkimSettings:
    """What mail of a connection is signed with; `private_key` is PEM text, `skip_fields` stay unsigned."""

    domain: str
    selector: str
    private_key: str = field(repr=False)
    skip_fields: tuple[str, ...] = ()

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Self:
        """Make them of fields that have been checked."""
        skipped = tuple(fields.get("skipFields", ()))
        return cls(fields["domain"], fields["selector"], fields["privateKey"], skipped)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A named connection at one of its revisions, with its secrets (which its repr leaves out).

    Exactly one of `service` and `hosts` is given: it says where the secrets may go. `grant` is how it gets access
    tokens, None for a password or a token that can't be renewed. No `allowed_recipients` means all.
    """

    id: str
    name: str
    type: ConnectionType
    revision: int
    service: str | None = None
    hosts: tuple[str, ...] = ()
    login: Login | TokenLogin
    grant: Grant | None = None
    from_: str | None = None
    tls_option: TlsOption | None = None
    allow_plaintext_auth: bool = False
    proxy: Proxy | None = None
    rate_limit: RateLimit | None = None
    allowed_recipients: tuple[str, ...] = ()
    redirect_all_to: str | None = None
    dkim: DkimSettings | None = None

    @property
    def identity(self) -> ConnectionRevision:
        """Tell this revision of this connection from all others."""
        return ConnectionRevision(self.name, self.id, self.revision)

    @classmethod
    def from_fields(
        cls,
        id: str,  # noqa: A002
        name: str,
        kind: ConnectionType,
        revision: int,
        fields: Mapping[str, Any],
        tokens: Tokens | None = None,
    ) -> Self:
        """Make a connection of fields that `check_fields` has let pass; `tokens` are for types without a password."""
        dkim = fields.get("dkim")
        return cls(
            id=id,
            name=name,
            type=kind,
            revision=revision,
            service=fields.get("service"),
            hosts=tuple(fields.get("hosts", ())),
            login=TokenLogin(fields["user"], tokens) if tokens else Login(fields["username"], fields["password"]),
            grant=grant_of(kind, fields),
            from_=fields.get("from"),
            tls_option=fields.get("tlsOption"),
            allow_plaintext_auth=fields.get("allowPlaintextAuth", False),
            proxy=parse_proxy(fields["proxy"]) if "proxy" in fields else None,
            rate_limit=RateLimit.parse(fields["rateLimit"]) if "rateLimit" in fields else None,
            allowed_recipients=tuple(fields.get("allowedRecipients", ())),
            redirect_all_to=fields.get("redirectAllTo"),
            dkim=DkimSettings.of(dkim) if dkim else None,
        )

    def check_host(self, host: str) -> None:
        """See to it that the secrets may go to this host.

        Raises:
            ConnectionsError: they may not.
        """
        own = (find_service(self.service).host,) if self.service else self.hosts
        if host_key(host) not in {host_key(name) for name in own}:
            raise ConnectionsError(
                f"the connection {self.name!r} is for {self.service or ', '.join(own)}, not for {quoted(host)}",
                code=ErrorCode.CONNECTION_NOT_FOR_HOST,
                hint="use a connection of that server, or change this one's service or hosts, with its secrets",
            )

    def check_recipients(self, addr_specs: Iterable[str]) -> None:
        """See to it that the connection may write to all of these.

        An entry of `allowedRecipients` is an address, or a domain (`example.org` or `@example.org`) without its
        subdomains; both are compared without regard to case.

        Raises:
            ConnectionsError: it may not; the first such address is named.
        """
        if not self.allowed_recipients:
            return
        allowed = {recipient_key(entry) for entry in self.allowed_recipients}
        for addr_spec in addr_specs:
            key = recipient_key(addr_spec)
            if key not in allowed and ("", key[1]) not in allowed:
                raise ConnectionsError(
                    f"the connection {self.name!r} may not write to {quoted(addr_spec)}",
                    code=ErrorCode.RECIPIENT_NOT_ALLOWED,
                    hint="add the address or its domain to the connection's allowedRecipients, or use another one",
                )
