"""The table: medians, and the median of the ratios round by round."""

from collections.abc import Mapping, Sequence
from statistics import median

from benchmarks.measure import Taken
from benchmarks.rows import Figure

COLUMNS = ("mailnode", "mailnode on asyncio", "Nodemailer", "aiosmtplib", "smtplib", "smtp-source")
HEAD = ("work", "", *COLUMNS, "mailnode beside", "", "reach", "at the least", "verdict")
SIGNIFICANT = 100


def line(figure: Figure, taken: Mapping[str, Sequence[Taken]]) -> tuple[str, ...]:
    """Tell one figure."""
    cells = [_shown(median(figure.pick(one) for one in taken[name])) if name in taken else "" for name in COLUMNS]
    if not figure.beside:
        bounds = [f"<= {bound:g}" for bound in (figure.reach, figure.least)]
        ours = median(figure.pick(one) for one in taken["mailnode"])
        return figure.work, figure.unit, *cells, "", "", *bounds, _verdict(-ours, -figure.reach, -figure.least)
    reach, least = (_times(figure, bound) for bound in (figure.reach, figure.least))
    if figure.beside not in taken:
        return figure.work, figure.unit, *cells, figure.beside, "not here", reach, least, ""
    better = median(
        _better(figure, mine, theirs) for mine, theirs in zip(taken["mailnode"], taken[figure.beside], strict=True)
    )
    verdict = _verdict(better, figure.reach, figure.least)
    return figure.work, figure.unit, *cells, figure.beside, _times(figure, better), reach, least, verdict


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """Lay the lines out as a table that reads well in plain text too."""
    rows = [HEAD, *lines]
    widths = [max(3, *(len(row[column]) for row in rows)) for column in range(len(HEAD))]
    rule = ["-" * width for width in widths]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in (HEAD, rule, *lines)
    )


def _better(figure: Figure, mine: Taken, theirs: Taken) -> float:
    ours, other = figure.pick(mine), figure.pick(theirs)
    return other / ours if figure.is_cost else ours / other


def _times(figure: Figure, better: float) -> str:
    digits = f"{better:.2f}".rstrip("0").rstrip(".") if better < 1 else f"{better:.1f}".removesuffix(".0")
    return f"1/{digits}" if figure.is_cost else f"{digits}x"


def _verdict(value: float, reach: float, least: float) -> str:
    if value >= reach:
        return "reached"
    return "enough" if value >= least else "missed"


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= SIGNIFICANT else f"{value:.3g}"
