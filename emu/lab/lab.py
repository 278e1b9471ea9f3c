"""`Lab`: the world that a scenario sets up and an execution happens in."""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection, Coroutine, Generator, Hashable, Mapping, Sequence
from typing import Any

from emu.arch import Setup
from emu.blame import Violation, blamed, name_of
from emu.elf.image import Image, load_image
from emu.errors import HandlerError, TraplineError, UsageError
from emu.explore.canonical import Kinds, Walk
from emu.explore.execution import Ending, run_alone
from emu.explore.ops import ExecutionEnds
from emu.explore.task import KernelCode, Task
from emu.kernel import kallsyms
from emu.kernel.boot import boot
from emu.kernel.guest import call_guest, run_guest
from emu.kernel.interrupts import CpuInterrupts
from emu.kernel.kprobes import register_kprobe
from emu.kernel.notifier import register_die_notifier
from emu.kernel.outcome import VIOLATED, AnyOutcome, Mark, Outcome, OwnOutcome, is_own_name, violated
from emu.kernel.probe import Kprobe
from emu.kernel.state import DieNotifier, Kernel, Percpu
from emu.kernel.trace import log
from emu.lab.announced import Announced
from emu.lab.firmware import FIRMWARE
from emu.lab.state import kinds_of
from emu.machine.cpu import Halt
from emu.machine.machine import Machine

REFERENCE_LIMIT = 200_000  # instructions of one guest without probes

Scenario = Callable[["Lab"], Mapping[str, KernelCode]]


HANGS = {Ending.DEADLOCK: Outcome.DEADLOCK, Ending.LIVELOCK: Outcome.LIVELOCK}


class NotApplicable(TraplineError):
    """The scenario needs something that this architecture does not have.

    >>> import trapline
    >>> try:
    ...     trapline.explore("likely_branch", "riscv")
    ... except trapline.NotApplicable as error:
    ...     print(error)
    riscv: its firmware has no probe_likely_site; expected one of its symbols
    """


class Cpus(tuple[Percpu, ...]):
    """The CPUs of a lab by number; UsageError for one that --cpus leaves out."""

    def __getitem__(self, number: Any) -> Any:
        try:
            return super().__getitem__(number)
        except IndexError:
            raise UsageError(f"cpu{number}: expected one of {', '.join(cpu.name for cpu in self)} (--cpus)") from None


