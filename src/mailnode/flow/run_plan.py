"""What a run would send: its nodes are gone through in their order, and no email leaves."""

from dataclasses import dataclass, field, replace

from mailnode.delivery.result import Result, result_of_error
from mailnode.errors import ExpressionError, MailnodeError
from mailnode.flow.builtin import Say, SetContext
from mailnode.flow.run import PreparedNode, Run
from mailnode.message.envelope import Message
from mailnode.node.expression import Evaluator
from mailnode.node.node_api import NodeCall, NodeReturn
from mailnode.node.node_return import return_of, return_of_error
from mailnode.node.send_email import Composition, SendSmtpEmail


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedEmail:
    """An email that a run would send; where `error` says why it can't be made, nothing else is known of it.

    `recipients` are those that get it, also where all email is redirected.
    """

    node: str
    label: str
    subject: str = ""
    recipients: tuple[str, ...] = ()
    host: str = ""
    port: int = 0
    connection: str = ""
    message: Message | None = None
    error: MailnodeError | None = None


@dataclass(slots=True)
class RunPlan:
    """The emails of a run in their order.

    `error` would halt it there. `is_certain` is false where a node of another package may change what comes after it.
    """

    emails: list[PlannedEmail] = field(default_factory=list)
    error: MailnodeError | None = None
    is_certain: bool = True


async def plan_run(nodes: list[PreparedNode], run: Run) -> RunPlan:
    """Go through the nodes of a run as if every email were accepted; its state changes as in a run."""
    plan = RunPlan()
    for prepared in nodes:
        source = prepared.source
        call = NodeCall(run.flow, run.id, source.id, run.state.input, run.state.context, folder=run.folder)
        try:
            if prepared.when and not await Evaluator(call.input, call.context).truth(prepared.when):
                continue
            returned = await _returned(prepared, call, plan)
            for write in returned.writes:
                run.state.write(write)
        except MailnodeError as error:
            plan.error = error.locate(node=source.id, key="when" if _is_of_condition(error, prepared) else "")
            break
        if returned.halt:
            break
    return plan


def _is_of_condition(error: MailnodeError, prepared: PreparedNode) -> bool:
    return isinstance(error, ExpressionError) and not error.key and prepared.when is not None


async def _returned(prepared: PreparedNode, call: NodeCall, plan: RunPlan) -> NodeReturn:
    source, node = prepared.source, prepared.node
    if isinstance(node, Say | SetContext):
        return await node.execute(call)
    if not isinstance(node, SendSmtpEmail):
        plan.is_certain = False
        return NodeReturn()
    planned = PlannedEmail(node=source.id, label=source.label)
    try:
        made = await node.compose(call)
    except MailnodeError as error:
        plan.emails.append(replace(planned, error=error.locate(node=source.id)))
        return return_of_error(node.settings, error)
    server, envelope = made.route.server, made.message.envelope
    where = replace(planned, host=server.host, port=server.port, connection=made.route.connection)
    to = tuple(envelope.forward_paths)
    plan.emails.append(replace(where, subject=made.email.subject, recipients=to, message=made.message))
    return return_of(node.settings, _accepted(made))


def _accepted(made: Composition) -> Result:
    """Give the result that an email has when everybody accepts it, as far as it is known before."""
    envelope = made.message.envelope
    recipients = list(envelope.forward_paths)
    nothing = result_of_error(MailnodeError(""), connection=made.route.connection, host=made.route.server.host)
    addresses: dict[str, object] = {"from": envelope.reverse_path, "to": recipients}
    return {
        **nothing,
        "status": "sent",
        "error": None,
        "messageId": made.message.message_id,
        "envelope": addresses,
        "accepted": recipients,
    }
