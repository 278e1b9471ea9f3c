"""What Linux gets or got wrong on x86-64, each with the id of its repair (arch/x86/kernel/kprobes/core.c).

By Intel's SDM, volume 2. What is emulated here is so since 5.13 (6256e668b7af); before, copies were stepped.
Cases at ...111 stand where probes have a post_handler: copies without one are boosted, and executed as they are.
"""

from __future__ import annotations

from emu.kernel.bug import Bug, Changed, every

EMULATED = (5, 13)
CALL_INDIRECT = "kprobe_emulate_call_indirect, kprobes/core.c"
IFMODIFIERS = "kprobe_emulate_ifmodifiers, kprobes/core.c"

LOOP_COUNTER = Bug(
    "loop-counter",
    "LOOP looks at the counter before it is decremented: with 1 it branches, with 0 it does not",
    "kprobe_emulate_loop, kprobes/core.c",
    (
        Changed(
            "word=e210 at=0xffffffff81013000 rcx=1",
            "pc: 0xffffffff81013002 in place, 0xffffffff81013012 under the probe",
            "opcodes:loop_jcxz",
        ),
    ),
    since=EMULATED,
)
LOOP_UPPER_HALF = Bug(
    "loop-upper-half",
    "LOOP with a 32-bit counter keeps the upper half of RCX, which a write to ECX clears",
    "kprobe_emulate_loop, kprobes/core.c",
    (
        Changed(
            "word=67e210 at=0xffffffff81013000 rcx=0x100000005",
            "rcx: 0x4 in place, 0x100000004 under the probe",
        ),
    ),
    since=EMULATED,
)
RET_IMM = Bug(
    "ret-imm",
    "ret with an immediate releases nothing",
    "kprobe_emulate_ret, kprobes/core.c",
    (
        Changed(
            "word=c20800 at=0xffffffff81013111 rsp=0xffffffff81100800",
            "rsp: 0xffffffff81100810 in place, 0xffffffff81100808 under the probe",
            "opcodes:ret_iw",
        ),
    ),
    since=EMULATED,
)
FAR_RET = Bug(
    "far-ret",
    "a far return is emulated as a near one",
    "prepare_emulation, kprobes/core.c",
    (
        Changed(  # there is no table of segments here: the processor has a fault
            "word=cb at=0xffffffff81013111 rsp=0xffffffff81100800",
            "end: fault at 0xffffffff81013111 in place, completes, pc 0x0 under the probe",
            "opcodes:ret_far",
        ),
    ),
    since=EMULATED,
)
FLAG_BITS = Bug(
    "pushf-popf-bits",
    "popf loads every bit, also RF and those that are reserved, and pushf shows RF",
    IFMODIFIERS,
    (
        Changed(
            "word=9d at=0xffffffff81013111 rsp=0xffffffff81100800 mem=0xffffffff81100800:020201",
            "eflags: 0x202 in place, 0x10202 under the probe",
            "opcodes:pushf_popf",
        ),
    ),
    since=EMULATED,
)
PUSHF_POPF_16 = Bug(
    "pushf-popf-16-bits",
    "pushf and popf of 16 bits push and pop 64",
    IFMODIFIERS,
    (
        Changed(
            "word=669c at=0xffffffff81013111 rsp=0xffffffff81100800",
            "rsp: 0xffffffff811007fe in place, 0xffffffff811007f8 under the probe",
            "kprobes:pushf",
        ),
    ),
    since=EMULATED,
)
CALL_PREFIX = Bug(
    "call-prefix",
    "a relative call with a prefix returns to five bytes on, into itself",
    "kprobe_emulate_call, kprobes/core.c",
    (
        Changed(
            "word=48e800010000 at=0xffffffff81013000 rsp=0xffffffff81100800",
            "[0xffffffff811007f8]: 06300181ffffffff in place, 05300181ffffffff under the probe",
            "opcodes:call_rel",
        ),
    ),
    since=EMULATED,
)
CALL_RSP = Bug(
    "call-rsp",
    "`call rsp` reads rsp behind its push, and goes eight bytes too low",
    CALL_INDIRECT,
    (
        Changed(
            "word=ffd4 at=0xffffffff81013000 rsp=0xffffffff81100800",
            "pc: 0xffffffff81100800 in place, 0xffffffff811007f8 under the probe",
            "kprobes:call_reg",
        ),
    ),
    since=(6, 8),  # the same commit as below: until then the register was read first
)
CALL_REG_5 = Bug(
    "call-reg-returns-5-on",
    "a call through a register returns to where one of five bytes would",
    CALL_INDIRECT,
    (
        Changed(
            "word=41ffd0 at=0xffffffff81013000 rsp=0xffffffff81100800",
            "[0xffffffff811007f8]: 03300181ffffffff in place, 05300181ffffffff under the probe",
            "kprobes:call_reg",
        ),
    ),
    since=EMULATED,
    until=(6, 8),
    commit="f5d03da48d06",
)
JLE = Bug(
    "jle-and",
    "jle wants both of its conditions where one is enough, and jg, its opposite, one where it takes both",
    "kprobe_emulate_jcc, kprobes/core.c",
    (
        Changed(
            "word=7e10 at=0xffffffff81013000 zf=1",
            "pc: 0xffffffff81013012 in place, 0xffffffff81013002 under the probe",
            "opcodes:jcc_rel8",
        ),
        Changed(
            "word=7f10 at=0xffffffff81013000 sf=1",
            "pc: 0xffffffff81013002 in place, 0xffffffff81013012 under the probe",
            "opcodes:jcc_rel8",
        ),
    ),
    since=EMULATED,
    until=(6, 0),
    commit="8924779df820",
)

BUGS = (
    LOOP_COUNTER,
    LOOP_UPPER_HALF,
    RET_IMM,
    FAR_RET,
    FLAG_BITS,
    PUSHF_POPF_16,
    CALL_PREFIX,
    CALL_RSP,
    CALL_REG_5,
    JLE,
)
ALL = every(BUGS)
