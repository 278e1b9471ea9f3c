"""Compare the C-SKY table with GNU binutils: `check_csky.py [--words N]`, or `check_tables.py csky`.

binutils is built once, for a C-SKY target, from Debian's binutils-source package into .cache/binutils-csky (two or
three minutes). Compared are, word by word: whether it is an instruction, its length, its mnemonic and its operands.

* every 16-bit word;
* every row with many operand values;
* random 32-bit words, half of them a few bits away from an instruction;
* the assembler: each row's text goes through gas, which must give the word that it came from.

`known_text` is what binutils prints where we knowingly print something else; each case there says why.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from arches.csky.assemble_line import assemble_line
from arches.csky.table import TABLE, halfword_size
from emu.errors import DecodeError
from emu.isa.table import Insn, Row

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "binutils-csky"
SOURCES = Path("/usr/src/binutils")
PROGRAMS = {"as": "gas/as-new", "objdump": "binutils/objdump", "ld": "ld/ld-new"}
# gas gives every idly the same count, and takes only r0..r7 in jmpix although the 32-bit one has five bits for it.
GAS_DIFFERS = frozenset(("idly32", "jmpix32"))
CPUS = ("ck860", "ck810", "ck802j")  # together they have all that the table has
BASE = 0x100000  # where the words lie, so that no address is negative


class CheckError(Exception):
    """binutils cannot be had, or does not do what it is asked."""


# Building binutils


@dataclass(frozen=True)
class Binutils:
    """A built binutils: the programs lie in `folder`."""

    folder: Path

    def run(self, program: str, *arguments: str) -> str:
        done = subprocess.run([str(self.folder / program), *arguments], capture_output=True, text=True)
        if done.returncode:
            raise CheckError(f"{program} {' '.join(arguments)}: {done.stderr.strip()[:2000]}")
        return done.stdout


def cached(cache: Path = CACHE) -> Binutils | None:
    """What an earlier run has built, None if there is nothing."""
    folder = cache / "bin"
    return Binutils(folder) if all((folder / name).exists() for name in PROGRAMS) else None


def binutils(cache: Path = CACHE) -> Binutils:
    """binutils for C-SKY, built now if it has not been; CheckError where it cannot be built."""
    found = cached(cache)
    if found is None:
        source = _source()
        print(f"building binutils for C-SKY from {source} into {cache}", file=sys.stderr)
        with tempfile.TemporaryDirectory() as scratch:
            _build(source, Path(scratch), cache / "bin")
        found = Binutils(cache / "bin")
    return found


def _source() -> Path:
    if not (archives := sorted(SOURCES.glob("binutils-*.tar.*"))):
        subprocess.run(["apt-get", "install", "-y", "-q", "binutils-source"], capture_output=True)
        archives = sorted(SOURCES.glob("binutils-*.tar.*"))
    if not archives:
        raise CheckError(f"no binutils-*.tar.* in {SOURCES}: expected Debian's package binutils-source")
    return archives[-1]


def _build(source: Path, scratch: Path, destination: Path) -> None:
    with tarfile.open(source) as archive:
        archive.extractall(scratch, filter="tar")
    top = next(path for path in scratch.iterdir() if path.is_dir())
    build = scratch / "build"
    build.mkdir()
    unwanted = ("nls", "gdb", "gdbserver", "sim", "gprof", "gprofng", "gold", "werror", "plugins", "shared", "doc")
    options = ["--target=csky-linux-gnuabiv2", "--without-zstd", *(f"--disable-{name}" for name in unwanted)]
    _quietly([str(top / "configure"), *options], build)
    _quietly(["make", "-j2", "MAKEINFO=true", "all-gas", "all-binutils", "all-ld"], build)
    destination.mkdir(parents=True, exist_ok=True)
    for name, built in PROGRAMS.items():
        shutil.copy2(build / built, destination / name)


def _quietly(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(["nice", *command], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise CheckError(f"{' '.join(command)[:200]}: {done.stdout[-500:]}{done.stderr[-1500:]}")


# Words for objdump: an ELF file with a text section and, so that objdump knows what the CPU has, its attributes

# Bits of Tag_CSKY_ISA_FLAGS (binutils include/opcode/csky.h): E1 1E2 2E3 3E7 7E10 3E3R1 3E3R2 10E60 3E3R3, TRUST,
# CACHE, NVIC, MP, MP_1E2, JAVA, DSP, DSP_1E2 and DSPE60. Not: floating point, vectors, enhanced DSP.
ISA_BITS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 15, 16, 17, 20, 21, 23)
ELF_FLAGS = 0x2100001F  # abiv2, any CPU
_SHT_PROGBITS, _SHT_STRTAB, _SHT_ATTRIBUTES = 1, 3, 0x70000001
_EXECUTABLE = 4


def _uleb128(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _uleb128(rest) if rest else bytes([low])


def _attributes() -> bytes:
    tag = b"\x06" + _uleb128(sum(1 << bit for bit in ISA_BITS))
    file_scope = b"\x01" + struct.pack("<I", 5 + len(tag)) + tag
    vendor = b"csky\0" + file_scope
    return b"A" + struct.pack("<I", 4 + len(vendor)) + vendor


def object_file(text: bytes) -> bytes:
    """A relocatable C-SKY object that holds only `.text`, at BASE."""
    names = b"\0.text\0.csky.attributes\0.shstrtab\0"
    contents = (text, _attributes(), names)
    header_size, section_size = 52, 40
    offsets = [header_size + sum(map(len, contents[:n])) for n in range(len(contents))]
    table = header_size + sum(map(len, contents))
    ident = b"\x7fELF\x01\x01\x01".ljust(16, b"\0")
    header = ident + struct.pack(
        "<HHIIIIIHHHHHH", 1, 252, 1, 0, 0, table, ELF_FLAGS, header_size, 0, 0, section_size, 4, 3
    )
    kinds = ((1, _SHT_PROGBITS, 6, BASE), (7, _SHT_ATTRIBUTES, 0, 0), (24, _SHT_STRTAB, 0, 0))
    sections = bytes(section_size)
    for (name, kind, flags, addr), offset, content in zip(kinds, offsets, contents, strict=True):
        sections += struct.pack("<10I", name, kind, flags, addr, offset, len(content), 0, 0, 4, 0)
    return header + b"".join(contents) + sections


_LINE = re.compile(r"^ *([0-9a-f]+):\t([0-9a-f]{4,8})\s*\t(.*)$", re.MULTILINE)


def objdump(tools: Binutils, text: bytes) -> Iterator[tuple[int, str, str]]:
    """Address, hexadecimal word and instruction text of each line."""
    # Behind the words there must be something to read for whatever literal they name.
    padding = bytes(1 << 19)
    with tempfile.NamedTemporaryFile(suffix=".o") as file:
        file.write(object_file(text + padding))
        file.flush()
        stop = f"--stop-address={BASE + len(text):#x}"
        output = tools.run("objdump", "-d", "-z", stop, file.name)
    for match in _LINE.finditer(output):
        yield int(match[1], 16), match[2], " ".join(match[3].split("//")[0].split())


# What we say to the same words


@dataclass
class Result:
    """Words compared, and disagreements with an example each."""

    compared: int = 0
    lines: int = 0
    disagreements: list[str] = field(default_factory=list)

    def differ(self, text: str) -> None:
        self.disagreements.append(text)


def our_text(word: int, size: int, pc: int, text: bytes) -> str:
    """What binutils must print for a word at `pc`, if we are right."""
    try:
        insn = TABLE.decode(word, size)
    except DecodeError:
        return f".long: {word:#010x}"
    ours = TABLE.disassemble(word, size, pc)
    return " ".join(known_text(insn, ours, pc, text).split())


def known_text(insn: Insn, ours: str, pc: int, text: bytes) -> str:
    """Our text changed to what binutils 2.40 is known to print in its place."""
    fields, name = insn.fields, insn.name
    if "lit" in fields or "far" in fields:
        return _literal_shown(insn, ours, pc, text)
    if name in ("push32", "pop32") and fields["list"] >> 5 & 7 == 4:
        return _lost_registers(ours)
    if name in ("lrs.h32", "srs.h32", "lrs.w32", "srs.w32"):
        # Our offset is in bytes, as for every other load; binutils shows the field as it is stored.
        scale = 1 if ".h" in name else 2
        return re.sub(r"\[.*\]", f"[{fields['goff'] >> scale:#x}]", ours)
    return ours


def _literal_shown(insn: Insn, ours: str, pc: int, text: bytes) -> str:
    """binutils prints the word that a literal's address holds; we, who have no memory to read, the address."""
    match = re.search(r"\[(0x[0-9a-f]+)\]", ours)
    assert match is not None
    offset = int(match[1], 16) - BASE
    value = int.from_bytes(text[offset : offset + 4].ljust(4, b"\0"), "little")
    if offset == pc - BASE and insn.size == 4:
        value = insn.word  # by then binutils has swapped the halves of the instruction in its copy
    shown = f"0x{value:X}" if insn.name in ("jmpi32", "jsri32") else f"{value:#x}"
    return ours.replace(match[0], shown)


