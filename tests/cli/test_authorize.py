"""`mailnode connections create` for OAuth2 and `authorize`, as a person at a terminal meets them."""

import asyncio
import json
import os
import re
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import ProxyHandler, build_opener

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from support.command import mailnode
from support.forked_python import PIPE, python
from support.http_server import reply
from support.token_endpoint import CLIENT_ID, CLIENT_SECRET, USER, refusal, token_endpoint

BROWSER = """
import sys
from urllib.request import ProxyHandler, build_opener
print(build_opener(ProxyHandler({})).open(sys.argv[1]).read().decode())
"""


@pytest.fixture
async def endpoint():
    async with token_endpoint() as served:
        yield served


@pytest.fixture
def browser(tmp_path):
    """A browser whose user consents to everything."""
    program = tmp_path / "browser.py"
    program.write_text(BROWSER)
    return f"{sys.executable} {program} %s"


async def create(endpoint, name="shop", **more):
    fields = {
        "hosts": ["mail.example"],
        "user": USER,
        "clientId": CLIENT_ID,
        "clientSecret": CLIENT_SECRET,
        "accessUrl": endpoint.url,
        "authorizeUrl": endpoint.authorize_url,
        **more,
    }
    made = await mailnode(
        "connections", "create", name, "--type", "oauth2", "--from-json", "-", stdin=json.dumps(fields)
    )
    assert made.status == 0, made.stderr
    return made


async def shown(name="shop"):
    return (await mailnode("connections", "show", name)).json


class Running:
    """A command at work, which is talked to."""

    def __init__(self, process):
        self.process = process
        self.stderr = ""

    async def says(self, pattern):
        """Wait until it says this on stderr."""
        while not (found := re.search(pattern, self.stderr)):
            line = await self.process.stderr.readline()
            assert line, self.stderr
            self.stderr += line.decode()
        return found[0]

    def tell(self, line):
        self.process.stdin.write(f"{line}\n".encode())

    async def ends(self):
        stdout, stderr = await self.process.communicate()
        self.stderr += stderr.decode()
        assert "Traceback" not in self.stderr, self.stderr
        return self.process.returncode, stdout.decode()


@asynccontextmanager
async def authorizing(*options, **environment):
    process = await python(
        *("-m", "mailnode", "connections", "authorize", "shop", *options),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )
    try:
        yield Running(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def visit(url):
    """Go there as a browser does, and on to where it leads."""
    return asyncio.to_thread(lambda: build_opener(ProxyHandler({})).open(url).read().decode())


async def end_of(url):
    """Where the browser of a person who consents would be sent."""
    asked = {key: texts[0] for key, texts in parse_qs(urlsplit(url).query).items()}
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port)
    writer.write(f"GET {urlsplit(url).path}?{urlsplit(url).query} HTTP/1.1\r\n\r\n".encode())
    head = (await reader.read()).decode()
    writer.close()
    assert asked["redirect_uri"] in head
    return next(line[10:] for line in head.split("\r\n") if line.lower().startswith("location: "))


