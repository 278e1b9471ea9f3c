"""The search against interleavings counted by hand."""

from functools import partial
from itertools import count
from math import comb

import pytest

from emu.errors import HandlerError, ScheduleError, UsageError
from emu.explore.canonical import Kinds, Walk
from emu.explore.ops import ExecutionEnds, join, load, own, retry, store, update, wait
from emu.explore.schedule import format_schedule, parse_schedule
from emu.explore.schedulers import RandomScheduler, Replay, execute
from emu.explore.search import explore
from emu.explore.task import Task

KINDS = Kinds()


class World:
    """Tasks over one dict; what it holds at the end is the outcome."""

    def __init__(self, *codes):
        self.shared = {}
        self.tasks = {f"t{n}": Task(f"t{n}", code(self.shared)) for n, code in enumerate(codes)}

    def state(self):
        walk = Walk(KINDS)
        walk.visit(self.state_of_all())
        for task in self.tasks.values():
            task.walk(walk)
        return walk.value()

    def state_of_all(self):
        return self.shared

    def finish(self, ending):
        self.ending = ending
        return frozenset({ending.value, *(f"{key}={value}" for key, value in self.shared.items())})


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


@pytest.mark.parametrize(("states", "last", "executions"), [(100, 4, 2), (0, 4, 3)])
def test_an_interrupted_search_keeps_the_executions_that_came_to_their_end(states, last, executions):
    """The first is run twice; the third over states is left where it comes to a known one."""
    made = []

    def make():
        made.append(1)
        if len(made) > last:
            raise KeyboardInterrupt
        return World(steps(2), steps(2))

    report = explore(make, states=states)
    assert (report.executions, report.complete, report.interrupted) == (executions, False, True)


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


SAME = "; expected all executions to do the same: a scenario may not keep state from one to the next"


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
        explore(lambda: World(scenario(kept), steps(2)), states=0)
    assert str(error.value) == f"{message}{SAME}"
    kept.clear()
    with pytest.raises(HandlerError, match=SAME):
        explore(lambda: World(scenario(kept), steps(2)))


def test_a_join_that_an_interrupt_handler_waits_for():
    """Put off, the first join would keep t0 from the one that the handler needs: once a StopIteration."""

    class Interrupted(World):
        def __init__(self):
            self.shared, self.handlers = {}, []
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
            self.shared["in"] = 1
            await own("here")
            if self.shared.get("seen"):
                raise ExecutionEnds("dead")

        async def t1(self):
            await store("z")
            self.shared["z"] = 1
            self.handlers.append(self.handler())

        async def handler(self):
            await load("z")
            self.shared["seen"] = self.shared["z"]
            await join("barrier", lambda: "in" in self.shared)

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
        states=0,
        clock=count().__next__,
    )
    executions, fractions = zip(*told, strict=True)
    assert executions == (*range(1, 20),)  # 20 ways; the last is the end and no progress
    assert list(fractions) == sorted(set(fractions))
    assert fractions[0] > 0 and fractions[-1] < 1


def test_a_loop_that_nothing_ends_is_a_livelock():
    """Found as a cycle: the witness goes round once, and is replayed to the same end."""
    report = explore(lambda: World(endless))
    assert (report.executions, report.complete, report.frequency("livelock")) == (1, True, "always")
    assert report.witness("livelock") == ("t0",)
    assert "livelock" in execute(World(endless), Replay(("t0",)))[1]


def test_two_tasks_that_free_each_other_for_ever_are_a_livelock():
    def turn(mine, other):
        async def code(state):
            while True:
                await wait(mine, lambda: state.get("turn", "a") == mine)
                state["turn"] = other

        return code

    report = explore(lambda: World(turn("a", "b"), turn("b", "a")))
    assert (report.executions, report.frequency("livelock")) == (1, "always")
    assert report.witness("livelock") == ("t0", "t1", "t0")  # whose turn it is first, the state does not say yet


async def spins(state):
    while not state.get("free"):
        await load("free")


async def frees(state):
    await store("free")
    state["free"] = True


def test_a_loop_that_somebody_ends_is_no_livelock():
    """Only an unfair scheduler would let t0 go round for ever; how often it does is not told apart."""
    report = explore(lambda: World(spins, frees))
    assert (report.executions, sorted(report.outcomes)) == (1, ["done", "free=True"])


def test_a_loop_that_only_another_order_ends_is_a_livelock_sometimes():
    """t1 frees t0 only if it comes before t2, which takes the flag away for good."""

    async def breaks(state):
        await update("free")
        state["broken"] = True

    async def frees_if_whole(state):
        await load("broken")
        if "broken" not in state:
            state["free"] = True

    report = explore(lambda: World(spins, frees_if_whole, breaks))
    assert report.frequency("livelock") == report.frequency("done") == "sometimes"
    taken, outcomes = execute(World(spins, frees_if_whole, breaks), Replay(report.witness("livelock")))
    assert (taken, "livelock" in outcomes) == (report.witness("livelock"), True)


class Raised(World):
    """t1 raises an interrupt on t0, whose handler is given."""

    def __init__(self, handler):
        super().__init__()
        self.handlers, self.handler = [], handler
        self.tasks = {"t0": Task("t0", self.t0(), self), "t1": Task("t1", self.t1())}

    def state_of_all(self):
        return self.shared, self.handlers

    def pending(self):
        return bool(self.handlers)

    def take(self):
        return self.handlers.pop()(self.shared)

    async def t0(self):
        await join("barrier", lambda: True)
        self.shared["in"] = 1
        await load("after")

    async def t1(self):
        await store("x")
        self.handlers.append(self.handler)
        await join("barrier", lambda: "in" in self.shared)
        await store("go")
        self.shared["go"] = 1


async def waits_for_go(state):
    await wait("go", lambda: "go" in state)


async def waits_for_nobody(state):
    await load("go")


def test_a_handler_that_waits_for_who_waits_for_the_interrupted_task_is_a_deadlock():
    """t1 first: t0's handler waits for go, which t1 stores behind a barrier that t0 then never comes to."""
    report = explore(lambda: Raised(waits_for_go))
    assert report.frequency("deadlock") == "sometimes"
    assert report.witness("deadlock") == ("t1", "t0")
    assert execute(Raised(waits_for_go), Replay(("t1", "t0")))[1] == {"deadlock"}


def test_a_handler_that_waits_for_nobody_is_none():
    report = explore(lambda: Raised(waits_for_nobody))
    assert (report.frequency("deadlock"), report.frequency("done")) == ("never", "always")


def test_no_execution_is_asked_for():
    report = explore(lambda: World(steps(1)), limit=0)
    assert (report.executions, report.complete, report.limit) == (0, False, 0)


async def endless(state):
    while True:
        await load("x")


def by_chance(make):
    return execute(make(), RandomScheduler(1))


@pytest.mark.parametrize("run", [partial(explore, states=0), by_chance])
def test_a_task_that_never_ends_is_said_and_not_waited_for(monkeypatch, run):
    """As long as a schedule can be, so that what ends can be replayed."""
    monkeypatch.setattr("emu.explore.execution.LONGEST", 100)
    with pytest.raises(HandlerError, match=r"^t0 at load x: no end after 100 steps; expected an end or a wait$"):
        run(lambda: World(endless))
    run(lambda: World(steps(100)))
