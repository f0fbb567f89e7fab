"""From a case to what a user would write: a flow, a connection, rows of input, an environment."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mailnode.connections.service import find_service
from mailnode.direct import EnqueueOptions, SendOptions
from mailnode.smtp.server import TlsOption
from matrix.contents import ITEMS, TEXT, attachments, content, invitation
from matrix.dimensions import Case
from matrix.servers import PASSWORDS, Address
from matrix.world import World
from support.tls import ca_pem
from support.token_endpoint import CLIENT_ID, CLIENT_SECRET, USER, in_ms

NODE = "tell"
RESULT_KEY = "mail.sent"
NAME, ORDER = "J\u00fcrgen <&> Co", "A-17"
EHLO_NAME = "client.example"
REDIRECTED_TO = "all@redirected.example"
OF_CONNECTION = "shop@of-connection.example"
OTHER, IMPOSTOR = "mail.other.example", "impostor.other.example"

# Whose names stand for all: of each kind one, and one whose server has a certificate of somebody else.
SERVICES: Mapping[str, tuple[str, str]] = {
    "tls only": ("Mail.ru", "163"),
    "starttls only": ("Outlook365", "iCloud"),
    "both by tls": ("Gmail", "FastMail"),
    "both by starttls": ("Yahoo", "AOL"),
    "none only": ("Maildev", ""),
}
# What each offers; the others offer all.
_OFFERED = {
    "Gmail": ("LOGIN", "PLAIN", "XOAUTH2", "OAUTHBEARER"),
    "Mail.ru": ("PLAIN", "LOGIN", "XOAUTH2"),
    "Outlook365": ("LOGIN", "XOAUTH2"),
    "Yahoo": ("PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"),
}
# What a node's settings are called where a program sends by itself.
_OPTIONS = {
    "tlsOption": "tls_option",
    "connection": "connection",
    "partialDelivery": "partial_delivery",
    "onUnknown": "on_unknown",
    "timeoutSeconds": "timeout_seconds",
    "retryHours": "retry_hours",
}
_DEFAULT_PORTS: Mapping[TlsOption, int] = {"tls": 465, "starttls": 587, "none": 25}
# Stands for a port of this machine, which is known when the server listens.
_DIRECT_PORTS: Mapping[TlsOption, int] = {"tls": 10465, "starttls": 10587, "none": 10025}


@dataclass(frozen=True)
class Scenario:
    """A case in a world."""

    case: Case
    world: World

    @property
    def name(self) -> str:
        """The name of flow, connection and run."""
        return f"case-{self.case.id}"

    @property
    def address(self) -> Address:
        """Where its mail is to go."""
        return address_of(self.case)

    @property
    def environment(self) -> dict[str, str]:
        """What its process is told: a connection's own proxy counts more than another one of the environment."""
        return {
            "MAILNODE_FETCH_ALLOW": "127.0.0.0/8, ::1",
            "MAILNODE_WEBHOOK_ALLOW": "127.0.0.1",
            **self._proxy_variable(),
        }

    def _proxy_variable(self) -> dict[str, str]:
        scheme, _, whose = self.case.proxy.partition(" of ")
        if whose == "connection":
            scheme = "http" if scheme == "socks5" else "socks5"
        return {"MAILNODE_SMTP_PROXY": self.world.proxies[f"{scheme} of environment"].url} if whose else {}

    @property
    def row_count(self) -> int:
        """How often its flow runs."""
        return 2 if self.case.face == "inputs" else 1

    def tags(self) -> list[str]:
        """What tells its mails apart."""
        return [f"{self.case.id}.{number + 1}" for number in range(self.row_count)]

    def input(self, tag: str) -> dict[str, Any]:
        """What its flow is run with."""
        to = [f"ann+{tag}@example.org", f"Bob <bob+{tag}@example.org>"]
        return {"tag": tag, "name": NAME, "order": ORDER, "to": to, "lines": TEXT, "items": ITEMS}

    def flow(self) -> dict[str, Any]:
        """Give its flow: the mail, and a word after it."""
        place = self.case.store_result
        said = f"{{{{ {place}.{RESULT_KEY}.status }}}}" if place != "none" else "went on"
        mail = {"id": NODE, "type": "sendSmtpEmail", "settings": self.settings()}
        say = {"id": "say", "type": "say", "settings": {"text": said}}
        return {"version": 1, "name": self.name, "nodes": [mail, say]}

    def settings(self) -> dict[str, Any]:
        """Give the node's settings."""
        case = self.case
        given = {
            **self._server(),
            "to": "{{ input.to }}",
            "subject": "Order {{ input.order }} f\u00fcr {{ input.name }}",
            **content(case),
            **invitation(case),
            "attachments": attachments(case, self.world.file_url),
            "storeResult": case.store_result,
            "stopOnError": case.stop_on_error == "stops",
            "asynchronous": case.asynchronous == "asynchronous",
            "partialDelivery": case.partial_delivery,
            "onUnknown": case.on_unknown,
        }
        if case.login_extra != "from":
            given["from"] = "Shop <shop+{{ input.tag }}@shop.example>"
        if case.store_result != "none":
            given["resultKey"] = RESULT_KEY
        if case.connection != "none":
            given["connection"] = self.name
        return {**given, **(_all_the_rest() if case.rest == "all" else {})}

    def send_options(self, key: str) -> SendOptions:
        """Give what a program that sends by itself says of where and how."""
        settings = self.settings()
        smtp = settings.get("smtp") or {"service": settings["emailService"]}
        said = {_OPTIONS.get(name, name): value for name, value in smtp.items() if name != "ehloName"}
        said |= {option: settings[name] for name, option in _OPTIONS.items() if name in settings}
        return cast(SendOptions, said | {"key": key, "wait": not settings["asynchronous"]})

    def enqueue_options(self) -> EnqueueOptions:
        """Give the same of a program that queues in a transaction of its own."""
        options = self.send_options("").items()
        return cast(EnqueueOptions, {name: value for name, value in options if name in EnqueueOptions.__annotations__})

    def app(self) -> dict[str, Any]:
        """Give the fields of the app that hands it in by SMTP."""
        fields: dict[str, Any] = {"connection": self.name, "senders": ["@shop.example", OF_CONNECTION]}
        if self.case.rate_limit != "none":
            fields["rateLimit"] = self.case.rate_limit
        smtp = self._server().get("smtp", {})
        return {**fields, **{name: value for name, value in smtp.items() if name != "ehloName"}}

    def _server(self) -> dict[str, Any]:
        case, address = self.case, self.address
        if not case.is_other:
            return {"emailService": _service_of(case)}
        smtp: dict[str, Any] = {"host": address.host}
        if case.connection == "none" or case.rest == "all":
            smtp["tlsOption"] = address.tls_option
        if case.proxy == "none":
            smtp["port"] = self.world.ports[address.host, address.port]
        elif case.rest == "all":
            smtp["port"] = address.port
            smtp["ehloName"] = EHLO_NAME
        if case.trust == "ca":
            smtp["ca"] = ca_pem()
        return {"emailService": "other", "smtp": smtp}

    def connection(self) -> tuple[str, dict[str, Any]] | None:
        """Give the type and the fields of its connection, if it has one."""
        case = self.case
        if case.connection == "none":
            return None
        where = {"hosts": [self.address.host]} if case.is_other else {"service": _service_of(case)}
        fields = {**where, **self._login(), **_extra(case)}
        if case.service == "both by starttls" or (case.is_other and case.rest == "few"):
            fields["tlsOption"] = self.address.tls_option
        if not case.has_tls and case.proxy != "none":
            fields["allowPlaintextAuth"] = True
        if case.proxy.endswith("of connection"):
            fields["proxy"] = self.world.proxies[case.proxy].url
        if case.rate_limit != "none":
            fields["rateLimit"] = case.rate_limit
        return case.connection, fields

    def _login(self) -> dict[str, Any]:
        kind = self.case.connection
        if kind == "basic":
            ((username, password),) = PASSWORDS.items()
            return {"username": username, "password": password}
        at = {"user": USER, "accessUrl": self.world.token_url}
        if kind == "oauth2ServiceAccount":
            return {**at, "serviceClient": "robot@project.example", "privateKey": private_key(), "scope": "mail"}
        app = {**at, "clientId": CLIENT_ID, "clientSecret": CLIENT_SECRET}
        if kind == "oauth2ClientCredentials":
            return {**app, "scope": "mail"}
        return {
            **app,
            "accessToken": "at-of-yesterday",
            "expiryDate": in_ms(-1),
            "refreshToken": self.world.tokens.consent(),
        }


