"""How many instructions a second the table interpreter executes, on LoongArch64 code."""

from __future__ import annotations

import time

from arches.loongarch.isa import assemble
from arches.loongarch.semantics import make_cpu
from emu.machine.cpu import Limit
from emu.machine.interp_cpu import InterpCpu
from emu.machine.memory import Memory

TEXT, DATA = 0x1000, 0x10000

# The sum of an array, with a function call, as a compiler would write it.
PROGRAM = """
    lu12i.w $s0, 16
    addi.d  $a0, $zero, 0
    addi.d  $s1, $zero, 64
    bl      24
    addi.d  $s0, $s0, 8
    addi.d  $s1, $s1, -1
    bne     $s1, $zero, -12
    b       -28
    nop
    ld.d    $t0, $s0, 0
    add.d   $a0, $a0, $t0
    slli.d  $t1, $t0, 3
    xor     $t1, $t1, $a0
    st.d    $t1, $s0, 0
    jirl    $zero, $ra, 0
"""


def prepared() -> InterpCpu:
    """A CPU at the start of the program, which never ends."""
    memory = Memory()
    memory.add("text", TEXT, 0x1000, executable=True)
    memory.add("data", DATA, 0x1000)
    lines = [line.strip() for line in PROGRAM.strip().splitlines()]
    memory.write(TEXT, b"".join(assemble(" ".join(line.split()), 0) for line in lines))
    cpu = make_cpu(0, memory)
    cpu.pc = TEXT
    return cpu


def measure(instructions: int = 500_000) -> float:
    """Instructions a second of CPU in `run`, after a warm-up; others may be on the same core."""
    cpu = prepared()
    cpu.run(10_000)
    start = time.process_time()
    stop = cpu.run(instructions)
    elapsed = time.process_time() - start
    if stop != Limit(instructions):
        raise RuntimeError(f"the program stopped: {stop}")
    return instructions / elapsed


if __name__ == "__main__":
    print(f"{measure():,.0f} instructions/s")
