"""Compare the C-SKY table with GNU binutils: `python -m tools.check_tables csky [--words N]`.

Compared are, word by word, whether it is an instruction, its length, its mnemonic and its operands: for every 16-bit
word, for every row with many operand values, for random 32-bit words and those beside an instruction. The assembler is
compared on the same rows: what we print must give gas the same bytes that it gives us.

`known_text` is what binutils prints where we knowingly print something else; each case there says why.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
from collections.abc import Iterable, Iterator

from arches.csky.insns import TABLE, halfword_size
from arches.csky.isa_assemble import assemble_line
from emu.errors import DecodeError
from emu.isa.table import Insn, Row
from tools.check_common import Comparison, edge_words, sample_words
from tools.check_common import report as shown
from tools.csky_binutils import BASE, Binutils, CheckError, assembled, binutils, objdump

# gas gives every idly the same count, and takes only r0..r7 in jmpix although the 32-bit one has five bits for it.
GAS_DIFFERS = frozenset(("idly32", "jmpix32"))


# What we say to the same words


def our_text(word: int, size: int, pc: int, text: bytes, comparison: Comparison) -> str:
    """What binutils must print for a word at `pc`, if we are right."""
    try:
        insn = TABLE.decode(word, size)
    except DecodeError:
        return f".long: {word:#010x}"
    ours = " ".join(TABLE.disassemble(word, size, pc).split())
    reason, known = known_text(insn, ours, pc, text)
    if known != ours:
        comparison.explained[reason] += 1
    return " ".join(known.split())


def known_text(insn: Insn, ours: str, pc: int, text: bytes) -> tuple[str, str]:
    """A reason, and our text changed to what binutils 2.40 is known to print in its place."""
    fields, name = insn.fields, insn.name
    if "lit" in fields or "far" in fields:
        return "a literal: its value, not its address", _literal_shown(insn, ours, pc, text)
    if name in ("push32", "pop32"):
        return "r16-r19: not printed if there are exactly four", _without_r16(ours)
    if name in ("lrs.h32", "srs.h32", "lrs.w32", "srs.w32"):
        offset = f"[{fields['goff'] >> (1 if '.h' in name else 2):#x}]"
        return "lrs and srs: the field as stored, not in bytes", re.sub(r"\[.*\]", offset, ours)
    return "", ours


def _literal_shown(insn: Insn, ours: str, pc: int, text: bytes) -> str:
    """binutils reads the word from the file; we have no memory to read."""
    match = re.search(r"\[(0x[0-9a-f]+)\]", ours)
    assert match is not None
    offset = int(match[1], 16) - BASE
    value = int.from_bytes(text[offset : offset + 4].ljust(4, b"\0"), "little")
    if offset == pc - BASE and insn.size == 4:
        value = insn.word  # by then binutils has swapped the halves of the instruction in its copy
    said = f"0x{value:X}" if insn.name in ("jmpi32", "jsri32") else f"{value:#x}"
    return ours.replace(match[0], said)


def _without_r16(ours: str) -> str:
    """binutils tests only two of the three bits that count the registers from r16 up."""
    if ours.endswith("r16-r19"):
        return ours.removesuffix("r16-r19")
    return ours.replace("r16-r19, ", "")


def compare(tools: Binutils, words: Iterable[int], comparison: Comparison) -> None:
    """Compare what both say to these words; one that starts with two ones is a 32-bit one."""
    placed = [(word, 4 if word > 0xFFFF else 2) for word in words]
    text = b"".join(TABLE.to_bytes(word, size) for word, size in placed)
    theirs = {addr: (raw, said) for addr, raw, said in objdump(tools, text)}
    pc = BASE
    for word, size in placed:
        raw, said = theirs.get(pc, ("nothing", "nothing"))
        expected = our_text(word, size, pc, text, comparison)
        if (raw, said) != (f"{word:0{2 * size}x}", expected):
            comparison.disagree(f"{word:0{2 * size}x} at {pc:#x}: binutils {said!r} ({raw}), we {expected!r}")
        pc += size
    comparison.compared += len(placed)


# Which words


def all_halfwords() -> Iterator[int]:
    """Every 16-bit word that is an instruction's whole."""
    return (word for word in range(1 << 16) if halfword_size(word) == 2)


