"""A connection: a login for sending, where its secrets may be sent, and the recipients that are allowed."""

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
    """A revision of a connection; a new connection under the same name has another `id`."""

    name: str
    id: str
    revision: int


@dataclass(frozen=True, slots=True)
class DkimSettings:
    """The DKIM settings of a connection; `private_key` is PEM text, `skip_fields` are not signed."""

    domain: str
    selector: str
    private_key: str = field(repr=False)
    skip_fields: tuple[str, ...] = ()

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Self:
        """Make them from checked fields."""
        skipped = tuple(fields.get("skipFields", ()))
        return cls(fields["domain"], fields["selector"], fields["privateKey"], skipped)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A named connection at one of its revisions, with its secrets (which its repr leaves out).

    Either `service` or `hosts` is given: it says where the secrets may be sent. `grant` is how access tokens are got,
    None for a password or a token that can't be renewed. Without `allowed_recipients` all are allowed.
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
        """This revision of this connection."""
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
        """Make a connection from fields that `check_fields` has checked; `tokens` are for types without a password."""
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
        """Check that the secrets may be sent to this host.

        Raises:
            ConnectionsError: they may not.
        """
        own = (find_service(self.service).host,) if self.service else self.hosts
        if host_key(host) not in {host_key(name) for name in own}:
            raise ConnectionsError(
                f"the connection {self.name!r} is for {self.service or ', '.join(own)}, not for {quoted(host)}",
                code=ErrorCode.CONNECTION_NOT_FOR_HOST,
                hint="use a connection for that server, or let this one be for it and enter its secrets again",
            )

    def check_recipients(self, addr_specs: Iterable[str]) -> None:
        """Check that the connection may send to all of these addresses.

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
                    f"the connection {self.name!r} is not allowed to send to {quoted(addr_spec)}",
                    code=ErrorCode.RECIPIENT_NOT_ALLOWED,
                    hint="add the address or its domain to the connection's allowedRecipients, or use another one",
                )
