"""Expressions that mean harm: each ends at a limit with one error that helps, and the next one finds all as it was."""

import asyncio
import os
import signal
from email.message import EmailMessage
from pathlib import Path

import pytest

from mailnode.errors import ExpressionError
from mailnode.node import sandbox
from mailnode.node.expression import Evaluator
from mailnode.node.template import parse_template
from support.isolated_node import all_is_well, is_clear, made
from support.resource_usage import figures_of

LOOPS = [
    "(() => { for (;;); })()",
    "(() => { for (;;) { try { for (;;); } finally { continue } } })()",
    "(() => { for (;;) { try { throw 1 } catch {} } })()",
    "(() => { outer: for (;;) { do { continue outer } while (true) } })()",
    "Array.from({get length() { for (;;); }})",
    "({toString() { for (;;); }}) + ''",
    "({[Symbol.toPrimitive]() { for (;;); }}) * 1",
    "({valueOf() { for (;;); }}) > 1",
    "new Proxy([], {get() { for (;;); }})",
    "[...{*[Symbol.iterator]() { for (;;); }}]",
    "Object.fromEntries({[Symbol.iterator]() { return {next: () => ({value: [1, 2]})} }})",
    "new Set({[Symbol.iterator]() { return {next: () => ({value: 1})} }}).size",
    "(async () => { for (;;); })()",
    "(() => { throw {toString() { for (;;); }} })()",
    "(() => { throw new Proxy({}, {get() { for (;;); }}) })()",
    "(() => { throw new (class extends Error { get message() { for (;;); } get stack() { for (;;); } }) })()",
    "(() => { throw {get name() { for (;;); }, toString() { return this.name }} })()",
    "eval('for (;;);')",
    "Function('for (;;);')()",
    "(function* () { for (;;); })().next()",
    "[3, 1, 2].sort(() => { for (;;); })",
    "'abc'.replace(/b/, () => { for (;;); })",
    "JSON.parse('[1]', () => { for (;;); })",
    "JSON.stringify({toJSON() { for (;;); }})",
    "Reflect.ownKeys(new Proxy({}, {ownKeys() { for (;;); }}))",
    "new (class { static { for (;;); } })",
    "/(a+)+$/.test('a'.repeat(50) + 'b')",
    "/^(([a-z])+.)+[A-Z]([a-z])+$/.test('a'.repeat(100))",
    "/(x+x+)+y/.test('x'.repeat(100))",
    "'a'.repeat(40).match(/(?:a|a)*b/)",
    "new Array(2 ** 32 - 1).indexOf(1)",
    "[].includes.call({length: 2 ** 53 - 1}, 1)",
    "[].lastIndexOf.call({length: 2 ** 53 - 1}, 1)",
]
# The engine's clock is not looked at in these.
HANGS = [
    "(() => { for (;;) new Promise(() => { for (;;); }) })()",
    "new Array(2 ** 32 - 1).join()",
    "String(new Array(2 ** 32 - 1))",
    "new Array(2 ** 32 - 1).reverse().length",
    "new Array(2 ** 32 - 1).sort().length",
    "[].flat.call({length: 2 ** 53 - 1})",
    "[].copyWithin.call({length: 2 ** 53 - 1}, 1, 0)",
    "[].shift.call({length: 2 ** 53 - 1})",
    "JSON.stringify((all => { for (let i = 0; i < 40; i++) all = [all, all]; return all })(1))",
]
TAKES = [
    "'a'.repeat(2 ** 29)",
    "'a'.repeat(2 ** 25).split('')",
    "'x'.padEnd(2 ** 28)",
    "'x'.padEnd(2 ** 30)",
    "'a,'.repeat(1e6).split(',')",
    "'a'.repeat(1e6).replaceAll('', 'a'.repeat(100)).length",
    "(text => { for (;;) text += text })('x')",
    "(text => { for (;;) text = `${text}${text}` })('x')",
    "(text => { for (;;) text = text.concat(text) })('x')",
    "(all => { for (;;) all.push(new Array(1000).fill(1)) })([])",
    "(all => { for (;;) all = [all, all.slice(), {all}] })([1])",
    "(map => { for (let i = 0;; i++) map.set(i, 'x'.repeat(10000) + i) })(new Map)",
    "(set => { for (let i = 0;; i++) set.add('x'.repeat(10000) + i) })(new Set)",
    "(all => { for (let i = 0;; i++) all['k' + i] = Array(1000).fill(i) })({})",
    "(all => { for (;;) all.push(new Uint8Array(2 ** 20)) })([])",
    "(all => { for (;;) { const held = 'x'.repeat(1000) + all.length; all.push(() => held) } })([])",
    "[...(function* () { for (;;) yield 1 })()]",
    "Array.from({length: 2 ** 32 - 1})",
    "new Array(2 ** 32 - 1).fill(0)",
    "new ArrayBuffer(2 ** 30)",
    "new ArrayBuffer(2 ** 26)",
    "new SharedArrayBuffer(2 ** 30)",
    "new Float64Array(2 ** 23)",
    "new Uint8Array(2 ** 24).fill(1).toString()",
    "Math.max(...Array(1e6).fill(1))",
    "JSON.parse('[' + '1,'.repeat(5e6) + '1]')",
    "JSON.stringify((all => { for (let i = 0; i < 40; i++) all = {all, too: all}; return all })('x'.repeat(1000)))",
    "Array(3e6).fill().map((_, i) => ({i})).length",
    "'x'.localeCompare('y'.repeat(1e7))",
    "7n ** 1000000n",
    "(number => { for (;;) number *= number })(9n ** 9n)",
    "2n ** 2n ** 40n",
    "BigInt('9'.repeat(1e6))",
]
DEEP = [
    "(function again() { return again() })()",
    "(function again() { return {toString: again} + '' })()",
    "(again => again(again))(again => again(again))",
    "(again => new Proxy({}, {get: again = () => new Proxy({}, {get: again}).x}).x)()",
    "new (class Again { constructor() { new Again } })",
    "({get a() { return this.a }}).a",
    "(function again() { [1].map(again) })()",
    "(function again() { 'a'.replace('a', again) })()",
    "(function again() { JSON.stringify({toJSON: again}) })()",
    "JSON.stringify(Array(100000).fill().reduce(all => [all], 0))",
    "JSON.parse('['.repeat(1e6))",
    "JSON.parse('{\"a\":'.repeat(1e6))",
    *(f"eval('{opening}'.repeat(100000) + '1' + '{closing}'.repeat(100000))" for opening, closing in ("()", "[]")),
    "eval('!'.repeat(1e6) + '1')",
    "eval('a?b:'.repeat(50000) + '1')",
    "eval('x=>'.repeat(50000) + '1')",
    "eval('`${'.repeat(50000) + '1' + '}`'.repeat(50000))",
    *(
        f"{opening * 5000}1{closing * 5000}"
        for opening, closing in ("()", "[]", ("{a:", "}"), ("f(", ")"), ("`${", "}`"))
    ),
    f"/{'(?:' * 5000}{')' * 5000}/",
    f"/{'(?=' * 5000}{')' * 5000}/",
    "new RegExp('['.repeat(5000) + ']'.repeat(5000), 'v')",
    "String(Array(5000).fill().reduce(all => [all], 0))",
]