def addresses() -> list[Address]:
    """Give every server that a case can go to."""
    named = [
        Address(service.host, port, mode, _OFFERED.get(name, Address.mechanisms), is_impostor=position == 1)
        for names in SERVICES.values()
        for position, name in enumerate(names)
        if name
        for service in [find_service(name)]
        for mode, port in service.ports.items()
    ]
    others = [
        Address(host, port, mode, is_impostor=host == IMPOSTOR)
        for host in (OTHER, IMPOSTOR)
        for mode, port in _DEFAULT_PORTS.items()
    ]
    direct = [
        Address("localhost", port + is_impostor, mode, is_impostor=is_impostor)
        for mode, port in _DIRECT_PORTS.items()
        for is_impostor in (False, True)
    ]
    return [*named, *others, *direct]


def address_of(case: Case) -> Address:
    """Give the server that a case goes to."""
    is_impostor = case.server == "impostor"
    if not case.is_other:
        service = find_service(_service_of(case))
        host, port = service.host, service.ports[case.tls_option]
    elif case.proxy == "none":
        host, port = "localhost", _DIRECT_PORTS[case.tls_option] + is_impostor
    else:
        host, port = (IMPOSTOR if is_impostor else OTHER), _DEFAULT_PORTS[case.tls_option]
    return next(address for address in addresses() if (address.host, address.port) == (host, port))


