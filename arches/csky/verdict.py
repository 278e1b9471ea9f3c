"""Whether a C-SKY kernel lets a kprobe be set: arch_prepare_kprobe in arch/csky/kernel/probes/kprobes.c.

It refuses odd addresses and nothing else: not bkpt, not the middle of an instruction, not exclusive accesses.
"""

from __future__ import annotations

from pathlib import Path

from emu.verdict.decide import by_rule, little_word, refuse
from emu.verdict.rules import RuleTable
from emu.verdict.site import Decision, Release, Site

RULES = RuleTable.load(Path(__file__).with_name("kprobes.rules"))
FIXED_RULES = RuleTable.load(Path(__file__).with_name("fixed.rules"))


def insn_size(halfword: int) -> int:
    """Bytes of the instruction that starts with a halfword."""
    return 4 if halfword & 0xC000 == 0xC000 else 2


def decide(site: Site, release: Release | None = None) -> Decision:
    """The kernel's answer; DecodeError for fewer bytes than the instruction has."""
    word = little_word(site.insn, insn_size(little_word(site.insn, 2)))
    if site.addr & 1:
        return refuse("alignment", "EILSEQ", f"{site.addr:#x} is odd")
    return by_rule(RULES.decide(word, release, site.features))


def decide_fixed(site: Site, release: Release | None = None) -> Decision:
    """What if the kernel simulated or refused what it steps wrongly."""
    decision = decide(site, release)
    if decision.rule == "alignment":
        return decision
    rule = FIXED_RULES.decide(little_word(site.insn, insn_size(little_word(site.insn, 2))), None)
    return decision if rule.name == "other" else by_rule(rule)