class Lab:
    """What a scenario sees: `cpus`, `kernel`, symbols, and ways to note outcomes.

    Every address that it asks for is watched: guests yield before they fetch there.

    >>> from trapline import Lab, run, run_guest
    >>> def one_cpu_idles(lab: Lab):
    ...     print([cpu.name for cpu in lab.cpus], lab.kernel.isa.name)
    ...     return {"cpu0": run_guest(lab.cpus[0])}
    >>> done = run(one_cpu_idles, "csky", cpus=2)
    ['cpu0', 'cpu1'] csky
    """

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.cpus = Cpus(kernel.percpu)
        self.has_reference = True  # whether what the guests compute must be what they compute without probes

    def symbol(self, name: str, offset: int = 0) -> int:
        """A symbol's address, plus an offset in bytes; NotApplicable if this firmware lacks it.

        >>> from trapline import run
        >>> def finds(lab):
        ...     print(lab.symbol("probe_me", 4) - lab.symbol("probe_me"))
        ...     return {}
        >>> done = run(finds, "mips")
        4
        """
        base = self.kernel.machine.address_of(name)
        if base is None:
            raise NotApplicable(f"{self.kernel.isa.name}: its firmware has no {name}; expected one of its symbols")
        kallsyms.watch(self.kernel, base + offset)
        return base + offset

    def boot(self, code: Coroutine[Any, Any, int]) -> None:
        """Run kernel code to its end before the other CPUs come up; UsageError if it gives a negative errno, would
        wait for somebody else, or never ends.

        >>> from trapline import Kprobe, register_kprobe, run
        >>> def at_nothing(lab):
        ...     lab.boot(register_kprobe(lab.kernel, Kprobe(symbol_name="no_such_function")))
        ...     return {}
        >>> run(at_nothing, "mips")
        Traceback (most recent call last):
        emu.errors.UsageError: boot: register_kprobe gave -ENOENT; expected 0
        """
        if not isinstance(code, Coroutine):
            raise UsageError(f"boot: {code!r}: expected a coroutine, such as register_kprobe(...)")
        result = run_alone(code, f"boot: {name_of(code)}")
        if isinstance(result, int) and result < 0:
            raise UsageError(f"boot: {name_of(code)} gave -{errno.errorcode[-result]}; expected 0")

    def probe_and_run(self, site: str, function: str, count: int = 3) -> Mapping[str, KernelCode]:
        """CPU 0 calls a function `count` times with a probe at one of its instructions.

        >>> from trapline import explore
        >>> cell = explore(lambda lab: lab.probe_and_run("probe_likely_site", "probe_likely"), "mips", cpus=1)
        >>> str(cell.frequency("wrong-result"))  # the bug likely-polarity (`trapline list bugs`)
        'always'
        """
        probe = Kprobe(self.symbol(site))
        self.boot(register_kprobe(self.kernel, probe))
        return {"cpu0": run_guest(self.cpus[0], function, count)}

    def jump(self, addr: int, target: int) -> bytes:
        """The jump that a patchable nop at addr becomes; NotApplicable if this architecture has none.

        >>> from trapline import run
        >>> def shows(lab):
        ...     addr = lab.symbol("nop5_site")
        ...     print(lab.jump(addr, addr + 5 + 0x20).hex(" "))
        ...     return {}
        >>> done = run(shows, "x86")
        e9 20 00 00 00
        """
        poke = self.kernel.port.text_poke
        if poke is None:
            raise NotApplicable(f"{self.kernel.isa.name}: no jump that takes the place of a nop")
        return poke.jump(addr, target)

    def run_guest(self, cpu: Percpu, function: str, count: int, results: Collection[int]) -> KernelCode:
        """A guest whose result depends on who comes first: one not in `results` is wrong, and no other comparison
        is made in this scenario.

        >>> from trapline import explore
        >>> def wants_seven(lab):
        ...     return {"cpu0": lab.run_guest(lab.cpus[0], "probe_me", 1, (7,))}
        >>> str(explore(wants_seven, "mips", cpus=1).frequency("wrong-result"))
        'always'
        """
        self.has_reference = False

        async def run() -> None:
            if await run_guest(cpu, function, count) not in results:
                self.kernel.note(Outcome.WRONG_RESULT)

        return run()

    def outcome(self, name: str, text: str = "") -> OwnOutcome:
        """Declare an outcome of the scenario's own, so that it can be noted, and is searched like all others.

        UsageError for a name that is no word of small letters, or has another meaning.

        >>> from trapline import explore, load, store
        >>> def two_increments(lab):
        ...     lost, n, done = lab.outcome("lost-update", "one of two increments is gone"), [0], []
        ...     async def increment():
        ...         await load("n")
        ...         read = n[0]
        ...         await store("n")
        ...         n[0] = read + 1
        ...         done.append(1)
        ...         if len(done) == 2 and n[0] == 1:
        ...             lab.kernel.note(lost)
        ...     return {"cpu0": increment(), "cpu1": increment()}
        >>> str(explore(two_increments, "mips").frequency("lost-update"))
        'sometimes'
        """
        if not is_own_name(name) or name.startswith(VIOLATED):
            raise UsageError(f"outcome {name!r}: expected a name of its own, such as lost-update")
        declared = OwnOutcome(name, text, Mark.WRONG)
        self.kernel.own_outcomes[name] = declared
        return declared

    def note(self, outcome: AnyOutcome | str) -> Callable[[Kprobe, Any], None]:
        """A pre_handler that notes an outcome; UsageError for one that there is not.

        >>> from trapline import Kprobe, explore, register_kprobe, run_guest
        >>> def counts(lab):
        ...     probe = Kprobe(lab.symbol("probe_me"), pre_handler=lab.note("hit"))
        ...     lab.boot(register_kprobe(lab.kernel, probe))
        ...     return {"cpu0": run_guest(lab.cpus[0])}
        >>> str(explore(counts, "x86", cpus=1).frequency("hit"))
        'always'
        """
        kernel = self.kernel
        noted = kernel.own_outcomes.get(outcome) or Outcome(outcome)

        def handler(p: Kprobe, regs: Any) -> None:
            kernel.note(noted)

        return handler

    def call_guest(self, function: str, argument: int = 0) -> Callable[[Kprobe, Any], Coroutine[Any, Any, None]]:
        """A pre_handler that calls a guest function on the CPU that hit.

        >>> from trapline import Kprobe, explore, register_kprobe, run_guest
        >>> def nested(lab):
        ...     outer = Kprobe(lab.symbol("probe_me"), pre_handler=lab.call_guest("nested_target"))
        ...     lab.boot(register_kprobe(lab.kernel, outer))
        ...     lab.boot(register_kprobe(lab.kernel, Kprobe(lab.symbol("nested_target"))))
        ...     return {"cpu0": run_guest(lab.cpus[0])}
        >>> str(explore(nested, "arm64", cpus=1).frequency("missed"))
        'always'
        """
        kernel = self.kernel

        async def handler(p: Kprobe, regs: Any) -> None:
            await call_guest(kernel.percpu[regs.cpu.id], function, argument)

        return handler

    def register_die_notifier(self, name: str, call: Callable[[str, Percpu, Any], bool], priority: int = 0) -> None:
        """Somebody who is told of traps that are no probe's: `call(event, cpu, regs)` is true if the trap was his.

        >>> from trapline import explore, run_guest
        >>> def debugged(lab):
        ...     def debugger(event, cpu, regs):
        ...         regs.pc += 4
        ...         return True
        ...     lab.register_die_notifier("debugger", debugger)
        ...     return {"cpu0": run_guest(lab.cpus[0], "foreign_break")}
        >>> str(explore(debugged, "riscv", cpus=1).frequency("oops"))
        'never'
        """
        register_die_notifier(self.kernel.die_chain, DieNotifier(name, priority, call))


