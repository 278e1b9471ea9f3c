"""The timeline: what is one line of it, and where its columns are."""

from emu.kernel.state import Event
from emu.report.timeline import columns, timeline

TASKS = ("cpu0", "cpu1")


def insn(task, place, unseen=True):
    return Event(task, f"{place}: nop", place, unseen)


def lines(events, tasks=TASKS, **options):
    return timeline(events, tasks, **options).splitlines()[1:]


def test_instructions_that_nobody_can_see_are_one_line():
    events = [insn("cpu0", "a"), insn("cpu0", "b"), insn("cpu0", "probe", unseen=False)]
    assert lines(events) == ["... 2 instructions to probe", "probe: nop"]
    assert lines(events, every=True) == ["a: nop", "b: nop", "probe: nop"]


def test_a_single_one_is_shown_as_it_is():
    assert lines([insn("cpu0", "a"), insn("cpu0", "probe", unseen=False)]) == ["a: nop", "probe: nop"]


def test_the_instruction_that_causes_something_stays():
    events = [insn("cpu0", "a"), insn("cpu0", "b"), insn("cpu0", "bug"), Event("cpu0", "trap: break at bug")]
    assert lines(events) == ["... 2 instructions to bug", "bug: nop", "trap: break at bug"]


def test_after_a_last_one_nothing_is_said_to_follow():
    """The task may have ended, or the execution while it waited."""
    assert lines([insn("cpu0", "a"), insn("cpu0", "b")]) == ["... 2 instructions up to b"]


def test_tasks_are_told_apart():
    events = [insn("cpu0", "a"), insn("cpu0", "b"), insn("cpu1", "a"), insn("cpu1", "b"), insn("cpu1", "c")]
    told = [line.strip() for line in lines([*events, insn("cpu0", "probe", unseen=False)])]
    assert told == ["... 2 instructions to probe", "... 3 instructions up to c", "probe: nop"]


def test_columns_are_as_wide_as_their_longest_line():
    text = timeline([Event("cpu0", "x" * 30), Event("cpu1", "y" * 40)], TASKS)
    assert text.splitlines() == ["cpu0" + " " * 28 + "cpu1", "x" * 30, " " * 32 + "y" * 40]


def test_columns_that_do_not_fit_80_characters_overlap_but_their_names_do_not():
    assert columns([50, 40], [4, 4]) == [0, 40]  # 80 - 40
    assert columns([30, 30, 30, 30], [4, 4, 4, 4]) == [0, 16, 32, 48]  # (80 - 30) / 3
    assert columns([90, 90], [4, 4]) == [0, 6]  # a name and a gap


def test_one_task_has_one_column():
    assert timeline([Event("cpu0", "x" * 100)], ["cpu0"]) == "cpu0\n" + "x" * 100
