"""What C-SKY traps, control registers, barriers and returns do, and which instructions nothing here executes."""

from __future__ import annotations

from arches.csky.registers import PSR_AF, PSR_EE, PSR_FE, PSR_IE, PSR_S, SP, control_name
from arches.csky.simulate_condition import set_c
from emu.isa.table import Insn
from emu.machine.cpu import TrapKind
from emu.machine.interp_cpu import InterpCpu

# psrset and psrclr operand bits and the PSR bits that they stand for; sie (16) is the trusted world's, not here.
_PSR_OPERAND = {8: PSR_EE, 4: PSR_IE, 2: PSR_FE, 1: PSR_AF}


def privileged(cpu: InterpCpu) -> None:
    """Vector 5 for user mode."""
    if not cpu.special["psr"] & PSR_S:
        cpu.trap(TrapKind.OTHER)


# Traps


def bkpt16(cpu: InterpCpu, i: Insn) -> None:
    cpu.trap(TrapKind.BREAK)


def trap32(cpu: InterpCpu, i: Insn) -> None:
    """`trap 0` is the system call; Linux uses 1 for debuggers, 2 to assist cmpxchg, 3 to get the TLS pointer."""
    cpu.trap(TrapKind.SYSCALL if i.code == 0 else TrapKind.TRAP, i.code)


def unimplemented(cpu: InterpCpu, i: Insn) -> None:
    cpu.trap(TrapKind.ILLEGAL)


# Coprocessor and Java instructions are illegal where, as here, these units are not fitted; so is jmpix outside of the
# Java mode. sce exists on the CK810 only, wsc with a trusted world only. The saturating and the two-lane forms of the
# accumulator are not modelled: a guest that uses them stops instead of computing something else.
cprgr32 = cpwgr32 = cprcr32 = cpwcr32 = cprc32 = cpop32 = unimplemented
bmset32 = bmclr32 = bpop_h16 = bpop_w16 = bpush_h16 = bpush_w16 = jmpix16 = jmpix32 = unimplemented
sce32 = wsc32 = unimplemented
mfhis32 = mflos32 = mvtc32 = unimplemented
vmulsh32 = vmulsha32 = vmulshs32 = vmulsw32 = vmulswa32 = vmulsws32 = unimplemented


# Control registers and the PSR


def mfcr32(cpu: InterpCpu, i: Insn) -> None:
    """Registers that are not there read 0."""
    privileged(cpu)
    cpu.gpr[i.rz] = cpu.special.get(control_name(i.cr, i.bank), 0)


def mtcr32(cpu: InterpCpu, i: Insn) -> None:
    privileged(cpu)
    name = control_name(i.cr, i.bank)
    if name in cpu.special:
        cpu.special[name] = cpu.gpr[i.rx]


def _psr_bits(operand: int) -> int:
    return sum(psr for bit, psr in _PSR_OPERAND.items() if operand & bit)


def psrset32(cpu: InterpCpu, i: Insn) -> None:
    privileged(cpu)
    cpu.special["psr"] |= _psr_bits(i.psr)


def psrclr32(cpu: InterpCpu, i: Insn) -> None:
    privileged(cpu)
    cpu.special["psr"] &= ~_psr_bits(i.psr)


def _return(cpu: InterpCpu, psr: int, pc: int) -> None:
    cpu.special["psr"] = psr
    cpu.clear_reservation()
    cpu.next_pc = pc & ~1


def rte32(cpu: InterpCpu, i: Insn) -> None:
    privileged(cpu)
    _return(cpu, cpu.special["cr<2, 0>"], cpu.special["cr<4, 0>"])


def rfi32(cpu: InterpCpu, i: Insn) -> None:
    privileged(cpu)
    _return(cpu, cpu.special["cr<3, 0>"], cpu.special["cr<5, 0>"])


def nie16(cpu: InterpCpu, i: Insn) -> None:
    """Save EPC and EPSR on the stack and allow nested interrupts."""
    privileged(cpu)
    base = cpu.gpr[SP] - 8
    cpu.store(base, cpu.special["cr<2, 0>"] << 32 | cpu.special["cr<4, 0>"], 8)
    cpu.gpr[SP] = base
    cpu.special["psr"] |= PSR_EE | PSR_IE


def nir16(cpu: InterpCpu, i: Insn) -> None:
    """Load what nie saved and return."""
    privileged(cpu)
    saved = cpu.load(cpu.gpr[SP], 8)
    cpu.special["cr<2, 0>"], cpu.special["cr<4, 0>"] = saved >> 32, saved & 0xFFFFFFFF
    cpu.gpr[SP] += 8
    rte32(cpu, i)


# Waiting, barriers and caches: one instruction happens after another here, so there is nothing to do


def stop32(cpu: InterpCpu, i: Insn) -> None:
    """Nothing is waited for: whoever runs the CPU decides when it goes on."""
    privileged(cpu)


wait32 = doze32 = stop32


def idly32(cpu: InterpCpu, i: Insn) -> None:
    """Hold interrupts off for a few instructions; C says afterwards whether that failed."""
    set_c(cpu, 0)


def sync32(cpu: InterpCpu, i: Insn) -> None:
    """A barrier."""


we32 = se32 = sync32
sync32_imm = sync_is32 = sync_i32 = sync_s32 = sync32
bar_brwarw32 = bar_brwarws32 = bar_brar32 = bar_brars32 = bar_bwaw32 = bar_bwaws32 = sync32


def cache32(cpu: InterpCpu, i: Insn) -> None:
    """Caches and TLBs are not modelled. A CPU's view of text changes when the host says so, not by icache.iva."""
    privileged(cpu)


icache_iall32 = icache_ialls32 = icache_iva32 = cache32
dcache_iall32 = dcache_iva32 = dcache_isw32 = dcache_call32 = dcache_cva32 = dcache_cval1_32 = cache32
dcache_csw32 = dcache_ciall32 = dcache_civa32 = dcache_cisw32 = cache32
l2cache_iall32 = l2cache_call32 = l2cache_ciall32 = cache32
tlbi_vaa32 = tlbi_vaas32 = tlbi_asid32 = tlbi_asids32 = tlbi_va32 = tlbi_vas32 = tlbi_all32 = tlbi_alls32 = cache32
