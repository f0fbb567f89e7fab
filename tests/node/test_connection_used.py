"""A basic connection, from the book to the server's AUTH."""

from email import message_from_bytes

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from mailnode.app import Mailnode
from support.aiosmtp import submission
from support.flows import to_server, write_flow
from support.scripted_smtp import ScriptedServer
from support.tls import ca_pem, server_context

LOGIN = {"username": "user", "password": "pencil", "hosts": ["127.0.0.1", "localhost"]}


async def run(flow, fields=None, update=None):
    async with Mailnode.open() as mailnode:
        if fields:
            await mailnode.connections.create("shop", "basic", LOGIN | fields)
        if update:
            await mailnode.connections.update("shop", update)
        return (await mailnode.run(flow)).nodes[0].result


def flow_of(folder, port, **settings):
    tls = {"host": "localhost", "port": port, "tlsOption": "starttls", "ca": ca_pem()}
    settings = to_server(port, **{"smtp": tls, "connection": "shop", **settings})
    return write_flow(folder, {"id": "tell", "type": "sendSmtpEmail", "settings": settings})


class TestTheLogin:
    @pytest.mark.parametrize(("mode", "implicit"), [("tls", True), ("starttls", False)])
    async def test_goes_over_tls_by_the_strongest_mechanism(self, tmp_path, mode, implicit):
        async with submission(tls=server_context(), implicit=implicit) as server:
            smtp = {"host": "localhost", "port": server.port, "tlsOption": mode, "ca": ca_pem()}
            report = await run(flow_of(tmp_path, server.port, smtp=smtp), fields={"allowedRecipients": ["example.org"]})
        assert report["status"] == "sent", report["error"]
        assert server.mechanisms == ["SCRAM-SHA-256"]
        assert (report["connection"], report["authMechanism"]) == ("shop", "SCRAM-SHA-256")
        assert report["tlsVersion"].startswith("TLSv1.")

    async def test_the_connections_tls_option_counts_where_the_settings_name_none(self, tmp_path):
        async with submission(tls=server_context(), implicit=False) as server:
            smtp = {"host": "localhost", "port": server.port, "ca": ca_pem()}
            report = await run(flow_of(tmp_path, server.port, smtp=smtp), fields={"tlsOption": "starttls"})
        assert report["status"] == "sent", report["error"]

    async def test_in_clear_text_it_goes_to_this_machine_only_or_where_it_is_allowed(self, tmp_path):
        async with submission() as server:
            smtp = {"host": "127.0.0.1", "port": server.port, "tlsOption": "none"}
            report = await run(flow_of(tmp_path, server.port, smtp=smtp), fields={"allowPlaintextAuth": True})
        assert report["status"] == "sent", report["error"]

    async def test_a_refused_password_is_final_and_says_what_to_do(self, tmp_path):
        async with submission(tls=server_context()) as server:
            report = await run(flow_of(tmp_path, server.port), fields={"password": "wrong"})
        assert (report["status"], report["attempts"]) == ("failed", 1)
        assert (report["error"]["code"], report["error"]["phase"]) == ("authRefused", "auth")
        assert report["error"]["hint"]
        assert "wrong" not in str(report)
        assert server.envelopes == []

    async def test_a_refusal_after_it_is_not_explained_by_its_lack(self, tmp_path):
        script = {"RCPT": "553 5.7.1 <joe@example.org>: Sender address rejected: not logged in"}
        async with ScriptedServer(script, extensions=("AUTH PLAIN",)) as server:
            smtp = {"host": "127.0.0.1", "port": server.port, "tlsOption": "none"}
            flow = flow_of(tmp_path, server.port, smtp=smtp)
            report = await run(flow, fields={"allowPlaintextAuth": True})
            async with Mailnode.open() as mailnode:
                shown = await mailnode.deliveries.show(report["deliveryId"])
        assert report["authMechanism"] == "PLAIN"
        assert "the login worked" in report["error"]["hint"] == shown["attempts"][0]["hint"]

    async def test_a_server_without_logins_is_an_error_and_gets_no_mail(self, tmp_path):
        async with ScriptedServer() as server:
            smtp = {"host": "127.0.0.1", "port": server.port, "tlsOption": "none"}
            report = await run(flow_of(tmp_path, server.port, smtp=smtp), fields={"allowPlaintextAuth": True})
        assert report["error"]["code"] == "authNotOffered"
        assert server.accepted == []


