"""The search against interleavings counted by hand."""

from itertools import count
from math import comb

import pytest

from emu.errors import HandlerError, ScheduleError, UsageError
from emu.explore.ops import ExecutionEnds, join, load, own, retry, store, wait
from emu.explore.schedule import format_schedule, parse_schedule
from emu.explore.schedulers import RandomScheduler, Replay, execute
from emu.explore.search import explore
from emu.explore.task import Task


class World:
    """Tasks over one dict; what it holds at the end is the outcome."""

    def __init__(self, *codes):
        self.state = {}
        self.tasks = {f"t{n}": Task(f"t{n}", code(self.state)) for n, code in enumerate(codes)}

    def finish(self, ending):
        self.ending = ending
        return frozenset({ending.value, *(f"{key}={value}" for key, value in self.state.items())})


def steps(count):
    async def code(state):
        for _ in range(count):
            await load("x")

    return code


async def increment(state):
    """Reads, then writes: two steps, so that another task's increment can be lost."""
    await load("x")
    seen = state.get("x", 0)
    await store("x")
    state["x"] = seen + 1


@pytest.mark.parametrize(("a", "b"), [(1, 1), (2, 3), (4, 4)])
def test_two_tasks_interleave_in_every_way(a, b):
    """Tasks of a and b steps have (a + b)! / (a! b!) interleavings."""
    report = explore(lambda: World(steps(a), steps(b)))
    assert (report.executions, report.complete) == (comb(a + b, a), True)


def test_three_tasks_interleave_in_every_way():
    report = explore(lambda: World(steps(2), steps(2), steps(2)))
    assert report.executions == 90  # 6! / (2! 2! 2!)


def test_lost_update_is_found_with_its_shortest_schedules():
    """Of the six interleavings, two lose nothing: t0 t0 t1 t1 and t1 t1 t0 t0."""
    report = explore(lambda: World(increment, increment))
    assert report.executions == 6
    assert report.outcomes["x=2"].count == 2
    assert report.outcomes["x=1"].count == 4
    assert report.frequency("done") == "always"
    assert report.frequency("x=1") == "sometimes"
    assert report.frequency("died") == "never"
    # All have four steps; of those that lose, t0 t1 t1 t0 changes tasks least often and comes first.
    assert format_schedule(report.witness("x=1")) == "t0 t1*2 t0"
    assert format_schedule(report.witness("x=2")) == "t0*2 t1*2"


@pytest.mark.parametrize(("bound", "executions"), [(0, 2), (1, 4), (2, 6), (None, 6)])
def test_preemption_bound_counts_switches_from_a_task_that_could_go_on(bound, executions):
    """t0 t0 t1 t1 and its mirror preempt nobody; t0 t1 t1 t0 and its mirror once; t0 t1 t0 t1 and its mirror twice."""
    report = explore(lambda: World(steps(2), steps(2)), bound=bound)
    assert (report.executions, report.complete, report.bound) == (executions, True, bound)


def test_a_limit_stops_the_search_and_is_said():
    report = explore(lambda: World(steps(3), steps(3)), limit=7)
    assert (report.executions, report.complete, report.limit) == (7, False, 7)


def test_a_limit_that_is_not_reached_leaves_the_search_complete():
    assert explore(lambda: World(steps(1), steps(1)), limit=2).complete


def test_prefixes_split_the_tree_without_gap_or_overlap():
    whole = explore(lambda: World(steps(2), steps(3)))
    parts = [explore(lambda: World(steps(2), steps(3)), prefix=(first,)) for first in ("t0", "t1")]
    assert sum(part.executions for part in parts) == whole.executions == 10


def test_an_interrupted_search_keeps_what_it_has():
    made = []

    def make():
        made.append(1)
        if len(made) == 5:  # the first execution is repeated
            raise KeyboardInterrupt
        return World(steps(2), steps(2))

    report = explore(make)
    assert (report.executions, report.complete, report.interrupted) == (3, False, True)


def test_tasks_that_wait_for_one_another_are_a_deadlock():
    async def first(state):
        await wait("b", lambda: "b" in state)
        state["a"] = 1

    async def second(state):
        await wait("a", lambda: "a" in state)
        state["b"] = 1

    assert explore(lambda: World(first, second)).frequency("deadlock") == "always"


def test_a_machine_that_dies_before_anybody_announces_anything_has_one_execution():
    async def dies(state):
        raise ExecutionEnds("dead")

    async def never_starts(state):
        state["started"] = 1

    report = explore(lambda: World(dies, never_starts))
    assert (report.executions, report.witness("died"), list(report.outcomes)) == (1, (), ["died"])


def test_a_bound_below_zero_is_refused():
    with pytest.raises(UsageError, match=r"^bound -1: expected 0 or more preemptions$"):
        explore(lambda: World(steps(1)), bound=-1)


def growing(kept):
    """A scenario that keeps a list from one execution to the next: one more step in each."""

    async def code(state):
        kept.append(1)
        for _ in kept:
            await load("n")

    return code


def alternating(kept):
    async def code(state):
        kept.append(1)
        await (load if len(kept) % 2 else store)("n")

    return code


def later(kept):
    """The same until the other task goes first: only a replay can tell."""

    async def code(state):
        await load("a")
        kept.append(1)
        await load("b" if len(kept) < 4 else "c")

    return code


@pytest.mark.parametrize(
    ("scenario", "message"),
    [
        (growing, "step 4: t0 is at load n, and was at its end in an execution that began in the same way"),
        (alternating, "step 1: t0 is at store n, and was at load n in an execution that began in the same way"),
        (later, "step 3: t0 is at load c, and was at load b in an execution that began in the same way"),
    ],
)
def test_a_scenario_that_is_not_the_same_each_time_is_refused(scenario, message):
    kept = []
    with pytest.raises(HandlerError) as error:
        explore(lambda: World(scenario(kept), steps(2)))
    assert str(error.value) == (
        f"{message}; expected all executions to do the same: a scenario may not keep state from one to the next"
    )


