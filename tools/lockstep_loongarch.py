"""Random LoongArch64 instructions on our interpreter and on qemu-loongarch64: the same program, the same result.

A program is a static ELF of many blocks. A block loads all registers with its own values, executes random
instructions, and stores all registers; at the end the program writes out these results and the data that
loads and stores worked on. One register of each block, a different one each time, holds the address
of the results and is never a destination. Instructions that would fault are led to a good address, or
a good operand, by instructions before them; such a group is a unit. When results differ, the first
unit after which they do is found by running shorter and shorter programs.
"""

from __future__ import annotations

import random
import struct
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from arches.loongarch.insns import TABLE
from arches.loongarch.semantics import make_cpu
from emu.isa.table import Row
from emu.machine.cpu import Trap, TrapKind
from emu.machine.memory import Memory

QEMU = "qemu-loongarch64"
TEXT = 0x10000000
INIT, RESULTS = 0x20000000, 0x28000000
DATA, DATA_SIZE = 0x30000000, 0x20000  # loads and stores go around the middle
MIDDLE = DATA + DATA_SIZE // 2
BLOCKS, UNITS = 100, 250  # of one program
RECORD = 256  # bytes of a block's registers
PAGE = 0x10000

# Traps, results that are the machine's own, and preldx, which QEMU 7.2 takes as no instruction.
EXCLUDED = frozenset(("break", "syscall", "dbcl", "rdtimel.w", "rdtimeh.w", "rdtime.d", "cpucfg", "preldx"))
BRANCHES = frozenset(("beqz", "bnez", "bceqz", "bcnez", "b", "bl", "beq", "bne", "blt", "bge", "bltu", "bgeu"))

Unit = tuple[int, ...]
"""The words of a random instruction and of those that prepare it."""


def rows_to_run() -> list[Row]:
    """The la464's unprivileged integer rows."""
    return [row for row in TABLE.rows if row.name not in EXCLUDED and not {"priv", "la664"} & set(row.extra)]


@dataclass(frozen=True)
class Block:
    base: int  # the register that holds the address of the results
    values: tuple[int, ...]
    units: tuple[Unit, ...]


# Making programs


class Generator:
    """Random units for a block whose register `base` must stay."""

    def __init__(self, rng: random.Random, base: int) -> None:
        self.rng = rng
        self.base = base

    def register(self, *others: int) -> int:
        """A register that can be set: neither r0, nor the base, nor one of the others."""
        return self.rng.choice([n for n in range(1, 32) if n != self.base and n not in others])

    def unit(self, row: Row) -> Unit:
        fields = self._random_fields(row)
        if fields.get("rd") == self.base:
            fields["rd"] = self.register()
        if row.name in BRANCHES:
            return self._branch(row, fields)
        if row.name == "jirl":
            return self._jump(fields)
        if row.name[:2] in ("ll", "sc"):
            return self._exclusive(row, fields)
        if row.name[:4] in ("ldgt", "ldle", "stgt", "stle", "asrt"):
            return self._bounded(row, fields)
        if row.name.startswith("am"):
            return self._atomic(row, fields)
        if row.name.startswith(("ld", "st", "preld")):
            return self._access(row, fields)
        if "msb" in fields:
            fields["lsb"], fields["msb"] = sorted((fields["lsb"], fields["msb"]))
        return (TABLE.encode(row.name, **fields),)

    def _random_fields(self, row: Row) -> dict[str, int]:
        word = self.rng.getrandbits(32) & ~row.mask | row.bits
        return {field.name: field.extract(word) for field in row.fields}

    def _point(self, register: int, offset: int = 0) -> Unit:
        """Make a register point into the data."""
        load = TABLE.encode("lu12i.w", rd=register, imm=MIDDLE >> 12)
        return (load, TABLE.encode("ori", rd=register, rj=register, imm=offset)) if offset else (load,)

    def _filler(self) -> int:
        return TABLE.encode("addi.d", rd=self.register(), rj=self.register(), imm=self.rng.randrange(-2048, 2048))

    def _branch(self, row: Row, fields: dict[str, int]) -> Unit:
        name = "b" if row.name == "bl" and self.base == 1 else row.name
        return TABLE.encode(name, **fields | {"off": 8}), self._filler()

    def _jump(self, fields: dict[str, int]) -> Unit:
        rj = self.register()
        far = self.rng.randrange(-0x1000, 0x1000)  # rj is this many words off, the offset takes it back
        here = TABLE.encode("pcaddi", rd=rj, imm=far)
        jump = TABLE.encode("jirl", rd=fields["rd"], rj=rj, imm=12 - 4 * far)
        return here, jump, self._filler()

    def _access(self, row: Row, fields: dict[str, int]) -> Unit:
        fields["rj"] = self.register()
        before = self._point(fields["rj"])
        if "rk" in fields:
            fields["rk"] = self.register(fields["rj"])
            before += (TABLE.encode("andi", rd=fields["rk"], rj=fields["rk"], imm=self.rng.randrange(4096)),)
        return (*before, TABLE.encode(row.name, **fields))

    def _bounded(self, row: Row, fields: dict[str, int]) -> Unit:
        rj = fields["rj"] = self.register()
        rk = fields["rk"] = self.register(rj)
        beyond = -1 if "gt" in row.name else self.rng.randrange(2)
        bound = TABLE.encode("lu12i.w", rd=rk, imm=(MIDDLE >> 12) + beyond)
        return (*self._point(rj), bound, TABLE.encode(row.name, **fields))

    def _atomic(self, row: Row, fields: dict[str, int]) -> Unit:
        rj = fields["rj"] = self.register(fields["rd"])
        if fields["rk"] == fields["rd"]:
            fields["rk"] = 0
        return (*self._point(rj, self.rng.randrange(0, 4096, 8)), TABLE.encode(row.name, **fields))

    def _exclusive(self, row: Row, fields: dict[str, int]) -> Unit:
        # No second sc: QEMU 7.2 lets it succeed if memory still has the value that ll saw.
        width = row.name[2:]
        rj = self.register()
        place = {"rj": rj, "imm": fields["imm"] & ~7}
        load = TABLE.encode(f"ll{width}", rd=self.register(rj), **place)
        store = TABLE.encode(f"sc{width}", rd=self.register(rj), **place)
        return (*self._point(rj), load, store)


