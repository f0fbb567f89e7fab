"""What a program gets from `mailnode`: the names, how they are loaded, and what they do."""

import gc
import inspect
import subprocess
import sys
import traceback
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
            with pytest.raises(mailnode.UsageError, match="it is taken"), mailnode.Inbox(port=inbox.port):
                pass
        self.check(received)
        assert received.path.parent == tmp_path / "inbox"
        with pytest.raises(mailnode.ConnectFailed):
            mailnode.send(EMAIL, "127.0.0.1", inbox.port, tls_option="none")
