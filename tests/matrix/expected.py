"""What must come of a case: told from its values alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from matrix.dimensions import Case
from matrix.scenario import OF_CONNECTION, REDIRECTED_TO, Scenario
from support.token_endpoint import USER

FAILED = {"failed", "held", "unknown"}


@dataclass(frozen=True)
class Expected:
    """How a mail ends: `copies` is how often a server took it, `ended` how often its final dot was out."""

    status: str
    accepted: Sequence[str]
    rejected: Sequence[str]
    code: str | None
    attempts: int
    copies: int
    ended: int
    warnings: Sequence[str] = ()


def expected(scenario: Scenario, tag: str) -> Expected:
    """Tell how a mail of a case ends."""
    case, all_of_them = scenario.case, recipients(scenario, tag)
    warnings = [f"redirected to {REDIRECTED_TO}"] if case.login_extra == "redirectAllTo" else []
    bob = [address for address in all_of_them if address.startswith("bob+")]
    if case.server == "impostor":
        return Expected("failed", [], [], "badCertificate", 1, 0, 0, warnings)
    if case.server == "refuses one" and case.partial_delivery == "refuse":
        return Expected("failed", [], all_of_them, "recipientsRefused", 1, 0, 0, warnings)
    if case.server == "refuses one":
        others = [address for address in all_of_them if address not in bob]
        return Expected("partial", others, bob, "recipientsRefused", 1, 1, 1, warnings)
    if case.server == "lost once" and case.on_unknown == "hold":
        return Expected("held", [], [], "unknownOutcome", 1, 1, 1, warnings)
    if case.server == "lost once":
        return Expected("sent", all_of_them, [], None, 2, 2, 2, [*warnings, "resentAfterUnknown"])
    if case.server == "defers once":
        return Expected("sent", all_of_them, [], None, 2, 1, 2, warnings)
    return Expected("sent", all_of_them, [], None, 1, 1, 1, warnings)


def recipients(scenario: Scenario, tag: str) -> list[str]:
    """Give the forward-paths of a mail."""
    if scenario.case.login_extra == "redirectAllTo":
        return [REDIRECTED_TO]
    names = ("ann", "bob", "carol", "dave") if scenario.case.rest == "all" else ("ann", "bob")
    return [f"{name}+{tag}@example.org" for name in names]


def reverse_path(scenario: Scenario, tag: str) -> str:
    """Give where its bounces go."""
    if scenario.case.rest == "all":
        return f"bounces+{tag}@shop.example"
    return sender(scenario, tag)


def sender(scenario: Scenario, tag: str) -> str:
    """Give the address of its From."""
    return OF_CONNECTION if scenario.case.login_extra == "from" else f"shop+{tag}@shop.example"


def login(scenario: Scenario) -> tuple[str, str] | None:
    """Give mechanism and name that a server must have let in."""
    if scenario.case.connection == "none":
        return None
    if scenario.case.connection == "basic":
        return scenario.address.of_password, "shop@login.example"
    return scenario.address.of_token, USER


def halts(case: Case, status: str) -> bool:
    """Tell whether the run ends with the mail."""
    return case.asynchronous == "waits" and case.stop_on_error == "stops" and status in FAILED


def exit_status(case: Case, status: str) -> int:
    """Tell the exit status of the face's process."""
    if case.face == "run":
        return int(halts(case, status))
    if case.face == "inputs":
        return int(status != "sent")
    return 0
