"""Every setting of the node, by what a server received."""

from email.utils import parsedate_to_datetime

import pytest

from support.flows import run, send, to_server, write_flow
from support.scripted_smtp import ScriptedServer


class TestAddresses:
    async def test_to_takes_names_groups_commas_and_semicolons(self, inbox, tmp_path):
        sent = await send(
            inbox, tmp_path, to='"Doe, Jane" <jane@example.org>; joe@example.org, Team: a@b.org, c@d.org;'
        )
        assert sent.received.rcpt_to == ("jane@example.org", "joe@example.org", "a@b.org", "c@d.org")
        assert [str(address) for address in sent.message["To"].addresses] == [
            '"Doe, Jane" <jane@example.org>',
            "joe@example.org",
            "a@b.org",
            "c@d.org",
        ]

    async def test_cc_is_a_field_and_a_recipient(self, inbox, tmp_path):
        sent = await send(inbox, tmp_path, cc="Chef <chef@example.org>")
        assert sent.message["Cc"] == "Chef <chef@example.org>"
        assert "chef@example.org" in sent.received.rcpt_to
        assert [told["field"] for told in sent.report["recipients"]] == ["to", "cc"]

    async def test_bcc_is_a_recipient_and_in_no_octet(self, inbox, tmp_path):
        sent = await send(inbox, tmp_path, bcc="secret@example.org")
        assert sent.received.rcpt_to == ("jane@example.org", "secret@example.org")
        assert b"secret@" not in sent.received.octets()
        assert "bcc" not in {name.lower() for name in sent.message}

    async def test_reply_to_is_reply_to_and_not_in_reply_to(self, inbox, tmp_path):
        sent = await send(inbox, tmp_path, replyTo="Help <help@example.org>, other@example.org")
        assert sent.message["Reply-To"] == "Help <help@example.org>, other@example.org"
        assert sent.message["In-Reply-To"] is None

    async def test_from_is_the_field_and_the_reverse_path(self, inbox, tmp_path):
        sent = await send(inbox, tmp_path, None, **{"from": "Zoë\u2019s Shop <shop@example.com>"})
        assert sent.message["From"] == "Zoë\u2019s Shop <shop@example.com>"
        assert sent.received.mail_from == "shop@example.com"

    @pytest.mark.parametrize(("given", "reverse_path"), [("bounce@example.com", "bounce@example.com"), ("<>", "")])
    async def test_envelope_from_is_where_bounces_go(self, inbox, tmp_path, given, reverse_path):
        sent = await send(inbox, tmp_path, envelopeFrom=given)
        assert sent.received.mail_from == reverse_path
        assert sent.message["From"] == "shop@example.com"

    async def test_equal_recipients_are_one_and_a_domain_has_no_case(self, inbox, tmp_path):
        sent = await send(inbox, tmp_path, to="jane@example.org", cc="Jane <jane@EXAMPLE.org>", bcc="jane@example.org")
        assert sent.received.rcpt_to == ("jane@example.org",)

    async def test_an_international_domain_goes_by_its_a_labels(self, inbox, tmp_path):
        sent = await send(inbox, tmp_path, to="info@bücher.example")
        assert sent.received.rcpt_to == ("info@xn--bcher-kva.example",)

    async def test_an_international_local_part_goes_by_smtputf8(self, inbox, tmp_path):
        sent = await send(inbox, tmp_path, to="jürgen@bücher.example")
        assert sent.received.rcpt_to == ("jürgen@bücher.example",)
        assert "jürgen@bücher.example".encode() in sent.received.octets()


