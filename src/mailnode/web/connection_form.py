"""The form of a connection: the fields of connections/fields.py, each with its control and a word of help."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mailnode.connections.fields import COMMON, DKIM, SECRET_PATHS, TYPE_FIELDS
from mailnode.connections.service import services
from mailnode.connections.token_rows import TOKEN_SECRETS
from mailnode.connections.values import to_expiry, to_flag, to_hosts, to_recipients, to_texts, to_tls_option, to_url
from mailnode.web.api.services import auth_of

Control = Literal["text", "secret", "pem", "url", "number", "flag", "tls", "lines"]

SECRETS = frozenset({*SECRET_PATHS, *TOKEN_SECRETS})

TYPE_LABELS: Mapping[str, str] = {
    "oauth2": "OAuth2",
    "basic": "Basic Auth",
    "oauth2ClientCredentials": "OAuth2 Client Credentials",
    "oauth2ServiceAccount": "OAuth2 Service Account",
}
TYPE_HINTS: Mapping[str, str] = {
    "oauth2": "A person allows it once, in the browser. Google and Microsoft want this one.",
    "basic": "A user name and a password, or an app password.",
    "oauth2ClientCredentials": "An administrator allows it to an application, for example at Microsoft.",
    "oauth2ServiceAccount": "An administrator allows it to a service account of Google's.",
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
# What most people need not look at: the provider of a known service brings it.
_FOLDED = frozenset({"authorizeUrl", "deviceUrl", "scope"})
_HINTS: Mapping[str, str] = {
    "username": "The login that your email provider gave you, often the address.",
    "password": "The password that goes with it; many services want an app password here.",
    "user": "The mailbox that mail is sent for.",
    "clientId": "The application's id, as the provider registered it.",
    "clientSecret": "The application's secret; a public client has none.",
    "accessToken": "Only needed where there is no refresh token.",
    "refreshToken": "Used to get new access tokens. Leave both tokens empty to authorize in the browser.",
    "expiryDate": "When the access token ends, in Unix milliseconds.",
    "accessUrl": "Where tokens are asked for. Empty: that of the service, else"
    " https://accounts.google.com/o/oauth2/token.",
    "authorizeUrl": "Where consent is asked for. Empty: that of the service.",
    "deviceUrl": "Where consent is asked for on another device. Empty: that of the service.",
    "scope": "What the application asks for. Empty: what the service wants for SMTP.",
    "tenantId": "Microsoft only: the tenant's id or domain.",
    "serviceClient": "The service account's address.",
    "privateKey": "Its RSA key: PEM text, from its BEGIN line to its END line.",
    "from": "The sender, where a mail names none.",
    "tlsOption": "How the connection is made private, where the node does not say it.",
    "allowPlaintextAuth": "Log in without TLS, although everybody on the way could read the password.",
    "proxy": "socks5://host:port or http://host:port, with user:password@ before the host.",
    "rateLimit": "How many mails in a time, such as 30/min or 500/day.",
    "allowedRecipients": "Only these addresses and domains may get mail; one a line. Empty: all.",
    "redirectAllTo": "Test mode: this mailbox gets every mail instead of its recipients.",
    "dkim.domain": "DKIM: the domain that signs.",
    "dkim.selector": "DKIM: the selector, under which its public key stands in the DNS.",
    "dkim.privateKey": "DKIM: the key, PEM text; RSA or Ed25519.",
    "dkim.skipFields": "DKIM: header fields that stay unsigned, one a line; Message-ID where a relay replaces it.",
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
    def hint(self) -> str:
        """What it is for."""
        return _HINTS[self.key]

    @property
    def is_secret(self) -> bool:
        """Whether it is written, and never shown again."""
        return self.key in SECRETS


def form_fields() -> tuple[list[FormField], list[FormField]]:
    """Give the fields that stand open, and those that are folded away; `service` and `hosts` stand elsewhere."""
    checks = {key: check for kind in TYPE_FIELDS.values() for key, check in kind.checks.items()}
    own = [_field(key, check, _types(key), _required(key)) for key, check in checks.items()]
    common = [
        _field(key, check, tuple(TYPE_FIELDS))
        for key, check in _flat(COMMON).items()
        if key not in {"service", "hosts"}
    ]
    more = [field for field in own if field.key in _FOLDED]
    return [field for field in own if field.key not in _FOLDED], more + common


def form_values() -> dict[str, Any]:
    """Give what the template of the dialog wants."""
    fields, more = form_fields()
    return {
        "connection_types": [(kind, label, TYPE_HINTS[kind]) for kind, label in TYPE_LABELS.items()],
        "connection_fields": fields,
        "connection_more": more,
        "connection_services": [(service, auth_of(service)) for service in services()],
    }


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
