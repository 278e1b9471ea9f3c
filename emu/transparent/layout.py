"""Where things are on the bench: text with places for instructions, literals between them, and a buffer for data.

A literal is a word of text that holds its own address, or sometimes the next one, or the complement: so a load that
goes wrong shows where it went.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from emu.arch import Arch
from emu.bits import PAGE, mask
from emu.elf.image import PF_W, PF_X, SHF_ALLOC, SHF_EXECINSTR, Image, Section, Segment, Symbol
from emu.trials import WINDOW

PF_R = 4
TEXT_OFFSET, TEXT_SIZE = 3 * PAGE, 0x20000  # in front of it a page of text, slots behind that, and a gap
FIRST_SITE = TEXT_SIZE // 2
SPACING = 0x110  # bytes from one site to the next: neither a multiple of a page nor of a cache line
SITES = 14
THEN = 0x8000  # where the second instruction is
FENCE_BEFORE = 16  # bytes of breakpoints in front of a site
BUFFER_OFFSET, BUFFER_SIZE = 0x100000, 2 * PAGE


@dataclass(frozen=True)
class Layout:
    """Addresses. `sites` are where the instruction under test may be, `then_at` is the second probe's.

    Behind the last site's window there is no memory.
    """

    base: int
    sites: tuple[int, ...]
    fence: bytes
    literals: bool

    @property
    def text(self) -> int:
        return self.base + TEXT_OFFSET

    @property
    def then_at(self) -> int:
        return self.text + THEN

    @property
    def buffer(self) -> int:
        return self.base + BUFFER_OFFSET

    def window(self, code: bytes) -> bytes:
        """What stands at a site: the code, and breakpoints behind it."""
        return code + (self.fence * WINDOW)[: WINDOW - len(code)]


def make_layout(arch: Arch, base: int, literals: bool) -> Layout:
    """Sites at every alignment that instructions can have, one that straddles two pages, and one at the end."""
    unit, text = min(arch.isa.sizes), base + TEXT_OFFSET
    start = text + FIRST_SITE
    sites = [start + number * SPACING + number % (16 // unit) * unit for number in range(SITES)]
    sites += [start + 4 * PAGE - unit, text + TEXT_SIZE - WINDOW]
    return Layout(base, tuple(sites), arch.isa.breakpoint(bytes(16)), literals)


def make_image(arch: Arch, layout: Layout) -> Image:
    """Text and buffer as an image. Each site is a symbol of its own, so that nothing before it counts."""
    text = bytearray(b"".join(_words(layout, arch.isa.registers.bits // 8)))
    symbols = []
    for number, at in enumerate((layout.then_at, *layout.sites)):
        offset = at - layout.text
        code = layout.fence * (FENCE_BEFORE // len(layout.fence)) + layout.window(b"")
        text[offset - FENCE_BEFORE : offset + WINDOW] = code
        symbols.append(Symbol(f"site{number}" if number else "then", at, WINDOW, "function"))
    section = Section(".text", layout.text, TEXT_SIZE, bytes(text), SHF_ALLOC | SHF_EXECINSTR)
    functions = tuple(sorted(symbols, key=lambda symbol: symbol.address))
    return Image(
        name="bench",
        machine=arch.elf.machine,
        elf_class=arch.elf.elf_class,
        entry=layout.base,
        segments=(
            Segment(layout.base, layout.fence * (PAGE // len(layout.fence)), PAGE, flags=PF_R | PF_X),
            Segment(layout.text, bytes(text), TEXT_SIZE, flags=PF_R | PF_X),
            Segment(layout.buffer, b"", BUFFER_SIZE, flags=PF_R | PF_W),
        ),
        sections={".text": section},
        symbols={symbol.name: symbol for symbol in symbols},
        functions=functions,
        labels=(),
    )


def _words(layout: Layout, size: int) -> Iterator[bytes]:
    """Text: literals, or breakpoints, which end what an engine translates at once where a jump lands."""
    top, fence = mask(8 * size), layout.fence * (size // len(layout.fence))
    for number, addr in enumerate(range(layout.text, layout.text + TEXT_SIZE, size)):
        value = {3: addr + 1, 6: ~addr}.get(number % 8, addr)
        yield (value & top).to_bytes(size, "little") if layout.literals else fence
