"""The Email Notification node, whose server and sender come from environment variables."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from mailnode.errors import ErrorCode, MailnodeError, SettingsError
from mailnode.node.digest import content_digest
from mailnode.node.send_email import MailServices, SendSmtpEmail
from mailnode.node.setting_types import OTHER
from mailnode.node.settings import EmailNotificationSettings, SendSmtpEmailSettings
from mailnode.node.settings_reader import read_settings, settings_errors
from mailnode.printable import quoted

EMAIL_NOTIFICATION = "emailNotification"
PREFIX = "MAILNODE_NOTIFICATION_"


@dataclass(frozen=True, slots=True)
class NotificationServer:
    """The MAILNODE_NOTIFICATION_ variables, as they were given."""

    service: str | None = None
    host: str | None = None
    port: str | None = None
    tls_option: str | None = None
    connection: str | None = None
    sender: str | None = None

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> Self:
        """Take them from the environment."""
        names = ("SERVICE", "HOST", "PORT", "TLS_OPTION", "CONNECTION", "FROM")
        return cls(*(variables.get(PREFIX + name) for name in names))

    def settings(self) -> dict[str, Any]:
        """Give the settings of sendSmtpEmail that these variables stand for.

        Raises:
            SettingsError: neither a service nor a host is given, or both, or the port is no number.
        """
        if (self.service is None) == (self.host is None):
            raise SettingsError(
                f"emailNotification needs either {PREFIX}SERVICE or {PREFIX}HOST",
                code=ErrorCode.MISSING_SETTING,
                hint=f"set {PREFIX}SERVICE=Gmail, or {PREFIX}HOST, {PREFIX}PORT and {PREFIX}TLS_OPTION",
            )
        if self.port is not None and not self.port.isdecimal():
            raise SettingsError(f"{PREFIX}PORT is not a number: {quoted(self.port)}", hint="set it to 465 or 587")
        smtp = {"host": self.host, "port": self.port and int(self.port), "tlsOption": self.tls_option}
        server = {"emailService": self.service} if self.service else {"emailService": OTHER, "smtp": _given(smtp)}
        return server | _given({"connection": self.connection, "from": self.sender})


class EmailNotificationType:
    """`emailNotification`."""

    def __init__(self, services: MailServices, server: NotificationServer) -> None:
        """Send with `services` to `server`."""
        self._services = services
        self._server = server

    def prepare(self, settings: Mapping[str, Any]) -> SendSmtpEmail:
        """Read the settings, and the environment's; a SettingsError names the first wrong one."""
        mail = read_settings(EmailNotificationSettings, settings)
        try:
            read = read_settings(SendSmtpEmailSettings, {**mail.by_key(), **self._server.settings()})
            return SendSmtpEmail(read, self._services, content_digest(EMAIL_NOTIFICATION, settings))
        except SettingsError as error:
            error.message = f"the environment of emailNotification: {error.message}"
            raise

    def errors(self, settings: Mapping[str, Any]) -> list[MailnodeError]:
        """Give everything that is wrong with the settings."""
        return settings_errors(EmailNotificationSettings, settings)


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}
