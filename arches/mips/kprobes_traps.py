"""The break exception on MIPS: do_bp and do_trap_or_bp (arch/mips/kernel/traps.c).

The entry stub turns interrupts on before do_bp runs, and do_bp takes the break's code from memory, not from the trap.
Another CPU may restore the original word before that read: then the code is a piece of an unrelated instruction,
and the kprobe handler is not called at all.
"""

from __future__ import annotations

from arches.mips.breaks import BRK_BUG, BRK_KPROBE_BP, BRK_KPROBE_SSTEPBP, bcode
from arches.mips.kprobes import kprobe_handler, post_kprobe_handler
from emu.explore.ops import load
from emu.kernel import kallsyms, text
from emu.kernel.notifier import notify_die
from emu.kernel.state import Percpu
from emu.kernel.trace import log
from emu.kernel.traps import die
from emu.machine.cpu import Trap, TrapKind
from emu.machine.frame import PtRegs


async def do_bp(cpu: Percpu, regs: PtRegs, trap: Trap) -> None:
    """The code decides who is asked first. The address is EPC, or the delay slot behind it."""
    if trap.kind is not TrapKind.BREAK:
        die(cpu, regs, f"unexpected exception: {trap.kind.value}")
    cpu.irqs_enabled = True
    addr = regs.pc + 4 if trap.delay_slot else regs.pc
    await load(kallsyms.text_at(cpu.kernel, addr))  # the word may be another one by now
    code = bcode(int.from_bytes(text.read(cpu.kernel, addr, 4), "little"))
    log(cpu, f"do_bp: code {code}")
    if not await claimed(cpu, regs, code):
        do_trap_or_bp(cpu, regs, code)
    cpu.irqs_enabled = False


async def claimed(cpu: Percpu, regs: PtRegs, code: int) -> bool:
    """notify_die(DIE_BREAK or DIE_SSTEPBP): kprobes comes first, with the highest priority there is."""
    if code == BRK_KPROBE_BP:
        return await kprobe_handler(cpu, regs) or notify_die("DIE_BREAK", cpu, regs)
    if code == BRK_KPROBE_SSTEPBP:
        return await post_kprobe_handler(cpu, regs) or notify_die("DIE_SSTEPBP", cpu, regs)
    return False


def do_trap_or_bp(cpu: Percpu, regs: PtRegs, code: int) -> None:
    """Nobody's so far: DIE_TRAP goes round, and then the kernel dies, with its own message for BUG."""
    if notify_die("DIE_TRAP", cpu, regs):
        return
    die(cpu, regs, "Kernel bug detected" if code == BRK_BUG else f"Break instruction in kernel code, code {code}")
