"""What an architecture's kernel side provides: a `Port`, with a `Variant` for each version of its handlers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from emu.machine.cpu import Cpu, Trap
from emu.machine.frame import PtRegs
from emu.machine.memory import Memory
from emu.verdict.site import Decision, Release, Site

if TYPE_CHECKING:
    from emu.kernel.kprobes import Kprobe
    from emu.kernel.percpu import KprobeStatus, Percpu

Action = Callable[[PtRegs, Any, int], None]
"""A simulation routine: (regs, instruction, address of the probe); the instruction as `Port.operand` gives it."""


def as_word(opcode: bytes) -> int:
    """An instruction as the little-endian word that most routines take."""
    return int.from_bytes(opcode, "little")


@dataclass(frozen=True)
class Variant:
    """One version of an architecture's kprobe code; `release` None means the newest known.

    `patching` is the policy that this kernel uses by itself. `fatal_reentry` are the states in which hitting another
    probe is unrecoverable; in `stuck_reentry` the kernel only warns, and returns to the same address. `options` are
    switches that only the architecture's own handlers read. `since` is the first release with these handlers, None if
    there were no others before. `decide` is the verdict where it is not the architecture's (what if).
    """

    name: str
    title: str
    release: Release | None
    patching: str
    rechecks_word: bool
    fatal_reentry: frozenset[KprobeStatus]
    trap: Callable[[Percpu, PtRegs, Trap], Awaitable[None]]
    actions: Mapping[str, Action]
    options: frozenset[str] = field(default_factory=frozenset)
    stuck_reentry: frozenset[KprobeStatus] = field(default_factory=frozenset)
    since: Release | None = None
    decide: Callable[[Site, Release | None], Decision] | None = None


@dataclass(frozen=True)
class StepOps:
    """How the copy in an insn slot is stepped.

    `prepare` saves the interrupt state, masks interrupts in the saved status and points pc to the slot;
    `restore` undoes the masking. `done` runs when a probe is finished (preempt_enable where the
    handler disabled preemption). `boosts`: the copy is executed without a step and goes back by itself.
    `saves_status`: the interrupt state of a probe that another one interrupts is saved with it.
    """

    prepare: Callable[[Percpu, PtRegs, Kprobe], None]
    restore: Callable[[Percpu, PtRegs], None]
    done: Callable[[Percpu], None]
    boosts: Callable[[Percpu, Kprobe], bool] = lambda cpu, p: False
    saves_status: bool = False


@dataclass(frozen=True)
class Port:
    """The kernel side of one architecture.

    `fill_slot(p, addr_of_slot, following, options)` gives a slot's bytes and sets `p.ainsn.restore`, or gives None
    if no copy can be made; `following` is the original text behind the probed instruction, `options` are the
    variant's.
    `operand` turns the probed bytes into what simulation routines take. `step` is None where the architecture does
    not share the state machine (MIPS). `frees_slots`: arch_remove_kprobe gives the slot back. `slot_for_simulated`:
    simulated instructions have a slot too (MIPS steps the delay slot there). `flush` says what makes new text
    visible to the other CPUs after a live store: `broadcast` (the instruction does it), `ipi` (each CPU must take
    an interrupt) or `local` (nothing does).
    `may_change_live(addr, old, new)` is what the architecture promises to a CPU that fetches while text changes.
    `jump(addr, target)` is the jump that a patchable nop becomes; `poke_emulation(text, addr)` what the breakpoint
    handler of text_poke_bp does in place of an instruction, None where the breakpoint is not for it. Both are None
    where there is no text_poke_bp. `insn_size` is the length in the eyes of the kernel's own decoder, None where that
    is `Arch.insn_size`.
    """

    make_cpu: Callable[[int, Memory], Cpu]
    irqs_enabled: Callable[[int], bool]
    slot_size: int
    fill_slot: Callable[[Kprobe, int, bytes, frozenset[str]], bytes | None]
    step: StepOps | None
    flush: str
    may_change_live: Callable[[int, bytes, bytes], bool]
    variants: Mapping[str, Variant]
    operand: Callable[[bytes], Any] = as_word
    slot_for_simulated: bool = False
    frees_slots: bool = True
    patchings: tuple[str, ...] = ("live", "stop_machine")
    insn_size: Callable[[bytes], int] | None = None
    jump: Callable[[int, int], bytes] | None = None
    poke_emulation: Callable[[bytes, int], Callable[[PtRegs], None] | None] | None = None
