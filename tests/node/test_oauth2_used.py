"""A connection with access tokens, from the book to the server's AUTH, while tokens end, rotate and are revoked."""

import asyncio
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mailnode.app import Mailnode
from support.aiosmtp import submission
from support.command import mailnode as command
from support.flows import to_server, write_flow
from support.http_server import reply
from support.scripted_smtp import ScriptedServer
from support.tls import ca_pem, server_context
from support.token_endpoint import CLIENT_ID, CLIENT_SECRET, USER, in_ms, refusal, token_endpoint

APP = {"clientId": CLIENT_ID, "clientSecret": CLIENT_SECRET}


@pytest.fixture
async def endpoint():
    async with token_endpoint() as served:
        yield served


def account(endpoint, **fields):
    """Fields of a connection whose access token is over."""
    over = {"accessToken": "at-old", "expiryDate": in_ms(-1), "refreshToken": endpoint.consent()}
    return {"hosts": ["127.0.0.1", "localhost"], "user": USER, "accessUrl": endpoint.url, **APP, **over, **fields}


def flow_of(folder, port, **settings):
    settings = to_server(port, **{"connection": "shop", "from": None, **settings})
    return write_flow(folder, {"id": "tell", "type": "sendSmtpEmail", "settings": settings})


async def result_of(mailnode, flow):
    result = (await mailnode.run(flow)).nodes[0].result
    assert "canary" not in json.dumps(result)
    return result


class TestTheLogin:
    @pytest.mark.parametrize(
        ("without", "mechanism"), [((), "OAUTHBEARER"), (("OAUTHBEARER", "PLAIN", "LOGIN"), "XOAUTH2")]
    )
    async def test_is_by_the_strongest_mechanism_and_the_user_is_the_sender(
        self, tmp_path, endpoint, without, mechanism
    ):
        async with submission(accepts=endpoint.accepts, without=without) as server, Mailnode.open() as mailnode:
            await mailnode.connections.create("shop", "oauth2", account(endpoint))
            report = await result_of(mailnode, flow_of(tmp_path, server.port))
        assert (report["status"], report["authMechanism"]) == ("sent", mechanism), report["error"]
        assert report["envelope"]["from"] == USER
        assert server.mechanisms == [mechanism]

    @pytest.mark.parametrize("wish", ["connection", "settings"])
    @pytest.mark.parametrize("tls_option", ["tls", "starttls", "none"])
    async def test_keeps_to_the_tls_option_wherever_it_stands(self, tmp_path, endpoint, tls_option, wish):
        tls = None if tls_option == "none" else server_context()
        async with (
            submission(tls=tls, implicit=tls_option == "tls", accepts=endpoint.accepts) as server,
            Mailnode.open() as mailnode,
        ):
            mode = {"tlsOption": tls_option}
            smtp = {"host": "localhost", "port": server.port, "ca": ca_pem(), **(mode if wish == "settings" else {})}
            fields = account(endpoint, **(mode if wish == "connection" else {}))
            await mailnode.connections.create("shop", "oauth2", fields)
            report = await result_of(mailnode, flow_of(tmp_path, server.port, smtp=smtp))
        assert report["status"] == "sent", report["error"]
        assert bool(report["tlsVersion"]) is (tls_option != "none")

    async def test_tls_is_the_default(self, tmp_path, endpoint):
        async with (
            submission(tls=server_context(), implicit=True, accepts=endpoint.accepts) as server,
            Mailnode.open() as mailnode,
        ):
            await mailnode.connections.create("shop", "oauth2", account(endpoint))
            smtp = {"host": "localhost", "port": server.port, "ca": ca_pem()}
            report = await result_of(mailnode, flow_of(tmp_path, server.port, smtp=smtp))
        assert report["status"] == "sent", report["error"]

    async def test_client_credentials(self, tmp_path, endpoint):
        async with submission(accepts=endpoint.accepts) as server, Mailnode.open() as mailnode:
            fields = {"hosts": ["127.0.0.1"], "user": USER, "accessUrl": endpoint.url, "scope": "smtp", **APP}
            await mailnode.connections.create("shop", "oauth2ClientCredentials", fields)
            report = await result_of(mailnode, flow_of(tmp_path, server.port))
        assert report["status"] == "sent", report["error"]

    async def test_a_service_account(self, tmp_path, endpoint):
        key = generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        async with submission(accepts=endpoint.accepts) as server, Mailnode.open() as mailnode:
            robot = {"serviceClient": "robot", "privateKey": key.decode(), "accessUrl": endpoint.url}
            await mailnode.connections.create(
                "shop", "oauth2ServiceAccount", {"hosts": ["127.0.0.1"], "user": USER, **robot}
            )
            report = await result_of(mailnode, flow_of(tmp_path, server.port))
        assert report["status"] == "sent", report["error"]

    async def test_mailnode_send_uses_it_too(self, endpoint):
        async with submission(accepts=endpoint.accepts) as server:
            async with Mailnode.open() as mailnode:
                await mailnode.connections.create("shop", "oauth2", account(endpoint))
            said = await command(
                *("send", "--host", "127.0.0.1", "--port", str(server.port), "--tls-option", "none"),
                *("--connection", "shop", "--to", "joe@example.org", "--subject", "Hi", "--text", "Hi"),
            )
            assert said.status == 0, said.stderr
            assert server.envelopes[0].mail_from == USER
            tested = await command(
                *("connections", "test", "shop", "--host", "127.0.0.1", "--port", str(server.port)),
                *("--tls-option", "none"),
            )
        assert tested.status == 0, tested.stdout
        assert endpoint.grants == ["refresh_token"]


