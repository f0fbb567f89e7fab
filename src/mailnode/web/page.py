"""Pages: Jinja2 templates, escaped throughout, with what every page needs."""

import re
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.ext import Extension
from markupsafe import Markup

from mailnode.delivery.delivery import RESENT_AFTER_UNKNOWN, label
from mailnode.store.clock import utc
from mailnode.web.base_path import at
from mailnode.web.sentence import sentence
from mailnode.web.site import VERSION
from mailnode.web.verdict import run_verdict

FOLDER = Path(__file__).parent
STATIC = FOLDER / "static"
_WARNINGS = {RESENT_AFTER_UNKNOWN: "it was sent again after an attempt with an unknown outcome, so it may arrive twice"}


class _BelowTheBasePath(Extension):
    """Puts the base path before each address of ours, as a template is compiled: no template can forget it."""

    # Other addresses come from Python as markup, or are in attributes of their own.
    _ADDRESS = re.compile(r"""(\s(?:href|src|action|hx-(?:get|post|put|patch|delete))=")(?=/|\{\{)""")

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:  # noqa: ARG002 -- as Jinja calls it
        """Give a template's source with it."""
        return self._ADDRESS.sub(r"\1{{ at('') }}", source)


@cache
def _templates() -> Environment:
    templates = Environment(
        extensions=[_BelowTheBasePath],
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.globals["at"] = at
    templates.globals["version"] = VERSION
    templates.filters["when"] = _when
    templates.filters["size"] = _size
    templates.filters["label"] = _label
    templates.filters["sentence"] = sentence
    templates.filters["warning"] = _warning
    templates.globals["run_verdict"] = run_verdict
    return templates


def render(request: Request, template: str, status_code: int = 200, /, **values: Any) -> HTMLResponse:
    """Fill in a template."""
    here = {
        "path": request.url.path,
        "csrf": request.scope.get("csrf", ""),
        "is_built": is_built(),
        "stamp": _stamp(),
    }
    return HTMLResponse(_templates().get_template(template).render(here | values), status_code)


def is_built() -> bool:
    """Whether the scripts and styles are there."""
    return (STATIC / "main.js").exists()


def _stamp() -> int:
    """Give what changes when the bundle does, so that browsers may keep it."""
    try:
        return (STATIC / "main.js").stat().st_mtime_ns
    except OSError:
        return 0


def _when(milliseconds: int | None) -> Markup:
    """Show a time (Unix ms), which the browser turns into the reader's own."""
    if milliseconds is None:
        return Markup("")
    at = utc(milliseconds)
    shown = Markup('<time datetime="{}" data-ms="{}">{}</time>')
    return shown.format(at.isoformat(timespec="milliseconds"), milliseconds, f"{at:%Y-%m-%d %H:%M:%S} UTC")


def _warning(code: str) -> str:
    """Say a warning of a result."""
    return sentence(_WARNINGS.get(code, code))


def _label(state: str) -> str:
    """Give the words for a state as a page shows them."""
    return label(state).capitalize()


def _size(count: int) -> str:
    """Show a size."""
    for unit, size in (("MB", 2**20), ("kB", 2**10)):
        if count >= size:
            return f"{count / size:.1f}\N{NO-BREAK SPACE}{unit}"
    return f"{count}\N{NO-BREAK SPACE}bytes"
