"""Where the segments of an image are in memory."""

from __future__ import annotations

import pytest

from emu.bits import PAGE
from emu.elf.image import Image, Segment
from emu.errors import MemoryAccessError
from emu.machine.loading import place
from emu.machine.memory import Memory

R, W, X = 4, 2, 1


def image(*segments: tuple[int, bytes, int, int]) -> Image:
    made = tuple(Segment(*segment) for segment in segments)
    return Image("made", "EM_AARCH64", 64, 0x10000, made, sections={}, symbols={}, functions=(), labels=())


def test_place_rounds_to_pages_and_fills_with_zeros():
    memory = Memory()
    regions = place(image((0x10010, b"text", 4, R | X), (0x20FFC, b"da", 8, R | W)), memory)
    assert [(r.base, r.size, r.executable) for r in regions] == [(0x10000, PAGE, True), (0x20000, 2 * PAGE, False)]
    assert memory.read(0x10010, 5) == b"text\0"
    assert memory.read(0x20FFC, 8) == b"da" + bytes(6)


def test_place_joins_segments_that_share_a_page():
    memory = Memory()
    segments = (
        (0x10000, b"r", 0x1801, R),
        (0x12FF0, b"x", 0x20, R | X),
        (0x11802, b"w", 1, R | W),
        (0x20000, b"d", 1, R | W),
    )
    regions = place(image(*segments), memory)
    assert [(r.base, r.size, r.executable) for r in regions] == [
        (0x10000, 2 * PAGE, False),
        (0x12000, 2 * PAGE, True),
        (0x20000, PAGE, False),
    ]
    touching = image((0x10000, b"x", PAGE, R | X), (0x11000, b"w", 1, R | W))
    assert [r.base for r in place(touching, Memory())] == [0x10000, 0x11000]
    joined = place(image((0x10000, b"r", 0x10, R), (0x10010, b"x", 4, R | X)), Memory())
    assert [(r.base, r.size, r.executable) for r in joined] == [(0x10000, PAGE, True)]


def test_place_where_something_is_already():
    memory = Memory()
    memory.add("slots", 0x10000, PAGE)
    with pytest.raises(MemoryAccessError, match="overlaps slots"):
        place(image((0x10000, bytes(16), 16, R | X)), memory)
