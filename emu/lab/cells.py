"""One cell of a comparison: a scenario under one configuration, searched; and one execution of it, run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import arches
from emu.arch import Setup
from emu.errors import UsageError
from emu.explore.forgotten import nothing_forgotten
from emu.explore.ops import Access
from emu.explore.report import Progress, Report
from emu.explore.schedule import Schedule
from emu.explore.schedulers import Scheduler, execute
from emu.explore.search import explore
from emu.explore.task import Task
from emu.kernel.configuration import Patching, Preempt, Views
from emu.kernel.outcome import VIOLATED, AnyOutcome, Outcome, OwnOutcome, violated
from emu.kernel.state import Event
from emu.lab.claims import Claim, claim, is_exact
from emu.lab.endless import endless_loops_end
from emu.lab.lab import Laboratory, LabWorld
from emu.lab.scenario import NamedScenario
from emu.spelling import one_of


@dataclass(frozen=True)
class Settings:
    """What to run; None stands for the default: the variant `mainline`, the variant's own patching, the scenario's
    views, and the architecture's first engine. `fix` names bugs that the variant has no more.

    >>> from trapline import Settings, settings
    >>> one = settings("unregister_vs_hit", "mips", cpus=3)
    >>> isinstance(one, Settings), one.text()
    (True, 'unregister_vs_hit mips mainline live none 3 coherent')
    """

    scenario: NamedScenario
    arch: str
    variant: str | None = None
    patching: str | None = None
    preempt: str = "none"
    cpus: int = 2
    views: str | None = None
    engine: str | None = None
    fix: tuple[str, ...] = ()

    def setup(self) -> Setup:
        """The configuration; UsageError names what is unknown and what there is."""
        arch = arches.load(self.arch)
        variant = arch.variant(self.variant or "mainline", fix=self.fix)
        patching = Patching(self.patching or variant.patching)
        views = Views(self.views or self.scenario.views)
        return Setup(arch, variant, patching, Preempt(self.preempt), self.cpus, views, self.engine)

    def laboratory(self) -> Laboratory:
        return Laboratory(self.scenario.function, self.setup())

    def names(self) -> dict[str, Any]:
        """The settings with the defaults filled in, as the JSON has them."""
        setup = self.setup()
        return {
            "scenario": self.scenario.name,
            "arch": setup.arch.name,
            "variant": setup.variant.name,
            "patching": setup.patching,
            "preempt": setup.preempt,
            "cpus": setup.cpus,
            "views": setup.views,
        }

    def text(self) -> str:
        """The settings on one line, as messages have them."""
        return " ".join(str(value) for value in self.names().values())


@dataclass(frozen=True)
class Cell:
    """What a search found, with the settings it was made under.

    >>> from trapline import Cell, explore
    >>> cell = explore("foreign_break", "mips", cpus=1)
    >>> isinstance(cell, Cell), cell.exact, [str(one) for one in cell.outcomes if cell.found(one)]
    (True, True, ['passed-on', 'oops'])
    """

    settings: Settings
    report: Report
    own: tuple[OwnOutcome, ...] = ()  # the outcomes that the scenario declares

    @property
    def outcomes(self) -> tuple[AnyOutcome, ...]:
        """All that could have come out, in the order of reports: trapline's, the scenario's, assertions that failed."""
        return *Outcome, *self.own, *self.failed

    @property
    def failed(self) -> tuple[OwnOutcome, ...]:
        """The assertions of the scenario's own that failed somewhere."""
        names = sorted(name for name in self.report.outcomes if name.startswith(VIOLATED))
        return tuple(violated(name.removeprefix(VIOLATED)) for name in names)

    @property
    def exact(self) -> bool:
        """Whether all interleavings were searched."""
        return is_exact(self.report)

    def frequency(self, outcome: AnyOutcome | str) -> Claim:
        """In how many executions it comes, as far as that is known; UsageError for an outcome that there is not.

        >>> from trapline import explore
        >>> str(explore("unregister_vs_hit", "csky", limit=1).frequency("oops"))
        'not-found'
        """
        return claim(self.report, self._known(outcome))

    def found(self, outcome: AnyOutcome | str) -> bool:
        """Whether it came in any execution.

        >>> from trapline import explore
        >>> explore("foreign_break", "mips", cpus=1).found("oops")
        True
        """
        return self.frequency(outcome).found

    def witness(self, outcome: AnyOutcome | str) -> Schedule | None:
        """An execution with it, for `replay`; None if there was none.

        >>> from trapline import explore
        >>> explore("foreign_break", "mips", cpus=1).witness("hit") is None
        True
        """
        return self.report.witness(self._known(outcome))

    def _known(self, outcome: AnyOutcome | str) -> str:
        if outcome in self.outcomes or outcome.startswith(VIOLATED):
            return outcome
        raise UsageError(f"outcome {outcome!r}: {one_of(outcome, self.outcomes)}")

    @property
    def death(self) -> Schedule | None:
        """A shortest execution in which the kernel dies; None if it never does."""
        deaths = [self.witness(outcome) for outcome in Outcome if outcome.fatal]
        return next((schedule for schedule in deaths if schedule is not None), None)


def explore_cell(
    settings: Settings, *, bound: int | None = None, limit: int | None = None, progress: Progress | None = None
) -> Cell:
    """Search every interleaving, within the bound and the limit on executions if they are given."""
    laboratory = settings.laboratory()
    with endless_loops_end(settings.scenario.name), nothing_forgotten() as check:

        def world() -> LabWorld:
            check()
            return laboratory()

        report = explore(world, bound=bound, limit=limit, progress=progress)
        if not report.interrupted:
            check()
    return Cell(settings, report, tuple(laboratory.own_outcomes.values()))


@dataclass(frozen=True)
class Run:
    """One execution: who ran, what came of it, and what every CPU did on the way.

    >>> from trapline import Run, format_schedule, run
    >>> one = run("foreign_break", "csky", cpus=1)
    >>> isinstance(one, Run), format_schedule(one.schedule), one.events[-1].task
    (True, 'cpu0*4', 'cpu0')
    """

    settings: Settings
    schedule: Schedule
    outcomes: tuple[str, ...]
    tasks: tuple[str, ...]
    events: tuple[Event, ...]


def run_once(settings: Settings, scheduler: Scheduler) -> Run:
    """One execution under a scheduler; ScheduleError if a replayed schedule does not fit."""
    laboratory = settings.laboratory()
    with endless_loops_end(settings.scenario.name), nothing_forgotten() as check:
        run = _run(settings, laboratory(trace=True), scheduler)
        check()
    return run


def _run(settings: Settings, world: LabWorld, scheduler: Scheduler) -> Run:
    events = world.lab.kernel.events = []

    def observe(task: Task) -> None:
        """The kernel's own steps by what they touch; a guest's are shown by their instructions."""
        op = task.op
        if op is not None and op.access is not Access.FETCH and not task.interrupted():
            events.append(Event(task.name, repr(op)))

    schedule, outcomes = execute(world, scheduler, observe)
    named = (*(name for name in Outcome if name in outcomes), *sorted(outcomes - set(Outcome)))
    return Run(settings, schedule, named, tuple(world.tasks), tuple(events))
