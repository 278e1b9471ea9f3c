"""One execution: a world is set up, a scheduler picks who runs, until nobody can."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable, Mapping
from enum import Enum
from types import TracebackType
from typing import Any, NoReturn, Protocol, TypeVar

from emu.errors import HandlerError, UsageError
from emu.explore.ops import Access, ExecutionEnds, Op
from emu.explore.schedule import LONGEST, Schedule
from emu.explore.task import Announced, Task


class Ending(Enum):
    """Why an execution is over."""

    DONE = "done"
    DIED = "died"
    DEADLOCK = "deadlock"
    LIVELOCK = "livelock"


class World(Protocol):
    """What an execution happens in: its tasks by name, in the order in which they are started and preferred."""

    tasks: Mapping[str, Task]

    def state(self) -> Hashable:
        """All that decides how it goes on and how it ends; NotUnderstood if that cannot be told."""
        ...

    def finish(self, ending: Ending) -> frozenset[str]:
        """The outcomes, once it is over."""
        ...


MakeWorld = Callable[[], World]


class Execution:
    """One run of a world, step by step. `ending` is None until it is over, `enabled` is who can run until then.

    Used by `with`: the tasks are closed behind it, whether it is over or not.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.tasks = world.tasks
        self.taken: list[str] = []
        self.said: list[Announced] = []  # what each of these steps announced
        self.current: Task | None = None  # who took the last step
        self.enabled: tuple[Task, ...] = ()
        self.ending: Ending | None = None
        self.outcomes: frozenset[str] = frozenset()

    def __enter__(self) -> Execution:
        try:
            self._advance(self._start)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    @property
    def schedule(self) -> Schedule:
        return tuple(self.taken)

    def step(self, task: Task) -> None:
        """Let a task that is enabled take its next step."""
        if len(self.taken) == LONGEST:
            never_ends(task)
        self.taken.append(task.name)
        self.said.append(task.announced())
        self.current = task
        self._advance(task.step)

    def close(self) -> None:
        """Abandon what is left of every task; the coroutines must not outlive the execution."""
        for task in self.tasks.values():
            task.close()

    def _start(self) -> None:
        for task in self.tasks.values():
            task.start()

    def _advance(self, step: Callable[[], None]) -> None:
        try:
            step()
        except ExecutionEnds:
            return self.end(Ending.DIED)
        self.enabled = tuple([task for task in self.tasks.values() if task.enabled()])
        if not self.enabled:
            self.end(how_it_ended([task.op for task in self.tasks.values() if task.op is not None]))

    def end(self, ending: Ending) -> None:
        """It is over, and this is why."""
        self.enabled, self.ending = (), ending
        self.close()
        self.outcomes = self.world.finish(ending)


def how_it_ended(stuck: list[Op]) -> Ending:
    """Why nobody can run: all are done, or those left wait for one another, or spin."""
    if not stuck:
        return Ending.DONE
    return Ending.LIVELOCK if any(op.access is Access.RETRY for op in stuck) else Ending.DEADLOCK


def never_ends(task: Task) -> NoReturn:
    """A task goes on after more steps than a schedule can have."""
    raise HandlerError(f"{task.name} at {task.op!r}: no end after {LONGEST} steps; expected an end or a wait")


Result = TypeVar("Result")


class MustWait(UsageError):
    """Code that was to run alone waits for somebody else."""

    def __init__(self, who: str, what: str) -> None:
        super().__init__(f"{who} waits for {what}; expected it to need nobody else")
        self.what = what


def run_alone(code: Coroutine[Any, Any, Result], what: str = "") -> Result:
    """Run code that has the machine for itself to its end; what it returns. `what` says in messages what it is.

    MustWait if it waits for somebody else, UsageError if it never ends.
    """
    what = what or getattr(code, "__name__", repr(code))
    try:
        for _ in range(LONGEST):
            op = code.send(None)
            if not isinstance(op, Op):
                raise HandlerError(f"{what} awaited {op!r}; expected trapline's own awaitables")
            if op.ready is not None and not op.ready():
                raise MustWait(what, op.what)
        raise UsageError(f"{what}: no end after {LONGEST} steps; expected it to end")
    except StopIteration as stop:
        result: Result = stop.value
        return result
    finally:
        code.close()
