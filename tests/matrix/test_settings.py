"""Whoever adds a setting adds a dimension: what can be set is held against what the cases do set."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from mailnode.connections.fields import COMMON, TYPE_FIELDS
from mailnode.environment import Environment
from mailnode.node.attachment_settings import AttachmentSettings
from mailnode.node.invitation import InvitationSettings
from mailnode.node.settings import (
    EmailNotificationSettings,
    SendSmtpEmailSettings,
    SmtpSettings,
)
from matrix.cover import cover
from matrix.dimensions import DIMENSIONS, Case
from matrix.scenario import Scenario
from matrix.stage import Stage
from matrix.world import World

# Why these are not crossed with all the others, each tested where it belongs.
EXEMPT = {
    "attachments[url].cid": "a cid is the part's, whatever it was made of: base64 stands for all",
    "attachments[file].cid": "as above",
    "attachments[text].cid": "as above",
    "attachments[custom].cid": "as above",
    "attachments[mime].cid": "as above",
    "attachments[url].forEach": "evaluated in one place for all types: text stands for all, tests/node has each",
    "attachments[file].forEach": "as above",
    "attachments[base64].forEach": "as above",
    "attachments[custom].forEach": "as above",
    "attachments[mime].forEach": "as above",
    "autoSubmitted = auto-generated": "the word that stands there by itself, in each case without the rest",
    "autoSubmitted = auto-replied": "as above, for a mail that answers one",
    "priority = low": "the same header fields as high has, with other words",
    "oauth2.authorizeUrl": "where consent is asked for; no mail goes there",
    "oauth2.deviceUrl": "as above",
    "oauth2.tenantId": "stands for Microsoft's URL, which nobody here is",
    "oauth2ClientCredentials.tenantId": "as above",
    "oauth2.scope": "goes to the token endpoint only; two other types are crossed with one",
    "environment.ehlo_name": "another place for ehloName",
    "environment.redirect_all_to": "another place for a connection's redirectAllTo",
    "environment.keep_days": "what ended long ago; no case is older than a minute",
    "environment.keep_keys_days": "the same",
    "environment.earlier_workers_stopped": "an upgrade; every case begins with a database of this version",
    "environment.notification": "the server of another type of node, which has a server and a sender and no more",
}
_NEXT = "give it a dimension (tests/matrix/dimensions.py), or name it as exempt, with the reason"


@pytest.fixture(scope="module")
def scenarios(world: World) -> list[Scenario]:
    return [Scenario(case, world) for case in cover()]


def test_each_setting_of_the_node_is_in_some_case(scenarios: list[Scenario]) -> None:
    used: dict[str, list[Any]] = defaultdict(list)
    for scenario in scenarios:
        for name, value in _places(scenario.settings()):
            used[name].append(value)
    there = {name: field for group, model in _groups() for name, field in _fields(group, model)}
    assert not _missing(there, used), _NEXT
    values = {f"{name} = {value}": value for name, field in there.items() for value in _values(field.annotation)}
    met = {f"{name} = {value}" for name, field in there.items() for value in [*used[name], field.default]}
    assert not _missing(values, met), _NEXT


def test_each_field_of_a_connection_is_in_some_case(scenarios: list[Scenario]) -> None:
    used: set[str] = set()
    for scenario in scenarios:
        if connection := scenario.connection():
            kind, given = connection
            used |= {f"{kind}.{name}" for name in given if name not in COMMON} | (given.keys() & COMMON.keys())
    there = {f"{kind}.{name}" for kind, one in TYPE_FIELDS.items() for name in one.checks} | COMMON.keys()
    assert not _missing(there, used), _NEXT


def test_each_variable_of_the_environment_is_in_some_case(scenarios: list[Scenario], tmp_path: Path) -> None:
    plain = Environment(home=Path())
    stages = [Stage([scenario], tmp_path, "postgresql://there") for scenario in scenarios]
    used = {
        f"environment.{field.name}"
        for stage in stages
        for field in fields(Environment)
        if getattr(stage.environment, field.name) != getattr(plain, field.name)
    }
    assert not _missing({f"environment.{field.name}" for field in fields(Environment)}, used), _NEXT


def test_the_other_node_that_sends_has_no_setting_of_its_own() -> None:
    assert EmailNotificationSettings.model_fields.keys() <= SendSmtpEmailSettings.model_fields.keys(), _NEXT


def test_a_case_has_a_value_of_each_dimension() -> None:
    assert Case._fields == tuple(DIMENSIONS)


def test_what_is_exempt_is_still_there() -> None:
    settings = [(name, field) for group, model in _groups() for name, field in _fields(group, model)]
    there = {name for name, _ in settings}
    there |= {f"{name} = {value}" for name, field in settings for value in _values(field.annotation)}
    there |= {f"{kind}.{name}" for kind, one in TYPE_FIELDS.items() for name in one.checks}
    there |= {f"environment.{field.name}" for field in fields(Environment)}
    assert EXEMPT.keys() <= there


def _missing(there: Iterable[str], used: Iterable[str]) -> set[str]:
    return set(there) - set(used) - EXEMPT.keys()


def _groups() -> Iterator[tuple[str, type[BaseModel]]]:
    yield "", SendSmtpEmailSettings
    yield "smtp.", SmtpSettings
    yield "invitation.", InvitationSettings
    for model in get_args(get_args(AttachmentSettings)[0]):
        (kind,) = get_args(model.model_fields["type"].annotation)
        yield f"attachments[{kind}].", model


def _fields(group: str, model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        yield f"{group}{field.alias or name}", field


def _places(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from settings.items()
    for group in ("smtp", "invitation"):
        yield from ((f"{group}.{name}", value) for name, value in settings.get(group, {}).items())
    for attachment in settings["attachments"]:
        yield from ((f"attachments[{attachment['type']}].{name}", value) for name, value in attachment.items())


def _values(annotation: Any) -> set[Any]:
    """Give the values that a field can have, where they are few."""
    if annotation is bool:
        return {True, False}
    if get_origin(annotation) is Literal:
        return set(get_args(annotation))
    return {value for inner in get_args(annotation) for value in _values(inner)}
