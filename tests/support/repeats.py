"""Content with directives made by chance, each with what must become of it, by another way than mailnode's."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

Scope = Mapping[str, Any]
Made = tuple[str, Callable[[Scope], str]]

NAMES = ("Tea & <b>Cups</b>", 'a "quoted" one', "Größe €", "{{ input.no }}", '<p data-if="x">', "plain", "")
TAGS = ("div", "section", "ul", "b", "span", "x-row")


@dataclass(frozen=True)
class Repeats:
    """A content and the input that it is filled with, and the HTML that it becomes."""

    content: str
    input: dict[str, Any]
    html: str


def repeats(seed: int, given: dict[str, Any] | None = None) -> Repeats:
    """Make one, for some input or for one of its own; the same seed makes the same."""
    chance = random.Random(seed)
    given = given or {
        "items": [_item(chance, 2) for _ in range(chance.randrange(4))],
        "yes": chance.random() < 0.5,
        "none": [],
    }
    template, render = _content(chance, 3, ())
    return Repeats(f"<p>Begin</p>{template}", given, f"<p>Begin</p>{render({'input': given})}")


def _item(chance: random.Random, depth: int) -> dict[str, Any]:
    inner = [_item(chance, depth - 1) for _ in range(chance.randrange(3))] if depth else []
    return {"name": chance.choice(NAMES), "count": chance.randrange(4), "items": inner}


def _content(chance: random.Random, depth: int, variables: tuple[str, ...]) -> Made:
    made = [_element(chance, depth, variables) for _ in range(chance.randrange(1, 4))]
    return "".join(template for template, _ in made), lambda scope: "".join(render(scope) for _, render in made)


def _element(chance: random.Random, depth: int, variables: tuple[str, ...]) -> Made:
    kind = chance.choice(("value", "each", "if") if depth else ("value", "text"))
    if kind == "each":
        return _each(chance, depth, variables)
    if kind == "if":
        return _if(chance, depth, variables)
    if kind == "value" and variables:
        name = chance.choice(variables)
        return (
            f'<i title="{{{{ {name}.count }}}}-{{{{ {name}.name }}}}">{{{{ {name}.name }}}}</i>',
            lambda scope: (
                f'<i title="{scope[name]["count"]}-{escape(scope[name]["name"])}">{escape(scope[name]["name"])}</i>'
            ),
        )
    word = chance.choice(("&eacute; ", "<!-- a comment -->", "<br>", "one\n two"))
    return word, lambda _: word


def _each(chance: random.Random, depth: int, variables: tuple[str, ...]) -> Made:
    around = chance.choice(("input", *variables))
    # A name may hide another one.
    name = chance.choice(("item", "one", "other"))
    tag, limit = chance.choice(TAGS), chance.choice((None, 1))
    index = f"n{depth}"
    within, render = _content(chance, depth - 1, (*(one for one in variables if one != name), name))
    judged = "" if limit is None else f' data-if="{name}.count &gt; {limit}"'
    template = f'<{tag} data-each="{name}, {index} of {around}.items" id="r{{{{ {index} }}}}"{judged}>{within}</{tag}>'
    has_else = chance.random() < 0.5

    def rows(scope: Scope) -> str:
        found = [
            f'<{tag} id="r{number}">{render({**scope, name: item})}</{tag}>'
            for number, item in enumerate(scope[around]["items"])
            if limit is None or item["count"] > limit
        ]
        return "".join(found) + (" " + ("" if found else "<em>none</em>") if has_else else "")

    return template + (" <em data-else>none</em>" if has_else else ""), rows


def _if(chance: random.Random, depth: int, variables: tuple[str, ...]) -> Made:
    within, render = _content(chance, depth - 1, variables)
    instead, render_else = _content(chance, depth - 1, variables)
    tag = chance.choice(TAGS)
    return (
        f"<{tag} data-if='input.yes'>{within}</{tag}>\n<{tag} class=x data-else>{instead}</{tag}>",
        lambda scope: (
            f"<{tag}>{render(scope)}</{tag}>\n"
            if scope["input"]["yes"]
            else f"\n<{tag} class=x>{render_else(scope)}</{tag}>"
        ),
    )