@pytest.fixture
def brief(monkeypatch):
    """Let expressions have less time than they have."""
    monkeypatch.setattr(sandbox, "CPU_SECONDS", 0.05)


@pytest.mark.parametrize("source", LOOPS)
async def test_what_never_ends_is_ended(brief, monkeypatch, source):
    is_clear(await made(subject=f"{{{{ {source} }}}}"), "subject", "expressionLimit")
    monkeypatch.undo()
    await all_is_well()


@pytest.mark.parametrize("source", TAKES)
async def test_what_takes_all_memory_gets_none(source):
    is_clear(await made(content=f"<p>{{{{{{ {source} }}}}}}</p>"), "content", "expressionLimit")
    await all_is_well()


@pytest.mark.parametrize("source", DEEP)
async def test_what_goes_down_without_end_is_stopped(source):
    error = await made(textContent=f"{{{{ {source} }}}}")
    is_clear(error, "textContent", "expressionLimit")
    assert "make it flatter" in error["hint"]
    await all_is_well()


@pytest.mark.parametrize("source", HANGS)
async def test_what_looks_at_no_clock_goes_with_its_process(monkeypatch, source):
    monkeypatch.setattr(sandbox, "JOB_SECONDS", 0.1)
    is_clear(await made(subject=f"{{{{ {source} }}}}"), "subject", "expressionLimit")
    monkeypatch.undo()
    await all_is_well()