def _random_value(rng: random.Random) -> int:
    value = rng.getrandbits(64)
    kind = rng.randrange(6)
    if kind == 0:
        return rng.choice((0, 1, 1 << 63, 1 << 31, (1 << 31) - 1, (1 << 63) - 1, (1 << 64) - 1, 0xFFFFFFFF80000000))
    if kind == 1:
        return value >> rng.randrange(64)
    if kind == 2:
        return (value & 0xFFFFFFFF ^ 1 << 31) - (1 << 31) & (1 << 64) - 1
    return value


def random_blocks(count: int, units: int, rng: random.Random) -> list[Block]:
    rows = rows_to_run()
    blocks = []
    for _ in range(count):
        generator = Generator(rng, rng.randrange(1, 32))
        values = tuple(_random_value(rng) for _ in range(32))
        chosen = tuple(generator.unit(rng.choice(rows)) for _ in range(units))
        blocks.append(Block(generator.base, values, chosen))
    return blocks


def _address(register: int, value: int) -> Unit:
    high = TABLE.encode("lu12i.w", rd=register, imm=value >> 12)
    return high, TABLE.encode("ori", rd=register, rj=register, imm=value & 0xFFF)


def _block_words(block: Block, number: int) -> Iterator[int]:
    others = [n for n in range(1, 32) if n != block.base]
    yield from _address(block.base, INIT + number * RECORD)
    for n in others:
        yield TABLE.encode("ld.d", rd=n, rj=block.base, imm=8 * n)
    yield from _address(block.base, RESULTS + number * RECORD)
    for unit in block.units:
        yield from unit
    for n in others:
        yield TABLE.encode("st.d", rd=n, rj=block.base, imm=8 * n)


def _system_call(number: int, *arguments: int) -> Iterator[int]:
    for register, value in enumerate(arguments, 4):
        yield from _address(register, value)
    yield from _address(11, number)
    yield TABLE.encode("syscall", code=0)


def program(blocks: Sequence[Block]) -> tuple[bytes, bytes]:
    """Text, and the registers' first values."""
    words: list[int] = []
    for number, block in enumerate(blocks):
        words += _block_words(block, number)
    words += _system_call(64, 1, RESULTS, len(blocks) * RECORD)  # write
    words += _system_call(64, 1, DATA, DATA_SIZE)
    words += _system_call(93, 0)  # exit
    return struct.pack(f"<{len(words)}I", *words), b"".join(struct.pack("<32Q", *block.values) for block in blocks)


