"""What a person wants to know before a run, and after one that failed: who gets email, and what the server accepts."""

import asyncio

from fastapi import APIRouter

from mailnode.errors import ErrorCode
from mailnode.flow.run_plan import PlannedEmail, RunPlan
from mailnode.smtp.doctor.finding import Diagnosis, Finding, Step
from mailnode.smtp.server import ServerSettings, TlsOption
from mailnode.web.api.preview import PreviewRequest
from mailnode.web.api.problem import PROBLEMS, ApiModel, ErrorDetail, error_detail, problem_of
from mailnode.web.sentence import capital, sentence
from mailnode.web.site import Site, SiteHere

router = APIRouter(prefix="/api/preview", tags=["preview"], responses=PROBLEMS)

# The field of the node that a failed step is about.
_FIELDS: dict[Step, str] = {
    "settings": "connection",
    "resolve": "smtp.host",
    "connect": "smtp.port",
    "port": "smtp.port",
    "tls": "smtp.tlsOption",
    "greeting": "smtp.host",
    "ehlo": "smtp.host",
    "token": "connection",
    "auth": "connection",
    "mail": "from",
    "rcpt": "to",
}
_OF_THE_SERVER = "smtp."


class PlannedMail(ApiModel):
    """An email that a run would send; `errors` say why it can't be made, and then it has no recipients.

    `isInbox` tells those that go to the inbox on this machine, and so to nobody.
    """

    node: str
    label: str
    subject: str
    recipients: list[str]
    host: str
    port: int
    connection: str
    is_inbox: bool
    errors: list[ErrorDetail]


class Plan(ApiModel):
    """What a run would send: its emails in their order.

    `errors` are the settings because of which it can't begin, or what would halt it. `isCertain` is false where a node
    of another package may change what comes after it.
    """

    emails: list[PlannedMail]
    errors: list[ErrorDetail]
    is_certain: bool


class WorkingServer(ApiModel):
    """Settings of the server that were tried, and work."""

    host: str
    port: int
    tls_option: TlsOption


class ServerCheck(ApiModel):
    """What keeps email from being sent, each at its field, and other settings of the same host that work.

    No email was sent.
    """

    errors: list[ErrorDetail]
    settings: WorkingServer | None


@router.post("/plan")
async def plan(site: SiteHere, request: PreviewRequest) -> Plan:
    """Say which emails a run would send, and to whom; nothing is sent or saved."""
    dry_run = await asyncio.to_thread(request.dry_run, site)
    if errors := await asyncio.to_thread(dry_run.errors):
        return Plan(emails=[], errors=[error_detail(error) for error in errors], is_certain=True)
    return _plan(site, await dry_run.plan())


@router.post("/inbox")
async def send_to_inbox(site: SiteHere, request: PreviewRequest) -> Plan:
    """Send what a run would send to the inbox on this machine and to nobody else; nothing is saved."""
    dry_run = await asyncio.to_thread(request.dry_run, site)
    return _plan(site, await dry_run.send_all_to_port(site.inbox_port))


@router.post("/server")
async def check_server(site: SiteHere, request: PreviewRequest) -> ServerCheck:
    """Examine the server of a node step by step, and say at which field it fails; no email is sent."""
    dry_run = await asyncio.to_thread(request.dry_run, site)
    server, diagnosis = await dry_run.examine([(site.inbox_port, "none")])
    is_service = _is_service(request)
    errors = [_at_field(request.node or "", one, server, diagnosis, is_service=is_service) for one in diagnosis.failed]
    works = diagnosis.settings if errors and not is_service else None
    return ServerCheck(
        errors=errors,
        settings=WorkingServer(host=works.host, port=works.port, tls_option=works.tls_option) if works else None,
    )


def _is_service(request: PreviewRequest) -> bool:
    _, document = request.read()
    node = next((one for one in document.nodes if one.id == request.node), None)
    return node is not None and node.settings.get("emailService") != "other"


def _at_field(
    node: str, finding: Finding, server: ServerSettings, diagnosis: Diagnosis, *, is_service: bool
) -> ErrorDetail:
    key, works = _FIELDS.get(finding.step, ""), diagnosis.settings
    if works and key != "connection" and works.port != server.port:
        key = "smtp.port"
    elif works and works.tls_option != server.tls_option:
        key = "smtp.tlsOption"
    if is_service and key.startswith(_OF_THE_SERVER):
        key = "emailService"
    return ErrorDetail(
        code=str(finding.code or ErrorCode.CONNECT_FAILED),
        phase=finding.step,
        message=sentence(capital(finding.found)),
        hint=sentence(finding.hint),
        node=node,
        key=key,
        line=0,
    )


def _plan(site: Site, planned: RunPlan) -> Plan:
    return Plan(
        emails=[_mail(site, email) for email in planned.emails],
        errors=problem_of(planned.error).errors if planned.error else [],
        is_certain=planned.is_certain,
    )


def _mail(site: Site, email: PlannedEmail) -> PlannedMail:
    return PlannedMail(
        node=email.node,
        label=email.label,
        subject=email.subject,
        recipients=list(email.recipients),
        host=email.host,
        port=email.port,
        connection=email.connection,
        is_inbox=email.host in {"127.0.0.1", "localhost", "::1"} and email.port == site.inbox_port,
        errors=problem_of(email.error).errors if email.error else [],
    )
