"""MIPS branches, evaluated as Linux does and by the manual, against a CPU that executes them with a nop behind.

Where the kernel's evaluation differs, `KNOWN` must say so; the manual's (the variant `fixed`) must never differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from arches.mips import bugs
from arches.mips.registers import REGISTERS
from arches.mips.simulate import ACTIONS, BC1, COP1, actions
from arches.mips.unicorn import make_cpu
from arches.mips.verdict import RULES
from emu.bits import field
from emu.machine.cpu import Trap, TrapKind
from emu.machine.frame import PtRegs
from emu.verdict.rules import Rule
from tools.check_common import Comparison
from tools.in_place import InPlace, Simulate

REPAIRED = actions(bugs.ALL)
BASE = 0x8010_0000
NOP = bytes(4)
LOOP = bytes.fromhex("ffff0010") + NOP  # a branch to itself
FCSR_CONDITIONS = 0xFE80_0000
STATUS_MX = 1 << 24  # the DSP ASE may be used
POSITION = 0x3F  # of DSPControl
MFC0_STATUS, MTC0_STATUS, WRDSP = 0x4005_6000, 0x4085_6000, 0x7CA0_FCF8  # of $5; wrdsp with mask 31

PARTIAL = ("jr", "jalr", "blez", "bgtz", "cop1", "bposge32")  # rows that take words that are no such instruction
LINKS = ("bltzal", "bgezal", "bltzall", "bgezall")


@dataclass(frozen=True)
class Known:
    """Words for which the kernel's evaluation goes elsewhere than the CPU."""

    why: str
    applies: Callable[[str, int], bool]


def _rs(word: int) -> int:
    return field(word, 25, 21)


KNOWN = (
    Known(
        "the link is written before the register is read",
        lambda row, word: _rs(word) == (field(word, 15, 11) if row == "jalr" else 31) and row in (*LINKS, "jalr"),
    ),
    Known("bltzal and bltzall on $0 are taken", lambda row, word: row in ("bltzal", "bltzall") and not _rs(word)),
)


def never_taken(row: str, word: int) -> bool:
    """The engine makes these nops: what is in their delay slot is a step of its own."""
    rs, rt = _rs(word), field(word, 20, 16)
    return (row == "bne" and rs == rt) or (row in ("bltz", "bgtz") and rs == 0)


class DspRegs(PtRegs):
    """The frame of a kernel with the DSP ASE."""

    __slots__ = ("dspcontrol",)
    dspcontrol: int

    def get(self, name: str) -> int:
        return self.dspcontrol if name == "dspcontrol" else super().get(name)


class Branches:
    """A CPU on which branches of any row are put, at an address that moves about."""

    def __init__(self, seed: int) -> None:
        # Short blocks around them, and addresses that keep each pair apart: the engine translates ahead, and does not
        # survive some words, such as branches in delay slots, or blocks of nops that go on to the end of the memory.
        self.place = InPlace(make_cpu, REGISTERS, BASE, seed=seed, fill=lambda _, size: LOOP * (size // len(LOOP)))
        self.dsp = DspRegs(self.place.cpu, self.place.memory, REGISTERS.status)
        self.dsp.dspcontrol = 0

    def difference(self, routine: Simulate, rule: Rule, word: int) -> str | None:
        """None if CPU and routine agree on the word, from a random state."""
        place = self.place
        place.addr = BASE + place.random.randrange(0, place.size - len(LOOP), len(LOOP))
        jumps = [BASE + 4 * number for number in range(5)]
        state = place.random_state(jumps if rule.name in ("jr", "jalr") else None)
        if rule.name == "bposge32":
            self._set_position(place.random.randrange(POSITION + 1))
        place.cpu.set("fcsr", place.random.getrandbits(32) & FCSR_CONDITIONS)
        steps = 2 if never_taken(rule.name, word) else 1
        return place.difference(self._evaluate(routine), word, word.to_bytes(4, "little") + NOP, state, steps)

    def _evaluate(self, routine: Simulate) -> Simulate:
        return lambda regs, insn, addr: routine(self.dsp, insn, addr)

    def is_instruction(self, word: int) -> bool:
        """Whether the CPU has it, and it is a branch where the kernel takes any COP1 word for one."""
        if word >> 26 == COP1 and _rs(word) != BC1:
            return False
        self.place.put(word.to_bytes(4, "little") + NOP)
        stop = self.place.executed(self.place.random_state([BASE]))
        return not (isinstance(stop, Trap) and stop.kind is TrapKind.ILLEGAL)

    def _set_position(self, position: int) -> None:
        self.dsp.dspcontrol = position
        # Each time: after an exception the engine starts afresh, without the DSP ASE.
        self._run(MTC0_STATUS, self._run(MFC0_STATUS, 0) | STATUS_MX)
        self._run(WRDSP, position)

    def _run(self, word: int, value: int) -> int:
        """$5 after an instruction that finds this value there."""
        self.place.put(word.to_bytes(4, "little"))
        after = self.place.executed({"r5": value})
        if not isinstance(after, dict):
            raise RuntimeError(f"{word:#x}: {after}")
        return after["r5"]


def compare_execution(count: int, seed: int) -> Iterator[Comparison]:
    """`count` branches by each evaluation, as many of each row that simulates and that the CPU has."""
    rules = [rule for rule in RULES.in_force(None) if rule.action is not None]
    for what, routines, known in (("as the kernel does", ACTIONS, KNOWN), ("by the variant `fixed`", REPAIRED, ())):
        result, branches = Comparison(f"executed, and evaluated {what}"), Branches(seed)
        for number in range(count):
            _execute(result, branches, rules[number % len(rules)], routines, known)
        yield result


def _execute(
    result: Comparison, branches: Branches, rule: Rule, routines: Mapping[str, Simulate], known: tuple[Known, ...]
) -> None:
    word = _random_word(branches, rule)
    if rule.name in PARTIAL and not branches.is_instruction(word):
        result.explained[f"{rule.name}: a field is set that must be 0, or no branch"] += 1
        return
    result.compared += 1
    difference = branches.difference(routines[rule.action or ""], rule, word)
    if difference is None:
        return
    reason = next((entry.why for entry in known if entry.applies(rule.name, word)), None)
    if reason is None:
        result.disagree(f"{rule.name}: {difference}")
    else:
        result.explained[reason] += 1


def _random_word(branches: Branches, rule: Rule) -> int:
    """A word of a row, with few bits set every other time."""
    rng = branches.place.random
    free = rng.getrandbits(32)
    if rng.getrandbits(1):
        free &= rng.getrandbits(32) & rng.getrandbits(32)
    return rule.value | free & ~rule.mask
