"""The settings of an attachment with `forEach`, filled in once for each item of its list, in one call to the engine."""

from collections.abc import Mapping

from mailnode.errors import ExpressionError
from mailnode.node.directives import Loop
from mailnode.node.expression import Evaluator
from mailnode.node.js_string import TextRules
from mailnode.node.program import ProgramMaker
from mailnode.node.template import Expression, Template

MOST_FILES = 100
_KEY = "forEach"


async def fill_for_each(
    evaluator: Evaluator, items: Expression, templates: Mapping[str, Template], rules: Mapping[str, TextRules]
) -> list[dict[str, str]]:
    """Fill in templates by name for each `item` of a list, of which `index` is the number, from 0.

    `rules` say what may stand in each, and how long all that is made may be together.

    Raises:
        ExpressionError: the list is none, or longer than MOST_FILES, or a value is none that can be put in; `key` is
            the setting, `forEach` for the list.
    """
    loop = Loop("item", "index", items)
    expressions = [expression for template in templates.values() for expression in template.expressions]
    maker = ProgramMaker(expressions)
    node, names = maker.enter(loop, None, ())
    node[-1] = [maker.value(number, names) for number in range(len(expressions))]
    most = max((one.max_characters for one in rules.values()), default=0)
    try:
        reader = await evaluator.read(maker.made([node], MOST_FILES, most), list_key=_KEY)
    except ExpressionError as error:
        raise error.locate(key=_KEY) from None
    turns = []
    for _ in reader.times(loop, None):
        numbers = iter(range(len(expressions)))
        turn = {}
        for name, template in templates.items():
            texts = [reader.text(next(numbers), rules[name], key=name) for _ in template.expressions]
            turn[name] = template.filled(texts, control_ok=rules[name].control_ok)
        turns.append(turn)
    reader.check()
    return turns
