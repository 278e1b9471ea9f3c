"""Whether an ARM64 kernel lets a kprobe be set: arch_prepare_kprobe in arch/arm64/kernel/probes/kprobes.c.

The order is alignment, exception table, the word, and then the walk back in search of an exclusive load that
the probed word might follow (is_probed_address_atomic in decode-insn.c).
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from arches.arm64 import bugs
from emu.verdict.judge import by_rule, little_word, refuse
from emu.verdict.rules import RuleTable
from emu.verdict.site import NO_REPAIRS, Judgement, Release, Repairs, Site, Verdict

RULES = RuleTable.load(Path(__file__).with_name("kprobes.rules"))
WALK = {"refuse": Verdict.REJECT, "accept": Verdict.STEP, "on": Verdict.STEP}  # what a row does to the walk back
EXCLUSIVE = RuleTable.load(Path(__file__).with_name("verdict_exclusive.rules"), WALK)
MAX_ATOMIC_CONTEXT_SIZE = 32  # instructions


# Words that the kernel steps although they depend on the PC: bug, mask, value (Arm ARM C4.1.94, C4.1.93).
DEPENDS_ON_PC = (
    (bugs.FP_LITERAL, 0x3F000000, 0x1C000000, "PC-relative load of a floating point register"),
    (bugs.BC_COND, 0xFF000010, 0x54000010, "PC-relative branch (BC.cond)"),
    (bugs.CMPBR, 0x7C000000, 0x74000000, "PC-relative compare and branch (FEAT_CMPBR)"),
)


def judge(site: Site, release: Release | None = None, repairs: Repairs = NO_REPAIRS) -> Judgement:
    """The kernel's answer; DecodeError for an instruction of fewer than four bytes."""
    word = little_word(site.insn, 4)
    for bug, mask, value, what in DEPENDS_ON_PC:
        if bug.id in repairs and word & mask == value:
            return refuse("depends_on_pc", "EINVAL", f"{what}, and nothing simulates it")
    if site.addr & 3:
        return refuse("alignment", "EINVAL", f"{site.addr:#x} is not a multiple of 4")
    if site.in_extable:
        return refuse("exception_table", "EINVAL", "the address has an exception table entry")
    rule = RULES.find(word, release, site.features)
    if rule.verdict is Verdict.REJECT:
        return by_rule(rule)
    load = exclusive_load_before(site, release)
    if load is None:
        return by_rule(rule)
    return refuse("exclusive_region", "EINVAL", f"it may be between the exclusive load at {load:#x} and its store")


def exclusive_load_before(site: Site, release: Release | None) -> int | None:
    """The address of a load-exclusive within 32 instructions before the site with no store-exclusive between.

    The walk ends at the symbol's start, and is not made at all outside a symbol. Branches do not matter to it.
    """
    if site.symbol is None:
        return None
    first = max(site.symbol, site.addr - 4 * MAX_ATOMIC_CONTEXT_SIZE)
    for addr in range(site.addr - 4, first - 1, -4):
        insn = site.read(addr, 4)
        if insn is None:
            return None
        match _exclusive(insn, release):
            case "store_ex":
                return None
            case "load_ex":
                return addr
    return None


@lru_cache(maxsize=1 << 16)
def _exclusive(insn: bytes, release: Release | None) -> str:
    """The row of verdict_exclusive.rules; every instruction is looked at from up to 32 others."""
    return EXCLUSIVE.find(little_word(insn, 4), release).name
