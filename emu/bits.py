"""Arithmetic on fields and words, unsigned unless the name says otherwise; and what divides memory."""

PAGE = 0x1000


def mask(width: int) -> int:
    """An integer with the lowest `width` bits set."""
    return (1 << width) - 1


def field(word: int, high: int, low: int) -> int:
    """Bits high..low of a word, both ends included, as manuals write them."""
    return (word >> low) & mask(high - low + 1)


def sext(value: int, width: int) -> int:
    """The lowest `width` bits of value as a signed (two's complement) integer."""
    sign = 1 << (width - 1)
    return ((value & mask(width)) ^ sign) - sign


def fits_signed(value: int, width: int) -> bool:
    """Whether a signed integer can be held in `width` bits."""
    return -(1 << (width - 1)) <= value < 1 << (width - 1)
