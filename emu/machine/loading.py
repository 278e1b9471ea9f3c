"""Placing an image in a machine's memory."""

from __future__ import annotations

from emu.bits import PAGE
from emu.elf.image import PF_W, PF_X, Image, Segment
from emu.machine.memory import Memory, Region


def place(image: Image, memory: Memory) -> list[Region]:
    """Add regions for the image to memory and write it there; segments that share a page share a region.

    A region is executable if any of its segments is. MemoryAccessError if something is there already.
    """
    regions = [_add_run(run, memory) for run in _runs(image.segments)]
    for segment in image.segments:
        if segment.data:
            memory.write(segment.address, segment.data)
    return regions


def _runs(segments: tuple[Segment, ...]) -> list[list[Segment]]:
    """Segments by address, grouped so that no two groups touch the same page."""
    runs: list[list[Segment]] = []
    for segment in sorted(segments, key=lambda segment: segment.address):
        if runs and segment.address // PAGE <= (runs[-1][-1].end - 1) // PAGE:
            runs[-1].append(segment)
        else:
            runs.append([segment])
    return runs


def _add_run(run: list[Segment], memory: Memory) -> Region:
    base = run[0].address // PAGE * PAGE
    end = -(-run[-1].end // PAGE) * PAGE
    executable = any(segment.flags & PF_X for segment in run)
    writable = any(segment.flags & PF_W for segment in run)
    name = "text" if executable else "data" if writable else "rodata"
    return memory.add(f"{name}@{base:#x}", base, end - base, executable=executable)
