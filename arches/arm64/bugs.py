"""What Linux gets or got wrong on ARM64, each with the id of its repair (arch/arm64/kernel/probes).

By the Arm ARM: C4.1.93 (branches), C4.1.94 (loads).
"""

from __future__ import annotations

from emu.kernel.bug import Answered, Bug, Changed, every

DECODE = "arm_probe_decode_insn, decode-insn.c"

FP_LITERAL = Bug(
    "fp-literal-stepped",
    "ldr of a floating point register from a literal is stepped, and loads relative to the slot",
    DECODE,
    (
        Changed(  # `ldr d0, A + 0x8000` in the second slot
            "word=0x5c040000 at=0x80213000",
            "v0: 0x8021b000 in place, 0x80209008 under the probe (relative to the slot)",
            "insns.decode:ldr_lit_fp",
        ),
    ),
)
BC_COND = Bug(
    "bc-cond-stepped",
    "BC.cond (FEAT_HBC), a branch relative to the pc, is stepped",
    DECODE,
    (Answered("0x54000050", "step"),),
)
CMPBR = Bug(
    "cmpbr-stepped",
    "compare and branch (FEAT_CMPBR), relative to the pc, is stepped",
    DECODE,
    (Answered("0x74000041", "step"),),
)
LDR_W_LITERAL = Bug(
    "ldr-w-literal-64-bits",
    "ldr of a w register from a literal loads 64 bits: here from where memory ends",
    "simulate_ldr_literal, simulate-insn.c",
    (
        Changed(
            "word=0x180001e0 at=0x80222fc0",
            "end: completes, pc 0x80222fc4 in place, fault at 0x80222fc0 under the probe",
            "insns.decode:ldr_lit_w",
        ),
    ),
    until=(6, 12),
    commit="50f813e57601",
)

BUGS = (FP_LITERAL, BC_COND, CMPBR, LDR_W_LITERAL)
ALL = every(BUGS)
