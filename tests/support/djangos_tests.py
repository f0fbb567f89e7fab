"""Django's own tests of what an email backend does, with ours: `python djangos_tests.py TESTS PORT INBOX`.

TESTS is the folder of that name in Django's source distribution. Left out are the two that send to addresses without a
domain, which are none to us, and the one for backends that know no `fail_silently`, as Django does with its own.
"""

import sys
import unittest
from email import message_from_bytes, policy
from importlib import import_module
from pathlib import Path
from typing import Any

import django
from django.conf import settings

LEFT_OUT = ("test_recipient_without_domain", "test_lazy_addresses", "test_fail_silently_arg_accepted")
BACKEND = "mailnode.integrations.django.EmailBackend"


def tests_of(inbox: Path, options: dict[str, Any]) -> type[unittest.TestCase]:
    """Make the class of tests, of the module and in the way that this Django has them."""
    has_mailers = django.VERSION >= (6, 1)
    module: Any = import_module("mail.test_backends" if has_mailers else "mail.tests")
    from mailnode.integrations.django import EmailBackend

    base: Any = module.SharedEmailBackendTests if has_mailers else module.BaseEmailBackendTests

    class OurBackendTests(base, module.SimpleTestCase):  # type: ignore[misc]
        email_backend = BACKEND
        backend_class = EmailBackend

        def create_backend(self, *, alias: str | None = "test_alias", **given: Any) -> EmailBackend:
            return EmailBackend(**({} if alias is None else {"alias": alias, **options}), **given)

        def setUp(self) -> None:
            super().setUp()
            self.flush_mailbox()

        def flush_mailbox(self) -> None:
            for path in inbox.glob("*.eml"):
                path.unlink()

        def get_mailbox_content(self) -> list[Any]:
            contents = [path.read_bytes().replace(b"\r\n", b"\n") for path in sorted(inbox.glob("*.eml"))]
            if not has_mailers:  # their bodies do not end with a line break, as every message's does
                contents = [content.rstrip(b"\n") for content in contents]
            return [message_from_bytes(content, policy=policy.default) for content in contents]

    for name in LEFT_OUT:
        setattr(OurBackendTests, name, None)
    return OurBackendTests


def run(folder: str, port: str, inbox: str) -> bool:
    """Run them, and tell whether all have passed."""
    sys.path.insert(0, folder)
    options = {"host": "127.0.0.1", "port": int(port), "tls_option": "none"}
    settings.configure(MAILNODE=options, USE_TZ=True, SECRET_KEY="x")
    django.setup()
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(tests_of(Path(inbox), options))
    outcome = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    return outcome.wasSuccessful() and outcome.testsRun >= 10


if __name__ == "__main__":
    sys.exit(not run(*sys.argv[1:]))
