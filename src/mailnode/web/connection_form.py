"""The form of a connection: the fields of connections/fields.py, each with its control and a word of help."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mailnode.connections.fields import COMMON, DKIM, SECRET_PATHS, TYPE_FIELDS
from mailnode.connections.service import Service, services
from mailnode.connections.token_rows import TOKEN_SECRETS
from mailnode.connections.values import to_expiry, to_flag, to_hosts, to_recipients, to_texts, to_tls_option, to_url
from mailnode.web.api.services import EmailService, auth_of
from mailnode.web.panel import TLS_OPTIONS
from mailnode.web.provider_tiles import TILES

Control = Literal["text", "secret", "pem", "url", "number", "flag", "tls", "lines"]

SECRETS = frozenset({*SECRET_PATHS, *TOKEN_SECRETS})

TYPE_LABELS: Mapping[str, str] = {
    "oauth2": "OAuth2",
    "basic": "Basic Auth",
    "oauth2ClientCredentials": "OAuth2 Client Credentials",
    "oauth2ServiceAccount": "OAuth2 Service Account",
}
TYPE_HINTS: Mapping[str, str] = {
    "oauth2": "You allow it once in the browser. Google and Microsoft prefer this.",
    "basic": "A user name with a password or an app password.",
    "oauth2ClientCredentials": "An administrator grants it to an application, for example at Microsoft.",
    "oauth2ServiceAccount": "An administrator grants it to a Google service account.",
}
_CONTROLS: Mapping[Any, Control] = {
    to_url: "url",
    to_expiry: "number",
    to_flag: "flag",
    to_tls_option: "tls",
    to_hosts: "lines",
    to_texts: "lines",
    to_recipients: "lines",
}
# The fields in the order of the form, by the part where they stand; those that are not named here stand in `more`.
_PLACES: Mapping[str, tuple[str, ...]] = {
    "login": ("username", "password", "user", "clientId", "clientSecret", "serviceClient", "privateKey"),
    "tokens": ("accessToken", "refreshToken", "expiryDate", "accessUrl"),
    "server": ("authorizeUrl", "tenantId", "tlsOption"),
}
# Services that most people look for, before all others.
_POPULAR = (
    "Gmail", "Outlook365", "GmailWorkspace", "Hotmail", "Yahoo", "iCloud", "AOL", "Zoho", "FastMail", "GMX", "SendGrid",
    "Mailgun", "SES", "Postmark",
)  # fmt: skip
# By key: what a field is called, and what it is for.
_WORDS: Mapping[str, tuple[str, str]] = {
    "username": ("User name", "Your login at the email provider, often your email address."),
    "password": ("Password", "The password of this login. Many services require an app password."),
    "user": ("Mailbox", "The mailbox that email is sent from."),
    "clientId": ("Client ID", "The application's ID, as registered with the provider."),
    "clientSecret": ("Client secret", "The application's secret, if it has one."),
    "accessToken": ("Access token", "Required only if there is no refresh token."),
    "refreshToken": (
        "Refresh token",
        "Used to get new access tokens. Leave both tokens empty to authorize in the browser.",
    ),
    "expiryDate": ("Access token expires", "In Unix milliseconds."),
    "accessUrl": (
        "Token URL",
        "Where tokens are requested. If empty: the service's own, or https://accounts.google.com/o/oauth2/token.",
    ),
    "authorizeUrl": ("Authorization URL", "Where you give consent. If empty: the service's own."),
    "deviceUrl": ("Device authorization URL", "Where you give consent on another device. If empty: the service's own."),
    "scope": ("Scope", "What the application asks for. If empty: what the service requires for SMTP."),
    "tenantId": ("Tenant ID", "Microsoft only: the tenant's ID or domain."),
    "serviceClient": ("Service account", "The service account's email address."),
    "privateKey": ("Private key", "Its RSA key in PEM format, from the BEGIN line to the END line."),
    "from": ("Default sender", "Used when an email names no sender."),
    "tlsOption": ("TLS option", "How the connection to the server is encrypted."),
    "allowPlaintextAuth": ("Allow login without TLS", "Anyone on the network path can read the password."),
    "proxy": (
        "Proxy",
        "socks5://host:port or http://host:port, with user:password@ before the host for a login.",
    ),
    "rateLimit": ("Rate limit", "How many emails in a period, such as 30/min or 500/day."),
    "allowedRecipients": (
        "Allowed recipients",
        "Only these addresses and domains can receive email, one per line. If empty: everyone.",
    ),
    "redirectAllTo": ("Redirect all email to", "Test mode: this mailbox gets every email instead of its recipients."),
    "dkim.domain": ("DKIM domain", "The domain that signs."),
    "dkim.selector": ("DKIM selector", "The selector under which the public key is published in DNS."),
    "dkim.privateKey": ("DKIM private key", "The signing key in PEM format, RSA or Ed25519."),
    "dkim.skipFields": (
        "Header fields without DKIM signature",
        "One per line; for example Message-ID, if a relay replaces it.",
    ),
}


@dataclass(frozen=True, slots=True)
class FormField:
    """One field: the types of connections that have it, and those that can't do without it."""

    key: str
    control: Control
    types: tuple[str, ...]
    required: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Its id in the page."""
        return f"connection-{self.key.replace('.', '-')}"

    @property
    def label(self) -> str:
        """What it is called."""
        return _WORDS[self.key][0]

    @property
    def hint(self) -> str:
        """What it is for."""
        return _WORDS[self.key][1]

    @property
    def is_secret(self) -> bool:
        """Whether it is written, and never shown again."""
        return self.key in SECRETS


def form_fields() -> dict[str, list[FormField]]:
    """Give the fields by the part of the form where they stand; `service` and `hosts` stand elsewhere."""
    checks = {key: check for kind in TYPE_FIELDS.values() for key, check in kind.checks.items()}
    fields = {key: _field(key, check, _types(key), _required(key)) for key, check in checks.items()}
    fields |= {key: _field(key, check, tuple(TYPE_FIELDS)) for key, check in _flat(COMMON).items()}
    placed = {place: [fields.pop(key) for key in keys] for place, keys in _PLACES.items()}
    return {**placed, "more": [field for key, field in fields.items() if key not in {"service", "hosts"}]}


def popular_first() -> list[Service]:
    """Give all services: first those that most people look for, then by name."""
    return sorted(services(), key=popularity)


def popularity(service: Service | EmailService) -> int:
    """Say how early a service comes in lists, from 0 on."""
    return _POPULAR.index(service.name) if service.name in _POPULAR else len(_POPULAR)


def form_values() -> dict[str, Any]:
    """Give what the template of the dialog wants."""
    return {
        "connection_types": [(kind, label, TYPE_HINTS[kind]) for kind, label in TYPE_LABELS.items()],
        "connection_tiles": TILES,
        "connection_fields": form_fields(),
        "tls_options": TLS_OPTIONS,
        "connection_services": [(service, auth_of(service)) for service in popular_first()],
        "token_urls": {service.name: _token_url(service) for service in services() if service.provider},
    }


def _token_url(service: Service) -> str:
    return service.provider.access_url.replace("{tenant}", "common") if service.provider else ""


def _field(key: str, check: object, types: tuple[str, ...], required: tuple[str, ...] = ()) -> FormField:
    control: Control = _CONTROLS.get(check, "text")
    if key in SECRETS:
        control = "pem" if key.endswith("privateKey") else "secret"
    return FormField(key, control, types, required)


def _types(key: str) -> tuple[str, ...]:
    return tuple(name for name, kind in TYPE_FIELDS.items() if key in kind.checks)


def _required(key: str) -> tuple[str, ...]:
    return tuple(name for name, kind in TYPE_FIELDS.items() if key in kind.required)


def _flat(checks: Mapping[str, Any]) -> dict[str, Any]:
    """Put the fields of `dkim` in its place."""
    flat: dict[str, Any] = {}
    for key, check in checks.items():
        flat |= {f"dkim.{inner}": inner_check for inner, inner_check in DKIM.items()} if key == "dkim" else {key: check}
    return flat
