"""Which memory an x86-64 instruction is about to access by its explicit operands, from Capstone.

The stack accesses of push, pop, call and ret are left out: a stack belongs to one CPU. Also not told: segment
bases, xlat, addresses cut to 32 bits by a 67 prefix, and that bt and relatives with a register reach bits
outside of their operand.
"""

from __future__ import annotations

from functools import lru_cache

from arches.x86.insns_fields import X86_64
from arches.x86.registers import full_name
from emu.isa.capstone_text import Decoded, Operand, decode
from emu.isa.operand import MemoryOperand

NO_ACCESS = ("lea", "nop", "prefetch", "clflush", "clwb", "cldemote", "invlpg", "bnd")
MOVES = ("mov", "vmov")
STORES = ("set", "insb", "insw", "insd", "fst", "fist", "fnst", "fnsave", "stmxcsr", "extractps", "pextr")
LOADS = ("frstor",)
UPDATES = frozenset({"xchg", "cmpxchg", "cmpxchg8b", "cmpxchg16b", "xadd"})


@lru_cache(maxsize=1 << 14)
def memory_operands(insn: bytes, addr: int) -> tuple[MemoryOperand, ...]:
    """The accesses of one instruction; of a repeated string instruction those of its next element."""
    found = decode(X86_64, insn, addr)
    if found is None or found.mnemonic.split()[-1].startswith(NO_ACCESS):
        return ()
    return tuple(_located(found, operand, addr) for operand in found.operands if operand.memory)


def _located(found: Decoded, operand: Operand, addr: int) -> MemoryOperand:
    reads, writes = _access(found, operand)
    if operand.register == "rip":
        return MemoryOperand(None, addr + found.size + operand.value, operand.size, reads, writes)
    base, index = full_name(operand.register), full_name(operand.index)
    return MemoryOperand(base, operand.value, operand.size, reads, writes, index, operand.scale)


def _access(found: Decoded, operand: Operand) -> tuple[bool, bool]:
    """Capstone's word, except where it is known to be wrong: locked instructions and moves of vectors."""
    mnemonic = found.mnemonic.split()[-1]
    if found.mnemonic.startswith("lock ") or mnemonic in UPDATES:
        return True, True
    if mnemonic.startswith(MOVES):
        first = operand is found.operands[0]
        return not first, first
    if mnemonic.startswith(STORES):
        return False, True
    if mnemonic.startswith(LOADS):
        return True, False
    return operand.reads or not operand.writes, operand.writes
