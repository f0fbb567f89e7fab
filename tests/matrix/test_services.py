"""Every service of the table by its name, in each of its TLS modes, waiting and asynchronous: one sweep."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mailnode.app import Mailnode
from mailnode.connections.service import Service, services
from mailnode.environment import Environment
from mailnode.flow.document import FlowDocument, FlowNode
from mailnode.flow.run import Run
from mailnode.smtp.proxy import parse_proxy
from mailnode.smtp.server import TlsOption
from matrix.servers import PASSWORDS, Address, Taken
from matrix.world import World, running_world
from support.tls import trusted_by_the_system

SERVICES = 92
_SECONDS = 120


@dataclass(frozen=True)
class Way:
    """One mail: to a service, under one of the names that it has, in one of its TLS modes."""

    number: int
    service: Service
    spelling: str
    tls_option: TlsOption
    is_asynchronous: bool

    @property
    def tag(self) -> str:
        return f"sweep{self.number}.1"

    @property
    def connection(self) -> str:
        return f"{self.service.name} {self.tls_option}"

    @property
    def flow(self) -> FlowDocument:
        settings = {
            "emailService": self.spelling,
            "connection": self.connection,
            "from": f"shop+{self.tag}@shop.example",
            "to": "jane@example.org",
            "asynchronous": self.is_asynchronous,
            "storeResult": "context",
            "resultKey": "sent",
        }
        node = FlowNode("tell", "sendSmtpEmail", "tell", None, settings, 1)
        return FlowDocument(f"sweep-{self.number}", (node,), f"sweep-{self.number}.flow.yaml")


def ways() -> list[Way]:
    """Give all of them; each other name of a service is used at least once where it has as many mails."""
    found: list[Way] = []
    for service in services():
        spellings = [service.name, *service.aliases, *service.domains]
        modes = [(mode, later) for mode in service.ports for later in (False, True)]
        for position in range(max(len(spellings), len(modes))):
            mode, later = modes[position % len(modes)]
            found.append(Way(len(found), service, spellings[position % len(spellings)], mode, later))
    return found


@pytest.fixture(scope="module")
def all_services() -> Iterator[World]:
    addresses = {
        (service.host, port): Address(service.host, port, mode)
        for service in services()
        for mode, port in service.ports.items()
    }
    with trusted_by_the_system(), running_world(addresses.values()) as running:
        yield running


@asynccontextmanager
async def opened(home: Path, world: World) -> AsyncIterator[Mailnode]:
    proxy = parse_proxy(world.proxies["socks5 of environment"].url)
    async with Mailnode.open(replace(Environment.read(), home=home, smtp_proxy=proxy)) as mailnode:
        for service in services():
            for mode in service.ports:
                ((username, password),) = PASSWORDS.items()
                fields = {"service": service.name, "tlsOption": mode, "username": username, "password": password}
                allowed = {"allowPlaintextAuth": True} if mode == "none" else {}
                await mailnode.connections.create(f"{service.name} {mode}", "basic", {**fields, **allowed})
        yield mailnode


async def test_each_service_is_reached_by_its_name_in_each_of_its_modes_waiting_and_asynchronous(
    home: Path, all_services: World
) -> None:
    assert len(services()) == SERVICES
    every = ways()
    async with asyncio.timeout(_SECONDS), opened(home, all_services) as mailnode, mailnode.working():

        async def one(way: Way) -> Run:
            return await mailnode.settled(await mailnode.run(way.flow, run_id=way.tag))

        runs = await asyncio.gather(*map(one, every))
    told = {
        way: _told(way, run, all_services.books.taken.get(way.tag, [])) for way, run in zip(every, runs, strict=True)
    }
    assert {way: trouble for way, trouble in told.items() if trouble} == {}


def _told(way: Way, run: Run, taken: list[Taken]) -> str:
    """Tell what is not as it should be."""
    result = run.nodes[0].result
    if (result["status"], len(taken)) != ("sent", 1):
        return f"{result['status']}, {len(taken)} times: {result['error']}"
    (one,) = taken
    told = {
        "host": (one.address.host, way.service.host),
        "port": (one.address.port, way.service.ports[way.tls_option]),
        "privacy": (one.is_private, way.tls_option != "none"),
        "name in TLS": (one.server_name, way.service.host if one.is_private else None),
        "login": (one.login, ("SCRAM-SHA-256", *PASSWORDS)),
        "way": (one.way, "socks5 of environment"),
        "result": ((result["host"], result["authMechanism"]), (way.service.host, "SCRAM-SHA-256")),
        "where it is stored": (run.state.context["sent"], result),
    }
    return "; ".join(f"{name} is {found}, not {wanted}" for name, (found, wanted) in told.items() if found != wanted)


def test_every_other_name_of_a_service_is_among_them() -> None:
    spelled = {way.spelling for way in ways()}
    assert {word for service in services() for word in (service.name, *service.aliases, *service.domains)} == spelled
    asynchronous = {(way.service.name, way.tls_option) for way in ways() if way.is_asynchronous}
    assert asynchronous == {(service.name, mode) for service in services() for mode in service.ports}
