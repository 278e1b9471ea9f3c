"""What Linux gets wrong on MIPS, each with the id of its repair (arch/mips/kernel/kprobes.c, branch.c).

By the MIPS32 manual, volume II. All of it is in the newest kernel that was seen.
"""

from __future__ import annotations

from emu.kernel.bug import HIT, Bug, Changed, Explored, Probed, every
from emu.kernel.outcome import Outcome

MISSED = HIT | {Outcome.MISSED}
WRONG = HIT | {Outcome.MISSED, Outcome.WRONG_RESULT}
SWALLOWED = frozenset({Outcome.CLAIMED, Outcome.LIVELOCK})
PASSED_ON = frozenset({Outcome.PASSED_ON, Outcome.OOPS})

SKIP_LEAKS = Bug(
    "skip-flag-leaks",
    "a branch over a nop sets the flag that skips the step, and nothing clears it: the instruction at the next probe on"
    " that CPU is skipped too",
    "prepare_singlestep, kprobes.c",
    (
        Explored("skipped_delay_slot", WRONG, leaves=MISSED),
        Changed(
            "word=0x10000003 at=0x80213000 next=0x00000000 cp0_status=0x20000000 then=0x25080001",
            "next probe's r8: 0x1 in place, 0x0 under the probe",
            besides=frozenset({"kprobe-stays-current"}),
        ),
    ),
)
STAYS_CURRENT = Bug(
    "kprobe-stays-current",
    "after a branch with a nop behind it the kprobe stays current: every later probe on that CPU is missed",
    "kprobe_handler, kprobes.c",
    (
        Changed(
            "word=0x10000003 at=0x80213000 next=0x00000000 cp0_status=0x20000000 then=0x25080001",
            "next probe's hits: 1 in place, 0 under the probe",
            "insns.decode:beq",
            leaves="next probe's r8: 0x1 in place, 0x0 under the probe",
        ),
        Explored("skipped_delay_slot", WRONG, leaves=HIT | {Outcome.WRONG_RESULT}),
        Probed("probe_delay_nop", MISSED),
    ),
)
IRQS_STAY_OFF = Bug(
    "interrupts-stay-off",
    "after a branch with a nop behind it interrupts stay off",
    "kprobe_handler, kprobes.c",
    (
        Changed(
            "word=0x10000003 at=0x80213000 next=0x00000000",
            "cp0_status: 0x20000001 in place, 0x20000000 under the probe",
            "insns.decode:beq",
        ),
    ),
)
LIKELY = Bug(
    "likely-polarity",
    "a likely branch that is taken skips its delay slot, and one that is not taken executes it",
    "evaluate_branch_instruction, kprobes.c",
    (
        Changed(
            "word=0x50000003 at=0x80213000 next=0x25080001",
            "r8: 0x1 in place, 0x0 under the probe",
            "insns.decode:beql",
        ),
        Explored("likely_branch", WRONG, leaves=MISSED),  # one that is not taken is skipped like a nop
        Probed("probe_likely_site", WRONG, leaves=MISSED),
    ),
)
COP1 = Bug(
    "cop1-is-branch",
    "every COP1 word is taken for a branch, and the word behind it for its delay slot",
    "__insn_has_delay_slot, probes-common.h",
    (
        Changed(  # `mov.s $f2, $f0` is bc1f by 0x86 words
            "word=0x46000086 at=0x80213000 next=0x25080001",
            "pc: 0x80213004 in place, 0x8021321c under the probe",
            "insns.decode:fp_single",
        ),
    ),
)
JALX = Bug(
    "jalx-stepped",
    "jalx is not taken for a jump with a delay slot: it is stepped, and goes nowhere",
    "__insn_has_delay_slot, probes-common.h",
    (
        Changed(
            "word=0x74082000 at=0x80213000 next=0x00000000",
            "pc: 0x80208000 in place, 0x80213004 under the probe",
            "insns.decode:jalx",
        ),
    ),
)
LINK_FIRST = Bug(
    "link-first",
    "a link is written before the register is read: `jalr $3, $3` goes to its own link (the manual leaves it open)",
    "__compute_return_epc_for_insn, branch.c",
    (
        Changed(
            "word=0x00601809 at=0x80213000 next=0x25080001 r3=0x80208000",
            "pc: 0x80208000 in place, 0x80213008 under the probe",
        ),
    ),
)
LINK_ON_ZERO = Bug(
    "bltzal-of-zero",
    "bltzal and bltzall on $zero are taken, although 0 is not negative",
    "__compute_return_epc_for_insn, branch.c",
    (
        Changed(
            "word=0x04100003 at=0x80213000 next=0x25080001",
            "pc: 0x80213008 in place, 0x80213010 under the probe",
        ),
    ),
)
GAS_BREAK = Bug(
    "gas-break",
    "`break 515` as gas spells it has the kprobe's code and another word: it is taken for a breakpoint that is gone",
    "kprobe_handler, kprobes.c",
    (
        Explored("foreign_break_gas", SWALLOWED, leaves=PASSED_ON),
        Probed("foreign_break_gas", HIT | SWALLOWED, leaves=HIT | PASSED_ON),
        Probed("foreign_break_gas_site", HIT | SWALLOWED, leaves=HIT | PASSED_ON),
    ),
)

BUGS = (SKIP_LEAKS, STAYS_CURRENT, IRQS_STAY_OFF, LIKELY, COP1, JALX, LINK_FIRST, LINK_ON_ZERO, GAS_BREAK)
ALL = every(BUGS)