class TestAuthorize:
    async def test_a_browser_opens_and_the_connection_is_authorized(self, endpoint, browser):
        made = await create(endpoint)
        assert "`mailnode connections authorize shop`" in made.stderr
        assert (await shown())["state"] == "needsConsent"
        done = await mailnode("connections", "authorize", "shop", BROWSER=browser)
        assert done.status == 0, done.stderr
        assert done.stdout.splitlines()[-1] == "connection shop is authorized"
        assert endpoint.authorize_url in done.stderr
        now = await shown()
        assert now["state"] == "ready"
        assert now["secrets"] == ["accessToken", "clientSecret", "refreshToken"]
        for token in (*endpoint.access_tokens, *endpoint.refresh_tokens):
            assert token not in done.stdout + done.stderr + json.dumps(now)

    async def test_the_list_tells_whose_and_how_it_is(self, endpoint, browser):
        await create(endpoint)
        before = await mailnode("connections", "list")
        await mailnode("connections", "authorize", "shop", BROWSER=browser)
        after = await mailnode("connections", "list")
        assert "needs consent" in before.stdout
        assert "ready" in after.stdout
        assert USER in after.stdout

    async def test_a_browser_elsewhere_ends_at_an_address_that_is_pasted(self, endpoint):
        await create(endpoint)
        async with authorizing("--no-browser") as running:
            url = await running.says(r"http://\S+authorize\S+")
            running.tell("rubbish")
            await running.says("paste the full address")
            running.tell(url)
            await running.says("the address to open")
            running.tell(await end_of(url))
            assert await running.ends() == (0, "connection shop is authorized\n")
        assert (await shown())["state"] == "ready"

    async def test_a_browser_here_that_nobody_opened_for_us(self, endpoint):
        await create(endpoint)
        async with authorizing("--no-browser") as running:
            page = await visit(await running.says(r"http://\S+authorize\S+"))
            assert "You can close this window" in page
            assert (await running.ends())[0] == 0

    async def test_a_browser_that_does_not_start_leaves_the_way_by_paste(self, endpoint):
        await create(endpoint)
        async with authorizing(BROWSER="false %s", PATH="/nowhere") as running:
            url = await running.says(r"http://\S+authorize\S+")
            await running.says("paste its address here")
            running.tell(await end_of(url))
            assert (await running.ends())[0] == 0

    async def test_the_last_line_may_lack_its_end(self, endpoint):
        await create(endpoint)
        async with authorizing("--no-browser") as running:
            url = await running.says(r"http://\S+authorize\S+")
            running.process.stdin.write((await end_of(url)).encode())
            running.process.stdin.close()
            assert (await running.ends())[0] == 0

    async def test_without_stdin_the_browser_may_still_come(self, endpoint):
        await create(endpoint)
        async with authorizing("--no-browser") as running:
            running.process.stdin.close()
            await visit(await running.says(r"http://\S+authorize\S+"))
            assert (await running.ends())[0] == 0

    async def test_nobody_comes(self, endpoint):
        await create(endpoint)
        done = await mailnode("connections", "authorize", "shop", "--no-browser", "--timeout", "0.01")
        assert done.status == 1
        assert "consent was not given within 0.01 s" in done.stderr
        assert "hint: " in done.stderr
        assert (await shown())["state"] == "needsConsent"

    async def test_a_no(self, endpoint):
        await create(endpoint)
        async with authorizing("--no-browser") as running:
            asked = parse_qs(urlsplit(await running.says(r"http://\S+authorize\S+")).query)
            said = urlencode({"state": asked["state"][0], "error": "access_denied"})
            await visit(f"{asked['redirect_uri'][0]}?{said}")
            assert await running.ends() == (1, "")
            assert "access_denied" in running.stderr

    async def test_ctrl_c(self, endpoint):
        await create(endpoint)
        async with authorizing("--no-browser") as running:
            await running.says("http://")
            running.process.send_signal(signal.SIGINT)
            assert await running.ends() == (130, "")

    @pytest.mark.parametrize(
        ("answer", "says"),
        [
            (refusal("invalid_grant", "no"), "invalid_grant"),
            (reply(b"<html>", content_type="text/html"), "does not answer like a token endpoint"),
            (reply(b"", status=503), "can't issue tokens at the moment"),
        ],
    )
    async def test_the_endpoint_gives_nothing(self, endpoint, browser, answer, says):
        await create(endpoint, refreshToken="rt-old")
        endpoint.fail_next(answer)
        done = await mailnode("connections", "authorize", "shop", BROWSER=browser)
        assert done.status == 1
        assert says in done.stderr
        assert "authorized" not in done.stdout
        assert (await shown())["secrets"] == ["clientSecret", "refreshToken"]

    async def test_consent_that_will_not_last_is_said(self, endpoint, browser):
        await create(endpoint, scope="mail")
        endpoint.answer_extras["refresh_token"] = ""
        done = await mailnode("connections", "authorize", "shop", BROWSER=browser)
        assert done.status == 0
        assert "warning: the provider gave no refresh token" in done.stderr
        assert "offline_access" in done.stderr

    async def test_where_nobody_can_be_asked(self, endpoint):
        await create(endpoint, authorizeUrl=None)
        done = await mailnode("connections", "authorize", "shop")
        assert done.status == 2
        assert "authorizeUrl" in done.stderr
        done = await mailnode("connections", "authorize", "shop", "--device")
        assert done.status == 2
        assert "deviceUrl" in done.stderr

    async def test_another_device(self, endpoint):
        said = {
            "device_code": "dc",
            "user_code": "WDJB-MJHT",
            "verification_uri": "https://login.mail.example/device",
            "interval": 1,
        }
        device_url = endpoint.http.on("/device", reply(json.dumps(said).encode(), content_type="application/json"))
        tokens = {"access_token": "at-1", "refresh_token": "rt-1"}
        endpoint.fail_next(refusal("authorization_pending"))
        endpoint.fail_next(reply(json.dumps(tokens).encode(), content_type="application/json"))
        await create(endpoint, deviceUrl=device_url)
        done = await mailnode("connections", "authorize", "shop", "--device")
        assert (done.status, done.stdout) == (0, "connection shop is authorized\n")
        assert "WDJB-MJHT" in done.stderr
        assert "https://login.mail.example/device" in done.stderr

    async def test_options_that_exclude_each_other(self, endpoint):
        done = await mailnode("connections", "authorize", "shop", "--device", "--port", "8080")
        assert done.status == 2
        assert "--device can't be combined" in done.stderr

    async def test_a_connection_that_is_not_there(self):
        done = await mailnode("connections", "authorize", "nobody")
        assert done.status == 2
        assert "'nobody'" in done.stderr

    async def test_a_connection_with_a_password(self):
        await mailnode("connections", "create", "old", "--host", "mail.example", "--username", "a", stdin="secret\n")
        done = await mailnode("connections", "authorize", "old")
        assert done.status == 2
        assert "logs in with a password" in done.stderr


