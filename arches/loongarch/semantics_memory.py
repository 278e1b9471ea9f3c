"""Loads, stores and atomics of LoongArch64: a function for each row of `insns.decode`, by name.

Source: LoongArch Reference Manual, volume 1, sections 2.2.5 to 2.2.7. Plain accesses need no alignment (as on
an LA464), atomics do. An atomic whose rd is also rj or rk is taken as no instruction: the manual says so for
rj and leaves rk open, where QEMU's la464 refuses too.
"""

from __future__ import annotations

import operator
from collections.abc import Callable

from arches.loongarch.semantics_branches import w
from emu.isa.table import Insn
from emu.machine.cpu import TrapKind
from emu.machine.interp_cpu import Execute, InterpCpu

# Loads and stores


def ld_b(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = (cpu.load(cpu.gpr[i.rj] + i.imm, 1) ^ 0x80) - 0x80


def ld_h(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = (cpu.load(cpu.gpr[i.rj] + i.imm, 2) ^ 0x8000) - 0x8000


def ld_w(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = w(cpu.load(cpu.gpr[i.rj] + i.imm, 4))


def ld_d(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = cpu.load(cpu.gpr[i.rj] + i.imm, 8)


def ld_bu(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = cpu.load(cpu.gpr[i.rj] + i.imm, 1)


def ld_hu(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = cpu.load(cpu.gpr[i.rj] + i.imm, 2)


def ld_wu(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = cpu.load(cpu.gpr[i.rj] + i.imm, 4)


def st_b(cpu: InterpCpu, i: Insn) -> None:
    cpu.store(cpu.gpr[i.rj] + i.imm, cpu.gpr[i.rd], 1)


def st_h(cpu: InterpCpu, i: Insn) -> None:
    cpu.store(cpu.gpr[i.rj] + i.imm, cpu.gpr[i.rd], 2)


def st_w(cpu: InterpCpu, i: Insn) -> None:
    cpu.store(cpu.gpr[i.rj] + i.imm, cpu.gpr[i.rd], 4)


def st_d(cpu: InterpCpu, i: Insn) -> None:
    cpu.store(cpu.gpr[i.rj] + i.imm, cpu.gpr[i.rd], 8)


ldptr_w, ldptr_d, stptr_w, stptr_d = ld_w, ld_d, st_w, st_d


def ldx_b(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = (cpu.load(cpu.gpr[i.rj] + cpu.gpr[i.rk], 1) ^ 0x80) - 0x80


def ldx_h(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = (cpu.load(cpu.gpr[i.rj] + cpu.gpr[i.rk], 2) ^ 0x8000) - 0x8000


def ldx_w(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = w(cpu.load(cpu.gpr[i.rj] + cpu.gpr[i.rk], 4))


def ldx_d(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = cpu.load(cpu.gpr[i.rj] + cpu.gpr[i.rk], 8)


def ldx_bu(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = cpu.load(cpu.gpr[i.rj] + cpu.gpr[i.rk], 1)


def ldx_hu(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = cpu.load(cpu.gpr[i.rj] + cpu.gpr[i.rk], 2)


def ldx_wu(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = cpu.load(cpu.gpr[i.rj] + cpu.gpr[i.rk], 4)


def stx_b(cpu: InterpCpu, i: Insn) -> None:
    cpu.store(cpu.gpr[i.rj] + cpu.gpr[i.rk], cpu.gpr[i.rd], 1)


def stx_h(cpu: InterpCpu, i: Insn) -> None:
    cpu.store(cpu.gpr[i.rj] + cpu.gpr[i.rk], cpu.gpr[i.rd], 2)


def stx_w(cpu: InterpCpu, i: Insn) -> None:
    cpu.store(cpu.gpr[i.rj] + cpu.gpr[i.rk], cpu.gpr[i.rd], 4)


def stx_d(cpu: InterpCpu, i: Insn) -> None:
    cpu.store(cpu.gpr[i.rj] + cpu.gpr[i.rk], cpu.gpr[i.rd], 8)


def preld(cpu: InterpCpu, i: Insn) -> None:
    """A hint; it never faults."""


preldx = preld


# With a bound: bound check error (BCE) if rj is not greater than, or not less or equal, rk


def asrtle_d(cpu: InterpCpu, i: Insn) -> None:
    if cpu.gpr[i.rj] > cpu.gpr[i.rk]:
        cpu.trap(TrapKind.TRAP)


def asrtgt_d(cpu: InterpCpu, i: Insn) -> None:
    if cpu.gpr[i.rj] <= cpu.gpr[i.rk]:
        cpu.trap(TrapKind.TRAP)


def _bounded_load(check: Execute, size: int) -> Execute:
    def execute(cpu: InterpCpu, i: Insn) -> None:
        check(cpu, i)
        value, sign = cpu.load(cpu.gpr[i.rj], size), 1 << (8 * size - 1)
        cpu.gpr[i.rd] = (value ^ sign) - sign

    return execute


def _bounded_store(check: Execute, size: int) -> Execute:
    def execute(cpu: InterpCpu, i: Insn) -> None:
        check(cpu, i)
        cpu.store(cpu.gpr[i.rj], cpu.gpr[i.rd], size)

    return execute


ldgt_b, ldgt_h, ldgt_w, ldgt_d = (_bounded_load(asrtgt_d, size) for size in (1, 2, 4, 8))
ldle_b, ldle_h, ldle_w, ldle_d = (_bounded_load(asrtle_d, size) for size in (1, 2, 4, 8))
stgt_b, stgt_h, stgt_w, stgt_d = (_bounded_store(asrtgt_d, size) for size in (1, 2, 4, 8))
stle_b, stle_h, stle_w, stle_d = (_bounded_store(asrtle_d, size) for size in (1, 2, 4, 8))


# Atomics


def _aligned(cpu: InterpCpu, addr: int, size: int) -> int:
    if addr % size:
        cpu.trap(TrapKind.UNALIGNED)
    return addr


def _signed(value: int, size: int) -> int:
    sign = 1 << (8 * size - 1)
    return ((value & 2 * sign - 1) ^ sign) - sign


def _atomic(size: int, combine: Callable[[int, int], int], *, signed: bool = True) -> Execute:
    """rd = old value, memory = combine(old value, rk), both taken as signed or unsigned for the comparison."""
    bits = (1 << 8 * size) - 1

    def execute(cpu: InterpCpu, i: Insn) -> None:
        if i.rd and i.rd in (i.rj, i.rk):
            cpu.trap(TrapKind.ILLEGAL)
        addr = _aligned(cpu, cpu.gpr[i.rj], size)
        old, operand = cpu.load(addr, size), cpu.gpr[i.rk] & bits
        new = combine(_signed(old, size), _signed(operand, size)) if signed else combine(old, operand)
        cpu.store(addr, new, size)
        cpu.gpr[i.rd] = _signed(old, size)

    return execute


def _second(_old: int, new: int) -> int:
    return new


amswap_b = amswap_db_b = _atomic(1, _second)
amswap_h = amswap_db_h = _atomic(2, _second)
amswap_w = amswap_db_w = _atomic(4, _second)
amswap_d = amswap_db_d = _atomic(8, _second)
amadd_b = amadd_db_b = _atomic(1, operator.add)
amadd_h = amadd_db_h = _atomic(2, operator.add)
amadd_w = amadd_db_w = _atomic(4, operator.add)
amadd_d = amadd_db_d = _atomic(8, operator.add)
amand_w = amand_db_w = _atomic(4, operator.and_)
amand_d = amand_db_d = _atomic(8, operator.and_)
amor_w = amor_db_w = _atomic(4, operator.or_)
amor_d = amor_db_d = _atomic(8, operator.or_)
amxor_w = amxor_db_w = _atomic(4, operator.xor)
amxor_d = amxor_db_d = _atomic(8, operator.xor)
ammax_w = ammax_db_w = _atomic(4, max)
ammax_d = ammax_db_d = _atomic(8, max)
ammin_w = ammin_db_w = _atomic(4, min)
ammin_d = ammin_db_d = _atomic(8, min)
ammax_wu = ammax_db_wu = _atomic(4, max, signed=False)
ammax_du = ammax_db_du = _atomic(8, max, signed=False)
ammin_wu = ammin_db_wu = _atomic(4, min, signed=False)
ammin_du = ammin_db_du = _atomic(8, min, signed=False)


def _compare_and_swap(size: int) -> Execute:
    bits = (1 << 8 * size) - 1

    def execute(cpu: InterpCpu, i: Insn) -> None:
        addr = _aligned(cpu, cpu.gpr[i.rj], size)
        old = cpu.load(addr, size)
        if old == cpu.gpr[i.rd] & bits:
            cpu.store(addr, cpu.gpr[i.rk], size)
        cpu.gpr[i.rd] = _signed(old, size)

    return execute


amcas_b = amcas_db_b = _compare_and_swap(1)
amcas_h = amcas_db_h = _compare_and_swap(2)
amcas_w = amcas_db_w = _compare_and_swap(4)
amcas_d = amcas_db_d = _compare_and_swap(8)


def ll_w(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = w(cpu.load_linked(_aligned(cpu, cpu.gpr[i.rj] + i.imm, 4), 4))


def ll_d(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = cpu.load_linked(_aligned(cpu, cpu.gpr[i.rj] + i.imm, 8), 8)


def sc_w(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = cpu.store_conditional(_aligned(cpu, cpu.gpr[i.rj] + i.imm, 4), cpu.gpr[i.rd], 4)


def sc_d(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = cpu.store_conditional(_aligned(cpu, cpu.gpr[i.rj] + i.imm, 8), cpu.gpr[i.rd], 8)


def sc_q(cpu: InterpCpu, i: Insn) -> None:
    value = cpu.gpr[i.rk] << 64 | cpu.gpr[i.rd]
    cpu.gpr[i.rd] = cpu.store_conditional(_aligned(cpu, cpu.gpr[i.rj], 16), value, 16)


def llacq_w(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = w(cpu.load_linked(_aligned(cpu, cpu.gpr[i.rj], 4), 4))


def llacq_d(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = cpu.load_linked(_aligned(cpu, cpu.gpr[i.rj], 8), 8)


def screl_w(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = cpu.store_conditional(_aligned(cpu, cpu.gpr[i.rj], 4), cpu.gpr[i.rd], 4)


def screl_d(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = cpu.store_conditional(_aligned(cpu, cpu.gpr[i.rj], 8), cpu.gpr[i.rd], 8)
