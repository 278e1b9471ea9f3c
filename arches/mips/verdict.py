"""Whether a MIPS kernel lets a kprobe be set: arch_prepare_kprobe in arch/mips/kernel/kprobes.c.

The order is LL and SC, the delay slot of the word before, and then the rest of the word. There is no check of the
alignment: a probe at `symbol+1` is accepted, and arming it corrupts two instructions. The word before is read as it
stands in memory: under a probe it is a break, without a delay slot, so the delay slot of a probed branch is accepted.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from arches.mips import bugs
from emu.verdict.judge import by_rule, little_word, refuse
from emu.verdict.rules import RuleTable
from emu.verdict.site import NO_REPAIRS, Judgement, Release, Repairs, Site, Verdict

RULES = RuleTable.load(Path(__file__).with_name("kprobes.rules"))
COP1, BC1, JALX = 0x11, 8, 0x1D
LL_SC = ("ll", "lld", "sc", "scd")


def judge(site: Site, release: Release | None = None, repairs: Repairs = NO_REPAIRS) -> Judgement:
    """The kernel's answer; DecodeError for an instruction of fewer than four bytes.

    Where the word before cannot be read there is none, for the kernel too.
    """
    word = little_word(site.insn, 4)
    rule = RULES.find(word, release, site.features)
    if word >> 26 == JALX and bugs.JALX.id in repairs:
        return refuse("jalx", "EINVAL", "jump with a delay slot, and nothing simulates it")
    if rule.name in LL_SC:
        return by_rule(rule)
    before = site.raw(site.addr - 4, 4) or site.read(site.addr - 4, 4)
    if before is not None and has_delay_slot(little_word(before, 4), release, site.features):
        return refuse("delay_slot", "EINVAL", f"it is the delay slot of the word {before[::-1].hex()} before it")
    if rule.name == "cop1" and is_cop1_operation(word) and bugs.COP1.id in repairs:
        return Judgement(Verdict.STEP, "cop1", "no branch: nothing in it depends on where it runs")
    return by_rule(rule)


def has_delay_slot(word: int, release: Release | None = None, features: Collection[str] = ()) -> bool:
    """Whether the kernel takes a word for a branch with a delay slot (__insn_has_delay_slot in probes-common.h).

    That does not depend on the rows before: on Release 6 a compact branch is refused, yet has a delay slot here.
    """
    rules = RULES.in_force(release, features)
    return any(rule.verdict is Verdict.SIMULATE and rule.matches(word) for rule in rules)


def is_cop1_operation(word: int) -> bool:
    """A COP1 word that is no branch: arithmetic, moves, compares (MIPS32 manual, volume II; branches have rs = BC1)."""
    return word >> 26 == COP1 and word >> 21 & 0x1F != BC1
