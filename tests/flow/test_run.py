import asyncio
import json

import pytest

from mailnode.errors import ErrorCode, MailnodeError, SettingsError, StoreError, UsageError
from mailnode.flow.builtin import Say, SayType, SetContextType
from mailnode.flow.document import parse_flow
from mailnode.flow.registry import Registry
from mailnode.flow.run import Run, prepare_nodes, run_nodes
from mailnode.flow.run_start import new_run, run_digest
from mailnode.node.node_api import NodeReturn, Write
from support.flows import run as run_file
from support.flows import write_flow


class Does:
    """A node type whose nodes do what a test wants."""

    def __init__(self, execute):
        self.execute = execute

    def prepare(self, settings):
        return self


def registry(**types):
    return Registry({"say": SayType(), "setContext": SetContextType(), **types})


async def run(text, *, input=None, context=None, **types):  # noqa: A002 -- the flow's word
    document = parse_flow("version: 1\nname: f\nnodes:\n" + text, file="f.yaml")
    running = new_run(document, "r1", input or {}, context or {})
    await run_nodes(prepare_nodes(document, registry(**types)), running)
    return running


def refused(text, **types):
    document = parse_flow("version: 1\nname: f\nnodes:\n" + text, file="f.yaml")
    with pytest.raises(MailnodeError) as caught:
        prepare_nodes(document, registry(**types))
    return caught.value


class TestTheOrder:
    async def test_nodes_run_one_after_the_other_and_see_each_others_values(self):
        ran = await run(
            """
  - {id: a, type: setContext, settings: {key: order.total, value: "{{ input.price * 2 }}"}}
  - {id: b, type: say, settings: {text: "total {{ context.order.total }}"}}
""",
            input={"price": 21},
        )
        assert ran.output == ["total 42"]
        assert ran.state.context == {"order": {"total": 42}}
        assert ran.status == "done"

    async def test_a_node_whose_condition_is_false_is_skipped_and_shown_so(self):
        ran = await run(
            """
  - {id: a, type: say, when: "{{ input.paid }}", settings: {text: paid}}
  - {id: b, type: say, when: "{{ !input.paid }}", settings: {text: unpaid}}
""",
            input={"paid": ""},
        )
        assert ran.output == ["unpaid"]
        assert [node.status for node in ran.nodes] == ["skipped", "done"]

    async def test_a_node_that_halts_keeps_the_rest_from_being_reached(self):
        async def halt(call):
            return NodeReturn(status="failed", halt=True, writes=(Write("context", "why", "so"),))

        ran = await run("  - {id: a, type: halt}\n  - {id: b, type: say, settings: {text: never}}\n", halt=Does(halt))
        assert ran.status == "halted"
        assert [node.status for node in ran.nodes] == ["failed", "notReached"]
        assert ran.state.context == {"why": "so"}
        assert ran.output == []

    async def test_an_expression_without_a_value_halts_and_names_the_node(self):
        ran = await run('  - {id: a, type: say, settings: {text: "{{ input.nobody }}"}}\n')
        assert ran.status == "halted"
        error = ran.nodes[0].error
        assert error
        assert (error["code"], error["phase"]) == ("noValue", "expression")
        assert "node a" in error["message"]

    async def test_a_node_of_a_package_that_breaks_halts_with_a_clear_error(self):
        async def broken(call):
            raise ZeroDivisionError("oh")

        ran = await run("  - {id: a, type: broken}\n", broken=Does(broken))
        error = ran.nodes[0].error
        assert error
        assert (ran.status, error["code"]) == ("halted", "nodeFailed")
        assert "ZeroDivisionError" in error["message"]

    async def test_a_node_of_ours_that_breaks_halts_as_a_defect_that_is_logged(self, caplog, monkeypatch):
        def broken(*_):
            raise ZeroDivisionError("oh")

        monkeypatch.setattr(Say, "execute", broken)
        ran = await run("  - {id: a, type: say, settings: {text: hello}}\n")
        error = ran.nodes[0].error
        assert error
        assert (ran.status, error["code"]) == ("halted", "internalError")
        assert "report it" in error["hint"]
        assert "ZeroDivisionError: oh" in caplog.text
        assert "Traceback" in caplog.text

    @pytest.mark.parametrize(
        "step", [None, NodeReturn(result=object()), NodeReturn(writes=(Write("context", "a", {1, 2}),))]
    )
    async def test_a_node_whose_step_is_none_or_holds_what_is_no_json_halts(self, step):
        async def odd(call):
            return step

        ran = await run("  - {id: a, type: odd}\n", odd=Does(odd))
        error = ran.nodes[0].error
        assert error
        assert (ran.status, error["code"]) == ("halted", "nodeFailed")
        json.dumps(ran.to_json())

    @pytest.mark.parametrize("error", [ZeroDivisionError("oh"), StoreError("the database is away")])
    async def test_a_last_word_that_breaks_leaves_the_first_one_and_halts(self, error):
        async def later():
            raise error

        async def early(call):
            return NodeReturn(result={"status": "unknown"}, later=later())

        ran = await run("  - {id: a, type: early}\n  - {id: b, type: early}\n", early=Does(early))
        assert (ran.status, {node.status for node in ran.nodes}) == ("halted", {"failed"})
        for node in ran.nodes:
            assert node.error
            assert (node.result, str(error) in node.error["message"]) == ({"status": "unknown"}, True)


