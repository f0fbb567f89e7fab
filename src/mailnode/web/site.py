"""What pages and API work with."""

from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Annotated

from fastapi import Depends, Request

from mailnode.app import Mailnode
from mailnode.environment import Environment
from mailnode.flow.flow_files import FlowFiles
from mailnode.inbox.folder import InboxFolder
from mailnode.web.previews import Previews
from mailnode.web.reader import MailReader

VERSION = version("mailnode")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """An open Mailnode whose queue is being worked, the flows on its flow files, and the inbox beside it."""

    mailnode: Mailnode
    environment: Environment
    flow_files: FlowFiles
    inbox: InboxFolder
    inbox_port: int
    reader: MailReader
    previews: Previews = field(default_factory=Previews)


# Asynchronous, as every dependency is: FastAPI calls others in a thread, which costs more than all the rest of it.
async def site_of(request: Request) -> Site:
    """Give the site of an application."""
    site: Site = request.app.state.site
    return site


SiteHere = Annotated[Site, Depends(site_of)]
