"""What a program sends without a flow is a delivery with a node's result, once for each key."""

from email.message import EmailMessage

import pytest

from mailnode.app import Mailnode
from mailnode.errors import ConnectionsError, DeliveryError, UsageError
from mailnode.message.email import Email
from mailnode.message.envelope import Envelope
from support.scripted_smtp import ScriptedServer

HI = Email(from_="ann@x.example", to="bob@y.example", subject="Hi", text="Hello")
CONTENT = b"From: ann@x.example\r\nTo: bob@y.example\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\n\xffHi\r\n"


def standard(text="Hi\n"):
    """Written anew each time: with another boundary."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "ann@x.example", "bob@y.example", "Report"
    message.set_content(text)
    message.add_attachment(b"PDF", maintype="application", subtype="pdf")
    return message


def at(server):
    return {"host": "127.0.0.1", "port": server.port, "tls_option": "none"}


async def create(mailnode, server, **fields):
    fields = {"hosts": ["127.0.0.1"], "username": "ann@x.example", "password": "secret", "tlsOption": "none", **fields}
    await mailnode.connections.create("shop", "basic", {"allowPlaintextAuth": True, **fields})
    return {**at(server), "connection": "shop"}


async def test_it_is_a_delivery_with_the_result_of_a_node(home):
    async with (
        ScriptedServer({"RCPT TO:<no@y.example>": "550 5.1.1 who?"}) as server,
        Mailnode.open(home=home) as mailnode,
    ):
        result = await mailnode.send(HI, **at(server))
        refused = await mailnode.send(Email(from_="ann@x.example", to="no@y.example", text="Hi"), **at(server))
        (later, _), earlier = await mailnode.deliveries.list(limit=2), server.accepted[0]
        shown = await mailnode.deliveries.show(str(result["deliveryId"]))
    assert (result["status"], result["accepted"], result["connection"]) == ("sent", ["bob@y.example"], "")
    assert earlier.forward_paths == ("RCPT TO:<bob@y.example>",)
    assert (shown["state"], shown["subject"], shown["run"]) == ("sent", "Hi", None)
    assert (refused["status"], refused["error"] and refused["error"]["code"]) == ("failed", "recipientsRefused")
    assert later["deliveryId"] == refused["deliveryId"]


async def test_the_messages_of_other_programs_go_out_as_they_came(home):
    async with ScriptedServer() as server, Mailnode.open(home=home) as mailnode:
        waits = await mailnode.send(CONTENT, Envelope(None, ("eve@z.example",)), **at(server))
        queued = await mailnode.send(CONTENT, **at(server), wait=False)
        assert (waits["status"], queued["status"]) == ("sent", "queued")
        await mailnode.work(drain=True)
        listed = await mailnode.deliveries.list()
    assert {one["subject"] for one in listed} == {"Grüße"}
    for accepted, path, to in zip(
        server.accepted, ("<>", "<ann@x.example>"), ("eve@z.example", "bob@y.example"), strict=True
    ):
        assert (path in accepted.reverse_path, accepted.forward_paths) == (True, (f"RCPT TO:<{to}>",))
        assert accepted.content.startswith(CONTENT.partition(b"\r\n\r\n")[0] + b"\r\nMessage-ID: <")
        assert accepted.content.endswith(b"\r\n\r\n\xffHi\r\n")


@pytest.mark.parametrize("make", [lambda: HI, standard, lambda: CONTENT])
async def test_the_same_key_sends_once(tmp_path, make):
    async with ScriptedServer() as server, Mailnode.open(home=tmp_path) as mailnode:
        first = await mailnode.send(make(), **at(server), key="order-17")
        again = await mailnode.send(make(), **at(server), key="order-17")
        with pytest.raises(DeliveryError, match="order-17"):
            await mailnode.send(standard("Bye\n"), **at(server), key="order-17")
        with pytest.raises(DeliveryError, match="order-17"):
            await mailnode.send(
                make() if make is standard else CONTENT, Envelope(None, ("c@d.example",)), **at(server), key="order-17"
            )
    assert again == {**first, "duplicate": True}
    assert len(server.accepted) == 1


async def test_a_connection_brings_server_sender_signature_and_limits(tmp_path):
    async with (
        ScriptedServer(extensions=("PIPELINING", "8BITMIME", "AUTH PLAIN")) as server,
        Mailnode.open(home=tmp_path) as mailnode,
    ):
        options = await create(mailnode, server, allowedRecipients=["y.example"])
        assert (await mailnode.send(Email(from_="", to="bob@y.example", text="Hi"), **options))["status"] == "sent"
        for given in (Email(from_="", to="bob@z.example", text="Hi"), CONTENT.replace(b"bob@y", b"bob@z")):
            with pytest.raises(ConnectionsError, match=r"bob@z\.example"):
                await mailnode.send(given, **options)
        assert server.accepted[0].reverse_path == "MAIL FROM:<ann@x.example>"
        assert len(server.accepted) == 1


@pytest.mark.parametrize(
    ("fields", "address"),
    [
        ({"hosts": ["mail.x.example"], "tlsOption": "starttls"}, "mail.x.example:587"),
        ({"service": "Gmail"}, "smtp.gmail.com:465"),
    ],
)
async def test_without_a_server_it_is_the_connections(tmp_path, fields, address):
    async with Mailnode.open(home=tmp_path) as mailnode:
        await mailnode.connections.create(
            "shop", "basic", {"username": "ann@x.example", "password": "secret", **fields}
        )
        prepared = await mailnode._direct.prepare(HI, None, {"connection": "shop"})
        assert prepared.route.server.address == address
        several = {"hosts": ["a.example", "b.example"], "username": "a", "password": "b"}
        await mailnode.connections.create("many", "basic", several)
        with pytest.raises(UsageError, match="more than one host"):
            await mailnode.send(HI, connection="many")


async def test_the_only_host_of_a_connection_is_reached_as_the_call_says(tmp_path):
    async with (
        ScriptedServer(extensions=("PIPELINING", "8BITMIME", "AUTH PLAIN")) as server,
        Mailnode.open(home=tmp_path) as mailnode,
    ):
        options = await create(mailnode, server)
        del options["host"]
        assert (await mailnode.send(HI, **options))["status"] == "sent"


async def test_what_is_redirected_names_who_it_was_for(tmp_path):
    async with (
        ScriptedServer(extensions=("PIPELINING", "8BITMIME", "AUTH PLAIN")) as server,
        Mailnode.open(home=tmp_path) as mailnode,
    ):
        options = await create(mailnode, server, redirectAllTo="desk@x.example")
        for given in (HI, CONTENT):
            assert (await mailnode.send(given, **options))["warnings"] == ["redirected to desk@x.example"]
    for accepted in server.accepted:
        assert accepted.forward_paths == ("RCPT TO:<desk@x.example>",)
        assert b"X-Original-Recipients: bob@y.example\r\n" in accepted.content


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "no server is named"),
        ({"service": "Gmail", "host": "127.0.0.1"}, "exclude each other"),
        ({"service": "Gmail", "port": 2525}, "the service Gmail leaves no choice of port"),
        ({"service": "Gmail", "tls_option": "none"}, "no choice of tls_option"),
        ({"service": "Gmial"}, "no email service"),
        ({"connection": "nobody"}, "'nobody'"),
        ({"host": "127.0.0.1", "partial_delivery": "some"}, "partial_delivery 'some'"),
    ],
)
async def test_what_is_wrong_is_told_before_anything_is_stored(tmp_path, options, said):
    async with Mailnode.open(home=tmp_path) as mailnode:
        with pytest.raises((UsageError, ConnectionsError), match=said) as caught:
            await mailnode.send(HI, **options)
        assert caught.value.hint
        with pytest.raises(TypeError, match="'conection'"):
            await mailnode.send(HI, conection="shop")  # type: ignore[call-arg]  # as a program without types may
        assert await mailnode.deliveries.list() == []
