"""The bench: two machines with the same text, one without probes and one with a kernel and a kprobe.

What happens under the probe is the kernel's own code from registration to removal: breakpoint, trap, handler, slot or
simulation, post handling. Nothing is called in its place. A state is loaded into both CPUs, each executes the
instruction once, and a second, plain one after it, which is probed as well: what a probe leaves behind on its CPU
shows there.
"""

from __future__ import annotations

import errno
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, replace
from typing import Any

from emu.arch import Arch, Setup
from emu.errors import MemoryAccessError, TraplineError, UsageError
from emu.explore.execution import MustWait, run_alone
from emu.explore.ops import ExecutionEnds
from emu.kernel.boot import boot, new_percpu
from emu.kernel.kprobes import register_kprobe, unregister_kprobe, verdict_at
from emu.kernel.probe import Kprobe
from emu.kernel.state import Percpu, Variant
from emu.kernel.traps import take_trap
from emu.machine.bench import CpuBench
from emu.machine.cpu import Fault, Halt, Limit, Stop, Trap, TrapKind
from emu.machine.machine import Machine
from emu.transparent.case import Case
from emu.transparent.layout import BUFFER_SIZE, Layout, make_image, make_layout
from emu.trials import Trials
from emu.verdict.site import Site, Verdict

STEPS = 80  # of one instruction and what the kernel makes of it; repeated string instructions need most


class Stuck(TraplineError):
    """Kernel code that waits for somebody although nobody else is there."""


@dataclass(frozen=True, slots=True)
class End:
    """How an instruction ended if it did not complete. `pc` is in place, also for a copy in a slot."""

    kind: str
    pc: int
    detail: int | str | None = None

    def __str__(self) -> str:
        detail = f" ({self.detail:#x})" if isinstance(self.detail, int) else f": {self.detail}" if self.detail else ""
        return f"{self.kind} at {self.pc:#x}{detail}"


@dataclass(frozen=True, slots=True)
class Seen:
    """A CPU after an instruction: `values` are in the order of `Bench.names`."""

    end: End | None
    pc: int
    values: tuple[int, ...]
    memory: bytes


@dataclass(frozen=True, slots=True)
class Result:
    """After the instruction, and after the second one where both completed; hits and misses of their probes."""

    first: Seen
    then: Seen | None = None
    hits: int = 1
    post_hits: int = 1
    missed: int = 0
    then_hits: int = 1
    then_missed: int = 0
    preempt_count: int = 0


def drive(code: Coroutine[Any, Any, Any]) -> Any:
    """Run kernel code to its end; Stuck where it would wait."""
    try:
        return run_alone(code)
    except MustWait as error:
        raise Stuck(error.what) from None


class Side:
    """One machine and how to get its CPU into a state."""

    def __init__(self, arch: Arch, layout: Layout, names: tuple[str, ...]) -> None:
        self.machine = Machine(arch.isa, make_image(arch, layout), arch.make_cpu(), 1)
        self.cpu = self.machine.cpus[0]
        self._layout = layout
        self._buffer = self.machine.memory.region(layout.buffer)
        self._registers = CpuBench(self.cpu, arch.isa.registers, names)
        self.machine.reset()
        self.clean = self._registers.clean
        self._written: tuple[int, ...] = ()

    def place(self, code: Mapping[int, bytes]) -> None:
        """Text at these addresses, in memory and in the CPU's view, and nothing of the last time."""
        self.cpu.restore(self.clean)
        for at in self._written:
            self._store(at, b"")
        for at, data in code.items():
            self._store(at, data)
        self._written = tuple(code)

    def _store(self, at: int, data: bytes) -> None:
        window = self._layout.window(data)
        if self.machine.memory.read(at, len(window)) != window:
            self.machine.memory.write(at, window)
        self.cpu.sync_icache(at, len(window))

    def load(self, state: Any, case: Case) -> None:
        """Registers of `state`, a snapshot, with those of the case over them; the buffer; the pc."""
        self.cpu.restore(state)
        self._registers.load(case.regs, case.at)
        self._buffer.bytes[:] = bytes(BUFFER_SIZE)
        for addr, data in case.mem.items():
            offset = addr - self._layout.buffer
            self._buffer.bytes[offset : offset + len(data)] = data

    def see(self, end: End | None) -> Seen:
        return Seen(end, self.cpu.pc, self._registers.read(), bytes(self._buffer.bytes))


