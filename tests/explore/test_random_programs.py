"""Random programs, searched and brute-forced. The brute force shares no code with the search: it has no coroutines, no
graph and no schedulers, it executes a list of instructions for every interleaving from its start.

A program is a list of instructions a task, and handlers that tasks can raise on one another as interrupts.
"""

import random
from itertools import pairwise
from typing import NamedTuple

import pytest

from emu.explore.canonical import Kinds, Walk
from emu.explore.ops import ExecutionEnds, SharedObject, join, load, own, retry, store, update, wait
from emu.explore.search import explore
from emu.explore.task import Task

KINDS = Kinds(trusted=lambda file: "/emu/" in file)
MOST = 200  # interleavings of one program; larger ones are left out
NAMES = ("load", "store", "add", "lock", "unlock", "wait", "retry", "meet", "raise", "own", "die")
WEIGHTS = (5, 5, 3, 2, 2, 1, 1, 1, 2, 1, 1)


class Insn(NamedTuple):
    name: str
    what: str = ""
    value: int = 0


class Program(NamedTuple):
    tasks: tuple[tuple[Insn, ...], ...]
    handlers: tuple[tuple[Insn, ...], ...]


def some_program(seed):
    """Two or three tasks; each variable, lock and barrier is used by whoever comes to it."""
    draw = random.Random(seed)
    count = draw.choice((2, 2, 2, 3))
    handlers = tuple(some_code(draw, draw.randint(0, 2), count, handlers=0) for _ in range(2))
    longest = 5 if count == 2 else 3
    return Program(tuple(some_code(draw, draw.randint(1, longest), count, handlers=2) for _ in range(count)), handlers)


def some_code(draw, length, tasks, *, handlers):
    code = []
    for _ in range(length):
        name = draw.choices(NAMES, WEIGHTS)[0]
        if name == "raise" and not handlers:
            name = "load"
        if name in ("lock", "unlock"):
            code.append(Insn(name, "m"))
        elif name == "meet":
            code.append(Insn(name, "b", draw.randint(1, 2)))
        elif name == "raise":
            code.append(Insn(name, f"t{draw.randrange(tasks)}", draw.randrange(handlers)))
        else:
            code.append(Insn(name, draw.choice("xy"), draw.randint(0, 2)))
    return tuple(code)


# The search's view of a program


class World:
    def __init__(self, program):
        self.program = program
        self.shared = {"x": 0, "y": 0, "m": False, "b": 0}
        self.registers = {f"t{number}": 0 for number in range(len(program.tasks))}
        self.raised = {name: [] for name in self.registers}
        self.tasks = {
            name: Task(name, self.run(name, code), Pending(self, name))
            for name, code in zip(self.registers, program.tasks, strict=True)
        }

    def state(self):
        walk = Walk(KINDS)
        for task in self.tasks.values():
            task.walk(walk)
        walk.visit((self.shared, self.registers, self.raised))
        return walk.value()

    def finish(self, ending):
        held = {f"{name}={value:d}" for name, value in self.shared.items()}
        return frozenset({ending.value} | held | {f"{name}={value}" for name, value in self.registers.items()})

    async def run(self, me, code):
        shared, registers = self.shared, self.registers
        for name, what, value in code:
            if name == "load":
                await load(what)
                registers[me] = (2 * registers[me] + shared[what]) % 4
            elif name == "store":
                await store(what)
                shared[what] = value
            elif name == "add":
                await update(what)
                shared[what] = (shared[what] + registers[me] + 1) % 3
            elif name == "lock":
                await wait(what, lambda what=what: not shared[what])
                shared[what] = True
            elif name == "unlock":
                shared[what] = False
            elif name == "wait":
                await wait(what, lambda what=what, value=value: shared[what] == value)
            elif name == "retry":
                await retry(what, lambda what=what, value=value: shared[what] == value)
            elif name == "meet":
                await join(what, lambda: True)
                shared[what] += 1
                await join(what, lambda what=what, value=value: shared[what] >= value, (SharedObject(what),))
            elif name == "raise":
                await own(what)
                self.raised[what].append(value)
            elif name == "own":
                await own("here")
            else:
                await load(what)
                if shared[what] == value:
                    raise ExecutionEnds("dead")


class Pending:
    def __init__(self, world, name):
        self.world, self.name = world, name

    def pending(self):
        return bool(self.world.raised[self.name])

    def take(self):
        handler = self.world.raised[self.name].pop(0)
        return self.world.run(self.name, self.world.program.handlers[handler])


# The brute force's


def steps_of(code):
    """As the tasks take them: to meet somebody takes two steps."""
    come_and_go = {"meet": ("come", "go")}
    return tuple(insn._replace(name=name) for insn in code for name in come_and_go.get(insn.name, (insn.name,)))