def test_a_witness_that_cannot_be_made_shorter_stays():
    """Put off, the first join would keep t0 from the one that the interrupt handler needs: once a StopIteration."""

    class Interrupted(World):
        def __init__(self):
            self.state, self.handlers = {}, []
            self.tasks = {
                "t0": Task("t0", self.t0(), self),
                "t1": Task("t1", self.t1()),
            }

        def pending(self):
            return bool(self.handlers)

        def take(self):
            return self.handlers.pop()

        async def t0(self):
            await join("barrier", lambda: True)
            self.state["in"] = 1
            await own("here")
            if self.state.get("seen"):
                raise ExecutionEnds("dead")

        async def t1(self):
            await store("z")
            self.state["z"] = 1
            self.handlers.append(self.handler())

        async def handler(self):
            await load("z")
            self.state["seen"] = self.state["z"]
            await join("barrier", lambda: "in" in self.state)

    report = explore(Interrupted)
    _, outcomes = execute(Interrupted(), Replay(report.witness("died")))
    assert "died" in outcomes


def test_a_task_that_spins_for_ever_is_a_livelock():
    async def spins(state):
        await retry("x", lambda: "x" in state)

    assert explore(lambda: World(spins)).frequency("livelock") == "always"


def test_an_execution_that_dies_is_over_for_all():
    """t1 has three steps; t0 dies at its only one: before, between or after them there are four ways."""

    async def dies(state):
        await load("x")
        raise ExecutionEnds("dead")

    report = explore(lambda: World(dies, steps(3)))
    assert report.executions == 4
    assert report.frequency("died") == "always"
    assert report.witness("died") == ("t0",)


def test_a_step_that_commutes_is_taken_at_once():
    """Two tasks meet at a barrier of two steps each: without reduction every order, with it one."""

    async def meets(state):
        await join("barrier", lambda: True)
        await join("barrier", lambda: True)

    assert explore(lambda: World(meets, meets), reduce=False).executions == 6
    assert explore(lambda: World(meets, meets)).executions == 1


def test_a_witness_has_no_step_that_was_only_taken_early():
    """t0 could pass its barrier at once, but t1 dies without it: one step, not two."""

    async def passes(state):
        await join("barrier", lambda: True)

    async def dies(state):
        await load("x")
        raise ExecutionEnds("dead")

    report = explore(lambda: World(passes, dies))
    assert report.executions == 1
    assert report.witness("died") == ("t1",)


def test_a_step_that_somebody_waits_for_stays_in_the_witness():
    async def opens(state):
        await join("barrier", lambda: True)
        state["open"] = 1

    async def dies(state):
        await wait("open", lambda: "open" in state)
        raise ExecutionEnds("dead")

    assert explore(lambda: World(opens, dies)).witness("died") == ("t0", "t1")


def test_every_witness_replays_to_its_outcome():
    report = explore(lambda: World(increment, increment))
    for outcome, seen in report.outcomes.items():
        text = format_schedule(seen.witness)
        taken, outcomes = execute(World(increment, increment), Replay(parse_schedule(text)))
        assert taken == seen.witness
        assert outcome in outcomes


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ("t0 t2 t1", "schedule step 2: t2 cannot run there; expected t0 or t1"),
        ("t0*3 t1", "schedule step 3: t0 cannot run there; expected t1"),
        ("t0*2 t1", "the schedule ends after step 3, but t1 can still run; expected more steps"),
        (
            "t0*2 t1*2 t1",
            "schedule step 5: the execution is over; expected the schedule to end here, but it has 1 more",
        ),
        ("", "the schedule ends after step 0, but t0 or t1 can still run; expected more steps"),
    ],
)
def test_a_schedule_that_does_not_fit_says_where(schedule, message):
    with pytest.raises(ScheduleError) as error:
        execute(World(steps(2), steps(2)), Replay(parse_schedule(schedule)))
    assert str(error.value) == message


def test_a_prefix_that_does_not_fit_says_where():
    with pytest.raises(ScheduleError, match="schedule step 2: t7 cannot run there"):
        explore(lambda: World(steps(2), steps(2)), prefix=("t0", "t7"))


def test_the_same_seed_gives_the_same_schedule_and_seeds_differ():
    def run(seed):
        return execute(World(steps(4), steps(4)), RandomScheduler(seed))[0]

    assert run(1) == run(1)
    assert len({run(seed) for seed in range(20)}) > 5


def test_progress_is_told_and_its_fraction_grows():
    """After each execution here: each look at this clock takes a second."""
    told = []
    explore(
        lambda: World(steps(3), steps(3)),
        progress=lambda report, done: told.append((report.executions, done)),
        clock=count().__next__,
    )
    executions, fractions = zip(*told, strict=True)
    assert executions == (*range(1, 20),)  # 20 ways; the last is the end and no progress
    assert list(fractions) == sorted(set(fractions))
    assert fractions[0] > 0 and fractions[-1] < 1


async def endless(state):
    while True:
        await load("x")


@pytest.mark.parametrize("run", [explore, lambda make: execute(make(), RandomScheduler(1))])
def test_a_task_that_never_ends_is_said_and_not_waited_for(monkeypatch, run):
    """As long as a schedule can be, so that what ends can be replayed."""
    monkeypatch.setattr("emu.explore.execution.LONGEST", 100)
    with pytest.raises(HandlerError, match=r"^t0 at load x: no end after 100 steps; expected an end or a wait$"):
        run(lambda: World(endless))
    run(lambda: World(steps(100)))
