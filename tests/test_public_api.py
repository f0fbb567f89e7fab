"""What a program gets from `mailnode`: the names, how they are loaded, and what they do."""

import asyncio
import gc
import inspect
import json
import subprocess
import sys
import traceback
from email import message_from_bytes, policy
from importlib.metadata import version
from typing import assert_type

import pytest

import mailnode
from mailnode import errors, public


class TestNames:
    def test_each_is_there_by_its_name(self):
        names = vars(mailnode)["__getattr__"]("__all__")
        assert names == sorted(name for name in vars(public) if not name.startswith("_"))
        for name in names:
            assert getattr(mailnode, name) is getattr(public, name)
            assert getattr(mailnode, name).__doc__, name

    def test_every_error_of_the_tree_is_one(self):
        tree = {name for name, value in vars(errors).items() if inspect.isclass(value)}
        assert {name for name in tree if issubclass(vars(errors)[name], mailnode.MailnodeError)} <= set(dir(mailnode))

    def test_a_star_brings_them_all_and_nothing_else(self):
        names: dict[str, object] = {}
        exec("from mailnode import *", names)
        assert names.keys() - {"__builtins__"} == {name for name in vars(public) if not name.startswith("_")}

    def test_dir_tells_them_without_loading_them(self):
        code = (
            "import sys, mailnode; print(*dir(mailnode)); print(*(name for name in sys.modules if 'mailnode' in name))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        names, modules = done.stdout.splitlines()
        assert {"Email", "SessionLost", "Inbox", "__version__", "__all__"} <= set(names.split())
        assert modules == "mailnode"

    def test_the_version_is_that_of_the_package(self):
        assert mailnode.__version__ == version("mailnode")

    @pytest.mark.skipif(sys.version_info < (3, 12), reason="before, Python's own suggestions are not in `traceback`")
    @pytest.mark.parametrize("code", ["from mailnode import SMTPClient", "import mailnode; mailnode.SMTPClient"])
    def test_of_one_that_is_almost_right_python_says_which_is_meant(self, code):
        with pytest.raises((AttributeError, ImportError)) as caught:
            exec(code, {})
        assert "Did you mean: 'SmtpClient'?" in "".join(traceback.format_exception(caught.value))

    def test_type_checkers_know_them_and_no_others(self):
        """It is mypy that runs this: an ignore that is not needed is an error to it."""
        assert_type(mailnode.__version__, str)
        assert_type(mailnode.Email(from_="a@x.example"), mailnode.Email)
        with pytest.raises(AttributeError):
            _ = mailnode.nobody  # type: ignore[attr-defined]


EMAIL = mailnode.Email(
    from_="Shop <shop@example.com>",
    to="jane@example.org",
    bcc="joe@example.org",
    subject="Grüße",
    text="Hi",
    html="<p>Hi</p>",
    attachments=[mailnode.Attachment(content=b"%PDF", filename="invoice.pdf")],
)


class TestInbox:
    def check(self, received):
        assert (received.subject, received.sender) == ("Grüße", "Shop <shop@example.com>")
        assert (received.mail_from, received.rcpt_to) == ("shop@example.com", ("jane@example.org", "joe@example.org"))
        assert (received.text, received.html) == ("Hi\r\n", "<p>Hi</p>\r\n")
        (attachment,) = received.attachments
        assert (attachment.filename, attachment.media_type, attachment.octets) == (
            "invoice.pdf",
            "application/pdf",
            b"%PDF",
        )

    async def test_it_needs_no_folder_and_what_it_received_can_be_read_when_it_is_closed(self):
        async with mailnode.Inbox() as inbox:
            async with mailnode.SmtpClient("127.0.0.1", inbox.port, tls_option="none") as client:
                await client.send(EMAIL)
            (received,) = await inbox.wait_for(1)
        folder = inbox.folder
        del inbox
        self.check(received)
        assert folder.exists()
        del received
        # A thread has its last call, which is of the inbox, until it has come back from it.
        await asyncio.get_running_loop().shutdown_default_executor()
        gc.collect()
        assert not folder.exists()

    def test_without_an_event_loop_it_runs_in_a_thread(self, tmp_path):
        with mailnode.Inbox(tmp_path / "inbox") as inbox:
            mailnode.send(EMAIL, "127.0.0.1", inbox.port, tls_option="none")
            (received,) = inbox.messages()
            with pytest.raises(mailnode.UsageError, match="can't listen on port"), mailnode.Inbox(port=inbox.port):
                pass
        self.check(received)
        assert received.path.parent == tmp_path / "inbox"
        with pytest.raises(mailnode.ConnectFailed):
            mailnode.send(EMAIL, "127.0.0.1", inbox.port, tls_option="none")


class TestAttachmentFromPath:
    def sent(self, **email):
        message = mailnode.compose(mailnode.Email(from_="a@x.example", to="b@y.example", text="t", **email))
        return message_from_bytes(message.octets(), policy=policy.default)

    def test_name_type_and_content_are_those_of_the_file(self, tmp_path):
        (tmp_path / "rechnung.pdf").write_bytes(b"%PDF")
        (part,) = self.sent(attachments=[mailnode.Attachment.from_path(tmp_path / "rechnung.pdf")]).iter_attachments()
        assert (part.get_filename(), part.get_content_type()) == ("rechnung.pdf", "application/pdf")
        assert part.get_payload(decode=True) == b"%PDF"
        attachment = mailnode.Attachment.from_path(
            str(tmp_path / "rechnung.pdf"), filename="invoice.bin", content_type="application/x-own"
        )
        (part,) = self.sent(attachments=[attachment]).iter_attachments()
        assert (part.get_filename(), part.get_content_type()) == ("invoice.bin", "application/x-own")

    def test_an_inline_one_is_shown_by_its_name_or_by_a_cid(self, tmp_path):
        (tmp_path / "logo.png").write_bytes(b"png")
        for given, cid in (({}, "logo.png"), ({"cid": "mark"}, "mark")):
            logo = mailnode.Attachment.from_path(tmp_path / "logo.png", inline=True, **given)
            mail = self.sent(html=f'<img src="cid:{cid}">', attachments=[logo])
            (part,) = [part for part in mail.walk() if part.get_content_type() == "image/png"]
            assert (part["Content-ID"], part.get_content_disposition()) == (f"<{cid}>", "inline")

    def test_what_can_not_be_attached_says_why_and_what_to_do(self, tmp_path):
        with pytest.raises(mailnode.AttachmentError, match="can't be attached: No such file or directory") as caught:
            mailnode.Attachment.from_path(tmp_path / "none.pdf")
        assert (caught.value.hint, caught.value.phase) == (
            "give the path of a file that this program may read",
            "attachment",
        )
        with pytest.raises(mailnode.AttachmentError, match="can't be attached: Is a directory"):
            mailnode.Attachment.from_path(tmp_path)
        (tmp_path / "my logo.png").touch()
        with pytest.raises(
            mailnode.PartError, match=r"'my logo\.png' can't be shown in the HTML by its name"
        ) as refused:
            mailnode.Attachment.from_path(tmp_path / "my logo.png", inline=True)
        assert refused.value.hint == 'give it a cid, such as cid="logo"'


def flow_to(folder, port, **settings):
    """A flow with one node, which sends to a server on this port."""
    smtp = {"host": "127.0.0.1", "port": port, "tlsOption": "none"}
    settings = {"emailService": "other", "smtp": smtp, "from": "shop@example.com", "content": "<p>Hi</p>", **settings}
    settings = {"to": "{{ input.email }}", "subject": "Hi", **settings}
    flow = {"version": 1, "name": "hello", "nodes": [{"id": "greet", "type": "sendSmtpEmail", "settings": settings}]}
    path = folder / "hello.flow.yaml"
    path.write_text(json.dumps(flow))
    return path


class TestMailnode:
    """What its parts give has the keys that their types say, and no others."""

    async def test_a_run_and_its_delivery(self, tmp_path):
        async with mailnode.Inbox() as inbox, mailnode.Mailnode.open(home=tmp_path) as opened:
            flow = flow_to(tmp_path, inbox.port)
            run = await opened.run(flow, input={"email": "jane@example.org"}, run_id="order-17")
            (received,) = inbox.messages()
            (listed,) = await opened.deliveries.list(run="order-17", states=["sent"])
            assert await opened.deliveries.list(run="order-18") == []
            shown = await opened.deliveries.show(listed["deliveryId"])
            (ran,) = await opened.runs.list(flow="hello")
            details = await opened.runs.show("order-17")
            history = await opened.deliveries.history(1)
        assert (tmp_path / "mailnode.db").exists()
        assert received.rcpt_to == ("jane@example.org",)
        assert run.nodes[0].result["status"] == shown["state"] == "sent"
        assert run.nodes[0].result == shown["result"]
        assert ran == {key: value for key, value in details.items() if key in ran}
        assert sum(bucket["accepted"] for bucket in history["buckets"]) == 1
        for given, type_ in (
            (listed, mailnode.DeliverySummary),
            (shown, mailnode.DeliveryDetails),
            (shown["attempts"][0], mailnode.DeliveryAttempt),
            (shown["recipients"][0], mailnode.DeliveryRecipient),
            (shown["origin"], mailnode.DeliveryOrigin),
            (run.nodes[0].result["recipients"][0], mailnode.ResultRecipient),
            (ran, mailnode.RunSummary),
            (details, mailnode.RunDetails),
            (history, mailnode.DeliveryHistory),
            (history["buckets"][0], mailnode.HistoryBucket),
        ):
            assert given is not None
            assert given.keys() == type_.__required_keys__
        assert run.nodes[0].result.keys() == mailnode.Result.__required_keys__

    async def test_a_queued_delivery_is_cancelled_or_sent_again_by_a_person(self, tmp_path):
        async with mailnode.Inbox() as inbox, mailnode.Mailnode.open(home=tmp_path) as opened:
            flow = flow_to(tmp_path, inbox.port, asynchronous=True)
            run = await opened.run(flow, input={"email": "jane@example.org"})
            (listed,) = await opened.deliveries.list(states=["queued"], recipient="JANE@")
            assert listed["deliveryId"] == await opened.deliveries.cancel(listed["deliveryId"])
            assert (await opened.settled(run)).nodes[0].result["status"] == "cancelled"
            with pytest.raises(mailnode.DeliveryError, match="cancelled"):
                await opened.deliveries.cancel(listed["deliveryId"])
            await opened.deliveries.retry(listed["deliveryId"])
            assert await opened.deliveries.waiting() == 1
            await opened.work(drain=True)
            shown = await opened.deliveries.show(listed["deliveryId"])
            assert (shown["state"], shown["retry"]) == ("sent", {"route": "flow", "why": ""})
            assert await opened.deliveries.counts() == {"sent": 1} == opened.outcomes
            assert len(inbox.messages()) == 1
            with pytest.raises(mailnode.DeliveryError) as caught:
                await opened.deliveries.retry(shown["deliveryId"])
            assert caught.value.hint

    async def test_a_dry_run_tells_errors_and_the_email_and_sends_it_where_it_is_told(self, tmp_path):
        async with mailnode.Inbox() as inbox, mailnode.Inbox() as real, mailnode.Mailnode.open(home=tmp_path) as opened:
            flow = flow_to(tmp_path, real.port)
            dry_run = opened.dry_run(flow, input={"email": "jane@example.org"})
            assert dry_run.errors() == []
            composed = await dry_run.compose()
            assert ("To", "jane@example.org") in composed.message.header_fields
            outcome = await dry_run.send_to_port(inbox.port)
            assert outcome.accepted == ("jane@example.org",)
            result = await dry_run.send_to("me@example.org")
            assert (result["status"], result["accepted"]) == ("sent", ["me@example.org"])
            assert [one.rcpt_to for one in inbox.messages()] == [("jane@example.org",)]
            assert [one.rcpt_to for one in real.messages()] == [("me@example.org",)]
            assert await opened.runs.list() == []
            (error,) = opened.dry_run(flow_to(tmp_path, real.port, subjekt="?")).errors()
            assert (error.node, error.key, error.code) == ("greet", "subjekt", mailnode.ErrorCode.UNKNOWN_KEY)
            with pytest.raises(mailnode.SettingsError, match="no node 'nobody'"):
                await opened.dry_run(flow, "nobody").compose()


def test_a_mailnode_that_is_not_opened_names_what_opens_it():
    with pytest.raises(mailnode.UsageError) as caught:
        mailnode.Mailnode()  # type: ignore[call-arg]  # what a program without types may do
    assert "Mailnode.open()" in caught.value.hint
    with pytest.raises(mailnode.UsageError):
        mailnode.Mailnode(home="here")  # type: ignore[call-arg]  # what a program without types may do
