"""The node types that every flow has: those that send email, and `say` and `setContext`."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from mailnode.errors import ErrorCode, MailnodeError, SettingsError
from mailnode.flow.registry import Node, Registry
from mailnode.node.digest import SEND_SMTP_EMAIL
from mailnode.node.expression import Evaluator
from mailnode.node.node_api import NodeCall, NodeReturn, Write
from mailnode.node.notification import EMAIL_NOTIFICATION, EmailNotificationType, NotificationServer
from mailnode.node.send_email import MailServices, SendSmtpEmailType
from mailnode.node.template import Template, parse_template
from mailnode.printable import quoted

_KEY = re.compile(r"[A-Za-z_$][\w$-]{0,99}(\.[A-Za-z_$][\w$-]{0,99}){0,15}")


@dataclass(frozen=True, slots=True)
class Say:
    """Adds a text to the run's output."""

    text: Template

    async def execute(self, call: NodeCall) -> NodeReturn:
        """Fill in the expressions of the text and output it."""
        evaluator = Evaluator(call.input, call.context)
        with _located("text"):
            return NodeReturn(output=(await evaluator.text(self.text),))


@dataclass(frozen=True, slots=True)
class SetContext:
    """Puts a value into the context: JSON, with a template for each text in it."""

    key: str
    value: Any

    async def execute(self, call: NodeCall) -> NodeReturn:
        """Store the value; a text that is one expression keeps that expression's type, in lists and objects too."""
        value = await _fill(self.value, "value", Evaluator(call.input, call.context))
        return NodeReturn(writes=(Write("context", self.key, value),))


class SayType:
    """`say`: settings `text`."""

    def prepare(self, settings: Mapping[str, Any]) -> Node:
        """Read `text`."""
        _check_keys(settings, "text")
        text = settings["text"]
        if not isinstance(text, str):
            hint = 'write it in quotes: "text"'
            raise SettingsError(f"it must be text, not {quoted(text)}", hint=hint).locate(key="text")
        return Say(_parsed(text, "text"))


class SetContextType:
    """`setContext`: settings `key` (a dotted path) and `value` (any JSON value)."""

    def prepare(self, settings: Mapping[str, Any]) -> Node:
        """Read `key` and `value`."""
        _check_keys(settings, "key", "value")
        key = settings["key"]
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            raise SettingsError(f"{quoted(key)} is not a dotted path", hint="write a dotted path like order.id").locate(
                key="key"
            )
        return SetContext(key, _parsed(settings["value"], "value"))


def _check_keys(settings: Mapping[str, Any], *keys: str) -> None:
    for key in settings:
        if key not in keys:
            known = f"known settings: {', '.join(keys)}"
            raise SettingsError("there is no such setting", code=ErrorCode.UNKNOWN_KEY, hint=known).locate(key=key)
    for key in keys:
        if key not in settings:
            said = "this setting is required"
            raise SettingsError(said, code=ErrorCode.MISSING_SETTING, hint=f"give `{key}` a value").locate(key=key)


def _parsed(value: Any, key: str) -> Any:
    """Give a JSON value with each text in it parsed."""
    if isinstance(value, str):
        with _located(key):
            return parse_template(value)
    if isinstance(value, dict):
        return {name: _parsed(inner, f"{key}.{name}") for name, inner in value.items()}
    if isinstance(value, list):
        return [_parsed(inner, f"{key}[{index}]") for index, inner in enumerate(value)]
    return value


async def _fill(value: Any, key: str, evaluator: Evaluator) -> Any:
    if isinstance(value, Template):
        with _located(key):
            return await (evaluator.value(value.single) if value.single else evaluator.text(value))
    if isinstance(value, dict):
        return {name: await _fill(inner, f"{key}.{name}", evaluator) for name, inner in value.items()}
    if isinstance(value, list):
        return [await _fill(inner, f"{key}[{index}]", evaluator) for index, inner in enumerate(value)]
    return value


@contextmanager
def _located(key: str) -> Iterator[None]:
    try:
        yield
    except MailnodeError as error:
        raise error.locate(key=key) from None


def own_registry(services: MailServices, notification: Mapping[str, str]) -> Registry:
    """Make the registry of these types; emails are sent with `services`, notifications as their variables say."""
    return Registry(
        {
            SEND_SMTP_EMAIL: SendSmtpEmailType(services),
            EMAIL_NOTIFICATION: EmailNotificationType(services, NotificationServer.read(notification)),
            "say": SayType(),
            "setContext": SetContextType(),
        }
    )