class TestATokenThatIsRefused:
    async def test_in_mid_run_costs_one_renewal_and_no_mail(self, tmp_path, endpoint):
        async with submission(accepts=endpoint.accepts) as server, Mailnode.open() as mailnode:
            good = endpoint.access_token()
            fields = account(endpoint, accessToken=good, expiryDate=in_ms(3000))
            await mailnode.connections.create("shop", "oauth2", fields)
            flow = flow_of(tmp_path, server.port)
            for number in range(20):
                if number == 7:
                    endpoint.revoke(good)
                    await mailnode._clients.close()  # the next mail opens a session anew
                report = await result_of(mailnode, flow)
                assert report["status"] == "sent", report["error"]
        assert endpoint.grants == ["refresh_token"]
        assert len(server.envelopes) == 20

    async def test_again_is_final_and_explained(self, tmp_path, endpoint):
        endpoint.user = "joe@mail.example"
        async with submission(accepts=endpoint.accepts) as server, Mailnode.open() as mailnode:
            await mailnode.connections.create("shop", "oauth2", account(endpoint))
            report = await result_of(mailnode, flow_of(tmp_path, server.port))
        assert (report["status"], report["attempts"]) == ("failed", 1)
        error = report["error"]
        assert (error["code"], error["phase"], error["replyCode"]) == ("authRefused", "auth", 535)
        assert "status 401" in error["message"]
        assert "user" in error["hint"]

    async def test_a_thousand_messages_are_a_handful_of_logins(self, tmp_path, endpoint):
        endpoint.user = "joe@mail.example"
        async with submission(accepts=endpoint.accepts) as server, Mailnode.open() as mailnode:
            await mailnode.connections.create("shop", "oauth2", account(endpoint))
            flow = flow_of(tmp_path, server.port)
            reports = await asyncio.gather(*(result_of(mailnode, flow) for _ in range(1000)))
        assert {(report["status"], report["error"]["code"]) for report in reports} == {("failed", "authRefused")}
        assert len(server.mechanisms) <= 6
        assert len(endpoint.requests) <= 3
        assert server.envelopes == []

    async def test_nor_is_a_thousand_messages_with_a_wrong_password(self, tmp_path):
        async with submission() as server, Mailnode.open() as mailnode:
            fields = {"hosts": ["127.0.0.1"], "username": "user", "password": "wrong-canary"}
            await mailnode.connections.create("shop", "basic", fields)
            flow = flow_of(tmp_path, server.port, **{"from": USER})
            reports = await asyncio.gather(*(result_of(mailnode, flow) for _ in range(1000)))
        assert {(report["status"], report["error"]["code"]) for report in reports} == {("failed", "authRefused")}
        assert len(server.mechanisms) <= 6


class TestTheEndpoint:
    @pytest.mark.parametrize(
        ("answer", "code", "word"),
        [
            (reply(b"<html>Sign in</html>", content_type="text/html"), "tokenFailed", "accessUrl"),
            (reply(b'{"ok": true}', content_type="application/json"), "tokenFailed", "accessUrl"),
            (reply(b"", status=302, location="https://elsewhere.example/"), "tokenFailed", "accessUrl"),
            (
                refusal("invalid_grant", "Token has been expired or revoked."),
                "consentNeeded",
                "authorize the connection",
            ),
            (refusal("invalid_client", status=401), "tokenRefused", "clientSecret"),
            (refusal("invalid_scope"), "tokenRefused", "scope"),
            (refusal("invalid_client", f"wrong secret {CLIENT_SECRET}"), "tokenRefused", "clientSecret"),
        ],
    )
    async def test_that_gives_none_is_one_clear_error_and_no_server_is_bothered(
        self, tmp_path, endpoint, answer, code, word
    ):
        endpoint.fail_next(answer)
        async with ScriptedServer() as server, Mailnode.open() as mailnode:
            await mailnode.connections.create("shop", "oauth2", account(endpoint))
            before = await mailnode.connections.show("shop")
            report = await result_of(mailnode, flow_of(tmp_path, server.port))
            assert report["status"] == "failed"
            error = report["error"]
            assert (error["code"], error["phase"], error["transient"]) == (code, "token", False)
            assert word in error["hint"]
            assert server.visits == []
            after = await mailnode.connections.show("shop")
        assert after["secrets"] == before["secrets"]
        assert after["revision"] == before["revision"]

    async def test_that_is_down_for_a_moment_loses_no_mail(self, tmp_path, endpoint):
        endpoint.fail_next(reply(b"", status=503))
        async with submission(accepts=endpoint.accepts) as server, Mailnode.open() as mailnode:
            await mailnode.connections.create("shop", "oauth2", account(endpoint))
            report = await result_of(mailnode, flow_of(tmp_path, server.port))
        assert report["status"] == "sent", report["error"]
        assert report["attempts"] in {2, 3}


async def test_an_edit_by_another_process_is_seen_at_the_next_message(tmp_path, endpoint):
    async with submission(accepts=endpoint.accepts) as server, Mailnode.open() as mailnode:
        await mailnode.connections.create("shop", "oauth2", account(endpoint))
        flow = flow_of(tmp_path, server.port)
        assert (await result_of(mailnode, flow))["status"] == "sent"
        given = {"user": "joe@mail.example", "refreshToken": endpoint.consent("joe@mail.example")}
        said = await command("connections", "update", "shop", "--from-json", "-", stdin=json.dumps(given))
        assert said.status == 0, said.stderr
        assert (await result_of(mailnode, flow))["envelope"]["from"] == "joe@mail.example"
        await command("connections", "delete", "shop", "--yes")
        assert (await result_of(mailnode, flow))["error"]["code"] == "unknownConnection"
    assert len(server.envelopes) == 2
