"""What Linux gets or got wrong on LoongArch, each with the id of its repair (arch/loongarch/kernel).

By the LoongArch manual, volume 1.
"""

from __future__ import annotations

from emu.kernel.bug import Bug, Changed, every

PCADDU18I = Bug(
    "pcaddu18i-32-bits",
    "pcaddu18i is shifted in 32 bits: backwards, or 4 GiB and more forwards, the address is wrong",
    "simu_pc, inst.c",
    (
        Changed(  # imm20 = -1 is 256 KiB back; without the sign, 4 GiB forward
            "word=0x1fffffe4 at=0x9000000000213000",
            "r4: 0x90000000001d3000 in place, 0x90000001001d3000 under the probe",
            "insns.decode:pcaddu18i",
        ),
    ),
)
ERTN_STEPPED = Bug(
    "ertn-stepped",
    "ertn leaves the slot, and the kernel goes on stepping it",
    "insns_not_supported, inst.c",
    (
        Changed(
            "word=0x06483800 at=0x9000000000213000",
            "end: completes, pc 0x0 in place, unfinished at 0x0: it left the slot, and the kernel still steps it"
            " under the probe",
            "insns.decode:ertn",
        ),
    ),
)
LLACQ_STEPPED = Bug(
    "llacq-stepped",
    "llacq and screl are stepped, but the exception return ends the reservation: the screl fails",
    "insns_not_supported, inst.c",
    (
        Changed(
            "word=0x385780a4 at=0x9000000000213000 r5=0x9000000000300000 then=0x385784ac",
            "next probe's r12: 0x1 in place, 0x0 under the probe",
            "insns.decode:llacq.w",
        ),
    ),
    until=(6, 18),
    commit="db740f5689e6",
)

BUGS = (PCADDU18I, ERTN_STEPPED, LLACQ_STEPPED)
ALL = every(BUGS)