class TestValues:
    async def test_one_expression_keeps_its_type_and_text_around_it_makes_text(self):
        ran = await run(
            """
  - id: a
    type: setContext
    settings: {key: all, value: {list: "{{ input.list }}", n: ["{{ input.n }}", "n={{ input.n }}"], plain: 3}}
""",
            input={"list": [1, {"x": None}], "n": 7},
        )
        assert ran.state.context["all"] == {"list": [1, {"x": None}], "n": [7, "n=7"], "plain": 3}

    async def test_a_value_that_stands_in_the_way_is_not_overwritten(self):
        ran = await run("  - {id: a, type: setContext, settings: {key: a.b, value: 1}}\n", context={"a": "text"})
        assert ran.status == "halted"
        assert ran.state.context == {"a": "text"}

    async def test_the_callers_objects_stay_as_they_were(self):
        mine: dict[str, object] = {"a": {}}
        await run("  - {id: a, type: setContext, settings: {key: a.b, value: 1}}\n", context=mine)
        assert mine == {"a": {}}


class TestWhatComesLater:
    async def follow(self, between=None):
        answer = asyncio.get_running_loop().create_future()

        async def send(call):
            return NodeReturn(
                result={"status": "unknown"}, writes=(Write("context", "mail", {"status": "unknown"}),), later=answer
            )

        async def answered(call):
            answer.set_result({"status": "sent"})
            return NodeReturn(writes=(Write("context", "mail", "other"),) if between else ())

        return await run(
            "  - {id: a, type: send}\n  - {id: b, type: answered}\n", send=Does(send), answered=Does(answered)
        )

    async def test_takes_the_place_of_what_was_stored_first(self):
        ran = await self.follow()
        assert ran.state.context == {"mail": {"status": "sent"}}
        assert ran.nodes[0].result == {"status": "sent"}

    async def test_but_not_of_what_another_node_put_there(self):
        ran = await self.follow(between=True)
        assert ran.state.context == {"mail": "other"}

    @pytest.mark.parametrize(("other", "final"), [("d1", "sent"), ("d2", "mine")])
    async def test_takes_the_place_of_the_same_delivery_though_something_was_added_to_it(self, other, final):
        answer = asyncio.get_running_loop().create_future()
        first = {"deliveryId": "d1", "status": "queued"}

        async def send(call):
            return NodeReturn(result=first, writes=(Write("context", "mail", first),), later=answer)

        async def change(call):
            answer.set_result({"deliveryId": "d1", "status": "sent"})
            return NodeReturn(writes=(Write("context", "mail", {"deliveryId": other, "status": "mine", "note": 1}),))

        nodes = "  - {id: a, type: send}\n  - {id: b, type: change}\n"
        ran = await run(nodes, send=Does(send), change=Does(change))
        assert ran.state.context["mail"]["status"] == final
        assert ran.pending == []


class TestBadInput:
    def test_an_unknown_type_suggests_the_near_one_and_names_the_line(self):
        error = refused("  - {id: a, type: sey}\n")
        assert (error.file, error.line, error.node, error.key) == ("f.yaml", 4, "a", "type")
        assert "say" in error.hint

    @pytest.mark.parametrize(
        ("node", "key", "code"),
        [
            ("{id: a, type: say, settings: {txt: hi}}", "txt", ErrorCode.UNKNOWN_KEY),
            ("{id: a, type: say}", "text", ErrorCode.MISSING_SETTING),
            ("{id: a, type: say, settings: {text: 3}}", "text", ErrorCode.BAD_SETTING),
            ('{id: a, type: say, settings: {text: "{{ oh"}}', "text", ErrorCode.BAD_EXPRESSION),
            ("{id: a, type: setContext, settings: {key: 'a b', value: 1}}", "key", ErrorCode.BAD_SETTING),
            ('{id: a, type: setContext, settings: {key: a, value: [1, "{{"]}}', "value[1]", ErrorCode.BAD_EXPRESSION),
            ('{id: a, type: say, when: "yes", settings: {text: hi}}', "when", ErrorCode.BAD_EXPRESSION),
            ('{id: a, type: say, when: "{{ a }}{{ b }}", settings: {text: hi}}', "when", ErrorCode.BAD_EXPRESSION),
        ],
    )
    def test_each_is_one_error_with_its_place(self, node, key, code):
        error = refused(f"  - {node}\n")
        assert (error.node, error.key, error.code) == ("a", key, code)
        assert error.hint
        assert error.line == 4


class TestRunIds:
    @pytest.mark.parametrize("run_id", [5, 0, False, b"r", ["r"]])
    async def test_one_that_is_no_text_is_misuse(self, run_id, tmp_path):
        flow = write_flow(tmp_path, {"id": "a", "type": "say", "settings": {"text": "hi"}})
        with pytest.raises(UsageError, match="a run id must be a text, not") as caught:
            await run_file(flow, run_id=run_id)
        assert caught.value.hint

    @pytest.mark.parametrize("run_id", ["", "x" * 201, "a\nb"])
    async def test_one_that_could_not_be_typed_again_is_refused(self, run_id, tmp_path):
        flow = write_flow(tmp_path, {"id": "a", "type": "say", "settings": {"text": "hi"}})
        with pytest.raises(SettingsError, match="is not a valid run id"):
            await run_file(flow, run_id=run_id)


async def test_a_run_reads_back_from_its_json():
    ran = await run('  - {id: a, type: say, settings: {text: "hi"}}\n')
    assert Run.from_json(ran.to_json()).to_json() == ran.to_json()


def test_the_digest_tells_other_input_and_other_nodes_apart():
    one = parse_flow("version: 1\nname: f\nnodes:\n  - {id: a, type: say, settings: {text: hi}}\n", file="f")
    two = parse_flow("version: 1\nname: f\nnodes:\n  - {id: a, type: say, settings: {text: ho}}\n", file="f")
    assert len({run_digest(one, {}, {}), run_digest(one, {"x": 1}, {}), run_digest(two, {}, {})}) == 3