class LabWorld:
    """One execution's world (`emu.explore.execution.World`)."""

    def __init__(self, lab: Lab, codes: Mapping[str, KernelCode], reference: Reference, kinds: Kinds) -> None:
        self.lab = lab
        self._reference = reference
        self._kinds = kinds
        kernel = lab.kernel
        kernel.booting = False
        Announced(kernel)
        self.tasks: Mapping[str, Task] = {
            cpu.name: Task(cpu.name, Guarded(codes[cpu.name], cpu) if cpu.name in codes else None, CpuInterrupts(cpu))
            for cpu in lab.cpus
        }

    def state(self) -> Hashable:
        kernel, walk = self.lab.kernel, Walk(self._kinds)
        for task in self.tasks.values():
            task.walk(walk)
        walk.visit(kernel)
        machine = kernel.machine
        walk.out += (self.lab.has_reference, tuple(kernel.watched), *[cpu.state() for cpu in machine.cpus])
        walk.out.append(machine.memory.state())
        return walk.value()

    def finish(self, ending: Ending) -> frozenset[str]:
        kernel = self.lab.kernel
        if ending in HANGS:
            kernel.note(HANGS[ending])
        elif ending is Ending.DONE and self.lab.has_reference:
            expected = self._reference.shared(kernel.guest_runs)
            if expected is not None and expected != kernel.machine.shared():
                kernel.note(Outcome.WRONG_RESULT)
        return frozenset(kernel.outcomes)