def _lost_registers(ours: str) -> str:
    """Of r16 and up binutils prints none if there are exactly four (it tests two of the three bits of the count)."""
    if ours.endswith("r16-r19"):
        ours = ours.removesuffix("r16-r19").rstrip()
    return ours.replace("r16-r19, ", "")


def compare(tools: Binutils, words: Iterable[int], result: Result) -> None:
    """Compare what both say to these words; a word above 0xffff or starting with two ones is a 32-bit one."""
    placed = [(word, 4 if word > 0xFFFF else 2) for word in words]
    text = b"".join(TABLE.to_bytes(word, size) for word, size in placed)
    theirs = {addr: (shown, said) for addr, shown, said in objdump(tools, text)}
    pc = BASE
    for word, size in placed:
        shown, said = theirs.get(pc, ("nothing", "nothing"))
        expected = our_text(word, size, pc, text)
        if (shown, said) != (f"{word:0{2 * size}x}", expected):
            result.differ(f"{word:0{2 * size}x} at {pc:#x}: binutils {said!r} ({shown}), we {expected!r}")
        pc += size
    result.compared += len(placed)


# Which words


def all_halfwords() -> Iterator[int]:
    """Every 16-bit word that is an instruction's whole."""
    return (word for word in range(1 << 16) if halfword_size(word) == 2)


