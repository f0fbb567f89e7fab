"""The email services that are known by name, as JSON."""

from typing import Literal

from fastapi import APIRouter

from mailnode.connections.connection import ConnectionType
from mailnode.connections.service import Service, find_service, services
from mailnode.smtp.server import TlsOption
from mailnode.web.api.problem import PROBLEMS, ApiModel

router = APIRouter(prefix="/api/services", tags=["services"])


class EmailService(ApiModel):
    """An email service.

    `ports` has one for each TLS mode that it speaks, `auth` the types of connections that it takes. `note` says what an
    account needs before it can send, `dead` why mail will hardly go this way; each is "" where there is nothing to say.
    """

    name: str
    aliases: list[str]
    domains: list[str]
    host: str
    ports: dict[TlsOption, int]
    auth: list[ConnectionType]
    note: str
    dead: str


@router.get("", responses=PROBLEMS)
async def list_services() -> list[EmailService]:
    """List the email services that are known by name."""
    return [_out(service) for service in services()]


@router.get("/{name}", responses=PROBLEMS)
async def show_service(name: str) -> EmailService:
    """Show one service, found by its name, an alias, a domain of its mailboxes, or an address there."""
    return _out(find_service(name))


def auth_of(service: Service) -> list[ConnectionType]:
    """Say which types of connections a service takes."""
    provider = service.provider
    has: dict[Literal["oauth2", "oauth2ClientCredentials", "oauth2ServiceAccount"], bool] = {
        "oauth2": provider is not None,
        "oauth2ClientCredentials": bool(provider and provider.client_credentials_scope),
        "oauth2ServiceAccount": bool(provider and provider.service_account_scope),
    }
    return ["basic", *(kind for kind, is_there in has.items() if is_there)]


def _out(service: Service) -> EmailService:
    return EmailService(
        name=service.name,
        aliases=list(service.aliases),
        domains=list(service.domains),
        host=service.host,
        ports=dict(service.ports),
        auth=auth_of(service),
        note=service.note,
        dead=service.dead,
    )
