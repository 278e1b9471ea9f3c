"""Which instructions each row of MIPS's rule table is meant for, as LLVM 19 and Capstone 5 spell them.

By the MIPS32 manuals (MD00086 volume II, releases 2 and 6; MD00374 for the DSP ASE; MD00866 for MSA). Every
`Mistake` is the kernel's own, and stays in arches/mips/kprobes.rules.
"""

from __future__ import annotations

from arches.mips import bugs
from tools.rule_meanings import Meaning, Meanings, Mistake, Unallocated

# Branches with a delay slot, by row.
COMMON = {
    "j": "j",
    "jal": "jal",
    "bltz": "bltz",
    "bgez": "bgez",
    "beq": "beqz?|b",
    "bne": "bnez?",
    "blez": "blez",
    "bgtz": "bgtz",
    "bgezal": "bgezal|bal",
    "bltzal": "bltzal|nal",
    "bposge32": "bposge32",
}
BEFORE_R6 = {
    "jr|jalr": r"jr(\.hb)?",  # jalr with rd 0 is printed so, and is what Release 6 has
    "jalr": r"jalr(\.hb)?",
    "bltzl": "bltzl",
    "bgezl": "bgezl",
    "bltzall": "bltzall",
    "bgezall": "bgezall",
    "beql": "beqz?l",
    "bnel": "bnez?l",
    "blezl": "blezl",
    "bgtzl": "bgtzl",
    "cop1": "bc1[tf]l?",
}
R6_JUMPS = {row: BEFORE_R6[row] for row in ("jr|jalr", "jalr")}
OCTEON_BRANCHES = {name: name for name in ("bbit0", "bbit032", "bbit1", "bbit132")}
LL_SC = {name: name for name in ("ll", "lld", "sc", "scd")}
COMPACT = {
    "pop06": "blezalc|bgezalc|bgeuc",
    "pop07": "bgtzalc|bltzalc|bltuc",
    "pop26": "blezc|bgezc|bgec",
    "pop27": "bgtzc|bltzc|bltc",
    "bc": "bc",
    "balc": "balc",
    "pop10": "bovc|beqzalc|beqc",
    "pop30": "bnvc|bnezalc|bnec",
    "pop66": "beqzc|jic|jrc",
    "pop76": "bnezc|jialc|jalrc",
}
TAKEN_FOR = {"pop06": "blez", "pop07": "bgtz", "pop26": "blezl", "pop27": "bgtzl"}
"""The row with a delay slot that a compact branch has to __insn_has_delay_slot."""

FORMATTED = "add|sub|mul|div|sqrt|abs|mov|neg|mov[tfnz]|r?sqrt[12]?|recip[12]?|addr|mulr"
FORMATTED_R6 = "maddf|msubf|mina?|maxa?|rint|class|sel|seleqz|selnez"
COP1 = (
    rf"({FORMATTED}|{FORMATTED_R6})\.(s|d|ps)|(round|trunc|ceil|floor)\.[wl]\.[sd]|cvt\.\w+\.\w+|(c|cabs)\.\w+\.(s|d|ps)"
    r"|cmp\.\w+\.[sd]|p[lu][lu]\.ps|(m[ft]h?|c[ft]|dm[ft])c1"
)
MSA_BRANCH = r"bn?z\.[bhwdv]"
PC_RELATIVE = "lapc|addiupc|auipc|aluipc|lwpc|lwupc|ldpc"


def _rows(*groups: dict[str, str]) -> tuple[Meaning, ...]:
    return tuple(Meaning(row, mnemonics) for group in groups for row, mnemonics in group.items())


FLOATING_POINT = (
    Meaning("cop1", MSA_BRANCH, why="branches of MSA, whose target is computed as that of a bc1"),
    Meaning("", COP1, mistake=Mistake("cop1", bugs.COP1.symptom)),
)
JALX = Meaning("", "jalx", mistake=Mistake("other", bugs.JALX.symptom))
BC2 = Meaning(
    "", "bc2[ft]l?", mistake=Mistake("other", "BC2F, BC2T and relatives have a delay slot, the table lacks them")
)
BC0_BC3 = Meaning("other", "bc[03][ft]l?", why="BC0F, BC3F and relatives, which MIPS32 has no more")
EVA = Meaning("", "lle|sce", mistake=Mistake("other", "LLE and SCE (EVA): stepped"))
LL_SC_R6 = Meaning(
    "", "ll|lld|lle|sc|scd|sce", mistake=Mistake("other", "LL and SC as Release 6 encodes them: stepped")
)
BC1_R6 = Meaning("cop1", "bc1(eq|ne)z", why="BC1EQZ and BC1NEZ, whose target is computed as that of a bc1f or bc1t")
BC2_R6 = Meaning("", "bc2(eq|ne)z", mistake=Mistake("other", "BC2EQZ and BC2NEZ have a delay slot, the table lacks it"))
PC_RELATIVE_R6 = Meaning("", PC_RELATIVE, mistake=Mistake("other", "PC-relative (Release 6): stepped in the slot"))
COMPACT_SLOTS = tuple(
    Meaning("other", mnemonics, mistake=Mistake(TAKEN_FOR[row], "a compact branch, which has no delay slot"))
    for row, mnemonics in COMPACT.items()
    if row in TAKEN_FOR
)

BRANCHES_R2 = _rows(COMMON, BEFORE_R6)
ROWS_R2 = (*BRANCHES_R2, *FLOATING_POINT, JALX, BC2, BC0_BC3)
ROWS_R6 = (*_rows(COMMON, R6_JUMPS), *FLOATING_POINT, BC1_R6, BC2_R6)

