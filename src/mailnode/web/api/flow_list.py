"""The list of flows, by pages since each of them is read and checked, and their names."""

import asyncio

from fastapi import APIRouter
from pydantic import Field

from mailnode.flow.flow_files import FlowFile, ListedFlow
from mailnode.web.api.flows import Flow, check, format_of, told
from mailnode.web.api.problem import PROBLEMS, ApiModel
from mailnode.web.flow_path import FLOW
from mailnode.web.site import Site, SiteHere

router = APIRouter(prefix="/api/flows", tags=["flows"], responses=PROBLEMS)


class FlowSummary(ApiModel):
    """One flow of the folder; `trouble` says why it can't be run."""

    name: str
    node_count: int
    modified_at: int
    trouble: str


class FlowName(ApiModel):
    """The new name of a flow."""

    name: str = Field(max_length=1000)


@router.get("")
async def list_flows(site: SiteHere, search: str = "", folder: str = "") -> list[FlowSummary]:
    """List the flows, the last changed first: those in a folder, and in whose names each word of `search` occurs."""
    return await summaries(site, matching(await listed(site), search, folder))


@router.post(f"/{FLOW}/rename", response_model_exclude_unset=True)
async def rename_flow(site: SiteHere, name: str, new: FlowName) -> Flow:
    """Rename a flow; its earlier runs and deliveries keep its old name."""
    return await told(site, lambda: site.flow_files.rename(name, new.name))


async def listed(site: Site) -> list[ListedFlow]:
    """Give all flows, unread, the last changed first."""
    return await asyncio.to_thread(site.flow_files.listed)


def matching(flows: list[ListedFlow], search: str, folder: str) -> list[ListedFlow]:
    """Give those in a folder, or in one in it, in whose names each word of a text occurs."""
    words, begin = search.casefold().split(), f"{folder}/" if folder else ""
    return [one for one in flows if one.name.startswith(begin) and all(word in one.name.casefold() for word in words)]


async def summaries(site: Site, flows: list[ListedFlow]) -> list[FlowSummary]:
    """Read and check flows, in a thread; who carries mail meanwhile must not wait for it."""
    return await asyncio.to_thread(
        lambda: [_summary(site, flow) for flow in site.flow_files.read(one.name for one in flows)]
    )


def _summary(site: Site, flow: FlowFile) -> FlowSummary:
    document, errors = check(site, flow.text, format_of(flow))
    trouble = f"{errors[0].message} {errors[0].hint}" if errors else ""
    count = len(document.nodes) if document else 0
    return FlowSummary(name=flow.name, node_count=count, modified_at=flow.modified_at, trouble=trouble)
