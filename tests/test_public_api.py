"""What a program gets from `mailnode`: the names, how they are loaded, and what they do."""

import gc
import inspect
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