class TestCreate:
    @pytest.mark.parametrize("stdin", ["", "\n"])
    async def test_a_public_client_of_a_known_service_needs_three_options(self, stdin):
        options = ("--service", "Outlook365", "--user", USER, "--client-id", "app")
        made = await mailnode("connections", "create", "shop", "--type", "oauth2", *options, stdin=stdin)
        assert made.status == 0, made.stderr
        assert "`mailnode connections authorize shop`" in made.stderr
        assert (await shown())["secrets"] == []

    async def test_every_option_becomes_its_field(self):
        options = {
            "--user": USER,
            "--client-id": "app",
            "--scope": "mail",
            "--access-url": "https://a.example/token",
            "--authorize-url": "https://a.example/auth",
            "--device-url": "https://a.example/device",
            "--from": "shop@mail.example",
            "--host": "mail.example",
        }
        arguments = [text for pair in options.items() for text in pair]
        made = await mailnode("connections", "create", "shop", "--type", "oauth2", *arguments, stdin="canary-secret\n")
        assert made.status == 0, made.stderr
        assert "canary-secret" not in made.stderr
        now = await shown()
        assert now["secrets"] == ["clientSecret"]
        assert {key: now[key] for key in ("user", "clientId", "scope", "accessUrl", "authorizeUrl", "deviceUrl")} == {
            "user": USER,
            "clientId": "app",
            "scope": "mail",
            "accessUrl": "https://a.example/token",
            "authorizeUrl": "https://a.example/auth",
            "deviceUrl": "https://a.example/device",
        }

    async def test_an_application_of_a_tenant(self):
        options = ("--service", "Outlook365", "--user", USER, "--client-id", "app", "--tenant-id", "mail.example")
        kind = ("--type", "oauth2ClientCredentials")
        made = await mailnode("connections", "create", "shop", *kind, *options, stdin="secret\n")
        assert made.status == 0, made.stderr
        assert "authorize" not in made.stderr
        assert (await shown())["tenantId"] == "mail.example"

    @pytest.mark.parametrize("is_json", [True, False])
    async def test_a_service_account_with_its_key_in_a_file(self, tmp_path, is_json):
        key = rsa.generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        file = tmp_path / "key"
        account = "robot@shop.example"
        file.write_text(json.dumps({"private_key": key.decode(), "client_email": account}) if is_json else key.decode())
        options = ("--service", "Gmail", "--user", USER, "--private-key", file)
        client = () if is_json else ("--service-client", account)
        made = await mailnode("connections", "create", "shop", "--type", "oauth2ServiceAccount", *options, *client)
        assert made.status == 0, made.stderr
        now = await shown()
        assert (now["serviceClient"], now["secrets"], now["state"]) == (account, ["privateKey"], "ready")

    async def test_a_key_file_that_is_none_is_not_shown(self, tmp_path):
        file = tmp_path / "key"
        file.write_text('{"private_key_id": "canary"')
        options = ("--service", "Gmail", "--user", USER, "--private-key", file)
        made = await mailnode("connections", "create", "shop", "--type", "oauth2ServiceAccount", *options)
        assert made.status == 2
        assert "not the key file of a service account" in made.stderr
        assert "canary" not in made.stderr

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            (("--type", "oauth2", "--username", "a"), "--username goes with --type basic, not with oauth2"),
            (("--user", "a"), "--user goes with --type oauth2 or"),
            (("--type", "oauth2ServiceAccount", "--client-id", "a"), "--client-id goes with"),
            (
                ("--type", "oauth2ClientCredentials", "--authorize-url", "https://a.example"),
                "--authorize-url goes with",
            ),
            (("--type", "oauth2", "--private-key", "/dev/null"), "--private-key goes with"),
            (("--type", "oauth2", "--service", "Gmail", "--user", USER), "there is no --client-id to get tokens with"),
            ((), "neither --service nor --host is given"),
            ((), "--username: this option is required"),
            (("--type", "oauth2ServiceAccount", "--service", "Gmail"), "--private-key: this option is required"),
            (
                ("--type", "oauth2ClientCredentials", "--service", "Gmail", "--user", USER, "--client-id", "a"),
                "--access-url is missing: no client credentials",
            ),
            (("--type", "oauth3"), "oauth3"),
        ],
    )
    async def test_what_does_not_go_together_is_said(self, options, says):
        made = await mailnode("connections", "create", "shop", *options, stdin="secret\n")
        assert made.status == 2
        assert says in made.stderr


async def test_an_input_without_end_is_heard_for_a_while_only(endpoint):
    await create(endpoint)
    # At once, because each takes all of its time.
    arguments = ("connections", "authorize", "shop", "--no-browser", "--timeout", "4")

    async def hears(device):
        with Path(device).open("rb") as stdin:  # noqa: ASYNC230 -- a device, which is there at once
            process = await python("-m", "mailnode", *arguments, stdin=stdin, stderr=PIPE)
            async with asyncio.timeout(60):
                _, stderr = await process.communicate()
        assert process.returncode == 1
        assert b"No more input is read" in stderr
        assert b"consent was not given" in stderr

    async def declines():
        ended = await mailnode(*arguments, stdin="y\n" * 10_000)
        assert ended.stderr.count("that is not the redirect address") == 20
        assert "consent was not given" in ended.stderr

    await asyncio.gather(hears("/dev/zero"), hears("/dev/urandom"), declines())