class TestWhatItDecides:
    async def test_its_from_is_the_sender_where_the_settings_name_none(self, tmp_path):
        async with submission(tls=server_context()) as server:
            flow = flow_of(tmp_path, server.port, **{"from": None})
            await run(flow, fields={"from": "Shop <orders@example.com>"})
        (envelope,) = server.envelopes
        assert envelope.mail_from == "orders@example.com"
        assert b"From: Shop <orders@example.com>" in (envelope.original_content or b"")

    async def test_neither_a_from_nor_an_address_for_a_username_is_an_error(self, tmp_path):
        async with submission(tls=server_context()) as server:
            report = await run(flow_of(tmp_path, server.port, **{"from": None}), fields={"allowPlaintextAuth": False})
        assert (report["error"]["code"], server.envelopes) == ("missingSetting", [])
        assert "from" in report["error"]["message"]

    async def test_a_host_that_is_not_its_own_never_sees_it(self, tmp_path):
        async with ScriptedServer() as server:
            smtp = {"host": "127.0.0.1", "port": server.port, "tlsOption": "none"}
            report = await run(flow_of(tmp_path, server.port, smtp=smtp), fields={"hosts": ["mail.example.com"]})
        assert report["error"]["code"] == "connectionNotForHost"
        assert server.visits == []

    async def test_a_recipient_it_may_not_write_to_is_an_error_before_the_server(self, tmp_path):
        async with submission(tls=server_context()) as server:
            flow = flow_of(tmp_path, server.port, bcc="mallory@evil.example")
            report = await run(flow, fields={"allowedRecipients": ["example.org"]})
        assert report["error"]["code"] == "recipientNotAllowed"
        assert server.envelopes == []

    async def test_its_test_mode_sends_all_to_one_mailbox(self, tmp_path):
        async with submission(tls=server_context()) as server:
            await run(flow_of(tmp_path, server.port), fields={"redirectAllTo": "test@example.net"})
        assert server.envelopes[0].rcpt_tos == ["test@example.net"]

    async def test_its_dkim_key_signs(self, tmp_path):
        import dkim

        key = generate_private_key(65537, 2048)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        record = "v=DKIM1; k=rsa; p=" + "".join(public.splitlines()[1:-1])
        async with submission(tls=server_context()) as server:
            flow = flow_of(tmp_path, server.port)
            settings = {"domain": "example.com", "selector": "s1", "privateKey": pem, "skipFields": ["Message-ID"]}
            await run(flow, fields={"dkim": settings})
        content = server.envelopes[0].original_content
        assert content
        assert "d=example.com" in message_from_bytes(content)["DKIM-Signature"]
        # As Amazon SES and others do.
        for received in (content, content.replace(b"Message-ID: <", b"Message-ID: <of-the-relay-")):
            assert dkim.verify(received, dnsfunc=lambda *_args, **_options: record.encode())

    async def test_an_edit_counts_at_the_next_mail(self, tmp_path):
        async with submission(tls=server_context()) as server:
            flow = flow_of(tmp_path, server.port)
            refused = await run(flow, fields={"password": "wrong"})
            sent = await run(flow, update={"password": "pencil"})
        assert (refused["status"], sent["status"]) == ("failed", "sent")

    async def test_one_that_is_not_there_is_an_error_with_the_near_names(self, tmp_path):
        report = await run(flow_of(tmp_path, 9, connection="shopp"), fields={"from": "a@b.org"})
        assert (report["error"]["code"], report["error"]["phase"]) == ("unknownConnection", "settings")
        assert "shop" in report["error"]["hint"]