class TestContent:
    async def test_subject(self, inbox, tmp_path):
        sent = await send(inbox, tmp_path, subject='Grüße, "quoted" and 🎉')
        assert sent.message["Subject"] == 'Grüße, "quoted" and 🎉'

    async def test_content_is_html_with_a_text_made_of_it(self, inbox, tmp_path):
        sent = await send(inbox, tmp_path, content='<p>See <a href="https://example.org/">this</a></p>')
        assert sent.message.get_content_type() == "multipart/alternative"
        assert sent.body("html").strip() == '<p>See <a href="https://example.org/">this</a></p>'
        assert sent.body("plain").strip() == "See this (https://example.org/)"

    async def test_style_sheets_become_style_attributes(self, inbox, tmp_path):
        sent = await send(inbox, tmp_path, content="<style>p { color: red }</style><p>Hi</p>")
        assert sent.body("html").rstrip() == '<p style="color: red">Hi</p>'
        sent = await send(inbox, tmp_path, content="<style>p { color: red }</style><p>Hi</p>", inlineStyles=False)
        assert sent.body("html").rstrip() == "<style>p { color: red }</style><p>Hi</p>"

    async def test_text_content_replaces_the_text_made_of_it(self, inbox, tmp_path):
        sent = await send(inbox, tmp_path, textContent="Just text {{ input.n }}", state={"n": 3})
        assert sent.body("plain").strip() == "Just text 3"

    async def test_no_content_is_an_empty_text(self, inbox, tmp_path):
        sent = await send(inbox, tmp_path, content=None)
        assert sent.message.get_content_type() == "text/plain"
        assert sent.message.get_content().strip() == ""

    @pytest.mark.parametrize(
        ("priority", "importance", "x_priority"),
        [("high", "High", "1 (Highest)"), ("normal", None, None), ("low", "Low", "5 (Lowest)")],
    )
    async def test_priority(self, inbox, tmp_path, priority, importance, x_priority):
        sent = await send(inbox, tmp_path, priority=priority)
        assert sent.message["Importance"] == importance
        assert sent.message["X-Priority"] == x_priority

    async def test_what_every_mail_has(self, inbox, tmp_path):
        sent = await send(inbox, tmp_path)
        message = sent.message
        assert message["Auto-Submitted"] == "auto-generated"
        assert message["MIME-Version"] == "1.0"
        assert message["Message-ID"] == sent.report["messageId"]
        assert message["Message-ID"].endswith("@example.com>")
        assert parsedate_to_datetime(message["Date"]).tzinfo
        assert sent.report["messageSize"] == len(sent.received.octets())

    async def test_threading(self, inbox, tmp_path):
        sent = await send(inbox, tmp_path, inReplyTo="a@x.org", references="<r@x.org> <s@x.org>")
        assert sent.message["In-Reply-To"] == "<a@x.org>"
        assert sent.message["References"] == "<r@x.org> <s@x.org> <a@x.org>"
        assert sent.message["Auto-Submitted"] == "auto-replied"

    @pytest.mark.parametrize(
        ("given", "field", "one_click"),
        [
            ("https://x.org/u, mailto:u@x.org", "<https://x.org/u>, <mailto:u@x.org>", "List-Unsubscribe=One-Click"),
            ("mailto:u@x.org", "<mailto:u@x.org>", None),
        ],
    )
    async def test_list_unsubscribe(self, inbox, tmp_path, given, field, one_click):
        sent = await send(inbox, tmp_path, listUnsubscribe=given)
        assert sent.message["List-Unsubscribe"] == field
        assert sent.message["List-Unsubscribe-Post"] == one_click

    async def test_own_header_fields(self, inbox, tmp_path):
        sent = await send(inbox, tmp_path, headers={"X-Order": "Nº {{ input.n }}"}, state={"n": 7})
        assert sent.message["X-Order"] == "Nº 7"


class TestStorage:
    @pytest.mark.parametrize("place", ["input", "context"])
    async def test_the_result_is_stored_where_the_settings_say(self, inbox, tmp_path, place):
        sent = await send(inbox, tmp_path, storeResult=place, resultKey="mail.sent")
        state = getattr(sent.run.state, place)
        assert state["mail"]["sent"] == sent.report
        other = sent.run.state.context if place == "input" else sent.run.state.input
        assert other == {}

    async def test_nothing_is_stored_by_default(self, inbox, tmp_path):
        sent = await send(inbox, tmp_path)
        assert (sent.run.state.input, sent.run.state.context) == ({}, {})

    async def test_the_result_has_the_keys_that_are_promised(self, inbox, tmp_path):
        report = (await send(inbox, tmp_path)).report
        assert set(report) == {
            *("status", "messageId", "envelope", "accepted", "rejected", "response", "messageSize", "recipients"),
            *("error", "deliveryId", "attempts", "connection", "host", "tlsVersion", "authMechanism", "timings"),
            "warnings",
        }
        assert set(report["timings"]) == {"connectMs", "authMs", "envelopeMs", "contentMs", "totalMs"}


def flow_of(folder, port, **settings):
    """A node that may fail, then one that tells whether the run went on, and what it saw."""
    stored = {"storeResult": "context", "resultKey": "mail", **settings}
    return write_flow(
        folder,
        {"id": "tell", "type": "sendSmtpEmail", "settings": to_server(port, **stored)},
        {
            "id": "sorry",
            "type": "say",
            "when": "{{ context.mail.status == 'failed' }}",
            "settings": {"text": "failed: {{ context.mail.error.code }}"},
        },
        {"id": "next", "type": "say", "settings": {"text": "went on after {{ context.mail.status }}"}},
    )


