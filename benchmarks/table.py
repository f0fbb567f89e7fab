"""The table: medians, and the median of the ratios round by round."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from benchmarks.figure import Figure
from benchmarks.measure import Taken

# The clients, and what stands above their columns: of those who send, of those who also keep what is to be sent, and of
# those who are asked for runs over HTTP.
SENDERS = {
    "mailnode": "mailnode",
    "mailnode on asyncio": "on asyncio",
    "Nodemailer": "Nodemailer",
    "aiosmtplib": "aiosmtplib",
    "smtplib": "standard library",
    "smtp-source": "smtp-source",
    "django": "Django",
}
KEEPERS = {
    "mailnode": "mailnode",
    "BullMQ": "BullMQ",
    "Celery": "Celery",
    "django-post-office": "django-post-office",
    "client": "bare client",
    "Postfix": "Postfix",
    "no queue": "no queue",
}
SERVERS = {"mailnode": "mailnode", "Node-RED": "Node-RED", "n8n": "n8n"}
SIGNIFICANT = 100


def line(figure: Figure, taken: Mapping[str, Sequence[Taken]], columns: Iterable[str]) -> tuple[str, ...]:
    """Tell one figure; `columns` are the clients that have one."""
    taken = {name.removeprefix(figure.of): rounds for name, rounds in taken.items() if name.startswith(figure.of)}
    if figure.ours not in taken:
        return (figure.name, *("" for _ in columns), "not here", *("" for _ in range(3)))
    medians = {name: median(figure.pick(one) for one in rounds) for name, rounds in taken.items()}
    medians["mailnode"] = medians[figure.ours]
    cells = [shown(medians[name]) if name in medians else "" for name in columns]
    bounds = [_bound(figure, bound) for bound in (figure.reach, figure.least)]
    if not figure.beside:
        told = f"{shown(medians['mailnode'])} {figure.unit}"
        sign = -1 if figure.is_cost else 1
        verdict = _verdict(
            sign * medians["mailnode"], *(bound and sign * bound for bound in (figure.reach, figure.least))
        )
    elif figure.beside in taken:
        pairs = zip(taken[figure.ours], taken[figure.beside], strict=True)
        value = median(_better(figure, mine, theirs) for mine, theirs in pairs)
        told, verdict = f"{_times(figure, value)} {figure.beside}", _verdict(value, figure.reach, figure.least)
    else:
        told, verdict = f"{figure.beside} is not here", ""
    return figure.name, *cells, told, *bounds, verdict


def markdown(columns: Mapping[str, str], lines: Sequence[Sequence[str]]) -> str:
    """Lay the lines out as a table that reads well in plain text too."""
    head = ("work", *columns.values(), "mailnode is", "reach", "at the least", "verdict")
    widths = [max(len(cell) for cell in column) for column in zip(head, *lines, strict=True)]
    rule = ["-" * width for width in widths]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in (head, rule, *lines)
    )


def _better(figure: Figure, mine: Taken, theirs: Taken) -> float:
    """Say how many times better ours is."""
    ours, other = figure.pick(mine), figure.pick(theirs)
    return other / ours if figure.is_cost else ours / other


def _times(figure: Figure, better: float) -> str:
    is_part = figure.is_cost and better >= 1
    ratio = 1 / better if figure.is_cost and not is_part else better
    times = (f"{ratio:.1f}" if ratio >= 1 else f"{ratio:.2f}").rstrip("0").rstrip(".")
    return f"1/{times}" if is_part else f"{times}x"


def _bound(figure: Figure, bound: float | None) -> str:
    if bound is None:
        return ""
    return _times(figure, bound) if figure.beside else f"{bound:g}"


def _verdict(value: float, reach: float | None, least: float | None) -> str:
    if reach is None:
        return ""
    if value >= reach:
        return "reached"
    return "enough" if least is not None and value >= least else "missed"


def shown(value: float) -> str:
    """Write a value as it is read."""
    return f"{value:,.0f}" if value >= SIGNIFICANT else f"{value:.3g}"
