"""Faces of programs that neither run a flow nor wait: one hands in email by SMTP, one queues it in a transaction."""

import asyncio
import os
import re
import smtplib
from dataclasses import replace
from unittest.mock import patch

import psycopg

from mailnode.app import Mailnode
from mailnode.errors import DeliveryError
from mailnode.in_transaction import enqueue
from mailnode.message.compose import compose
from mailnode.message.email import Email
from mailnode.message.envelope import Message
from mailnode.submission.apps import NewPassword
from mailnode.submission.doors import Doors
from mailnode.submission.server import SubmissionServer
from matrix.at_work import working
from matrix.scenario import NODE, OF_CONNECTION, Scenario
from matrix.stage import Json, Stage

_QUEUED_AS = re.compile(r"queued as (\w+)")


async def submit_all(stage: Stage) -> None:
    """What is handed in goes out when the process that took it is over; it is handed in again when it has ended."""
    given: dict[str, tuple[NewPassword, Message]] = {}

    async def hand_in(server: SubmissionServer, scenario: Scenario) -> str:
        login, message = given[scenario.name]
        return await asyncio.to_thread(_hand_in, server.port, login, message)

    async with Mailnode.open(stage.environment) as opened, SubmissionServer(opened.gate, Doors(port=0)) as server:
        for scenario in stage.scenarios:
            email = await _email(opened, stage, scenario)
            message = compose(email if email.from_ else replace(email, from_=f"Shop <{OF_CONNECTION}>"))
            given[scenario.name] = await opened.apps.create(scenario.name, scenario.app()), message
        replies = await asyncio.gather(*(hand_in(server, scenario) for scenario in stage.scenarios))
    async with (
        Mailnode.open(stage.environment) as opened,
        working(opened),
        SubmissionServer(opened.gate, Doors(port=0)) as server,
    ):
        for scenario, reply in zip(stage.scenarios, replies, strict=True):
            stage.of(scenario).said[scenario.tags()[0]] = await _ended(opened, _id_in(reply))
            await _reports(opened, stage, scenario)
        replies = await asyncio.gather(*(hand_in(server, scenario) for scenario in stage.scenarios))
        for scenario, reply in zip(stage.scenarios, replies, strict=True):
            again = await _ended(opened, _id_in(reply))
            stage.of(scenario).again[scenario.tags()[0]] = again | {"duplicate": "duplicate" in reply}
            await _reports(opened, stage, scenario)


async def enqueue_all(stage: Stage) -> None:
    """It is sent once the transaction is committed; the same in one that is rolled back is nowhere."""
    async with Mailnode.open(stage.environment) as opened, working(opened):

        async def twice(scenario: Scenario) -> None:
            (tag,) = scenario.tags()
            email = await _email(opened, stage, scenario)
            # The environment of the program is that of this test's process; nothing else runs here meanwhile.
            with patch.dict(os.environ, stage.variables), psycopg.connect(_driver_url(stage)) as db:
                lost = enqueue(email, within=db, **scenario.enqueue_options())
                db.rollback()
                queued = enqueue(email, within=db, **scenario.enqueue_options())
                db.commit()
            ran = stage.of(scenario)
            ran.said[tag] = await _ended(opened, str(queued["deliveryId"]))
            ran.again[tag] = {"deliveryId": lost["deliveryId"], "isThere": await _is_there(opened, lost["deliveryId"])}

        await asyncio.gather(*map(twice, stage.scenarios))


async def _email(opened: Mailnode, stage: Stage, scenario: Scenario) -> Email:
    """Give what the node would send."""
    (tag,) = scenario.tags()
    return (await opened.dry_run(stage.flow(scenario), NODE, input=scenario.input(tag)).compose()).email


def _hand_in(port: int, app: NewPassword, message: Message) -> str:
    """Speak SMTP as Python's own library does, and give the last reply."""
    content, paths = message.octets(), message.envelope
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.login(app.login, app.password)
        options = [] if content.isascii() else ["BODY=8BITMIME"]
        codes = [client.mail(paths.reverse_path or "", options), *map(client.rcpt, paths.forward_paths)]
        assert all(code == 250 for code, _ in codes), codes
        code, words = client.data(content)
    assert code == 250, words
    return words.decode()


def _id_in(reply: str) -> str:
    found = _QUEUED_AS.search(reply)
    assert found, reply
    return found[1]


async def _ended(opened: Mailnode, delivery_id: str) -> Json:
    ((_, result),) = [one async for one in opened.drained([delivery_id])]
    assert result, "it was deleted"
    return dict(result)


async def _reports(opened: Mailnode, stage: Stage, scenario: Scenario) -> None:
    """Wait for the end of the reports too."""
    ran = stage.of(scenario)
    listed = await opened.deliveries.list(app=scenario.name)
    ids = [one["deliveryId"] for one in listed if str(one["subject"]).startswith("Not sent: ")]
    _ = [one async for one in opened.drained(ids)]
    ran.reports = [dict(await opened.deliveries.show(one)) for one in ids]


async def _is_there(opened: Mailnode, delivery_id: str | None) -> bool:
    try:
        await opened.deliveries.show(str(delivery_id))
    except DeliveryError:
        return False
    return True


def _driver_url(stage: Stage) -> str:
    return re.sub(r"^postgresql\+\w+:", "postgresql:", stage.database_url)