def row_words(row: Row, rng: random.Random, count: int) -> Iterator[int]:
    """Encodings of a row: the smallest and largest values of each field, and random ones."""
    free = [bit for bit in range(8 * row.size) if not row.mask >> bit & 1]
    patterns = [0, (1 << len(free)) - 1, *(1 << n for n in range(len(free)))]
    patterns += [rng.getrandbits(len(free)) if free else 0 for _ in range(count)]
    for pattern in patterns:
        yield row.bits | sum((pattern >> n & 1) << bit for n, bit in enumerate(free))


def random_words(rng: random.Random, count: int) -> Iterator[int]:
    """32-bit words: any, and instructions with up to three bits flipped."""
    rows = [row for row in TABLE.rows if row.size == 4]
    for n in range(count):
        word = rng.getrandbits(32)
        if n % 2:
            row = rng.choice(rows)
            word = row.bits | word & ~row.mask & 0xFFFFFFFF
            for _ in range(rng.randrange(4)):
                word ^= 1 << rng.randrange(32)
        yield word | 0xC0000000


# The assembler


def assembled(tools: Binutils, lines: Sequence[str], cpus: Sequence[str] = CPUS) -> bytes:
    """What gas makes of these lines, four bytes each, for the first CPU that has them all; CheckError if none has."""
    with tempfile.TemporaryDirectory() as scratch:
        source, made = Path(scratch, "in.s"), Path(scratch, "out.o")
        source.write_text("".join(f"{line}\n.p2align 2\n" for line in lines))
        try:
            tools.run("as", f"-mcpu={cpus[0]}", str(source), "-o", str(made))
        except CheckError:
            if len(cpus) == 1:
                raise
            return assembled(tools, lines, cpus[1:])
        return _text_section(made.read_bytes())