async def test_two_hundred_bombs_leave_nothing_behind(monkeypatch):
    """Neither here nor in the process of the engine, and no process either."""
    monkeypatch.setattr(sandbox, "CPU_SECONDS", 0.02)
    forgets = "'\\ufdfa'.repeat(1e6).normalize('NFKD')"
    bombs = [forgets, TAKES[14], LOOPS[0], DEEP[0], DEEP[9], "'fine'", "nobody", "throw 1", "[[]]", "{}"]
    await all_is_well()
    before, processes = resident_mb(), len(engines())
    for number in range(200):
        error = await made(content=f"<p>{{{{ {bombs[number % len(bombs)]} }}}}</p>")
        assert isinstance(error, EmailMessage) or error["code"] in {"expressionLimit", "badExpression"}
    await all_is_well()
    assert resident_mb() < before + 40
    assert len(engines()) <= processes


def resident_mb():
    """What this process and its engine hold."""
    return sum(figures_of(pid)["resident MB"] for pid in (os.getpid(), *engines()))


def engines():
    children = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    pids = [int(pid) for listed in children for pid in listed.read_text().split()]
    return [pid for pid in pids if b"javascript.py" in Path(f"/proc/{pid}/cmdline").read_bytes()]


async def test_an_engine_that_is_killed_is_another_one_at_the_next_expression():
    await all_is_well()
    for pid in engines():
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # noqa: ASYNC222 -- it is there at once
    await all_is_well()


async def test_while_an_expression_hangs_others_are_evaluated(monkeypatch):
    """Another run's do not wait for the end of it, nor of three such."""
    monkeypatch.setattr(sandbox, "JOB_SECONDS", 60.0)
    hanging = [asyncio.create_task(evaluated("{{ new Array(4e9).join() }}")) for _ in range(sandbox.MOST_PROCESSES - 1)]
    await asyncio.sleep(0)
    assert await evaluated("{{ (() => 1 + 1)() }}") == "2"
    assert not [task for task in hanging if task.done()]
    await ended_by_force(hanging)
    for task in hanging:
        with pytest.raises(ExpressionError, match="crashes the JavaScript engine"):
            await task
    assert await evaluated("{{ (() => 1 + 2)() }}") == "3"


async def test_however_many_runs_of_one_flow_hang_others_are_evaluated(monkeypatch):
    monkeypatch.setattr(sandbox, "JOB_SECONDS", 60.0)
    hanging = [asyncio.create_task(evaluated("{{ new Array(4e9).join() }}")) for _ in range(20)]
    await asyncio.sleep(0)
    async with asyncio.timeout(60):
        assert await evaluated("{{ (() => 1 + 1)() }}") == "2"
    assert not [task for task in hanging if task.done()]
    for task in hanging[sandbox.MOST_PROCESSES - 1 :]:
        task.cancel()
    await ended_by_force(hanging)
    assert await evaluated("{{ (() => 1 + 2)() }}") == "3"


async def ended_by_force(hanging):
    while left := [task for task in hanging if not task.done()]:
        for child in engines():  # one that had no job yet is another one by now
            os.kill(child, signal.SIGKILL)
        await asyncio.wait(left, timeout=0.2)


async def evaluated(source):
    return await Evaluator({}, {}).text(parse_template(source))