# Running them


def run_here(text: bytes, init: bytes) -> bytes:
    """What the program writes, on our interpreter."""
    memory = Memory()
    sizes = {TEXT: len(text), INIT: len(init), RESULTS: len(init), DATA: DATA_SIZE}
    for base, size in sizes.items():
        memory.add(f"{base:#x}", base, -(-size // PAGE) * PAGE, executable=base == TEXT)
    memory.write(TEXT, text)
    memory.write(INIT, init)
    cpu = make_cpu(0, memory)
    cpu.pc = TEXT
    output = b""
    while True:
        stop = cpu.run(1 << 30)
        if not isinstance(stop, Trap) or stop.kind is not TrapKind.SYSCALL:
            return output + f"stopped here: {stop}".encode()
        if cpu.get("a7") == 93:
            return output
        output += memory.read(cpu.get("a1"), cpu.get("a2"))
        cpu.pc += 4


def elf(text: bytes, init: bytes) -> bytes:
    """A static executable with the program's four segments."""
    segments = [(TEXT, text, 5), (INIT, init, 4), (RESULTS, bytes(len(init)), 6), (DATA, bytes(DATA_SIZE), 6)]
    headers, body = b"", b""
    for address, data, flags in segments:
        offset = PAGE + len(body)
        headers += struct.pack("<IIQQQQQQ", 1, flags, offset, address, address, len(data), len(data), PAGE)
        body += data + bytes(-len(data) % PAGE)
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    machine, double_float = 258, 3
    header = ident + struct.pack(
        "<HHIQQQIHHHHHH", 2, machine, 1, TEXT, 64, 0, double_float, 64, 56, len(segments), 64, 0, 0
    )
    return (header + headers).ljust(PAGE, b"\0") + body


def run_qemu(text: bytes, init: bytes) -> bytes:
    """What the program writes, on QEMU."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "program"
        path.write_bytes(elf(text, init))
        path.chmod(0o755)
        done = subprocess.run([QEMU, path], capture_output=True, check=False)
    if done.returncode:
        return done.stdout + f"stopped on QEMU: {done.returncode} {done.stderr.decode(errors='replace')}".encode()
    return done.stdout


# Comparing


def run_lockstep(instructions: int, seed: int) -> Iterator[tuple[int, str | None]]:
    """For each program: how many random instructions it had, and the first difference."""
    rng = random.Random(seed)
    while instructions > 0:
        units = min(UNITS, instructions)
        blocks = random_blocks(min(BLOCKS, -(-instructions // units)), units, rng)
        instructions -= len(blocks) * units
        yield len(blocks) * units, difference(blocks)


def difference(blocks: Sequence[Block]) -> str | None:
    """The unit after which the results first differ, and how; None if they agree."""
    low, high = 0, sum(len(block.units) for block in blocks)
    if not _differ(blocks, high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _differ(blocks, middle) else (middle, high)
    return _describe(blocks, high)


def _shortened(blocks: Sequence[Block], units: int) -> list[Block]:
    kept = []
    for block in blocks:
        kept.append(Block(block.base, block.values, block.units[:units]))
        units -= len(block.units)
        if units <= 0:
            break
    return kept


def _differ(blocks: Sequence[Block], units: int) -> bool:
    text, init = program(_shortened(blocks, units))
    return run_here(text, init) != run_qemu(text, init)


def _describe(blocks: Sequence[Block], units: int) -> str:
    kept = _shortened(blocks, units)
    text, init = program(kept)
    here, there = run_here(text, init), run_qemu(text, init)
    lines = [TABLE.disassemble(word) for word in kept[-1].units[-1]]
    return f"after {'; '.join(lines)}: {_first_difference(here, there, len(kept))}"


def _first_difference(here: bytes, there: bytes, blocks: int) -> str:
    results = blocks * RECORD
    for at in range(0, min(len(here), len(there)), 8):
        if here[at : at + 8] != there[at : at + 8]:
            place = f"r{at % RECORD // 8}" if at < results else f"data + {at - results:#x}"
            mine, theirs = (int.from_bytes(side[at : at + 8], "little") for side in (here, there))
            return f"{place} is {mine:#x} here, {theirs:#x} on QEMU"
    return f"{here[-80:]!r} here, {there[-80:]!r} on QEMU"
