"""Barriers, CRC, traps and privileged instructions of LoongArch64: a function for each row, by name.

Source: LoongArch Reference Manual, volume 1, sections 2.2.8 to 2.2.10 and 4.2. Memory is one flat space without
translation or devices, and no interrupt is ever pending: cache operations and idle do nothing; page-table,
TLB and iocsr instructions trap, because there is nothing that they could work on.
"""

from __future__ import annotations

from arches.loongarch.registers import CSR
from arches.loongarch.semantics_branches import M32, w
from emu.isa.table import Insn
from emu.machine.cpu import TrapKind
from emu.machine.interp_cpu import Execute, InterpCpu

CPUCFG = {
    0: 0x14C010,
    1: 0x3F2F2FE,
    2: 0x40C00F,
    4: 0x5F5E100,
    5: 0x10001,
    16: 0x2C3D,
    17: 0x6080003,
    18: 0x6080003,
    19: 0x608000F,
    20: 0x60E000F,
}
"""Configuration words as QEMU 7.2's la464 has them (read by running cpucfg on it)."""

_READ_ONLY = frozenset(("cpuid",))
_PRIVILEGE = 0b111  # CRMD.PLV and IE, PRMD.PPLV and PIE


def _nothing(cpu: InterpCpu, i: Insn) -> None:
    """Every access is done in order, and fetches follow `sync_icache` only."""


dbar = ibar = cacop = idle = _nothing


def _crc(polynomial: int, size: int) -> Execute:
    """rd = the CRC rk, continued over the lowest `size` bytes of rj; bits go least significant first."""

    def execute(cpu: InterpCpu, i: Insn) -> None:
        crc = cpu.gpr[i.rk] & M32 ^ cpu.gpr[i.rj] & (1 << 8 * size) - 1
        for _ in range(8 * size):
            crc = crc >> 1 ^ (polynomial if crc & 1 else 0)
        cpu.gpr[i.rd] = w(crc)

    return execute


crc_w_b_w, crc_w_h_w, crc_w_w_w, crc_w_d_w = (_crc(0xEDB88320, size) for size in (1, 2, 4, 8))
crcc_w_b_w, crcc_w_h_w, crcc_w_w_w, crcc_w_d_w = (_crc(0x82F63B78, size) for size in (1, 2, 4, 8))


def break_(cpu: InterpCpu, i: Insn) -> None:
    cpu.trap(TrapKind.BREAK, i.code)


def syscall(cpu: InterpCpu, i: Insn) -> None:
    cpu.trap(TrapKind.SYSCALL, i.code)


def dbcl(cpu: InterpCpu, i: Insn) -> None:
    cpu.trap(TrapKind.OTHER, i.code)


def _counter(cpu: InterpCpu) -> int:
    # Time passes when somebody looks: the same on every run of one schedule.
    cpu.special["counter"] += 1
    return cpu.special["counter"]


def rdtimel_w(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = w(_counter(cpu))
    cpu.gpr[i.rj] = cpu.special["tid"]


def rdtimeh_w(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = w(_counter(cpu) >> 32)
    cpu.gpr[i.rj] = cpu.special["tid"]


def rdtime_d(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = _counter(cpu)
    cpu.gpr[i.rj] = cpu.special["tid"]


def cpucfg(cpu: InterpCpu, i: Insn) -> None:
    """Words that are not defined read 0."""
    cpu.gpr[i.rd] = CPUCFG.get(cpu.gpr[i.rj] & M32, 0)


def movgr2cf(cpu: InterpCpu, i: Insn) -> None:
    cpu.special["fcc"] = cpu.special["fcc"] & ~(1 << i.cj) | (cpu.gpr[i.rj] & 1) << i.cj


def movcf2gr(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = cpu.special["fcc"] >> i.cj & 1


# Privileged


def _write_csr(cpu: InterpCpu, number: int, value: int, bits: int) -> int:
    """Change the given bits of a control and status register; its old value."""
    name = CSR.get(number)
    if name is None:
        return 0
    old = cpu.special[name]
    if name not in _READ_ONLY:
        cpu.special[name] = old & ~bits | value & bits
    return old


def csrrd(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = _write_csr(cpu, i.csr, 0, 0)


def csrwr(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = _write_csr(cpu, i.csr, cpu.gpr[i.rd], (1 << 64) - 1)


def csrxchg(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = _write_csr(cpu, i.csr, cpu.gpr[i.rd], cpu.gpr[i.rj])


def ertn(cpu: InterpCpu, i: Insn) -> None:
    special = cpu.special
    special["crmd"] = special["crmd"] & ~_PRIVILEGE | special["prmd"] & _PRIVILEGE
    cpu.clear_reservation()
    cpu.next_pc = special["era"]


def _no_device(cpu: InterpCpu, i: Insn) -> None:
    cpu.trap(TrapKind.OTHER)


iocsrrd_b = iocsrrd_h = iocsrrd_w = iocsrrd_d = _no_device
iocsrwr_b = iocsrwr_h = iocsrwr_w = iocsrwr_d = _no_device
lddir = ldpte = invtlb = _no_device
tlbclr = tlbflush = tlbsrch = tlbrd = tlbwr = tlbfill = _no_device
