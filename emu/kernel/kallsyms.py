"""What the kernel knows of an address: its name, what is there, what was there before probes (kernel/kallsyms.c)."""

from __future__ import annotations

from emu.explore.ops import SharedObject
from emu.kernel import text
from emu.kernel.state import Kernel
from emu.verdict.site import Site


def at(kernel: Kernel, addr: int) -> str:
    """An address by symbol, as the kernel prints it; kept from one execution to the next."""
    names = kernel.machine.names
    if addr not in names:
        names[addr] = _name(kernel, addr)
    return names[addr]


def _name(kernel: Kernel, addr: int) -> str:
    if in_slot(kernel, addr):
        return f"slot+{addr - kernel.machine.slots.base:#x}"
    found = kernel.machine.image.symbol_at(addr)
    if found is None:
        return f"{addr:#x}"
    return f"{found[0].name}+{found[1]:#x}" if found[1] else found[0].name


def text_at(kernel: Kernel, addr: int) -> SharedObject:
    """The instruction at addr, as announcements name it.

    >>> from trapline import load, read_text, run, text_at
    >>> def reads(lab):
    ...     addr = lab.symbol("probe_me")
    ...     async def code():
    ...         await load(text_at(lab.kernel, addr))
    ...         assert len(read_text(lab.kernel, addr, 2)) == 2
    ...     return {"cpu0": code()}
    >>> run(reads, "csky").events[0].text
    'load text[probe_me]'
    """
    return SharedObject("text", addr, f"text[{at(kernel, addr)}]")


def table_at(kernel: Kernel, addr: int) -> SharedObject:
    """The entry of addr in the kprobe table, as announcements name it.

    >>> from trapline import load, run, table_at
    >>> def looks_up(lab):
    ...     addr = lab.symbol("probe_me")
    ...     async def code():
    ...         await load(table_at(lab.kernel, addr))
    ...         assert lab.kernel.kprobe_table.get(addr) is None
    ...     return {"cpu0": code()}
    >>> run(looks_up, "csky").events[0].text
    'load kprobe_table[probe_me]'
    """
    return SharedObject("kprobe_table", addr, f"kprobe_table[{at(kernel, addr)}]")


def watch(kernel: Kernel, addr: int) -> None:
    """Guests yield before they fetch at addr."""
    if addr not in kernel.watched:
        kernel.watched[addr] = text_at(kernel, addr)


def in_slot(kernel: Kernel, addr: int) -> bool:
    return kernel.machine.slots.base <= addr < kernel.machine.slots.end


def kernel_text(kernel: Kernel, addr: int) -> bool:
    """Whether addr is in a section of text; read-only data may share its pages."""
    sections = kernel.machine.image.executable_sections()
    return any(section.address <= addr < section.address + section.size for section in sections)


def knows(kernel: Kernel, addr: int) -> bool:
    """Whether addr is inside a symbol, of text or data (kallsyms_lookup_size_offset with KALLSYMS_ALL)."""
    image = kernel.machine.image
    if image.symbol_at(addr) is not None:
        return True
    objects = (symbol for symbol in image.symbols.values() if symbol.kind == "object")
    return any(symbol.address <= addr < symbol.address + symbol.size for symbol in objects)


def site(kernel: Kernel, addr: int) -> Site:
    """The place in text that a probe would go to."""
    found = kernel.machine.image.symbol_at(addr)
    longest = min(2 * max(kernel.isa.sizes), kernel.machine.memory.region(addr).end - addr)
    return Site(
        insn=original(kernel, addr, longest) or b"",
        addr=addr,
        read=lambda addr, size: original(kernel, addr, size),
        symbol=found[0].address if found is not None else None,
        in_extable=addr in kernel.machine.image.extable,
        raw=lambda addr, size: memory_at(kernel, addr, size),
    )


def memory_at(kernel: Kernel, addr: int, size: int) -> bytes | None:
    """Text as it is, breakpoints included; None outside of text."""
    for region in kernel.machine.memory.regions:
        if region.executable and region.base <= addr and addr + size <= region.end:
            return text.read(kernel, addr, size)
    return None


def original(kernel: Kernel, addr: int, size: int) -> bytes | None:
    """Text with the words under probes put back."""
    data = memory_at(kernel, addr, size)
    if data is None:
        return None
    words = bytearray(data)
    for p in kernel.kprobe_table.values():
        for offset, byte in enumerate(p.opcode):
            if 0 <= (index := p.where + offset - addr) < size:
                words[index] = byte
    return bytes(words)