def _text_section(data: bytes) -> bytes:
    (table,) = struct.unpack_from("<I", data, 32)
    (count,) = struct.unpack_from("<H", data, 48)
    for n in range(count):
        _, kind, flags, _, offset, size = struct.unpack_from("<6I", data, table + 40 * n)
        if kind == _SHT_PROGBITS and flags & _EXECUTABLE:
            return data[offset : offset + size]
    raise CheckError("gas wrote no text section")


def plain_text(word: int, row: Row) -> str | None:
    """A row's word as text that stands alone, without addresses; None where gas cannot read it."""
    insn = TABLE.decode(word, row.size)
    fields = insn.fields
    if insn.row is not row or fields.keys() & {"lit", "far", "off", "goff"}:
        return None  # an address is a symbol and a relocation to gas
    if row.name in ("push16", "pop16", "push32", "pop32") and not _list_exists(fields["list"]):
        return None
    if fields.get("psr") == 0 or fields.get("onehot", 1) not in (1, 2, 4, 8):
        return None
    if fields.get("span", 0) + fields.get("lsb", 0) > 31 or fields.get("msb", 31) < fields.get("lsb", 0):
        return None
    return TABLE.disassemble(word, row.size)


def _list_exists(value: int) -> bool:
    """Whether a push or pop list is one that the manual allows: r4-r11, r15, r16-r17, r28, and not empty."""
    return value != 0 and value & 15 <= 8 and value >> 5 & 7 <= 2


def compare_assembler(tools: Binutils, rng: random.Random, count: int, result: Result) -> None:
    """Our assembler and gas on the same lines: the same bytes, so also the same choice between encodings."""
    for row in TABLE.rows:
        texts = (plain_text(word, row) for word in row_words(row, rng, count) if row.matches(word))
        lines = [text for text in texts if text is not None]
        if not lines or row.name in GAS_DIFFERS:
            continue
        try:
            theirs = assembled(tools, lines)
        except CheckError as error:
            result.differ(f"{row.name}: gas: {error}"[:300])
            continue
        for number, line in enumerate(lines):
            ours, shown = assemble_line(line), theirs[4 * number : 4 * number + 4]
            if not shown.startswith(ours):  # the rest is padding
                result.differ(f"{line}: gas {shown.hex()}, we {ours.hex()}")
        result.lines += len(lines)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Compare the C-SKY table with GNU binutils.")
    parser.add_argument("--words", type=int, default=1_000_000, help="random 32-bit words (default %(default)s)")
    parser.add_argument("--per-row", type=int, default=300, help="operand values for each row (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the random words")
    options = parser.parse_args(argv)
    try:
        tools = binutils()
    except CheckError as error:
        print(f"check_csky: {error}", file=sys.stderr)
        return 2
    return report(check(tools, options.words, options.per_row, random.Random(options.seed)))


def check(tools: Binutils, words: int, per_row: int, rng: random.Random) -> Result:
    """All comparisons; see the module."""
    result = Result()
    compare(tools, all_halfwords(), result)
    for row in TABLE.rows:
        compare(tools, row_words(row, rng, per_row), result)
    compare_assembler(tools, rng, per_row, result)
    chunk = 200_000
    for start in range(0, words, chunk):
        compare(tools, random_words(rng, min(chunk, words - start)), result)
    return result


def report(result: Result) -> int:
    found = result.disagreements
    for line in found[:40]:
        print(line)
    compared = f"{result.compared:,} words and {result.lines:,} lines"
    print(f"csky: {compared} compared with binutils, {len(found):,} disagreements")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
