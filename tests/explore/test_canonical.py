"""States as values: what differs in any way that a program could tell is told apart, and nothing else is."""

import itertools
import re
import threading
from collections import deque
from dataclasses import dataclass, field
from functools import partial

import pytest

from emu.explore.canonical import NO_STATE, Kinds, NotUnderstood, Walk
from emu.explore.ops import load
from emu.explore.search import explore
from emu.explore.task import Task

KINDS = Kinds()
COUNTER = [0]


def state(*values, kinds=KINDS):
    walk = Walk(kinds)
    for value in values:
        walk.visit(value)
    return walk.value()


def after(code, steps):
    """The state of code that has taken some steps; a list, so that it can be closed."""
    for _ in range(steps):
        code.send(None)
    found = state(code)
    code.close()
    return found


def test_equal_worlds_give_equal_states():
    def make():
        inner = [1, 2]
        return {"a": inner, "b": (inner, {3, 1, 2}), "c": deque([None]), "d": partial(max, 1)}

    assert state(make()) == state(make())


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (1, True),
        (0, False),
        (1, 1.0),
        ([1], (1,)),
        ([1, [2]], [[1], 2]),
        ({"a": 1}, {"a": 2}),
        ({1, 2}, {1, 3}),
        ({1}, frozenset({1})),
        (b"a", "a"),
        (None, 0),
        ([], {}),
        (deque([1]), [1]),
        (range(3), range(4)),
        (Exception(1), Exception(2)),
        (partial(max, 1), partial(max, 2)),
        (iter([1, 2]), iter([1, 3])),
    ],
)
def test_different_values_give_different_states(a, b):
    assert state(a) != state(b)


def test_whether_two_lists_are_one_is_told():
    one, other = [], []
    assert state([one, one]) != state([one, other])


def test_which_of_two_equal_lists_it_is_is_told():
    one, other = [], []
    assert state([one, other, one]) != state([one, other, other])


def test_a_list_that_holds_itself_ends():
    loop = []
    loop.append(loop)
    assert state(loop) == state(loop)


def test_how_far_an_iterator_is_is_told():
    fresh, used = iter([1, 2]), iter([1, 2])
    next(used)
    assert state(fresh) != state(used)


async def two_steps(value):
    await load("a")
    value = value + 1
    await load("b")
    return value


def test_where_a_coroutine_stands_is_told():
    states = [after(two_steps(1), steps) for steps in (1, 2)]
    assert states[0] != states[1]
    assert after(two_steps(1), 1) == states[0]


async def the_same_twice():
    await load("a")
    await load("a")


def test_two_equal_announcements_are_two_places():
    assert after(the_same_twice(), 1) != after(the_same_twice(), 2)


def test_its_locals_are_told():
    assert after(two_steps(1), 1) != after(two_steps(2), 1)


def test_a_local_that_is_not_set_is_told_from_another_that_is():
    async def code(which):
        if which():
            a = 1
        else:
            b = 1
        del which
        await load("x")
        return (a, b)

    assert after(code(lambda: True), 1) != after(code(lambda: False), 1)


def test_what_waits_on_the_evaluation_stack_is_told():
    async def get():
        await load("x")
        return 1

    async def code(values):
        return values.pop() + await get()

    assert after(code([1]), 1) != after(code([2]), 1)


def test_the_code_that_is_awaited_is_told():
    async def outer(inner):
        await inner

    a, b = two_steps(1), two_steps(5)
    assert after(outer(a), 1) != after(outer(b), 1)


def test_what_a_function_closes_over_is_told():
    def make(value):
        return lambda: value

    assert state(make([1])) == state(make([1]))
    assert state(make([1])) != state(make([2]))


def test_what_a_function_finds_in_its_module_is_told():
    def count():
        return COUNTER

    before = state(count)
    COUNTER[0] += 1
    assert state(count) != before


def helper():
    return COUNTER


def test_what_a_function_that_it_calls_finds_there_is_told_too():
    before = state(lambda: helper())
    COUNTER[0] += 1
    assert state(lambda: helper()) != before


class Counted:
    number = 0

    def __init__(self):
        self.own = 1


def test_attributes_of_objects_and_of_their_classes_are_told():
    one, other = Counted(), Counted()
    assert state(one) == state(other)
    other.own = 2
    assert state(one) != state(other)
    before = state(one)
    Counted.number += 1
    assert state(one) != before


def test_code_in_a_trusted_file_is_not_asked_for_its_module():
    before = state(helper, kinds=Kinds(trusted=lambda file: True))
    COUNTER[0] += 1
    assert state(helper, kinds=Kinds(trusted=lambda file: True)) == before


@dataclass
class Struct:
    value: int
    log: list[str] = field(default_factory=list, metadata=NO_STATE)


def test_a_field_that_is_no_state_is_left_out():
    assert state(Struct(1)) == state(Struct(1, ["a"]))
    assert state(Struct(1)) != state(Struct(2))


class Numbers(list):
    def __init__(self, name):
        super().__init__()
        self.name = name


def test_a_list_with_attributes_is_both():
    assert state(Numbers("a")) != state(Numbers("b"))


def test_constants_are_themselves():
    class Constant:
        pass

    kinds = Kinds((Constant,))
    one, other = Constant(), Constant()
    assert state(one, kinds=kinds) == state(one, kinds=kinds) != state(other, kinds=kinds)


@pytest.mark.parametrize("value", [itertools.count(), re.compile("a").scanner("a"), threading.Lock(), {object()}])
def test_what_is_not_understood_is_an_error(value):
    with pytest.raises(NotUnderstood):
        state([value])


class World:
    """One task that loads as often as an iterator of C's gives something."""

    def __init__(self):
        self.tasks = {"t": Task("t", self.run(itertools.islice(itertools.count(), 2)))}

    async def run(self, numbers):
        for _ in numbers:
            await load("x")

    def state(self):
        walk = Walk(KINDS)
        self.tasks["t"].walk(walk)
        return walk.value()

    def finish(self, ending):
        return frozenset({ending.value})


def test_a_world_that_is_not_understood_is_searched_without_its_states_and_refused_in_checked_mode():
    report = explore(World)
    assert (report.executions, report.complete, report.states) == (1, True, None)
    assert report.why.startswith("itertools.")
    with pytest.raises(NotUnderstood, match="expected a value whose state can be told"):
        explore(World, checked=True)
