"""Snapshots: flows and connections in one encrypted file, and back."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from mailnode import snapshots
from mailnode.connections.snapshot.contents import Snapshot
from mailnode.web.api.problem import PROBLEMS, ApiModel, ErrorDetail, error_detail
from mailnode.web.site import Site, SiteHere

router = APIRouter(prefix="/api/snapshots", tags=["snapshots"], responses=PROBLEMS)

Passphrase = Annotated[str, Field(min_length=1, max_length=1000)]


class NewSnapshot(ApiModel):
    """What goes into a snapshot: flows and connections by name, all of them where none is named."""

    name: str
    passphrase: Passphrase
    flows: list[str] = []
    connections: list[str] = []


class MadeSnapshot(ApiModel):
    """A snapshot that was made; `troubles` say which tokens could not be renewed for it."""

    name: str
    flows: list[str]
    files: list[str]
    connections: list[str]
    troubles: list[ErrorDetail]


class OpenRequest(ApiModel):
    """A snapshot's passphrase, and other names for its connections."""

    passphrase: Passphrase
    rename: dict[str, str] = {}


class RestoreRequest(OpenRequest):
    """The same, and whether flows that are here may be replaced."""

    overwrite_flows: bool = False


class RestorePlan(ApiModel):
    """What a restore does: with each flow, each file that they use, and each connection."""

    flows: dict[str, str]
    files: dict[str, str]
    connections: dict[str, str]


@router.get("")
async def list_snapshots(site: SiteHere) -> list[dict[str, Any]]:
    """List the snapshots of the home."""
    return await asyncio.to_thread(snapshots.listed, site.environment.home)


@router.post("", status_code=201)
async def create_snapshot(site: SiteHere, new: NewSnapshot) -> MadeSnapshot:
    """Write a snapshot, with tokens that were renewed just before."""
    flows = [site.flow_files.get(name) for name in new.flows] or site.flow_files.flows()
    path = snapshots.named_path(site.environment.home, new.name)
    snapshot, troubles = await snapshots.create(
        site.environment, path, new.passphrase, [flow.path for flow in flows], new.connections, ()
    )
    return MadeSnapshot(
        name=new.name,
        flows=[flow.name for flow in snapshot.flows],
        files=[one.path for one in snapshot.beside],
        connections=[connection.name for connection in snapshot.connections],
        troubles=[error_detail(trouble) for trouble in troubles],
    )


@router.post("/{name}/plan")
async def plan_snapshot(site: SiteHere, name: str, request: OpenRequest) -> RestorePlan:
    """Say what a restore would do."""
    return _shown(site, await _planned(site, await _opened(site, name, request.passphrase), request.rename))


@router.post("/{name}/restore")
async def restore_snapshot(site: SiteHere, name: str, request: RestoreRequest) -> RestorePlan:
    """Restore a snapshot, all of it or nothing; tokens that are newer here stay."""
    snapshot = await _opened(site, name, request.passphrase)
    planned = await _planned(site, snapshot, request.rename)
    overwrite = request.overwrite_flows
    await snapshots.restore_snapshot(site.environment, snapshot, planned, request.rename, overwrite=overwrite)
    return _shown(site, planned)


async def _opened(site: Site, name: str, passphrase: str) -> Snapshot:
    path = snapshots.named_path(site.environment.home, name)
    return await asyncio.to_thread(snapshots.open_snapshot, path, passphrase)


async def _planned(site: Site, snapshot: Snapshot, rename: dict[str, str]) -> snapshots.RestorePlan:
    return await snapshots.plan_restore(site.environment, snapshot, site.flow_files.folder, rename)


def _shown(site: Site, planned: snapshots.RestorePlan) -> RestorePlan:
    return RestorePlan(
        flows={step.path.relative_to(site.flow_files.folder).as_posix(): step.change for step in planned.flows},
        files={f"{step.path.parent.name}/{step.path.name}": step.change for step in planned.beside},
        connections={step.name: step.change for step in planned.connections},
    )
