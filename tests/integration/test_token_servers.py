"""Renewals at token endpoints that others wrote, over TLS that a company's own authority vouches for."""

import base64
import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest

from support.aiosmtp import submission
from support.command import Result, mailnode
from support.tls import authority, ca_pem
from support.token_endpoint import USER
from support.token_servers import oauth2_mock_server, oidc_provider


@pytest.fixture
def ca_file(tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    path.write_text(ca_pem())
    return path


@pytest.fixture
def npm_server(tmp_path: Path) -> Iterator[str]:
    with oauth2_mock_server(tmp_path) as url:
        yield url


@pytest.fixture
def pypi_server() -> Iterator[str]:
    with oidc_provider() as url:
        yield url


async def send(port: int, ca_file: Path) -> Result:
    return await mailnode(
        *("send", "--host", "127.0.0.1", "--port", str(port), "--tls-option", "none", "--connection", "shop"),
        *("--to", "joe@example.org", "--subject", "Hi", "--text", "Hi", "--json"),
        SSL_CERT_FILE=str(ca_file),
    )


async def create(kind: str, **fields: str) -> None:
    given = {"hosts": ["127.0.0.1"], "user": USER, "clientId": "app", "clientSecret": "kept-well", **fields}
    said = await mailnode("connections", "create", "shop", "--type", kind, "--from-json", "-", stdin=json.dumps(given))
    assert said.status == 0, said.stderr


async def test_client_credentials_at_the_one_of_npm(npm_server: str, ca_file: Path) -> None:
    def issuer_and_scope(token: str) -> str | None:
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "==="))
        return USER if (claims["iss"], claims["scope"]) == (npm_server, "smtp") else None

    await create("oauth2ClientCredentials", accessUrl=f"{npm_server}/token", scope="smtp")
    async with submission(accepts=issuer_and_scope) as server:
        sent = await send(server.port, ca_file)
    assert sent.status == 0, sent.stderr
    assert sent.json["authMechanism"] == "OAUTHBEARER"


async def test_a_refresh_token_at_the_one_of_npm(npm_server: str, ca_file: Path) -> None:
    await create("oauth2", accessUrl=f"{npm_server}/token", refreshToken="some-refresh-token")
    async with submission(accepts=lambda _token: USER) as server:
        sent = await send(server.port, ca_file)
    assert sent.status == 0, sent.stderr
    shown = (await mailnode("connections", "show", "shop")).json
    assert shown["state"] == "ready"
    assert "accessToken" in shown["secrets"]


async def test_it_is_not_asked_where_nobody_vouches_for_it(npm_server: str) -> None:
    await create("oauth2ClientCredentials", accessUrl=f"{npm_server}/token")
    said = await mailnode(
        *("send", "--host", "127.0.0.1", "--port", "9", "--tls-option", "none", "--connection", "shop"),
        *("--to", "joe@example.org", "--text", "Hi"),
    )
    assert said.status == 1
    assert "certificate" in said.stderr
    assert "SSL_CERT_FILE" in said.stderr


async def test_a_refresh_token_at_the_one_of_pypi(pypi_server: str, ca_file: Path) -> None:
    refresh_token = await consent(pypi_server)
    await create("oauth2", accessUrl=f"{pypi_server}/oauth2/token", refreshToken=refresh_token)
    async with submission(accepts=lambda _token: USER) as server:
        sent = await send(server.port, ca_file)
    assert sent.status == 0, sent.stderr


async def test_a_refresh_token_that_the_one_of_pypi_does_not_know(pypi_server: str, ca_file: Path) -> None:
    await create("oauth2", accessUrl=f"{pypi_server}/oauth2/token", refreshToken="unknown")
    said = await send(9, ca_file)
    assert said.status == 1
    assert "consentNeeded" in said.stdout + said.stderr or "authorize shop" in said.stderr


async def consent(url: str) -> str:
    """Give consent as a browser would, and exchange the code."""
    trust = ssl.create_default_context()
    authority().configure_trust(trust)
    back = "http://127.0.0.1:1/"
    asked = {"client_id": "app", "redirect_uri": back, "response_type": "code", "scope": "openid offline_access"}
    async with httpx2.AsyncClient(verify=trust, trust_env=False, timeout=60) as browser:
        allowed = await browser.post(f"{url}/oauth2/authorize?{urlencode(asked)}", data={"sub": USER})
        code = parse_qs(urlsplit(allowed.headers["location"]).query)["code"][0]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": back}
        answer = await browser.post(f"{url}/oauth2/token", data=form, auth=("app", "kept-well"))
    refresh_token: str = answer.json()["refresh_token"]
    return refresh_token
