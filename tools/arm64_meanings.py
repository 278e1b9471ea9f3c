"""Which instructions each row of ARM64's rule tables is meant for, as LLVM 19 and Capstone 5 spell them.

By the Arm ARM's encoding classes (DDI 0487, C4.1). Every `Mistake` is the kernel's own, and stays in the tables: see
arches/arm64/kprobes.rules and arches/arm64/verdict_exclusive.rules.
"""

from __future__ import annotations

from arches.arm64 import bugs
from tools.rule_meanings import Meaning, Meanings, Mistake, Unallocated

X = r"(x\d+|w\d+|xzr|wzr|sp|lr|fp)"
IMM = r"#-?(0x)?[0-9a-f]+"

# Hints that the kernel steps, by number; each has a row. Capstone and newer LLVMs print them by name.
HINTS = {
    7: "xpaclri",
    8: "pacia1716",
    10: "pacib1716",
    24: "paciaz",
    25: "paciasp",
    26: "pacibz",
    27: "pacibsp",
    32: "bti",
    34: "bti c",
    36: "bti j",
    38: "bti jc",
}
OTHER_HINTS = (
    "hint|yield|wfe|wfi|sevl?|dgh|esb|psb|tsb|csdb|gcsb|clrbhb|chkfeat|stshh|auti[ab](1716|sp|z)|pacm|pacia171615"
)
BARRIERS = "clrex|dsb|dmb|isb|sb|ssbb|pssbb|dfb|wfet|wfit"
SYSTEM = "sysl?|sysp|at|dc|ic|tlbip?|cfp|dvp|cpp|cosp|brb|trcit|gcs(push|pop|ss).*|tstart|ttest|tcommit"
MOPS = "(cpyf?[pme]|setg?[pme]).*"
MOPS_BEFORE = Mistake("other", "copies and sets (FEAT_MOPS) were stepped", until=(6, 13))


def hint_meanings() -> tuple[Meaning, ...]:
    """A row for each hint that is stepped, and one for all others."""
    found = [Meaning("nop|hint_nop", "hint", "#(0x)?0"), Meaning("nop|hint_nop", "nop")]
    for number, text in HINTS.items():
        name, _, operand = text.partition(" ")
        row = f"hint_{text.replace(' ', '_')}"
        found += [Meaning(row, "hint", f"#({number}|{number:#x})"), Meaning(row, name, operand)]
    return (*found, Meaning("hint", OTHER_HINTS))


ENTRIES = (
    *(Meaning(name, name, IMM) for name in ("b", "bl")),
    Meaning("b_cond", r"b\.[a-z]{2}", IMM),
    Meaning("", r"bc\.[a-z]{2}", IMM, Mistake("system", bugs.BC_COND.symptom)),
    *(Meaning(name, name, f"{X}, {IMM}") for name in ("cbz", "cbnz")),
    *(Meaning(name, name, f"{X}, {IMM}, {IMM}") for name in ("tbz", "tbnz")),
    *(Meaning(name, name, X) for name in ("br", "blr")),
    Meaning("ret", "ret"),
    Meaning("br_auth", "bra[ab]z?"),
    Meaning("blr_auth", "blra[ab]z?"),
    Meaning("ret_auth", "reta[ab]"),
    Meaning("", "reta[ab]sppcr?", mistake=Mistake("system", "RETAASPPC and relatives (FEAT_PAuth_LR): stepped")),
    Meaning("eret", "eret"),
    Meaning("eret_auth", "ereta[ab]"),
    Meaning("", "drps", mistake=Mistake("system", "DRPS, which leaves Debug state: stepped")),
    *(Meaning(name, name, f"{X}, {IMM}") for name in ("adr", "adrp")),
    Meaning("", "auti[ab]sppc", IMM, Mistake("other", "AUTIASPPC and AUTIBSPPC sign an address near the PC: stepped")),
    Meaning("ldr_lit", "ldr", rf"{X}, {IMM}"),
    Meaning("", "ldr", rf"[bhsdq]\d+, {IMM}", Mistake("other", bugs.FP_LITERAL.symptom)),
    Meaning("ldrsw_lit", "ldrsw", rf"{X}, {IMM}"),
    Meaning("prfm_lit", "prfm", rf"(\w+|#\w+)?, {IMM}"),
    # System instructions. LLVM takes op0 0, which is no register's, for generic moves.
    Meaning("msr_imm", "msr", r"S0_\d_C4_C\d+_\d, xzr"),
    Meaning("system", "msr", r"S0_.*"),
    Meaning("system", "mrs", r".*, S0_.*"),
    Meaning("msr_imm", "msr", rf"\w+, {IMM}"),
    Meaning("msr_imm", "smstart|smstop"),
    Meaning("", "cfinv|xaflag|axflag", mistake=Mistake("msr_imm", "they alias MSR (immediate), and write NZCV only")),
    Meaning("msr_reg", "msr"),
    Meaning("", "msrr", mistake=Mistake("system", "MSRR (FEAT_SYSREG128) writes a system register: stepped")),
    Meaning("mrs_daif", "mrs", r"\w+, daif"),
    Meaning("mrs", "mrs"),
    Meaning("system", "mrrs"),
    Meaning("exception", "svc|hvc|smc|brk|hlt|dcps[123]|tcancel"),
    *hint_meanings(),
    Meaning("system", f"{BARRIERS}|{SYSTEM}"),
    # Memory
    Meaning("exclusive", "(ld|st)[al]?x[rp][bh]?"),
    Meaning("", "casp(a|l|al)?", mistake=Mistake("exclusive", "CASP is atomic in itself, but the mask has its words")),
    Meaning("mops", MOPS, mistake=MOPS_BEFORE),
)