class Machine:
    """Executes one interleaving."""

    def __init__(self, program):
        self.handlers = [steps_of(code) for code in program.handlers]
        self.memory = {"x": 0, "y": 0, "m": 0, "b": 0}
        self.names = [f"t{number}" for number in range(len(program.tasks))]
        self.stacks = {name: [[steps_of(code), 0]] for name, code in zip(self.names, program.tasks, strict=True)}
        self.registers = dict.fromkeys(self.names, 0)
        self.queues = {name: [] for name in self.names}
        self.dead = False
        for name in self.names:
            self.settle(name)

    def insn(self, name):
        for code, at in reversed(self.stacks[name]):
            if at < len(code):
                return code[at]
        return None

    def can_run(self, name):
        insn = self.insn(name)
        if self.queues[name]:
            return True
        if insn is None:
            return False
        if insn.name == "lock":
            return self.memory[insn.what] == 0
        if insn.name in ("wait", "retry"):
            return self.memory[insn.what] == insn.value
        return insn.name != "go" or self.memory[insn.what] >= insn.value

    def settle(self, name):
        """What needs no announcement happens at once; a handler that is done is gone."""
        stack = self.stacks[name]
        while stack:
            code, at = stack[-1]
            if at < len(code) and code[at].name == "unlock":
                self.memory[code[at].what] = 0
                stack[-1][1] += 1
            elif at == len(code):
                stack.pop()
                break  # what was interrupted goes on with what it had announced
            else:
                break

    def step(self, name):
        if self.queues[name]:
            self.stacks[name].append([self.handlers[self.queues[name].pop(0)], 0])
        else:
            insn = self.insn(name)
            self.stacks[name][-1][1] += 1
            self.do(name, insn)
        if not self.dead:
            self.settle(name)

    def do(self, name, insn):
        memory, what, value = self.memory, insn.what, insn.value
        if insn.name == "load":
            self.registers[name] = (self.registers[name] * 2 + memory[what]) % 4
        elif insn.name == "store":
            memory[what] = value
        elif insn.name == "add":
            memory[what] = (memory[what] + self.registers[name] + 1) % 3
        elif insn.name == "lock":
            memory[what] = 1
        elif insn.name == "come":
            memory[what] += 1
        elif insn.name == "raise":
            self.queues[what].append(value)
        elif insn.name == "die":
            self.dead = memory[what] == value

    def outcomes(self):
        if self.dead:
            ending = "died"
        else:
            left = [self.insn(name) for name in self.names if self.insn(name) is not None]
            spins = any(insn.name == "retry" for insn in left)
            ending = "livelock" if spins else "deadlock" if left else "done"
        return {ending, *(f"{name}={value}" for name, value in (self.memory | self.registers).items())}


def every_interleaving(program):
    """(schedule, preemptions, outcomes) of each, None if there are more than MOST."""
    found, todo = [], [((), 0)]
    while todo:
        schedule, preemptions = todo.pop()
        machine = Machine(program)
        for name in schedule:
            machine.step(name)
        able = [] if machine.dead else [name for name in machine.names if machine.can_run(name)]
        if not able:
            found.append((schedule, preemptions, machine.outcomes()))
        last = schedule[-1] if schedule else None
        todo += [((*schedule, name), preemptions + (last in able and name != last)) for name in able]
        if len(found) + len(todo) > MOST:
            return None
    return found


def best(schedules):
    """The shortest, then with the fewest switches, then the first by name."""
    return min(schedules, key=lambda s: (len(s), sum(a != b for a, b in pairwise(s)), s))


def expected(interleavings):
    """Number, and count and witness by outcome."""
    by_outcome = {}
    for schedule, _, outcomes in interleavings:
        for outcome in outcomes:
            by_outcome.setdefault(outcome, []).append(schedule)
    return len(interleavings), {name: (len(all_of), best(all_of)) for name, all_of in by_outcome.items()}


def searched(program, **how):
    report = explore(lambda: World(program), **how)
    assert report.complete
    return report.executions, {name: (seen.count, seen.witness) for name, seen in report.outcomes.items()}


def compare(seed):
    """Whether it was compared: neither too large nor nothing at all."""
    program = some_program(seed)
    interleavings = every_interleaving(program)
    if interleavings is None:
        return False
    assert searched(program, checked=True) == expected(interleavings), program
    for bound in range(4):
        within = [one for one in interleavings if one[1] <= bound]
        assert searched(program, bound=bound, checked=True) == expected(within), (program, bound)
    return True


@pytest.mark.parametrize("part", range(4))
def test_the_graph_of_a_random_program_has_its_interleavings(part):
    """Number of interleavings, count and shortest witness of each outcome, without a bound and with 0 to 3."""
    assert sum(compare(f"{part}-{number}") for number in range(60)) > 45


@pytest.mark.exhaustive
def test_the_graphs_of_many_random_programs_have_their_interleavings():
    assert sum(compare(number) for number in range(7_500)) > 5_000


@pytest.mark.exhaustive
def test_the_graphs_of_larger_random_programs_have_their_interleavings(monkeypatch):
    monkeypatch.setattr(f"{__name__}.MOST", 5_000)
    assert sum(compare(f"large-{number}") for number in range(500)) > 400


@pytest.mark.parametrize("bound", [None, 0, 1, 2])
def test_depth_first_gives_the_same_as_the_graph(bound):
    for number in range(30):
        program = some_program(f"depth-{number}")
        if every_interleaving(program) is not None:
            assert searched(program, bound=bound, states=0) == searched(program, bound=bound)


def test_prefixes_add_up_also_within_a_bound():
    for number in range(30):
        program = some_program(f"prefix-{number}")
        if every_interleaving(program) is None:
            continue
        for states in (0, 1_000_000):
            for bound in (None, 0, 1, 2):
                whole, _ = searched(program, bound=bound, states=states)
                first = [name for name, task in started(program).items() if task.enabled()]
                parts = [searched(program, bound=bound, prefix=(name,), states=states)[0] for name in first]
                assert sum(parts) == whole or not first


def started(program):
    tasks = World(program).tasks
    for task in tasks.values():
        task.start()
    return tasks
