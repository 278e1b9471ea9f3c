"""Whether a RISC-V kernel lets a kprobe be set: arch_prepare_kprobe in arch/riscv/kernel/probes/kprobes.c.

The order is alignment, instruction boundary (since 87f48c7ccc73, 6.2), and then the word.
"""

from __future__ import annotations

from pathlib import Path

from arches.riscv import bugs
from emu.verdict.judge import by_rule, little_word, refuse
from emu.verdict.rules import RuleTable
from emu.verdict.site import NO_REPAIRS, Judgement, Release, Repairs, Site, Verdict

RULES = RuleTable.load(Path(__file__).with_name("kprobes.rules"))
BOUNDARY_CHECK = (6, 2)
AMO_MASK, LR, SC = 0xF800007F, 0x1000002F, 0x1800002F  # funct5 and opcode


def insn_size(halfword: int) -> int:
    """Bytes of the instruction that starts with a halfword; longer formats are not known to the kernel."""
    return 4 if halfword & 3 == 3 else 2


def judge(site: Site, release: Release | None = None, repairs: Repairs = NO_REPAIRS) -> Judgement:
    """The kernel's answer; DecodeError for fewer bytes than the instruction has."""
    word = little_word(site.insn, insn_size(little_word(site.insn, 2)))
    if site.addr & 1:
        return refuse("alignment", "EILSEQ", f"{site.addr:#x} is odd")
    if (release is None or release >= BOUNDARY_CHECK) and not on_boundary(site):
        return refuse("boundary", "EILSEQ", f"{site.addr:#x} is inside an instruction")
    rule = RULES.find(word, release, site.features)
    if rule.verdict is Verdict.STEP and word & AMO_MASK in (LR, SC) and bugs.LR_SC_STEPPED.id in repairs:
        return refuse("lr_sc", "EINVAL", "the trap would clear the reservation")
    return by_rule(rule)


def on_boundary(site: Site) -> bool:
    """Whether steps of an instruction each lead from the symbol's start to the site.

    True too where there is no symbol, or text on the way that cannot be read. The walk starts at the nearest symbol
    since 9e68bd803fac (6.18); before, at the symbol that the user named.
    """
    addr = site.walk_from
    while addr < site.addr:
        insn = site.read(addr, 2)
        if insn is None:
            return True
        addr += insn_size(little_word(insn, 2))
    return addr == site.addr
