"""Mistakes in a scenario's own code that would make a search say too much, and findings that are its own.

Each scenario stands in a file of its own, outside of trapline's, because that is whose code is looked at.
"""

import re
from dataclasses import replace

import pytest

from emu.cli.expect import contradictions
from emu.errors import HandlerError, UsageError
from emu.explore.schedulers import Replay
from emu.kernel.outcome import Outcome
from emu.lab.cells import Settings, explore_cell, run_once
from emu.lab.claims import Claim, expectation
from emu.lab.compare import searched
from emu.scenarios.registry import find_scenario

HEAD = """
from emu.explore.ops import Op, load, own, retry, store, update, wait
from emu.kernel import kallsyms, text
from emu.kernel.guest import run_guest
from emu.kernel.kprobes import register_kprobe
from emu.kernel.probe import Kprobe

def scenario(lab):
    kernel, state = lab.kernel, {"n": 0}
    site, counter = lab.symbol("probe_me"), lab.symbol("shared_counter")
    word = kernel.isa.breakpoint(bytes(4))
"""


@pytest.fixture
def settings(tmp_path):
    """Settings for a scenario whose body, from its ninth line on, is given."""

    def settings(body):
        path = tmp_path / "own.py"
        lines = "".join(f"    {line}\n" for line in body.strip("\n").splitlines())
        path.write_text(HEAD.lstrip("\n") + lines)
        return Settings(find_scenario(f"{path}::scenario"), "riscv", patching="live")

    return settings


FIRST = len(HEAD.strip("\n").splitlines()) + 1  # line of a body's first line


def refused(settings, body):
    with pytest.raises(HandlerError) as error:
        explore_cell(settings(body))
    return str(error.value)


# Announced and not awaited


@pytest.mark.parametrize(
    ("made", "name"),
    [
        ('load("n")', "load n"),
        ('store("n")', "store n"),
        ('update("n")', "update n"),
        ('own("n")', "own n"),
        ('wait("n", lambda: True)', "wait n"),
        ('retry("n", lambda: True)', "retry n"),
    ],
)
def test_an_operation_that_is_not_awaited_is_an_error_with_its_line(settings, made, name):
    message = refused(settings, f"async def inc():\n    await load('x')\n    {made}\nreturn {{'cpu0': inc()}}")
    where = rf".*own\.py:{FIRST + 2}"
    assert re.fullmatch(f"{where}: operation {name} was never awaited; expected `await` before it", message)


def test_a_coroutine_that_is_not_awaited_is_an_error_with_its_line(settings):
    body = """
async def inc():
    await load("x")
    register_kprobe(kernel, Kprobe(site))
return {"cpu0": inc()}
"""
    message = refused(settings, body)
    assert re.fullmatch(
        rf".*own\.py:{FIRST + 2}: coroutine 'register_kprobe' was never awaited; expected `await` before it", message
    )


def test_what_is_forgotten_in_one_run_is_an_error_too(settings):
    with pytest.raises(HandlerError, match="store n was never awaited"):
        run_once(settings("async def inc():\n    store('n')\nreturn {'cpu0': inc()}"), Replay(()))


def test_what_an_execution_that_ends_early_leaves_behind_is_no_mistake(settings):
    """The kernel dies while CPU 1 waits with its operation made and awaited."""
    body = """
async def dies():
    await load("x")
    assert False, "the end"
async def waits():
    await wait("never", lambda: False)
return {"cpu0": dies(), "cpu1": waits()}
"""
    assert explore_cell(settings(body)).frequency("violated: the end") is Claim.ALWAYS


# Done and not announced


@pytest.mark.parametrize(
    ("announced", "does", "message"),
    [
        (
            'store("x")',
            "kernel.machine.memory.write(site, word)",
            "wrote text[probe_me] in a step announced as store x",
        ),
        (
            'load("text[probe_me]")',
            "kernel.machine.memory.write(site, word)",
            "wrote text[probe_me] in a step announced",
        ),
        ('load("x")', "text.store(kernel, site, word, live=True)", "text[probe_me] in a step announced as load x"),
        ('load("x")', "text.read(kernel, site, 4)", "read text[probe_me] in a step announced as load x"),
        ('load("x")', "kernel.set_kprobe(site, Kprobe(site))", "wrote kprobe_table[probe_me] in a step announced"),
        ('load("x")', "kernel.kprobe_table.get(site)", "read kprobe_table[probe_me] in a step announced as load x"),
        ('load("x")', "site in kernel.kprobe_table", "read kprobe_table[probe_me] in a step announced as load x"),
        ('load("x")', "kernel.machine.memory.store(counter, 1, 4)", "wrote shared[0x100000] in a step announced"),
        ('load("x")', "kernel.machine.memory.load(counter, 4)", "read shared[0x100000] in a step announced as load x"),
    ],
)
def test_an_access_that_was_not_announced_is_an_error_with_its_line(settings, announced, does, message):
    code = f"async def code():\n    await {announced}\n    {does}\n"
    body = code + "return {'cpu0': run_guest(lab.cpus[0]), 'cpu1': code()}"
    said = refused(settings, body)
    assert re.match(rf".*own\.py:{FIRST + 2}: code ", said) and message in said and said.endswith("of it first")


def test_an_access_before_the_first_announcement_is_an_error(settings):
    said = refused(settings, "async def code():\n    text.read(kernel, site, 4)\nreturn {'cpu1': code()}")
    assert "read text[probe_me] in a step that announced nothing" in said