UNALLOCATED = (
    Unallocated("exception", 0xFF000000, 0xD4000000, "LL and opc without an instruction"),
    Unallocated("br_auth", 0xFEFFF800, 0xD61F0800, "BRAAZ and BRABZ with Rm not 31"),
    Unallocated("blr_auth", 0xFEFFF800, 0xD63F0800, "BLRAAZ and BLRABZ with Rm not 31"),
    Unallocated("system", 0x1C000000, 0x14000000, "unallocated, or newer than the tools (compare and branch)"),
    Unallocated("exclusive", 0xBFA00000, 0x08200000, "pairs of bytes and halfwords that are not CASP's"),
    Unallocated("mops", 0x3B200C00, 0x19000400, "size not 0, no such option, or one register twice", MOPS_BEFORE),
)

KPROBES = Meanings(ENTRIES, "other", UNALLOCATED)
"""What the rows of kprobes.rules are for."""

_BEFORE = (6, 15)
NO_CAS = "CAS with Rt2 not 31"
EXCLUSIVE = Meanings(
    (
        Meaning("load_ex", "lda?xr[bh]?|lda?xp"),
        Meaning("store_ex", "stl?xr[bh]?|stl?xp"),
        Meaning("", "caspal?", mistake=Mistake("load_ex", "CASPA is no exclusive load")),
        Meaning("", "caspl?", mistake=Mistake("store_ex", "CASP is no exclusive store")),
        Meaning("other", "ldl?ar[bh]?", mistake=Mistake("load_ex", "acquiring loads counted", _BEFORE)),
        Meaning("other", "casal?[bh]?", mistake=Mistake("load_ex", "CASA counted", _BEFORE)),
        Meaning("other", "stll?r[bh]?", r".*\[\w+\]", mistake=Mistake("store_ex", "releasing stores counted", _BEFORE)),
        Meaning("other", "casl?[bh]?", mistake=Mistake("store_ex", "CAS counted", _BEFORE)),
    ),
    "other",
    (
        Unallocated("load_ex", 0xBFE00000, 0x08600000, "pairs of bytes and halfwords that are not CASPA's"),
        Unallocated("store_ex", 0xBFE00000, 0x08200000, "pairs of bytes and halfwords that are not CASP's"),
        Unallocated("other", 0x3FE00000, 0x08E00000, NO_CAS, Mistake("load_ex", NO_CAS, _BEFORE)),
        Unallocated("other", 0x3FE00000, 0x08A00000, NO_CAS, Mistake("store_ex", NO_CAS, _BEFORE)),
    ),
)
"""What the rows of verdict_exclusive.rules are for."""

# One text for each row that random words would miss, and for what has gone wrong elsewhere.
TEXTS = (
    *(f"hint #{number}" for number in range(128)),
    *("eret", "eretaa", "eretab", "drps", "retaa", "retab", "retaasppc #-8", "retabsppcr x3", "ret", "ret x3"),
    *("br x3", "blr x30", "braa x1, x2", "brabz x1", "blrab x1, sp", "blraaz x1", "bc.eq #8", "b.al #8"),
    *("adr x0, #4", "adrp x0, #4096", "ldr w0, #8", "ldr x0, #8", "ldr q0, #16", "ldrsw x0, #8", "prfm #0, #8"),
    *("cfinv", "xaflag", "axflag", "msr daifset, #2", "msr daifclr, #2", "msr spsel, #1", "msr pan, #0", "smstart"),
    *("msr sctlr_el1, x0", "msr nzcv, x0", "msr daif, x0", "mrs x0, daif", "mrs xzr, daif", "mrs x0, nzcv"),
    *("svc #0", "hvc #0", "smc #0", "brk #4", "hlt #0", "dcps1", "dcps2", "dcps3", "tcancel #1", "udf #0"),
    *("isb", "dsb sy", "dmb ish", "sb", "ssbb", "clrex", "wfet x1", "wfit x1", "tstart x3", "ttest x2", "tcommit"),
    *("sysl x0, #3, c7, c1, #0", "dc zva, x0", "ic iallu", "tlbi vmalle1", "at s1e1r, x0", "autiasppc #-4"),
    *("gcspushm x1", "gcsss1 x1", "gcsstr x1, [x2]", "gcssttr x1, [x2]", "stlr w1, [x2, #-4]!"),
    *(f"{op} x1, [x2]" for op in ("ldxr", "ldaxr", "ldar", "ldlar", "stlr", "stllr", "ldapr")),
    *(f"{op} w1, [x2]" for op in ("ldxrb", "ldxrh", "ldaxrb", "ldaxrh", "ldarb", "ldarh", "stlrb", "stlrh")),
    *(f"{op} w0, x1, [x2]" for op in ("stxr", "stlxr")),
    *(f"{op} w0, w1, [x2]" for op in ("stxrb", "stxrh", "stlxrb", "stlxrh")),
    *(f"{op} x0, x1, [x2]" for op in ("ldxp", "ldaxp", "cas", "casa", "casl", "casal", "ldadd", "swpal")),
    *(f"{op} w4, x0, x1, [x2]" for op in ("stxp", "stlxp")),
    *(f"casp{order} x0, x1, x2, x3, [x4]" for order in ("", "a", "l", "al")),
    *(f"cpy{fwd}{part} [x0]!, [x1]!, x2!" for fwd in ("", "f") for part in "pme"),
    *(f"set{tag}{part} [x0]!, x1!, x2" for tag in ("", "g") for part in "pme"),
)
"""Instructions of every class, for LLVM to assemble."""
