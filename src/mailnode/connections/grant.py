"""How a connection gets access tokens: the grants of OAuth2 (RFC 6749, RFC 7523) with their forms."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mailnode.connections.service import LOOPBACK, Provider, find_service, providers, service_at
from mailnode.connections.values import bad
from mailnode.errors import ErrorCode

# How long an assertion of a service account is valid, in seconds; Google accepts up to an hour.
ASSERTION_SECONDS = 300
_DEFAULT_TENANT = "common"
_TENANT = "{tenant}"

Form = dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshGrant:
    """A refresh token from a person's consent (RFC 6749 6).

    `authorize_url` and `device_url` are where consent is requested, "" where that is not possible; `consent_scope` and
    `consent_extras` are sent there. `redirect_uri` is where the answer comes to on this machine (RFC 8252 7.3).
    """

    client_id: str
    client_secret: str | None = field(repr=False)
    access_url: str
    scope: str | None = None
    authorize_url: str = ""
    device_url: str = ""
    redirect_uri: str = LOOPBACK
    consent_scope: str = ""
    consent_extras: tuple[tuple[str, str], ...] = ()

    def form(self, refresh_token: str) -> Form:
        """Give the form that asks for another access token."""
        scope = {"scope": self.scope} if self.scope else {}
        return {"grant_type": "refresh_token", "refresh_token": refresh_token, **self.client(), **scope}

    def client(self) -> Form:
        """Give the client's part of a form (RFC 6749 2.3.1)."""
        secret = {"client_secret": self.client_secret} if self.client_secret else {}
        return {"client_id": self.client_id, **secret}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCredentialsGrant:
    """An application that may send by itself (RFC 6749 4.4)."""

    client_id: str
    client_secret: str = field(repr=False)
    access_url: str
    scope: str | None = None

    def form(self) -> Form:
        """Give the form that asks for an access token."""
        client = {"client_id": self.client_id, "client_secret": self.client_secret}
        return {"grant_type": "client_credentials", **client, **({"scope": self.scope} if self.scope else {})}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccountGrant:
    """A service account that may act for a user, by a signed assertion (RFC 7523 2.1)."""

    user: str
    service_client: str
    private_key: str = field(repr=False)
    access_url: str
    scope: str | None = None

    def form(self, now: int) -> Form:
        """Give the form that asks for an access token; `now` is the time in Unix ms."""
        return {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": self._assertion(now // 1000)}

    def _assertion(self, now: int) -> str:
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        claims = {"iss": self.service_client, "sub": self.user, "aud": self.access_url, "iat": now}
        claims |= {"exp": now + ASSERTION_SECONDS, **({"scope": self.scope} if self.scope else {})}
        signed = f"{_part({'alg': 'RS256', 'typ': 'JWT'})}.{_part(claims)}"
        key = load_pem_private_key(self.private_key.encode(), None)
        assert isinstance(key, RSAPrivateKey)  # checked when it was stored
        return f"{signed}.{_base64url(key.sign(signed.encode(), PKCS1v15(), SHA256()))}"


Grant = RefreshGrant | ClientCredentialsGrant | ServiceAccountGrant


def grant_of(kind: str, fields: Mapping[str, Any]) -> Grant | None:
    """Give the grant of checked fields; None for a connection with a password or an access token only."""
    if kind == "basic" or (kind == "oauth2" and "clientId" not in fields):
        return None
    provider, scope = _provider(fields), fields.get("scope")
    access_url = fields.get("accessUrl") or _in_tenant(provider.access_url, fields)
    if kind == "oauth2ClientCredentials":
        return ClientCredentialsGrant(
            client_id=fields["clientId"],
            client_secret=fields["clientSecret"],
            access_url=access_url,
            scope=scope or provider.client_credentials_scope or None,
        )
    if kind == "oauth2ServiceAccount":
        return ServiceAccountGrant(
            user=fields["user"],
            service_client=fields["serviceClient"],
            private_key=fields["privateKey"],
            access_url=access_url,
            scope=scope or provider.service_account_scope or None,
        )
    return RefreshGrant(
        client_id=fields["clientId"],
        client_secret=fields.get("clientSecret"),
        access_url=access_url,
        scope=scope,
        authorize_url=fields.get("authorizeUrl") or _in_tenant(provider.authorize_url, fields),
        device_url=fields.get("deviceUrl") or _in_tenant(provider.device_url, fields),
        redirect_uri=provider.redirect_uri,
        consent_scope=scope or provider.scope,
        consent_extras=tuple(provider.consent.items()),
    )


def check_endpoint(kind: str, fields: Mapping[str, Any]) -> None:
    """Check that the token endpoint is known.

    Raises:
        ConnectionsError: it is not, or it is given twice.
    """
    provider = _provider(fields)
    is_by_tenant = _TENANT in provider.access_url
    if "tenantId" in fields and "accessUrl" in fields:
        raise bad("both accessUrl and tenantId are given", "tenantId", "give only one of them")
    if "tenantId" in fields and not is_by_tenant:
        raise bad(
            "tenantId is for Microsoft only, and this service belongs to another provider",
            "tenantId",
            "leave tenantId out",
        )
    if kind != "oauth2ClientCredentials" or "accessUrl" in fields:
        return
    if not provider.client_credentials_scope:
        raise bad(
            "accessUrl is missing: no client credentials endpoint is known for this service",
            "accessUrl",
            "give the provider's token URL, or use the type oauth2 (with Google also oauth2ServiceAccount)",
            ErrorCode.MISSING_SETTING,
        )
    if is_by_tenant and "tenantId" not in fields:
        hint = "give the tenant's id or domain, from Microsoft Entra: client credentials belong to one tenant"
        raise bad("tenantId is missing", "tenantId", hint, ErrorCode.MISSING_SETTING)


def _provider(fields: Mapping[str, Any]) -> Provider:
    """Give the provider of the tokens; by default Google, as users of this node expect."""
    service = find_service(fields["service"]) if "service" in fields else service_at(fields.get("hosts", ()))
    if service and service.provider:
        return service.provider
    if "accessUrl" in fields:
        return _UNKNOWN
    return providers()["microsoft" if "tenantId" in fields else "google"]


_UNKNOWN = Provider(access_url="", authorize_url="", scope="", consent={})


def _in_tenant(url: str, fields: Mapping[str, Any]) -> str:
    return url.replace(_TENANT, fields.get("tenantId", _DEFAULT_TENANT))


def _part(value: Mapping[str, Any]) -> str:
    return _base64url(json.dumps(value, separators=(",", ":")).encode())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