@pytest.mark.parametrize(
    ("announced", "does"),
    [
        ('store("text[probe_me]")', "kernel.machine.memory.write(site, word)"),
        ("store(kallsyms.text_at(kernel, site))", "text.store(kernel, site, word, live=True)"),
        ("update(kallsyms.text_at(kernel, site))", "text.store(kernel, site, word, live=True)"),
        ("load(kallsyms.text_at(kernel, site))", "text.read(kernel, site + 2, 2)"),
        ("store(kallsyms.table_at(kernel, site))", "kernel.set_kprobe(site, None)"),
        ('load("kprobe_table[probe_me]")', "kernel.kprobe_table.get(site)"),
        ('store("shared[0x100000]")', "kernel.machine.memory.store(counter, 1, 4)"),
    ],
)
def test_an_access_that_was_announced_is_none(settings, announced, does):
    lines = (
        "lab.boot(register_kprobe(kernel, Kprobe(site)))",
        "async def code():",
        f"    await {announced}",
        f"    {does}",
    )
    cell = explore_cell(settings("\n".join((*lines, "return {'cpu1': code()}"))))
    assert cell.report.complete and cell.report.executions == 1


def test_what_is_looked_at_while_the_world_is_set_up_needs_no_announcement(settings):
    """Twice, since the second world is set up on the first one's machine."""
    body = "seen = text.read(kernel, site, 4), kernel.kprobe_table.get(site)\nreturn {'cpu0': run_guest(lab.cpus[0])}"
    assert explore_cell(settings(body)).report.complete
    assert explore_cell(settings(body)).report.complete


# Assertions and outcomes of the scenario's own

LOST = """
async def inc(checks):
    await load("n")
    seen = state["n"]
    await store("n")
    state["n"] = seen + 1
    if checks:
        await load("n")
        assert state["n"] == 2, f"lost update: n={state['n']}"
return {"cpu0": inc(False), "cpu1": inc(True)}
"""


def test_an_assertion_that_fails_is_an_outcome_with_a_schedule(settings):
    """Two loads and two stores, and cpu1's look at the end: 10 interleavings. n is 2 where one goes wholly before the
    other's load, and cpu0 before cpu1's look: cpu0*2 cpu1*3 and cpu1*2 cpu0*2 cpu1."""
    cell = explore_cell(settings(LOST))
    [failed] = cell.failed
    assert failed == "violated: lost update: n=1"
    assert (cell.frequency(failed), cell.report.outcomes[failed].count) == (Claim.SOMETIMES, 8)
    run = run_once(cell.settings, Replay(cell.witness(failed)))
    assert run.outcomes == ("violated: lost update: n=1",)


def test_an_assertion_that_fails_contradicts_unless_it_is_expected(settings):
    cell = explore_cell(settings(LOST))
    [line] = contradictions(cell, [])
    assert "violated: lost update: n=1: sometimes: trapline run " in line and "cpu1*3" in line
    assert list(contradictions(cell, [expectation("violated: lost update: n=1=sometimes", own=True)])) == []


def test_an_assertion_without_words_is_named_by_its_line(settings):
    cell = explore_cell(
        settings("async def code():\n    await load('n')\n    assert state['n'] == 7\nreturn {'cpu0': code()}")
    )
    assert cell.failed == ("violated: assert state['n'] == 7",)


def test_an_assertion_in_a_handler_is_an_outcome(settings):
    body = """
def pre(p, regs):
    assert regs.pc == 5, "where am I?"
lab.boot(register_kprobe(kernel, Kprobe(site, pre_handler=pre)))
return {"cpu0": run_guest(lab.cpus[0])}
"""
    assert explore_cell(settings(body)).frequency("violated: where am I?") is Claim.ALWAYS


def test_outcomes_of_ones_own_are_searched_as_others_are(settings):
    body = """
lost, never = lab.outcome("lost-update", "an increment is gone"), lab.outcome("not-at-all")
async def inc():
    await load("n")
    seen = state["n"]
    await store("n")
    state["n"], state["done"] = seen + 1, state.get("done", 0) + 1
    if state["done"] == 2 and state["n"] == 1:
        kernel.note(lost)
return {"cpu0": inc(), "cpu1": inc()}
"""
    cell = explore_cell(settings(body))
    assert cell.outcomes == (*Outcome, "lost-update", "not-at-all")
    assert (cell.frequency("lost-update"), cell.frequency("not-at-all")) == (Claim.SOMETIMES, Claim.NEVER)
    assert cell.report.outcomes["lost-update"].count == 4  # of 6: all but the two without an overlap
    with pytest.raises(UsageError, match=r"outcome 'lost': .*lost-update"):
        cell.frequency("lost")


def test_outcomes_of_ones_own_come_out_of_a_comparison_too(settings):
    """In processes of their own, where the scenario's function stays."""
    one = settings("lab.kernel.note(lab.outcome('mine'))\nreturn {}")
    cells = searched([one, replace(one, preempt="full")], None, None, lambda done, of: None).cells
    assert [cell.frequency("mine") for cell in cells] == [Claim.ALWAYS, Claim.ALWAYS]


@pytest.mark.parametrize("name", ["oops", "Lost", "two words", "", "violated: x", "x" * 60])
def test_an_outcome_needs_a_name_of_its_own(settings, name):
    with pytest.raises(UsageError, match="expected a name of its own"):
        explore_cell(settings(f"lab.outcome({name!r})\nreturn {{}}"))


def test_what_nobody_declared_cannot_be_noted(settings):
    with pytest.raises(UsageError, match="outcome 'lost': expected one of hit"):
        explore_cell(settings("lab.note('lost')\nreturn {}"))
