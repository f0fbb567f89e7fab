"""What errors have in common: the codes and phases by which a flow can tell them apart, and a hint of many."""

from enum import StrEnum
from typing import Literal

Phase = Literal[
    "settings",
    "expression",
    "attachment",
    "token",
    "connect",
    "tls",
    "greeting",
    "ehlo",
    "auth",
    "mail",
    "rcpt",
    "data",
    "content",
]


class ErrorCode(StrEnum):
    """What went wrong, as a word that a flow can compare; the documented values of `error.code`."""

    BAD_USAGE = "badUsage"
    BAD_FLOW_FILE = "badFlowFile"
    UNKNOWN_FLOW = "unknownFlow"
    FLOW_CONFLICT = "flowConflict"
    UNKNOWN_LAYOUT = "unknownLayout"
    BAD_LAYOUT = "badLayout"
    LAYOUT_CONFLICT = "layoutConflict"
    UNKNOWN_KEY = "unknownKey"
    MISSING_SETTING = "missingSetting"
    BAD_SETTING = "badSetting"
    BAD_MJML = "badMjml"
    BAD_MAILBOX = "badMailbox"
    BAD_HEADER = "badHeader"
    BAD_DKIM_KEY = "badDkimKey"
    UNKNOWN_SERVICE = "unknownService"
    UNKNOWN_CONNECTION = "unknownConnection"
    BAD_CONNECTION = "badConnection"
    CONNECTION_CONFLICT = "connectionConflict"
    CONNECTION_NOT_FOR_HOST = "connectionNotForHost"
    UNKNOWN_APP = "unknownApp"
    APP_CONFLICT = "appConflict"
    RECIPIENT_NOT_ALLOWED = "recipientNotAllowed"
    TOO_MANY_RECIPIENTS = "tooManyRecipients"
    MESSAGE_TOO_LARGE = "messageTooLarge"
    KEY_IN_USE = "keyInUse"
    UNKNOWN_WEBHOOK = "unknownWebhook"
    UNKNOWN_EVENT = "unknownEvent"
    WEBHOOK_CONFLICT = "webhookConflict"
    UNKNOWN_RUN = "unknownRun"
    UNKNOWN_DELIVERY = "unknownDelivery"
    UNREADABLE_DELIVERY = "unreadableDelivery"
    UNKNOWN_MAIL = "unknownMail"
    MAIL_NOT_SHOWN = "mailNotShown"
    NODE_FAILED = "nodeFailed"
    INTERNAL_ERROR = "internalError"

    BAD_EXPRESSION = "badExpression"
    NO_VALUE = "noValue"
    EXPRESSION_LIMIT = "expressionLimit"

    BAD_BASE64 = "badBase64"
    BAD_DATA_URL = "badDataUrl"
    BAD_URL = "badUrl"
    BAD_MIME = "badMime"
    PRIVATE_ADDRESS = "privateAddress"
    FETCH_FAILED = "fetchFailed"
    FETCH_TIMEOUT = "fetchTimeout"
    ATTACHMENT_TOO_LARGE = "attachmentTooLarge"
    UNKNOWN_FILE = "unknownFile"

    TOKEN_FAILED = "tokenFailed"  # noqa: S105 -- the names of errors, no secrets
    TOKEN_REFUSED = "tokenRefused"  # noqa: S105
    TOKEN_EXPIRED = "tokenExpired"  # noqa: S105
    CONSENT_NEEDED = "consentNeeded"
    BAD_SNAPSHOT = "badSnapshot"

    STORE_FAILED = "storeFailed"
    WRONG_SECRET_KEY = "wrongSecretKey"  # noqa: S105 -- the name of an error, no secret

    UNKNOWN_HOST = "unknownHost"
    CONNECT_FAILED = "connectFailed"
    PROXY_FAILED = "proxyFailed"
    TIMEOUT = "timeout"
    RATE_LIMITED = "rateLimited"
    CANCELLED = "cancelled"
    TLS_ON_PLAIN_PORT = "tlsOnPlainPort"
    PLAIN_ON_TLS_PORT = "plainOnTlsPort"
    BAD_CERTIFICATE = "badCertificate"
    TLS_FAILED = "tlsFailed"
    STARTTLS_NOT_OFFERED = "starttlsNotOffered"
    SERVER_REFUSED = "serverRefused"
    AUTH_NOT_OFFERED = "authNotOffered"
    AUTH_REFUSED = "authRefused"
    PLAINTEXT_AUTH = "plaintextAuth"
    SMTPUTF8_NOT_OFFERED = "smtputf8NotOffered"
    EIGHT_BIT_NOT_OFFERED = "eightBitNotOffered"
    OVER_SERVER_SIZE = "overServerSize"
    SENDER_REFUSED = "senderRefused"
    RECIPIENTS_REFUSED = "recipientsRefused"
    CONTENT_REFUSED = "contentRefused"
    BAD_REPLY = "badReply"
    SESSION_LOST = "sessionLost"
    UNKNOWN_OUTCOME = "unknownOutcome"


def install_hint(extra: str) -> str:
    """Say how an extra is installed: mailnode is installed from its checkout, and no index has it."""
    return f"install mailnode from its checkout with the extra `{extra}`: pip install 'path/to/checkout[{extra}]'"
