"""text_poke_bp: an instruction of several bytes is replaced while others run through it (alternative.c on x86).

A breakpoint is put over the first byte, then the tail is written, then the first byte; each step ends with an
interrupt that serialises every CPU. A CPU that meets the breakpoint meanwhile executes the new instruction in
software. A count per CPU keeps the table that its handler reads from going away under it.
"""

from __future__ import annotations

from emu.errors import UsageError
from emu.explore.ops import SharedObject, store, update, wait
from emu.kernel import kallsyms, text
from emu.kernel.smp import on_each_cpu
from emu.kernel.state import Kernel, Percpu, TextPokeArray
from emu.kernel.trace import log
from emu.machine.frame import PtRegs

TEXT_POKE_ARRAY = SharedObject("text_poke_array_refs")


async def text_poke_bp(kernel: Kernel, addr: int, data: bytes, emulate: bytes | None = None) -> None:
    """Replace the instruction at addr; the caller holds text_mutex.

    `emulate` is the instruction that a CPU executes in software meanwhile, the new one if None. UsageError if the
    architecture has no such handler, or it cannot emulate the instruction.
    """
    poke, array = kernel.port.text_poke, kernel.text_poke_array
    if poke is None:
        raise UsageError(f"text_poke_bp on {kernel.isa.name}: expected an architecture whose handler emulates")
    vec = {addr: poke.emulation(emulate or data, addr)}
    kallsyms.watch(kernel, addr)
    if kernel.booting:
        return text.store(kernel, addr, data, live=False)
    await store(TEXT_POKE_ARRAY)
    array.vec, array.refs = vec, [1] * len(kernel.percpu)
    await three_steps(kernel, addr, data)
    for cpu in kernel.percpu:
        await drop_reference(array, cpu)
    array.vec = {}


async def three_steps(kernel: Kernel, addr: int, data: bytes) -> None:
    """The breakpoint, the tail, the head. A breakpoint that is itself what is written needs no third step."""
    breakpoint_insn = kernel.isa.breakpoint(data)
    head = len(breakpoint_insn)
    await write_and_sync(kernel, addr, 0, breakpoint_insn)
    if data[head:]:
        await write_and_sync(kernel, addr, head, data[head:])
    if data[:head] != breakpoint_insn:
        await write_and_sync(kernel, addr, 0, data[:head])


async def write_and_sync(kernel: Kernel, addr: int, offset: int, data: bytes) -> None:
    """One store into the instruction at addr, and the interrupt that makes every CPU see it."""
    await store(kallsyms.text_at(kernel, addr))  # named by the instruction, since a fetch of any of its bytes is one
    text.store(kernel, addr + offset, data, live=True)
    await on_each_cpu(kernel, "sync_core", addr + offset, len(data))
    text.synchronised(kernel, addr + offset)


async def drop_reference(array: TextPokeArray, cpu: Percpu) -> None:
    """The patcher's own reference; if a handler on that CPU still holds one, wait for it."""
    refs = refs_of(cpu)
    await update(refs)
    array.refs[cpu.id] -= 1
    if array.refs[cpu.id]:
        await wait(refs, lambda: not array.refs[cpu.id], (refs,))


async def poke_int3_handler(cpu: Percpu, regs: PtRegs, addr: int) -> bool:
    """Whether the breakpoint at addr is that of a patch under way; the CPU then has executed the instruction."""
    array = cpu.kernel.text_poke_array
    await update(refs_of(cpu))  # the patch may just be over
    if not array.refs[cpu.id]:
        return False
    array.refs[cpu.id] += 1
    emulate = array.vec.get(addr)
    if emulate is not None:
        log(cpu, "text_poke: emulate")
        emulate(regs)
    await update(refs_of(cpu))
    array.refs[cpu.id] -= 1
    return emulate is not None


def refs_of(cpu: Percpu) -> SharedObject:
    """A CPU's element of text_poke_array_refs, as announcements name it."""
    return SharedObject("text_poke_array_refs", cpu.id, f"text_poke_array_refs[{cpu.id}]")