class Bench:
    """One architecture under one variant of its handlers. `names` are the registers that are compared."""

    def __init__(self, arch: Arch, variant: Variant, trials: Trials) -> None:
        file = arch.isa.registers
        self.arch, self.isa, self.variant, self.trials = arch, arch.isa, variant, trials
        self.layout = make_layout(arch, trials.base, trials.literals)
        self.names = (*file.visible, *file.fp, file.status)
        self.plain = Side(arch, self.layout, self.names)
        self.probed = Side(arch, self.layout, self.names)
        self.reset_status = self.plain.cpu.get(file.status)
        self._then = trials.canary
        self._booted = self.probed.clean
        self._probe: Kprobe | None = None
        self._boot()

    # The kernel

    def _boot(self) -> None:
        """A new kernel on the machine as it was at first, with the second probe registered."""
        self.probed.machine.reset()
        self.probed.clean = self._booted
        config = Setup(self.arch, self.variant, self.variant.patching, cpus=1).config()
        self.kernel = boot(config, self.probed.machine)
        self._hits: dict[int, int] = {}
        self._post_hits = 0
        self.probed.place({})
        self.plain.place({self.layout.then_at: self._then})
        self.probed.place({self.layout.then_at: self._then})
        self._then_probe = Kprobe(self.layout.then_at, pre_handler=self._count)
        error = drive(register_kprobe(self.kernel, self._then_probe))
        assert not error, "`allows` has asked the same"
        self.plain.clean, self.probed.clean = self.plain.cpu.snapshot(), self.probed.cpu.snapshot()
        self.plain._written = self.probed._written = ()

    def _count(self, p: Kprobe, _regs: Any) -> None:
        self._hits[p.where] = self._hits.get(p.where, 0) + 1

    def _count_post(self, _p: Kprobe, _regs: Any, _flags: int) -> None:
        self._post_hits += 1

    def open(self, case: Case) -> int:
        """Put the instruction there, in place and under a probe: 0, or the errno with which the kernel refuses."""
        self._check(case)
        then = case.then or self.trials.canary
        if then != self._then and self.allows(then):
            self._then = then
            self._boot()
        error = self._register(case)
        if not error and then != self._then:
            self.close()
            raise UsageError(f"then={self.isa.word(then)}: expected an instruction that the kernel lets be probed")
        if error == -errno.ENOMEM:  # an architecture that never gives slots back
            self._boot()
            error = self._register(case)
        self._plain_state, self._probed_state = self.plain.cpu.snapshot(), self.probed.cpu.snapshot()
        return error

    def allows(self, insn: bytes) -> bool:
        """Whether the kernel lets a probe be set on it."""
        site = Site(insn=self.layout.window(insn), addr=self.layout.then_at)
        return verdict_at(self.kernel, site).verdict is not Verdict.REJECT

    def _check(self, case: Case) -> None:
        layout = self.layout
        if case.at not in layout.sites:
            sites = ", ".join(f"{at:#x}" for at in layout.sites)
            raise UsageError(f"at={case.at:#x}: expected one of the places for instructions: {sites}")
        for addr, data in case.mem.items():
            if not layout.buffer <= addr <= addr + len(data) <= layout.buffer + BUFFER_SIZE:
                end = layout.buffer + BUFFER_SIZE
                raise UsageError(f"mem={addr:#x}: expected addresses from {layout.buffer:#x} to {end:#x}")

    def _register(self, case: Case) -> int:
        code = {case.at: case.insn + case.following}
        self.plain.place(code)
        self.probed.place(code)
        self._probe = Kprobe(case.at, pre_handler=self._count)
        if self.layout.sites.index(case.at) % 2:  # without one, a copy may go back by itself (x86)
            self._probe.post_handler = self._count_post
        error: int = drive(register_kprobe(self.kernel, self._probe))
        if error:
            self._probe = None
        return error

    def close(self) -> None:
        """Take the probe away."""
        if self._probe is not None:
            drive(unregister_kprobe(self.kernel, self._probe))
            self._probe = None

    @property
    def probe(self) -> Kprobe:
        """The kprobe on the instruction; there is one from `open` to `close`."""
        assert self._probe is not None
        return self._probe

    # Execution

    def in_place(self, case: Case) -> Result:
        """From the state of the case, without a probe; with the second instruction if there is one in the case."""
        self.plain.load(self._plain_state, case)
        first = self.plain.see(self._step_plain(case))
        if first.end is not None or not case.then:
            return Result(first)
        self.plain.cpu.pc = self.layout.then_at
        return Result(first, self.plain.see(_end(self.plain.cpu.step(), 0)))

    def _step_plain(self, case: Case) -> End | None:
        cpu = self.plain.cpu
        stop = cpu.step()
        for _ in range(STEPS):
            if stop is not None or not self.trials.more(case.insn, cpu.pc - case.at):
                break
            stop = cpu.step()
        return _end(stop, 0)

    def under_probe(self, case: Case) -> Result:
        """The same with the probe on it, from the trap to the return from the last exception."""
        p = self.probe
        self._hits.clear()
        self._post_hits = 0
        p.nmissed = self._then_probe.nmissed = 0
        self.probed.load(self._probed_state, case)
        percpu = self.kernel.percpu[0] = new_percpu(self.kernel, self.probed.cpu)
        first = self.probed.see(self._step_probed(percpu, p))
        result = Result(
            first,
            hits=self._hits.get(case.at, 0),
            post_hits=self._post_hits if p.post_handler else 1,
            missed=p.nmissed,
            preempt_count=percpu.preempt_count,
        )
        if first.end is not None or not case.then:
            return result
        self.probed.cpu.pc = self.layout.then_at
        then = self.probed.see(self._step_probed(percpu, self._then_probe))
        hits = self._hits.get(self.layout.then_at, 0)
        return replace(result, then=then, then_hits=hits, then_missed=self._then_probe.nmissed)

    def _step_probed(self, percpu: Percpu, p: Kprobe) -> End | None:
        """Until the kernel is done with the probe, or the pc has left the slot."""
        cpu, slot = self.probed.cpu, p.ainsn.slot or 0
        slot_end = slot + (self.arch.port.slot_size if slot else 0)
        for _ in range(STEPS):
            stop = cpu.step()
            if percpu.current_kprobe is None and isinstance(stop, Trap) and stop.kind is TrapKind.TRACE:
                return None  # not the kernel's step: the instruction turned on the trap flag
            if stop is not None:
                end = self._own_stop(stop, p) or self._trap(percpu, stop, p)
                if end is not None:
                    return end
            if not slot <= cpu.pc < slot_end:
                unfinished = stop is None and percpu.current_kprobe is not None
                return (
                    End("unfinished", cpu.pc, "it left the slot, and the kernel still steps it") if unfinished else None
                )
        return End("no end", p.where, f"still in the slot after {STEPS} steps")

    def _own_stop(self, stop: Stop, p: Kprobe) -> End | None:
        """The end of an instruction whose copy traps or faults by itself, as if it had done so in place."""
        slot = p.ainsn.slot
        if slot is None or isinstance(stop, Halt | Limit):
            return None
        if not slot <= stop.pc < slot + p.ainsn.length or getattr(stop, "kind", None) is TrapKind.TRACE:
            return None
        of_delay_slot = p.ainsn.simulate is not None and self.isa.has_delay_slot(p.opcode)
        copied = p.where + (p.ainsn.length if of_delay_slot else 0)
        return _end(stop, copied - slot)

    def _trap(self, percpu: Percpu, stop: Stop, p: Kprobe) -> End | None:
        """Let the kernel have a trap; how that ended, if it did not just return."""
        if not isinstance(stop, Trap):
            return _end(stop, 0)
        try:
            drive(take_trap(percpu, stop))
        except ExecutionEnds as end:
            if isinstance(end.__context__, MemoryAccessError):  # of a simulation: the kernel faults for the instruction
                return End("fault", p.where)
            return End("oops", stop.pc, str(end))
        except Stuck as stuck:
            return End("livelock", stop.pc, str(stuck))
        return None


def _end(stop: Stop | None, moved: int) -> End | None:
    """An end at an address `moved` bytes on from where it was seen."""
    if isinstance(stop, Trap):
        return End(stop.kind.value, stop.pc + moved, stop.code)
    if isinstance(stop, Fault):
        return End("fault", stop.pc + moved)
    assert stop is None, "nothing else ends a step here"
    return None
