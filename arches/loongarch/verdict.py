"""Whether a LoongArch kernel lets a kprobe be set: arch_prepare_kprobe in arch/loongarch/kernel/kprobes.c.

Mainline has kprobes since 6.3. Earlier releases get the answers of the vendor tree of November 2022, which has no
check of the alignment.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from arches.loongarch import bugs
from emu.verdict.judge import by_rule, little_word, refuse
from emu.verdict.rules import RuleTable
from emu.verdict.site import NO_REPAIRS, Judgement, Release, Repairs, Site

RULES = RuleTable.load(Path(__file__).with_name("kprobes.rules"))
FIRST_RELEASE = (6, 3)
VENDOR_NOTE = "(vendor tree of 2022: mainline has kprobes since 6.3)"


ERTN = 0x06483800
LL_SC_SINCE_6_18 = ("llacq_w", "screl_w", "llacq_d", "screl_d", "sc_q")


def judge(site: Site, release: Release | None = None, repairs: Repairs = NO_REPAIRS) -> Judgement:
    """The kernel's answer; DecodeError for an instruction of fewer than four bytes."""
    word = little_word(site.insn, 4)
    if word == ERTN and bugs.ERTN_STEPPED.id in repairs:
        return refuse("ertn", "EINVAL", "exception return: leaves the slot, and nothing simulates it")
    if bugs.LLACQ_STEPPED.id in repairs and (newest := RULES.find(word, None)).name in LL_SC_SINCE_6_18:
        return by_rule(newest)
    if release is not None and release < FIRST_RELEASE:
        judgement = by_rule(RULES.find(word, release, site.features))
        return replace(judgement, why=f"{judgement.why} {VENDOR_NOTE}")
    if site.addr & 3:
        return refuse("alignment", "EILSEQ", f"{site.addr:#x} is not a multiple of 4")
    return by_rule(RULES.find(word, release, site.features))