# Words that no tool knows


def _opcode(row: str, opcode: int, why: str) -> Unallocated:
    return Unallocated(row, 0xFC000000, opcode << 26, why)


def _regimm(row: str, rt: int, why: str) -> Unallocated:
    return Unallocated(row, 0xFC1F0000, 0x04000000 | rt << 16, why)


COP1_REST = _opcode("cop1", 0x11, "no instruction, or one of an ASE that the tools lack (MIPS-3D has branches here)")
REST = (
    Unallocated("jr", 0xFC00003F, 0x00000008, "a field is set that must be 0"),
    Unallocated("jalr", 0xFC00003F, 0x00000009, "a field is set that must be 0"),
    _regimm("bposge32", 0x1C, "rs is not 0, or a CPU without the DSP ASE"),
    _regimm("other", 0x1D, "BPOSGE64 has a delay slot, the table lacks it"),
    COP1_REST,
)
REST_R2 = (
    *(_opcode(row, opcode, "rt is not 0") for row, opcode in (("blez", 6), ("bgtz", 7), ("blezl", 22), ("bgtzl", 23))),
    *REST,
)
MIPS64_ONLY = tuple(_opcode(row, opcode, "exists on MIPS64 only") for row, opcode in (("lld", 0x34), ("scd", 0x3C)))
REMOVED = "removed in Release 6"
REGIMM_REMOVED = {"bltzl": 2, "bgezl": 3, "bltzal": 0x10, "bgezal": 0x11, "bltzall": 0x12, "bgezall": 0x13}
REST_R6 = (
    *(_opcode(row, opcode, REMOVED) for row, opcode in (("beql", 20), ("bnel", 21), ("blezl", 22), ("bgtzl", 23))),
    *(_regimm(row, rt, REMOVED) for row, rt in REGIMM_REMOVED.items()),
    *REST,
)
LL_SC_REMOVED = tuple(_opcode(row, op, REMOVED) for row, op in (("ll", 48), ("lld", 52), ("sc", 56), ("scd", 60)))

R2 = Meanings((*_rows(LL_SC), *ROWS_R2, EVA), "other", (*MIPS64_ONLY, *REST_R2))
"""What the rows are for on MIPS32 release 2."""

R2_SLOTS = Meanings(ROWS_R2, "other", REST_R2)
"""The same for the rows with a delay slot alone."""

OCTEON = Meanings((*_rows(LL_SC, OCTEON_BRANCHES), *ROWS_R2), "other", REST_R2)
"""On an Octeon, which is a MIPS64."""

OCTEON_SLOTS = Meanings((*_rows(OCTEON_BRANCHES), *ROWS_R2), "other", REST_R2)
"""The same for the rows with a delay slot alone."""

R6 = Meanings((LL_SC_R6, *_rows(COMPACT), *ROWS_R6, PC_RELATIVE_R6), "other", (*LL_SC_REMOVED, *REST_R6))
"""On MIPS32 release 6."""

R6_SLOTS = Meanings((*COMPACT_SLOTS, *ROWS_R6), "other", REST_R6)
"""The same for the rows with a delay slot alone."""

# One text for each row that random words would miss.

BRANCH_TEXTS = (
    *(f"{op} $5, 8" for op in ("bltz", "bgez", "blez", "bgtz", "beqz", "bnez")),
    *("b 8", "bal 8", "nal", "j 256", "jal 256", "beq $5, $6, 8", "bne $5, $6, 8"),
    *("jr $5", "jr $31", "jr.hb $5", "jalr $5", "jalr $6, $5", "jalr.hb $5", "nop", "addiu $5, $5, 1", "eret", "deret"),
)
R2_TEXTS = (
    *(f"{op} $5, 8" for op in ("bltzl", "bgezl", "bltzal", "bgezal", "bltzall", "bgezall", "blezl", "bgtzl")),
    *("beql $5, $6, 8", "bnel $5, $6, 8", "bc1f 8", "bc1t 8", "bc1fl 8", "bc1tl $fcc3, 8", "jalx 256"),
    *("add.s $f0, $f2, $f4", "mfc1 $5, $f0", "c.eq.d $f0, $f2", "madd.s $f0, $f2, $f4, $f6", "lwxc1 $f0, $5($6)"),
    *("ll $5, 4($6)", "sc $5, 4($6)"),
)
MIPS32_TEXTS = ("bposge32 8", "lle $5, 4($6)", "sce $5, 4($6)")
OCTEON_TEXTS = (
    *(f"{op} $5, 3, 8" for op in ("bbit0", "bbit1", "bbit032", "bbit132")),
    *("lld $5, 4($6)", "scd $5, 4($6)"),
)
R6_TEXTS = (
    *(f"{op} $5, 8" for op in ("blezalc", "bgezalc", "bgtzalc", "bltzalc", "beqzalc", "bnezalc")),
    *(f"{op} $5, 8" for op in ("blezc", "bgezc", "bgtzc", "bltzc", "beqzc", "bnezc", "jic", "jialc")),
    *(f"{op} $5, $6, 8" for op in ("bgeuc", "bltuc", "bgec", "bltc", "beqc", "bnec", "bovc", "bnvc")),
    *("bc 8", "balc 8", "bc1eqz $f0, 8", "bc1nez $f0, 8", "bc2eqz $0, 8", "bc2nez $0, 8", "bposge32 8"),
    *("ll $5, 4($6)", "sc $5, 4($6)", "addiupc $5, 8", "auipc $5, 8", "aluipc $5, 8", "lwpc $5, 8"),
)
