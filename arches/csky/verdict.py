"""Whether a C-SKY kernel lets a kprobe be set: arch_prepare_kprobe in arch/csky/kernel/probes/kprobes.c.

It refuses odd addresses and nothing else: not bkpt, not the middle of an instruction, not exclusive accesses.
"""

from __future__ import annotations

from pathlib import Path

from emu.verdict.judge import by_rule, little_word, refuse
from emu.verdict.rules import RuleTable
from emu.verdict.site import NO_REPAIRS, Judgement, Release, Repairs, Site

RULES = RuleTable.load(Path(__file__).with_name("kprobes.rules"))
REPAIRED = RuleTable.load(Path(__file__).with_name("verdict_repaired.rules"))


def insn_size(halfword: int) -> int:
    """Bytes of the instruction that starts with a halfword."""
    return 4 if halfword & 0xC000 == 0xC000 else 2


def judge(site: Site, release: Release | None = None, repairs: Repairs = NO_REPAIRS) -> Judgement:
    """The kernel's answer; DecodeError for fewer bytes than the instruction has.

    Of what is repaired, the rows of verdict_repaired.rules are asked first.
    """
    word = little_word(site.insn, insn_size(little_word(site.insn, 2)))
    if site.addr & 1:
        return refuse("alignment", "EILSEQ", f"{site.addr:#x} is odd")
    if repairs and (rule := REPAIRED.find(word, None, repairs)).name != "other":
        return by_rule(rule)
    return by_rule(RULES.find(word, release, site.features))
