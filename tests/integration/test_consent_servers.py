"""`mailnode connections authorize` at a provider that others wrote, over TLS."""

import asyncio
import json
import os
import re
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from support.command import mailnode
from support.forked_python import python
from support.tls import authority, ca_pem
from support.token_endpoint import USER
from support.token_servers import oidc_provider


@pytest.fixture
def provider() -> Iterator[str]:
    with oidc_provider() as url:
        yield url


async def test_consent_in_a_browser_brings_tokens_and_another_consent_others(provider: str, tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    ca_file.write_text(ca_pem())
    fields = {
        "hosts": ["127.0.0.1"],
        "user": USER,
        "clientId": "app",
        "clientSecret": "kept-well",
        "scope": "openid offline_access",
        "accessUrl": f"{provider}/oauth2/token",
        "authorizeUrl": f"{provider}/oauth2/authorize",
    }
    await mailnode("connections", "create", "shop", "--type", "oauth2", "--from-json", "-", stdin=json.dumps(fields))
    revisions = []
    for _ in range(2):
        status, said = await authorize(ca_file)
        assert status == 0, said
        shown = (await mailnode("connections", "show", "shop")).json
        assert shown["state"] == "ready"
        assert shown["secrets"] == ["accessToken", "clientSecret", "refreshToken"]
        revisions.append(shown["revision"])
    assert revisions == [2, 3]


async def authorize(ca_file: Path) -> tuple[int | None, str]:
    """Give consent as a person with a browser does."""
    process = await python(
        *("-m", "mailnode", "connections", "authorize", "shop", "--no-browser"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "SSL_CERT_FILE": str(ca_file)},
    )
    assert process.stderr
    said = ""
    while not (url := re.search(r"https://\S+", said)):
        line = await process.stderr.readline()
        assert line, said
        said += line.decode()
    trust = ssl.create_default_context()
    authority().configure_trust(trust)
    async with httpx2.AsyncClient(verify=trust, trust_env=False, timeout=60) as browser:
        allowed = await browser.post(url[0], data={"sub": USER})
        page = await browser.get(allowed.headers["location"])
    assert "You can close this window" in page.text
    _, rest = await process.communicate()
    return process.returncode, said + rest.decode()
