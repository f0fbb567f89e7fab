"""How to log in, as the first page of *New connection* offers it, with the steps that are needed at each provider.

The steps are in provider_steps.md; docs/connections.md has the same, which a test compares.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from markupsafe import Markup, escape

from mailnode.connections.connection import ConnectionType
from mailnode.connections.service import providers

Redirect = Literal["", "web", "localhost"]

_INLINE = re.compile(
    r"\[(?P<words>[^\]]+)\]\((?P<url>[^)]+)\)|\*\*(?P<strong>[^*]+)\*\*|\*(?P<em>[^*]+)\*|`(?P<code>[^`]+)`"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A way to log in: the type of connection, and the services it is meant for, of which the first is the usual one.

    `required` are fields that this provider requires beyond those of the type, `shows` those that only its form has.
    `redirect` says which redirect address is registered there: the editor's own, or http://localhost.
    """

    id: str
    label: str
    summary: str
    type: ConnectionType
    services: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    shows: tuple[str, ...] = ()
    redirect: Redirect = ""
    redirect_hint: str = ""
    scope: str = ""

    @property
    def steps(self) -> list[Markup]:
        """What is to be done at the provider before, as HTML."""
        return [inline_html(step) for step in provider_steps().get(self.id, ())]


@cache
def provider_steps() -> dict[str, list[str]]:
    """Give the steps at each provider, by the tile's id: a line of Markdown each."""
    text = Path(__file__).with_name("provider_steps.md").read_text(encoding="utf-8")
    _, *sections = re.split(r"^## ", text, flags=re.MULTILINE)
    return {
        name: [" ".join(step.split()) for step in re.split(r"^\d+\. ", body, flags=re.MULTILINE)[1:]]
        for name, _, body in (section.partition("\n") for section in sections)
    }


def inline_html(text: str) -> Markup:
    """Give a line of Markdown as HTML: links, strong and emphasized words, code; all else is text."""
    made, end = Markup(), 0
    for found in _INLINE.finditer(text):
        made += escape(text[end : found.start()])
        end = found.end()
        if url := found["url"]:
            link = Markup('<a href="{}" target="_blank" rel="noopener noreferrer">{}</a>')
            made += link.format(url, inline_html(found["words"]))
        elif words := found["strong"]:
            made += Markup("<strong>{}</strong>").format(words)
        elif words := found["em"]:
            made += Markup("<em>{}</em>").format(words)
        else:
            made += Markup("<code>{}</code>").format(found["code"])
    return made + escape(text[end:])


TILES = (
    Tile(
        id="google",
        label="Google or Gmail",
        summary="You allow it once in the browser. For Gmail and Google Workspace.",
        type="oauth2",
        services=("Gmail", "GmailWorkspace"),
        required=("clientId", "clientSecret"),
        redirect="web",
        redirect_hint="Only a client of the type Web application asks for it. A desktop app needs none.",
        scope=providers()["google"].scope,
    ),
    Tile(
        id="microsoft",
        label="Microsoft 365 or Outlook",
        summary="You allow it once in the browser. For Microsoft 365, Outlook.com and Hotmail.",
        type="oauth2",
        services=("Outlook365", "Hotmail"),
        required=("clientId",),
        shows=("tenantId",),
        redirect="localhost",
        redirect_hint="Register it exactly so, without a port.",
        scope=providers()["microsoft"].scope,
    ),
    Tile(
        id="google-service-account",
        label="Google Workspace service account",
        summary="An administrator allows it for a whole domain. Nobody has to log in.",
        type="oauth2ServiceAccount",
        services=("GmailWorkspace", "Gmail"),
        scope=providers()["google"].service_account_scope,
    ),
    Tile(
        id="microsoft-client-credentials",
        label="Microsoft 365 client credentials",
        summary="An administrator allows it for an application. Nobody has to log in.",
        type="oauth2ClientCredentials",
        services=("Outlook365",),
        required=("tenantId",),
        shows=("tenantId",),
        scope=providers()["microsoft"].client_credentials_scope,
    ),
    Tile(
        id="oauth2",
        label="Another OAuth2 provider",
        summary="With the token URL and, to ask for consent, the authorization URL of the provider.",
        type="oauth2",
        required=("clientId",),
        shows=("authorizeUrl", "type"),
        redirect="web",
        redirect_hint="Register it at the provider, if it takes an address of this machine.",
    ),
    Tile(
        id="password",
        label="User name and password",
        summary="For most other services and your own server. Some require an app password.",
        type="basic",
    ),
)