def row_words(row: Row, rng: random.Random, count: int) -> Iterator[int]:
    """Encodings of a row: the edges of each field, and random values."""
    yield from sorted(edge_words(row))
    for _ in range(count if row.fields else 0):
        yield row.bits | rng.getrandbits(8 * row.size) & ~row.mask


def random_words(count: int, seed: int) -> Iterator[list[int]]:
    """Batches of 32-bit words, half of them inside rows."""
    for batch in sample_words(TABLE, 4, count, seed):
        yield [word | 0xC0000000 for word in batch]


# The assembler


def plain_text(word: int, row: Row) -> str | None:
    """A row's word as text that stands alone, without addresses; None where gas cannot read it."""
    insn = TABLE.decode(word, row.size)
    fields = insn.fields
    if insn.row is not row or fields.keys() & {"lit", "far", "off", "goff"}:
        return None  # an address is a symbol and a relocation to gas
    return TABLE.disassemble(word, row.size) if has_spelling(insn) else None


def has_spelling(insn: Insn) -> bool:
    """Whether the operands are ones that the manual allows, and that can be written."""
    fields = insn.fields
    if "list" in fields and not list_exists(fields["list"]):
        return False
    if fields.get("psr") == 0 or fields.get("onehot", 1) not in (1, 2, 4, 8):
        return False
    if "span" in fields:
        return fields["span"] + fields["lsb"] <= 31
    return fields.get("msb", 31) >= fields.get("lsb", 0)


def list_exists(value: int) -> bool:
    """Whether a push or pop list is one that the manual allows: r4-r11, r15, r16-r17, r28, and not empty."""
    return value != 0 and value & 15 <= 8 and value >> 5 & 7 <= 2


def compare_assembler(tools: Binutils, rng: random.Random, count: int, comparison: Comparison) -> None:
    """Our assembler and gas on the same lines: the same bytes, so also the same choice between encodings."""
    for row in TABLE.rows:
        texts = (plain_text(word, row) for word in row_words(row, rng, count) if row.matches(word))
        lines = [text for text in texts if text is not None]
        if not lines or row.name in GAS_DIFFERS:
            continue
        try:
            theirs = assembled(tools, lines)
        except CheckError as error:
            comparison.disagree(f"{row.name}: gas: {error}"[:300])
            continue
        for number, line in enumerate(lines):
            ours, made = assemble_line(line), theirs[4 * number : 4 * number + 4]
            if not made.startswith(ours):  # the rest is padding
                comparison.disagree(f"{line}: gas {made.hex()}, we {ours.hex()}")
        comparison.compared += len(lines)


def check(tools: Binutils, words: int, per_row: int, seed: int) -> list[Comparison]:
    """All comparisons; see the module."""
    rng = random.Random(seed)
    halfwords, rows = Comparison("csky, every 16-bit word"), Comparison("csky, every row")
    compare(tools, all_halfwords(), halfwords)
    for row in TABLE.rows:
        compare(tools, row_words(row, rng, per_row), rows)
    lines, others = Comparison("csky, lines for gas"), Comparison("csky, 32-bit words")
    compare_assembler(tools, rng, per_row, lines)
    for batch in random_words(words, seed):
        compare(tools, batch, others)
    return [halfwords, rows, lines, others]


FULL = ("--words", "10000000")


def main(argv: list[str] | None = None) -> int:
    """0 if everything agrees, 1 if not, 2 if there is no binutils."""
    parser = argparse.ArgumentParser(prog="check_tables csky", description="Compare the C-SKY table with GNU binutils.")
    parser.add_argument("--words", type=int, default=100_000, help="random 32-bit words (default %(default)s)")
    parser.add_argument("--per-row", type=int, default=30, help="operand values for each row (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the random words")
    options = parser.parse_args(argv)
    try:
        tools = binutils()
    except CheckError as error:
        print(f"check_csky: {error}", file=sys.stderr)
        return 2
    comparisons = check(tools, options.words, options.per_row, options.seed)
    print("\n".join(shown(comparison) for comparison in comparisons))
    return 1 if any(comparison.disagreements for comparison in comparisons) else 0


if __name__ == "__main__":
    sys.exit(main())