class TestStopOnError:
    REFUSED = {"RCPT": "550 5.1.1 nobody"}  # noqa: RUF012 -- a script, never changed

    async def test_off_the_next_node_runs_and_can_branch_on_the_error(self, tmp_path):
        async with ScriptedServer(self.REFUSED) as server:
            ran = await run(flow_of(tmp_path, server.port))
        assert ran.status == "done"
        assert ran.output == ["failed: recipientsRefused", "went on after failed"]

    async def test_on_the_run_halts_before_the_next_node(self, tmp_path):
        async with ScriptedServer(self.REFUSED) as server:
            ran = await run(flow_of(tmp_path, server.port, stopOnError=True))
        assert ran.status == "halted"
        assert ran.output == []
        assert ran.state.context["mail"]["status"] == "failed"
        assert [node.status for node in ran.nodes] == ["failed", "notReached", "notReached"]

    async def test_a_partial_mail_does_not_halt(self, tmp_path):
        async with ScriptedServer({"RCPT TO:<no@": "550 no"}) as server:
            ran = await run(flow_of(tmp_path, server.port, stopOnError=True, to="no@x.org, yes@x.org"))
        assert ran.output == ["went on after partial"]

    async def test_an_unknown_one_that_is_held_does(self, tmp_path):
        from support.scripted_smtp import DROP

        async with ScriptedServer({"dot": DROP}) as server:
            ran = await run(flow_of(tmp_path, server.port, stopOnError=True, onUnknown="hold"))
        assert (ran.status, ran.state.context["mail"]["status"]) == ("halted", "held")

    async def test_settings_that_fail_at_run_time_are_a_result_too(self, inbox, tmp_path):
        ran = await run(flow_of(tmp_path, inbox.port, subject="{{ input.nobody }}"))
        error = ran.state.context["mail"]["error"]
        assert (error["code"], error["phase"]) == ("noValue", "expression")
        assert "subject" in error["message"]
        assert inbox.messages() == []


class TestTerms:
    async def test_partial_delivery_refused_sends_to_nobody(self, tmp_path):
        async with ScriptedServer({"RCPT TO:<no@": "550 no"}) as server:
            ran = await run(flow_of(tmp_path, server.port, to="yes@x.org, no@x.org", partialDelivery="refuse"))
        assert ran.state.context["mail"]["status"] == "failed"
        assert server.accepted == []

    async def test_the_flow_waits_timeout_seconds_and_no_longer(self, tmp_path):
        from support.scripted_smtp import STALL

        async with ScriptedServer({"EHLO": STALL}) as server:
            ran = await run(flow_of(tmp_path, server.port, timeoutSeconds=0.1))
        assert ran.state.context["mail"]["error"]["code"] == "timeout"

    async def test_an_idempotency_key_sends_once_whatever_the_run(self, inbox, tmp_path):
        flow = flow_of(tmp_path, inbox.port, idempotencyKey="order-{{ input.n }}")
        first = await run(flow, input={"n": 1})
        again = await run(flow, input={"n": 1})
        await run(flow, input={"n": 2})
        assert len(inbox.messages()) == 2
        assert again.state.context["mail"] == {**first.state.context["mail"], "duplicate": True}

    async def test_the_same_run_id_tells_what_happened_and_sends_nothing(self, inbox, tmp_path):
        flow = flow_of(tmp_path, inbox.port)
        first = await run(flow, run_id="r-1")
        again = await run(flow, run_id="r-1")
        assert again.to_json() == {"duplicate": True, **first.to_json()}
        assert len(inbox.messages()) == 1

    @pytest.mark.parametrize(
        ("settings", "code", "key"),
        [
            ({"to": "a@x.org, b@x.org", "cc": "c@x.org", "maxRecipients": 2}, "tooManyRecipients", "maxRecipients"),
            ({"content": "x" * 30_000, "maxMessageMB": 0.01}, "messageTooLarge", "maxMessageMB"),
            (
                {
                    "attachments": [{"type": "text", "content": "x" * 20_000, "filename": "a.txt"}],
                    "maxAttachmentMB": 0.01,
                },
                "attachmentTooLarge",
                "attachments[0].content",
            ),
        ],
    )
    async def test_limits(self, inbox, tmp_path, settings, code, key):
        ran = await run(flow_of(tmp_path, inbox.port, **settings))
        error = ran.state.context["mail"]["error"]
        assert error["code"] == code
        assert key in error["message"]
        assert inbox.messages() == []

    async def test_lenient_makes_what_has_no_value_empty_but_never_a_recipient(self, inbox, tmp_path):
        sent = await send(inbox, tmp_path, subject="a{{ input.x }}b", cc="{{ input.x }}", lenient=True)
        assert sent.message["Subject"] == "ab"
        assert sent.message["Cc"] is None
        ran = await run(flow_of(tmp_path, inbox.port, to="{{ input.x }}", lenient=True))
        assert ran.state.context["mail"]["error"]["code"] == "noValue"