def _service_of(case: Case) -> str:
    return SERVICES[case.service][case.server == "impostor"]


def _extra(case: Case) -> dict[str, Any]:
    skipped = {"skipFields": ["Message-ID", "date"]} if case.rest == "all" else {}
    fields: dict[str, dict[str, Any]] = {
        "from": {"from": f"Shop <{OF_CONNECTION}>"},
        "dkim": {"dkim": {"domain": "shop.example", "selector": "s1", "privateKey": private_key(), **skipped}},
        "allowedRecipients": {"allowedRecipients": ["example.org"]},
        "redirectAllTo": {"redirectAllTo": REDIRECTED_TO},
    }
    return fields.get(case.login_extra, {})


def _all_the_rest() -> dict[str, Any]:
    return {
        "cc": "Carol <carol+{{ input.tag }}@example.org>",
        "bcc": "dave+{{ input.tag }}@example.org",
        "replyTo": "Answers <answers@shop.example>",
        "textContent": TEXT,
        "priority": "high",
        "envelopeFrom": "bounces+{{ input.tag }}@shop.example",
        "inReplyTo": "<question@example.org>",
        "references": "<first@example.org> <question@example.org>",
        "listUnsubscribe": "<https://shop.example/leave>",
        "dataImages": "attach",
        "autoSubmitted": "no",
        "idempotencyKey": "once for {{ input.tag }}",
        "headers": {"X-Order": "{{ input.order }}{{ input.nothing }}"},
        "inlineStyles": False,
        "lenient": True,
        "timeoutSeconds": 45,
        "retryHours": 2,
        "maxRecipients": 4,
        "maxAttachmentMB": 1,
        "maxMessageMB": 2,
    }


@cache
def _key() -> RSAPrivateKey:
    return generate_private_key(65537, 2048)


def private_key() -> str:
    """Give the key of this run, of a service account and for DKIM: PEM text."""
    return _key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_key() -> str:
    """Give its other half, as DNS has it."""
    from cryptography.hazmat.primitives.serialization import PublicFormat

    return base64.b64encode(_key().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