class Reference:
    """What guests compute without probes, one CPU after the other: their `.shared` data at the end."""

    def __init__(self, setup: Setup, image: Image) -> None:
        self._machine = Machine(setup.arch.isa, image, setup.make_cpu, setup.cpus)
        self._known: dict[tuple[tuple[int, str, int], ...], bytes | None] = {}

    def shared(self, runs: Sequence[tuple[int, str, int]]) -> bytes | None:
        """None if the guests do not end by themselves (they trap, say)."""
        key = tuple(sorted(runs))
        if key not in self._known:
            self._known[key] = self._run(key)
        return self._known[key]

    def _run(self, runs: Sequence[tuple[int, str, int]]) -> bytes | None:
        machine = self._machine
        machine.reset()
        for number, function, count in runs:
            cpu = machine.cpus[number]
            machine.start(cpu, number, function, count)
            if not isinstance(cpu.run(REFERENCE_LIMIT), Halt):
                return None
        return machine.shared()


class Laboratory:
    """Makes worlds of one scenario under one configuration; the machine is reset, not made anew."""

    def __init__(self, scenario: Scenario, setup: Setup, image: Image | None = None) -> None:
        self.scenario = scenario
        self.own_outcomes: dict[str, OwnOutcome] = {}  # what the scenario has declared
        self._config = setup.config()
        arch = setup.arch
        image = image or load_image(FIRMWARE / f"{arch.name}.elf", arch.elf)
        self._machine = Machine(arch.isa, image, setup.make_cpu, setup.cpus)
        self._reference = Reference(setup, image)
        self._kinds = kinds_of(self._machine)

    def __call__(self, *, trace: bool = False) -> LabWorld:
        """A world ready to run; HandlerError if the scenario raises or gives something else than coroutines."""
        self._machine.reset()
        self._machine.memory.watcher = None  # of the last world's kernel
        lab = Lab(boot(self._config, self._machine))
        if trace:
            lab.kernel.events = []
        codes = self._codes(lab)
        self.own_outcomes |= lab.kernel.own_outcomes
        try:
            self._check(lab, codes)
            return LabWorld(lab, codes, self._reference, self._kinds)
        except TraplineError:
            close(codes)
            raise

    def _codes(self, lab: Lab) -> Any:
        """What the scenario gives; `emu.lab.endless` looks for this function."""
        with blamed(self.scenario):
            return self.scenario(lab)

    def _check(self, lab: Lab, codes: Any) -> None:
        names = [cpu.name for cpu in lab.cpus]
        name = name_of(self.scenario)
        if not isinstance(codes, Mapping):
            raise HandlerError(f"{name} gave {type(codes).__name__}; expected a dict of CPU name to coroutine")
        for key, code in codes.items():
            if not isinstance(code, Coroutine):
                raise HandlerError(f"{name} gave {code!r} for {key}; expected a coroutine, such as run_guest(...)")
        unknown = [key for key in codes if key not in names]
        if unknown:
            raise UsageError(f"{name} needs {unknown[0]}; expected one of {', '.join(names)} (--cpus)")


def close(codes: Any) -> None:
    """Abandon what a scenario gave, whatever it is, so that no coroutine is left that nobody awaits."""
    given = codes.values() if isinstance(codes, Mapping) else codes if isinstance(codes, Sequence) else (codes,)
    for code in given:
        if isinstance(code, Coroutine):
            code.close()


class Guarded(Coroutine[Any, Any, Any]):
    """A scenario's code: HandlerError if it raises a Python exception; an assertion that fails is an outcome, and ends
    the execution."""

    def __init__(self, code: KernelCode, cpu: Percpu) -> None:
        self.code, self.cpu = code, cpu

    def send(self, value: Any) -> Any:
        try:
            return self.code.send(value)
        except StopIteration:
            raise
        except BaseException:
            try:
                with blamed(self.code):
                    raise
            except Violation as violation:
                raise self._ended_by(violation) from violation

    def _ended_by(self, violation: Violation) -> ExecutionEnds:
        outcome = violated(violation.what)
        self.cpu.kernel.outcomes.add(outcome)
        log(self.cpu, outcome)
        return ExecutionEnds(str(violation))

    def throw(self, *error: Any) -> Any:
        return self.code.throw(*error)

    def close(self) -> None:
        self.code.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self.code.__await__()
