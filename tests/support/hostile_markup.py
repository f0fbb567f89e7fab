"""What strangers write where a page may show it, and what must not have become of it there."""

import re
from html.parser import HTMLParser
from pathlib import Path

import mailnode

# Those of the steps at providers, which lead to their consoles.
_STEPS = Path(mailnode.__file__).parent / "web/provider_steps.md"
OWN_ADDRESSES = frozenset(re.findall(r"\]\((https://[^)\s]+)\)", _STEPS.read_text(encoding="utf-8")))

# Each ends another context that a template could have put it in.
EVIL = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "'><svg/onload=alert(1)>",
    '" autofocus onfocus=alert(1) x="',
    "</pre></code></textarea></title><script>alert(1)</script>",
    "{{ 7 * 191 }}{% raw %}",
    "javascript:alert(1)",
)
ALL_EVIL = " ".join(EVIL)


class _Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]


def assert_only_our_markup(html: str) -> None:
    """Check that what was given stands in a page as text: no element, no handler, no address of it."""
    page = _Page(html)
    sources = [value for tag, name, value in page.attributes if tag == "script" and name == "src"]
    assert all(source.startswith("/static/") for source in sources)
    assert page.tags.count("script") == len(sources)
    assert "img" not in page.tags
    assert not [name for _, name, _ in page.attributes if name.startswith("on") or name == "autofocus"]
    for _, name, value in page.attributes:
        if name in {"href", "src", "action", "hx-get", "hx-post", "hx-delete"}:
            assert value.startswith(("/", "#")) or value in OWN_ADDRESSES, value
    assert "1337" not in html
