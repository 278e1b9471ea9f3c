"""What Linux gets wrong on C-SKY, each with the id of its repair (arch/csky/kernel/probes, and kernel/traps.c).

By the C-SKY CPU manual. None of it but the comparisons without a sign is repaired in any release seen (v6.12).
Nothing is refused there, so much that must not be stepped is; the repair refuses it, or simulates it.
"""

from __future__ import annotations

from emu.kernel.bug import HIT, REFUSED, Bug, Changed, Explored, Probed, every
from emu.kernel.outcome import Outcome

SIMULATE = "probes/simulate-insn.c"
DECODE = "csky_probe_decode_insn, probes/decode-insn.c"
WRONG = HIT | {Outcome.WRONG_RESULT}
LIVELOCK = HIT | {Outcome.LIVELOCK}
DIES = HIT | {Outcome.PASSED_ON, Outcome.OOPS}
TRAPPED = frozenset({Outcome.PASSED_ON, Outcome.OOPS})
SENT = frozenset({Outcome.CLAIMED, Outcome.PASSED_ON, Outcome.LIVELOCK})

BR16_DISTANCE = Bug(
    "br16-distance",
    "br16, bt16 and bf16 take bit 9 of their distance for its sign: beyond +510 bytes they go back",
    f"simulate_br16 and others, {SIMULATE}",
    (
        Changed(
            "word=0x0500 at=0x80213000", "pc: 0x80213200 in place, 0x80212e00 under the probe", "insns.decode:br16"
        ),
        Explored("far_branch", WRONG),
        Probed("probe_branch_far_site", WRONG),
    ),
)
BR32_DISTANCE = Bug(
    "br32-distance",
    "branches of 32 bits take bit 15 of their distance for its sign: beyond +32766 bytes they go back",
    f"simulate_br32 and others, {SIMULATE}",
    (
        Changed(
            "word=0x4000e800 at=0x80213000",
            "pc: 0x8021b000 in place, 0x8020b000 under the probe",
            "insns.decode:br32",
        ),
    ),
)
BSR32_DISTANCE = Bug(
    "bsr32-distance",
    "bsr loses eleven bits of its distance: beyond +32766 bytes it goes elsewhere",
    f"simulate_bsr32, {SIMULATE}",
    (
        Changed(
            "word=0xc000e000 at=0x80213000",
            "pc: 0x8022b000 in place, 0x8020b000 under the probe",
            "insns.decode:bsr32",
        ),
    ),
)
LRW_PC = Bug(
    "lrw-pc",
    "lrw never moves the pc, so the probe is hit for ever",
    f"simulate_lrw16 and simulate_lrw32, {SIMULATE}",
    (
        Changed(
            "word=0x1001 at=0x80213000", "pc: 0x80213002 in place, 0x80213000 under the probe", "insns.decode:lrw16"
        ),
        Changed(
            "word=0x0020ea80 at=0x80213000",
            "pc: 0x80213004 in place, 0x80213000 under the probe",
            "insns.decode:lrw32",
        ),
        Explored("literal_load_comes_back", LIVELOCK, leaves=WRONG),  # its base is not at a word
        Probed("probe_lrw16_site", LIVELOCK, leaves=WRONG),
        *(
            Probed(label, LIVELOCK)  # all but the last begin with an lrw
            for label in ("probe_extable", "probe_atomic", "atomic_add", "probe_grs", "probe_lrw32_site")
        ),
    ),
)
LRW16_BASE = Bug(
    "lrw16-base",
    "lrw16 does not round its base down to a word",
    f"simulate_lrw16, {SIMULATE}",
    (
        Changed(  # the literal is at ...15c, whose word is its own address; the kernel reads two bytes on
            "word=0x1013 at=0x80213112",
            "r0: 0x8021315c in place, 0x31608021 under the probe",
            "insns.decode:lrw16",
            besides=frozenset({LRW_PC.id}),
        ),
    ),
)
POP32_R28 = Bug(
    "pop32-r28",
    "pop of a list with r28 puts that value into r29",
    f"simulate_pop32, {SIMULATE}",
    (
        Changed(
            "word=0x0100ebc0 at=0x80213000 r14=0x80300000 mem=0x80300000:01",
            "r28: 0x1 in place, 0x0 under the probe",
            "insns.decode:pop32",
        ),
        Explored("popped_register", WRONG),
        Probed("probe_pop32_site", WRONG),
    ),
)
JUMP_BIT_0 = Bug(
    "jump-bit-0",
    "pop, jmpi and jsri keep bit 0 of the address that they go to",
    f"simulate_pop16, simulate_jmpi32 and others, {SIMULATE}",
    (
        Changed(
            "word=0x1480 at=0x80213000 r15=0x80208001",
            "pc: 0x80208000 in place, 0x80208001 under the probe",
            "kprobes.rules:pop16",
        ),
        Changed(  # the literal at ...04c is its own address plus one
            "word=0x0013eac0 at=0x80213000",
            "pc: 0x8021304c in place, 0x8021304d under the probe",
            "insns.decode:jmpi32",
        ),
    ),
)
UNSIGNED = Bug(
    "unsigned-conditions",
    "blz, bhsz, bhz and blsz compare without a sign: blz is never taken, bhsz always",
    f"simulate_blz32 and others, {SIMULATE}",
    tuple(
        Changed(
            f"word=0x0080{code} at=0x80213000 r1=0x80000000",
            f"pc: {manual:#x} in place, {kernel:#x} under the probe",
            f"insns.decode:{row}",
        )
        for code, row, manual, kernel in (
            ("e981", "blz32", 0x80213100, 0x80213004),
            ("e9a1", "bhsz32", 0x80213004, 0x80213100),
            ("e941", "bhz32", 0x80213004, 0x80213100),
            ("e961", "blsz32", 0x80213100, 0x80213004),
        )
    ),
    until=(5, 12),
    commit="3f47a7b0096d",
)
BNEZAD = Bug(
    "bnezad-negative",
    "bnezad ends at a negative counter: it branches if that is positive, where its name has `not zero`",
    f"simulate_bnezad32, {SIMULATE}",
    (
        Changed(
            "word=0x0080e821 at=0x80213000 r1=0x80000001",
            "pc: 0x80213100 in place, 0x80213004 under the probe",
            "insns.decode:bnezad32",
        ),
    ),
    since=(5, 12),  # with the repair of the others; without a sign it was right
)
C_FLAG = Bug(
    "c-flag",
    "the end of a step puts all of PSR back, so the C flag of a stepped compare is lost",
    "kprobes_restore_local_irqflag, probes/kprobes.c",
    (
        Changed("word=0x6406 at=0x80213000 r1=0x1", "c: 0x1 in place, 0x0 under the probe", "insns.decode:cmpne16"),
        Explored("flag_of_stepped_compare", WRONG),
        Probed("probe_compare_site", WRONG),
    ),
)
HALF_IN_SLOT = Bug(
    "half-in-slot",
    "of a stepped instruction of 32 bits the first half is copied; behind it stands what the slot held before",
    "arch_prepare_ss_slot, probes/kprobes.c",
    (
        Changed("word=0xffffec20 at=0x80213000", "r1: 0xffff in place, 0x0 under the probe", "insns.decode:ori32"),
        Explored("half_of_instruction_copied", WRONG),
        Probed("probe_branch", HIT | SENT, leaves=WRONG),  # the C flag of its btsti
        Probed("probe_load", WRONG),
        Probed("probe_step32_site", WRONG),
        Probed("pop_r28", HIT | {Outcome.OOPS}),
    ),
)
JSR16_STEPPED = Bug(
    "jsr16-stepped",
    "jsr of 16 bits is stepped, as the mask for it has another encoding, and the kernel dies of its step",
    DECODE,
    (
        Changed(
            "word=0x7bc5 at=0x80213000 r1=0x80208000",
            "end: completes, pc 0x80208000 in place, oops at 0x80208000: Oops: illegal trap under the probe",
            "insns.decode:jsr16",
        ),
        Explored("stepped_call", DIES),
        Probed("probe_jsr16_site", DIES),
    ),
)
GRS_STEPPED = Bug(
    "grs-stepped",
    "grs is stepped, and gives an address in the slot",
    DECODE,
    (
        Changed(  # grs r0, A + 0x100: of that the slot has `grs r0, .`
            "word=0x0080cc0c at=0x80213000",
            "r0: 0x80213100 in place, 0x80201004 under the probe",
            "insns.decode:grs32",
        ),
        Changed(
            "word=0x0080cc0c at=0x80213000",
            "r0: 0x80213100 in place, 0x80201104 under the probe (relative to the slot)",
            besides=frozenset({HALF_IN_SLOT.id}),
        ),
        Explored("relative_address_in_slot", WRONG),
        Probed("probe_grs_site", WRONG),
    ),
)
FAR_LRW_STEPPED = Bug(
    "far-lrw-stepped",
    "lrw with its extended distance is stepped, and loads from there before or behind the slot",
    DECODE,
    (
        Changed(  # 1020 - 4 * 31 bytes on, where the literal is its own address; the slots are followed by zeros
            "word=0x00ff at=0x80213000",
            "r7: 0x80213380 in place, 0x0 under the probe",
            "insns.decode:lrw16.far",
        ),
    ),
)
PSR_OF_STEP = Bug(
    "psr-of-step",
    "what reads PSR is stepped, and sees the trace mode of the step; what writes it is stepped too, and undone",
    DECODE,
    (
        Changed(  # IE is bit 6, TM is 15:14
            "word=0x6020c000 at=0x80213000",
            "r0: 0x80000340 in place, 0x80004300 under the probe",
            "insns.decode:mfcr32",
            besides=frozenset({HALF_IN_SLOT.id}),
        ),
        Changed(  # psrclr ie
            "word=0x7020c080 at=0x80213000",
            "psr: 0x80000300 in place, 0x80000340 under the probe",
            "insns.decode:psrclr32",
            besides=frozenset({HALF_IN_SLOT.id}),
        ),
    ),
)
RETURN_STEPPED = Bug(
    "exception-return-stepped",
    "exception returns are stepped, and leave the slot",
    DECODE,
    (
        Changed(
            "word=0x4020c000 at=0x80213000",
            "end: completes, pc 0x0 in place, oops at 0x0: Oops: illegal trap under the probe",
            "insns.decode:rte32",
            besides=frozenset({HALF_IN_SLOT.id}),
        ),
    ),
)
EXCLUSIVE_STEPPED = Bug(
    "exclusive-stepped",
    "ldex and stex are stepped, but the trap ends the reservation: the store fails, and is tried for ever",
    DECODE,
    (
        Changed(
            "word=0x7000d801 at=0x80213000 r1=0x80300000 then=0x7000dc61",
            "next probe's r3: 0x1 in place, 0x0 under the probe",
            "insns.decode:ldex.w32",
            besides=frozenset({HALF_IN_SLOT.id}),
        ),
        Probed("probe_atomic_load", LIVELOCK, leaves=REFUSED),
    ),
)
TRAP_TEST = Bug(
    "illegal-test-inverted",
    "the test for the breakpoint 0x1464 is the wrong way round: the kernel dies of a breakpoint that is nobody's, and"
    " swallows an illegal instruction",  # since "csky: Optimize the trap processing flow" (2020)
    "do_trap_illinsn, kernel/traps.c",
    (
        Explored("foreign_break", TRAPPED, leaves=SENT),
        Probed("foreign_break", DIES, leaves=HIT | SENT),
        Probed("foreign_break_site", DIES, leaves=HIT | SENT),
    ),
)

BUGS = (
    BR16_DISTANCE,
    BR32_DISTANCE,
    BSR32_DISTANCE,
    LRW_PC,
    LRW16_BASE,
    POP32_R28,
    JUMP_BIT_0,
    UNSIGNED,
    BNEZAD,
    C_FLAG,
    HALF_IN_SLOT,
    JSR16_STEPPED,
    GRS_STEPPED,
    FAR_LRW_STEPPED,
    PSR_OF_STEP,
    RETURN_STEPPED,
    EXCLUSIVE_STEPPED,
    TRAP_TEST,
)
ALL = every(BUGS)
