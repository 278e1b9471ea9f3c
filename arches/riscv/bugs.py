"""What Linux gets or got wrong on RISC-V, each with the id of its repair (arch/riscv/kernel/probes).

By the unprivileged ISA manual.
"""

from __future__ import annotations

from emu.kernel.bug import HIT, REFUSED, Bug, Changed, Probed, every
from emu.kernel.outcome import Outcome

LIVELOCK = HIT | {Outcome.LIVELOCK}

C_JUMP_BIT_0 = Bug(
    "c-jump-bit-0",
    "c.jr and c.jalr keep bit 0 of their target, which the ISA clears",
    "simulate_c_jr and simulate_c_jalr, simulate-insn.c",
    (
        Changed(
            "word=0x8082 at=0x80213000 x1=0x80208001",
            "pc: 0x80208000 in place, 0x80208001 under the probe",
            "insns.decode:c.jr",
        ),
        Changed(
            "word=0x9082 at=0x80213000 x1=0x80208001",
            "pc: 0x80208000 in place, 0x80208001 under the probe",
            "insns.decode:c.jalr",
        ),
    ),
    since=(6, 6),  # a93892974f2e and d943705fba3a; they were refused before
)
LR_SC_STEPPED = Bug(
    "lr-sc-stepped",
    "lr and sc are stepped, but the exception return ends the reservation: the sc fails, and is tried for ever",
    "riscv_probe_decode_insn, decode-insn.c",
    (
        Changed(
            "word=0x1005a52f at=0x80213000 x11=0x80300000 then=0x1875a2af",
            "next probe's x5: 0x0 in place, 0x1 under the probe",
            "insns.decode:lr.w",
        ),
        Probed("probe_atomic_load", LIVELOCK, leaves=REFUSED),
        Probed("probe_atomic_store", LIVELOCK, leaves=REFUSED),
    ),
)
RD_FIRST = Bug(
    "jalr-rd-first",
    "jalr writes rd before it reads rs1: where they are the same register it jumps behind itself",
    "simulate_jalr, simulate-insn.c",
    (
        Changed(  # jalr ra, 1140(ra)
            "word=0x474080e7 at=0x80213000 x1=0x80208000",
            "pc: 0x80208474 in place, 0x80213478 under the probe",
            "insns.decode:jalr",
        ),
    ),
    until=(6, 2),
    commit="ca0254998be4",
)
X0_FAILS = Bug(
    "write-to-x0-fails",
    'jal, jalr and auipc that write x0 "fail", and never move the pc: the probe is hit for ever',
    "rv_insn_reg_set_val, simulate-insn.c",
    (
        Changed(
            "word=0x0080006f at=0x80213000",
            "pc: 0x80213008 in place, 0x80213000 under the probe",
            "insns.decode:jal",
        ),
        Changed(
            "word=0x00008067 at=0x80213000 x1=0x80208000",
            "pc: 0x80208000 in place, 0x80213000 under the probe",
            "insns.decode:jalr",
        ),
    ),
    until=(6, 7),
    commit="8cb22bec1426",
)

BUGS = (C_JUMP_BIT_0, LR_SC_STEPPED, RD_FIRST, X0_FAILS)
ALL = every(BUGS)
