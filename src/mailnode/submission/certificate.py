"""The certificate with which the SMTP server shows who it is."""

import logging
import ssl
from pathlib import Path

from mailnode.errors import UsageError
from mailnode.smtp.trust import server_context

_log = logging.getLogger(__name__)
_HINT = "give the files of a certificate chain and of its key, in PEM, without a password"


class ServerCertificate:
    """A certificate and its key, read again when the files have changed, as those that are renewed do.

    Raises:
        UsageError: they can't be used.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = certificate, key
        self._written = self._times()
        self._context = self._load()

    def context(self) -> ssl.SSLContext:
        """Give what the next handshake needs; files that can't be used are logged, and the last ones stay."""
        try:
            if (written := self._times()) != self._written:
                self._written = written
                self._context = self._load()
        except UsageError as error:
            _log.error("%s: the certificate of before stays in use", error)
        return self._context

    def _times(self) -> tuple[int, ...]:
        try:
            return tuple(file.stat().st_mtime_ns for file in self._files)
        except OSError as error:
            raise UsageError(f"{error.filename} can't be read: {error.strerror}", hint=_HINT) from None

    def _load(self) -> ssl.SSLContext:
        context = server_context()
        certificate, key = self._files

        def no_password() -> str:
            raise UsageError(f"the key {key} has a password", hint=_HINT)

        try:
            context.load_cert_chain(certificate, key, no_password)
        except ssl.SSLError as error:
            reason = (error.reason or str(error)).replace("_", " ").lower()
            raise UsageError(f"{certificate} and {key} are no certificate and its key: {reason}", hint=_HINT) from None
        except OSError as error:
            raise UsageError(f"{certificate} or {key} can't be read: {error.strerror}", hint=_HINT) from None
        return context