class TestServers:
    async def test_the_ehlo_name_of_the_settings_goes_before_that_of_the_environment(self, tmp_path):
        async with ScriptedServer() as server:
            smtp = {"host": "127.0.0.1", "port": server.port, "tlsOption": "none"}
            await run(flow_of(tmp_path, server.port), ehlo_name="env.example")
            await run(flow_of(tmp_path, server.port, smtp=smtp | {"ehloName": "own.example"}), ehlo_name="env.example")
        assert [visit.commands[0] for visit in server.visits] == ["EHLO env.example", "EHLO own.example"]

    async def test_redirected_all_mail_goes_to_one_mailbox_and_says_for_whom_it_was(self, inbox, tmp_path):
        flow = flow_of(tmp_path, inbox.port, cc="cc@example.org", bcc="bcc@example.org")
        ran = await run(flow, redirect_all_to="test@example.net")
        (received,) = inbox.messages()
        assert received.rcpt_to == ("test@example.net",)
        assert b"X-Original-Recipients: jane@example.org, cc@example.org, bcc@example.org" in received.octets()
        assert ran.state.context["mail"]["warnings"] == ["redirected to test@example.net"]

    async def test_redirected_a_header_beyond_ascii_still_goes_by_smtputf8(self, tmp_path):
        async with ScriptedServer(extensions=["SMTPUTF8"]) as server:
            flow = flow_of(tmp_path, server.port, to="jürgen@bücher.example")
            await run(flow, redirect_all_to="test@example.net")
        assert "MAIL FROM:<shop@example.com> SMTPUTF8" in server.visit.commands
        assert server.accepted[0].forward_paths == ("RCPT TO:<test@example.net>",)
        assert "To: jürgen@bücher.example" in server.accepted[0].content.decode()

    async def test_redirected_a_header_beyond_ascii_goes_to_no_server_without_smtputf8(self, tmp_path):
        async with ScriptedServer(extensions=["8BITMIME"]) as server:
            flow = flow_of(tmp_path, server.port, to="jürgen@bücher.example")
            ran = await run(flow, redirect_all_to="test@example.net")
        assert ran.state.context["mail"]["error"]["code"] == "smtputf8NotOffered"
        assert not server.accepted


class TestAPlaceThatIsTaken:
    async def test_no_mail_is_sent_whose_result_could_not_be_stored(self, inbox, tmp_path):
        flow = flow_of(tmp_path, inbox.port, storeResult="input", resultKey="order.mail")
        ran = await run(flow, input={"order": "5"})
        error = ran.nodes[0].result["error"]
        assert (error["code"], error["phase"]) == ("badSetting", "settings")
        assert "resultKey" in error["message"]
        assert ran.state.input == {"order": "5"}
        assert inbox.messages() == []


class TestErrors:
    async def test_all_that_has_no_value_is_told_at_once_with_its_setting(self, inbox, tmp_path):
        file = {"type": "text", "content": "{{ input.c.d }}", "filename": "{{ input.e }}"}
        ran = await run(
            flow_of(
                tmp_path,
                inbox.port,
                subject="{{ input.a }} and {{ input.b.toFixed() }}",
                content="<p>{{ input.f }}</p><p data-each='i of [1, 2]'>{{ i.g.h }}</p>",
                replyTo="{{ input.i }}",
                attachments=[file],
            )
        )
        said = ran.state.context["mail"]["error"]["message"]
        places = ["content: {{ input.f }}", "content: {{ i.g.h }}", "attachments[0].content: {{ input.c.d }}"]
        places += ["attachments[0].filename: {{ input.e }}", "replyTo: {{ input.i }}", "subject: {{ input.a }}"]
        found = [said.find(place) for place in [*places, "subject: {{ input.b.toFixed() }}"]]
        assert -1 not in found
        assert found == sorted(found)
        assert inbox.messages() == []

    async def test_nobody_waits_for_all_that_take_too_long(self, inbox, tmp_path, monkeypatch):
        monkeypatch.setattr("mailnode.node.sandbox.CPU_SECONDS", 0.1)
        slow = "{{ (() => { for (;;); })() }}"
        ran = await run(flow_of(tmp_path, inbox.port, subject=slow, replyTo=f"{slow} {slow} <a@b.example>"))
        error = ran.state.context["mail"]["error"]
        assert (error["code"], error["message"].count("takes too long")) == ("expressionLimit", 1)
