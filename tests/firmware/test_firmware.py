"""The guest kernels: the symbols of firmware/README.md, the words at the sites, and what the functions compute."""

from __future__ import annotations

import importlib
import importlib.util
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

import arches
from emu.bits import PAGE, mask
from emu.elf.elf_side import ElfSide
from emu.elf.image import Image, load_image
from emu.machine.cpu import Halt, Trap, TrapKind
from emu.machine.loading import place
from emu.machine.memory import Memory
from tests.arch_rows import every_arch_has_a_row
from tools import csky_binutils

ROOT = Path(__file__).resolve().parents[2]
FIRMWARE = ROOT / "firmware"
CPUS, STACK = 8, 1024

Formula = Callable[[int, int], int]  # of the argument and the size of a long

# What firmware/README.md says, written down a second time.
FUNCTIONS: dict[str, Formula] = {
    "probe_me": lambda x, w: 2 * (x + 3),
    "nested_target": lambda x, w: 2 * (x + 2),
    "leaf_add": lambda x, w: x + 5,
    "probe_branch": lambda x, w: x + 1 if x % 2 else x + 17,
    "probe_call": lambda x, w: 2 * x + 11,
    "probe_indirect": lambda x, w: 2 * x + 13,
    "probe_ret": lambda x, w: x + 7,
    "probe_pcrel": lambda x, w: x + 0x1000,
    "probe_load": lambda x, w: x + w * ((x + 1) % 4),
    "probe_atomic": lambda x, w: x + 9,
    "atomic_add": lambda x, w: x,
}
ABSOLUTE_EXTABLES = ("mips", "csky")  # they do not select ARCH_HAS_RELATIVE_EXTABLE
EXTABLE: dict[str, Formula] = {"probe_extable": lambda x, w: x + w}
TRAPS: dict[str, Formula] = {"foreign_break": lambda x, w: x + 21, "bug_site": lambda x, w: x + 1}
WARN: dict[str, Formula] = {"warn_site": lambda x, w: x + 2}


def probe_compressed(x: int, w: int) -> int:
    y = x + 3
    return y + (16 if y % 2 else 0) + (0 if y & 2 else 4) + 5 + 32


def probe_delay(x: int, w: int) -> int:
    return 2 * (x + 1 + (0 if x % 2 else 16) + (0 if x < 2 else 32) + 64 + 3)


CSKY: dict[str, Formula] = {
    "probe_compare": lambda x, w: x + 1 if x < 4 else x + 17,
    "probe_lrw16": lambda x, w: x + 0x01234567,
    "probe_lrw32": lambda x, w: x + 0x07654321,
    "probe_branch_far": lambda x, w: x + 11,
    "probe_jsr16": lambda x, w: 2 * x + 13,
    "probe_pop32": lambda x, w: x + 37,
    "probe_step32": lambda x, w: x + 258,
    "probe_grs": lambda x, w: x + 0x1000,
}


SITES = (
    *("probe_branch_site", "probe_call_site", "probe_indirect_site", "probe_pcrel_site", "probe_load_site"),
    *("probe_ret_site", "probe_atomic_load", "probe_atomic_mid", "probe_atomic_store", "foreign_break_site"),
)


@dataclass(frozen=True)
class Guest:
    """What one image has; `words` are bytes in memory order, from the facts about the kernels or the ISA manuals."""

    machine: str
    elf_class: int
    functions: dict[str, Formula]
    traps: dict[str, Formula]
    words: dict[str, str]
    text: dict[str, str]  # site -> what another disassembler calls the instruction there
    nop: str  # the shortest one
    sites: tuple[str, ...] = ()
    trap_kinds: dict[str, tuple[TrapKind, int | None]] = field(default_factory=dict)

    @property
    def long(self) -> int:
        return self.elf_class // 8


GUESTS = {
    "arm64": Guest(
        machine="EM_AARCH64",
        elf_class=64,
        functions=FUNCTIONS | EXTABLE | {"probe_literal": lambda x, w: x + 0x0123456789ABCDEF},
        traps=TRAPS | WARN,
        words={"foreign_break_site": "80 00 20 d4", "bug_site": "00 00 21 d4", "warn_site": "00 00 21 d4"},
        text={
            "probe_me": "add",
            "probe_branch_site": "b.ne",
            "probe_call_site": "bl",
            "probe_indirect_site": "blr",
            "probe_ret_site": "ret",
            "probe_pcrel_site": "adr",
            "probe_load_site": "ldr",
            "probe_literal_site": "ldr",
            "probe_atomic_load": "ldxr",
            "probe_atomic_mid": "add",
            "probe_atomic_store": "stxr",
        },
        nop="1f 20 03 d5",
        sites=("probe_literal_site", "probe_extable_site", "probe_extable_fixup"),
        trap_kinds={
            "foreign_break_site": (TrapKind.BREAK, 4),
            "bug_site": (TrapKind.BREAK, 0x800),
            "warn_site": (TrapKind.BREAK, 0x800),
        },
    ),
    "riscv": Guest(
        machine="EM_RISCV",
        elf_class=64,
        functions=FUNCTIONS | EXTABLE | {"probe_compressed": probe_compressed},
        traps=TRAPS | WARN | {"foreign_break_c": lambda x, w: x + 23},
        words={
            "foreign_break_site": "73 00 10 00",
            "foreign_break_c_site": "02 90",
            "bug_site": "02 90",
            "warn_site": "02 90",
            "probe_ret_site": "67 80 00 00",  # jalr zero, 0(ra), not c.jr
        },
        text={
            "probe_me": "addi",
            "probe_branch_site": "bne",
            "probe_call_site": "jal",
            "probe_indirect_site": "jalr",
            "probe_ret_site": "jalr",
            "probe_pcrel_site": "auipc",
            "probe_load_site": "ld",
            "probe_atomic_load": "lr.d",
            "probe_atomic_mid": "addi",
            "probe_atomic_store": "sc.d",
            "atomic_add_site": "amoadd.d",
            "probe_c_addi_site": "c.addi",
            "probe_c_mv_site": "c.mv",
            "probe_c_beqz_site": "c.beqz",
            "probe_c_bnez_site": "c.bnez",
            "probe_c_j_site": "c.j",
            "probe_c_jalr_site": "c.jalr",
            "probe_c_jr_site": "c.jr",
            "probe_straddle_site": "addi",
        },
        nop="01 00",
        sites=("foreign_break_c_site", "probe_extable_site", "probe_extable_fixup"),
        trap_kinds=dict.fromkeys(
            ("foreign_break_site", "foreign_break_c_site", "bug_site", "warn_site"), (TrapKind.BREAK, None)
        ),
    ),
    "mips": Guest(
        machine="EM_MIPS",
        elf_class=32,
        functions=FUNCTIONS
        | EXTABLE
        | {"probe_delay": probe_delay, "probe_likely": lambda x, w: x + 3 if x % 2 else x + 10},
        traps=TRAPS | {"foreign_break_gas": lambda x, w: x + 21},
        words={
            "foreign_break_site": "cd 80 00 00",
            "foreign_break_gas_site": "0d 00 03 02",
            "bug_site": "0d 00 0c 00",
        },
        text={
            "probe_me": "addiu",
            "probe_branch_site": "bnez",
            "probe_call_site": "jal",
            "probe_indirect_site": "jalr",
            "probe_ret_site": "jr",
            "probe_pcrel_site": "bal",
            "probe_load_site": "lw",
            "probe_atomic_load": "ll",
            "probe_atomic_mid": "addiu",
            "probe_atomic_store": "sc",
            "probe_delay_branch": "bnez",
            "probe_delay_slot": "addiu",
            "probe_delay_nop": "bnez",
            "probe_delay_after": "addiu",
            "probe_likely_site": "beqzl",
        },
        nop="00 00 00 00",
        sites=("foreign_break_gas_site", "probe_extable_site", "probe_extable_fixup"),
        trap_kinds={
            "foreign_break_site": (TrapKind.BREAK, None),
            "foreign_break_gas_site": (TrapKind.BREAK, None),
            "bug_site": (TrapKind.BREAK, None),
        },
    ),
    "loongarch": Guest(
        machine="EM_LOONGARCH",
        elf_class=64,
        functions=FUNCTIONS | EXTABLE,
        traps=TRAPS | WARN,
        words={"foreign_break_site": "0a 00 2a 00", "bug_site": "01 00 2a 00", "warn_site": "01 00 2a 00"},
        text={
            "probe_me": "addi.d",
            "probe_branch_site": "bnez",
            "probe_call_site": "bl",
            "probe_indirect_site": "jirl",
            "probe_ret_site": "ret",
            "probe_pcrel_site": "pcaddu12i",
            "probe_load_site": "ld.d",
            "probe_atomic_load": "ll.d",
            "probe_atomic_mid": "addi.d",
            "probe_atomic_store": "sc.d",
            "atomic_add_site": "amadd_db.d",
        },
        nop="00 00 40 03",
        sites=("probe_extable_site", "probe_extable_fixup"),
        trap_kinds={
            "foreign_break_site": (TrapKind.BREAK, 10),
            "bug_site": (TrapKind.BREAK, 1),
            "warn_site": (TrapKind.BREAK, 1),
        },
    ),
    "x86": Guest(
        machine="EM_X86_64",
        elf_class=64,
        functions=FUNCTIONS | EXTABLE | {"text_patch_nop5": lambda x, w: x + 3},
        traps=TRAPS | WARN,
        words={
            "foreign_break_site": "cc",
            "bug_site": "0f 0b",
            "warn_site": "0f 0b",
            "nop5_site": "0f 1f 44 00 00",
            "probe_ret_site": "c3",
        },
        text={
            "probe_me": "addq",
            "probe_branch_site": "jne",
            "probe_call_site": "callq",
            "probe_indirect_site": "callq",
            "probe_ret_site": "retq",
            "probe_pcrel_site": "leaq",
            "probe_load_site": "movq",
            "probe_atomic_load": "lock",
            "atomic_add_site": "lock",
        },
        nop="90",
        sites=("nop5_site", "nop5_target", "probe_extable_site", "probe_extable_fixup"),
        trap_kinds={
            "foreign_break_site": (TrapKind.BREAK, None),
            "bug_site": (TrapKind.ILLEGAL, None),
            "warn_site": (TrapKind.ILLEGAL, None),
        },
    ),
    "csky": Guest(
        machine="EM_CSKY",
        elf_class=32,
        functions=FUNCTIONS | EXTABLE | CSKY,
        traps=TRAPS,
        words={
            "foreign_break_site": "64 14",
            "bug_site": "00 00",
            "probe_jsr16_site": "c5 7b",  # not 0x7805, which Linux takes for it
            "probe_pop32_site": "c0 eb 10 01",
        },
        text={
            "probe_me": "addi",
            "probe_branch_site": "bt",
            "probe_call_site": "bsr",
            "probe_indirect_site": "jsr",
            "probe_ret_site": "rts",
            "probe_pcrel_site": "bsr",
            "probe_load_site": "ld.w",
            "probe_atomic_load": "ldex.w",
            "probe_atomic_mid": "addi",
            "probe_atomic_store": "stex.w",
            "probe_compare_site": "cmplti",
            "probe_lrw16_site": "lrw",
            "probe_lrw32_site": "lrw",
            "probe_branch_far_site": "br",
            "probe_jsr16_site": "jsr",
            "probe_pop32_site": "pop",
            "probe_step32_site": "addi",
            "probe_grs_site": "grs",
        },
        nop="03 6c",
        sites=("probe_extable_site", "probe_extable_fixup"),
        trap_kinds={"foreign_break_site": (TrapKind.ILLEGAL, None), "bug_site": (TrapKind.BREAK, None)},
    ),
}


@cache
def image_of(arch: str) -> Image:
    path = FIRMWARE / f"{arch}.elf"
    if not path.exists():
        pytest.skip(f"{path.name} is not built yet")
    relative = arch not in ABSOLUTE_EXTABLES
    return load_image(path, ElfSide(GUESTS[arch].machine, GUESTS[arch].elf_class, relative_extable=relative))


@pytest.fixture(params=GUESTS)
def arch(request):
    image_of(request.param)
    return request.param


def each(what: str):
    """Pairs of an architecture and one of its `functions`, `traps`, ..."""
    pairs = [(arch, name) for arch, guest in GUESTS.items() for name in getattr(guest, what)]
    return pytest.mark.parametrize(("arch", "name"), pairs)


def in_memory(image: Image, addr: int, size: int) -> bytes:
    memory = Memory()
    place(image, memory)
    return memory.read(addr, size)


# The contract


def test_every_architecture_has_a_guest():
    every_arch_has_a_row("tests/firmware/test_firmware.py: GUESTS", GUESTS)


def test_functions_and_sites_are_there(arch):
    guest, image = GUESTS[arch], image_of(arch)
    for name in ("guest_start", "guest_exit", "guest_loop", *guest.functions, *guest.traps):
        symbol = image.symbol(name)
        assert symbol.kind == "function" and symbol.size > 0, name
    for name in {*SITES, *guest.sites, *guest.text} - {*guest.functions, *guest.traps}:
        symbol = image.symbol(name)
        assert symbol.kind == "label", name
        function, _offset = image.symbol_at(symbol.address)
        assert function.kind == "function", f"{name} lies in no function"


def test_data_symbols(arch):
    guest, image = GUESTS[arch], image_of(arch)
    start, end = image.symbol("shared_start").address, image.symbol("shared_end").address
    assert start % PAGE == 0 and start < end <= start + PAGE
    for name, size in (("shared_counter", guest.long), ("results", CPUS * guest.long)):
        symbol = image.symbol(name)
        assert (symbol.size, symbol.kind) == (size, "object")
        assert start <= symbol.address and symbol.address + size <= end
    assert (image.symbol("stacks").size, image.symbol("stacks").kind) == (CPUS * STACK, "object")
    assert not start <= image.symbol("stacks").address < end
    assert image.entry == image.symbol("guest_start").address


def test_images_are_small_and_low(arch):
    memory = Memory()
    text, data = place(image_of(arch), memory)
    assert (text.base, text.executable) == (0x10000, True) and text.size <= 2 * PAGE
    assert (data.base, data.executable) == (0x100000, False) and data.size <= 3 * PAGE


def test_load_ring_goes_round(arch):
    guest, image = GUESTS[arch], image_of(arch)
    ring = image.symbol("load_ring")
    assert ring.size == 4 * guest.long
    raw = in_memory(image, ring.address, ring.size)
    pointers = [int.from_bytes(raw[i : i + guest.long], "little") for i in range(0, ring.size, guest.long)]
    assert pointers == [ring.address + guest.long * (i % 4) for i in range(1, 5)]


def test_bug_table(arch):
    guest, image = GUESTS[arch], image_of(arch)
    start, end = image.symbol("bug_table_start").address, image.symbol("bug_table_end").address
    raw = in_memory(image, start, end - start)
    longs = [int.from_bytes(raw[i : i + guest.long], "little") for i in range(0, len(raw), guest.long)]
    expected = [image.symbol("bug_site").address, 0]
    if "warn_site" in guest.traps:
        expected += [image.symbol("warn_site").address, 1]
    assert longs == expected


def test_every_symbol_is_in_the_readme(arch):
    """Also those that only one architecture has, and nothing is left in an image by accident."""
    described = set(re.findall(r"`(\w+)[`(]", (FIRMWARE / "README.md").read_text()))
    assert {name for name in image_of(arch).symbols if name != "_gp"} <= described  # _gp: the MIPS linker's


# Words


@each("words")
def test_words_at_sites(arch, name):
    word = bytes.fromhex(GUESTS[arch].words[name])
    assert in_memory(image_of(arch), image_of(arch).symbol(name).address, len(word)) == word


@cache
def listing(arch: str) -> dict[int, str]:
    """Address -> text, by LLVM (binutils on C-SKY); extensions that the ELF does not name are given."""
    objdump = shutil.which("llvm-objdump-19") or shutil.which("llvm-objdump")
    options = ["--mattr=+m,+a,+c", "-M", "no-aliases"] if arch == "riscv" else []
    if arch == "csky":
        binutils = csky_binutils.cached()
        objdump = str(binutils.folder / "objdump") if binutils else None
    if objdump is None:
        pytest.skip(f"no objdump for {arch}: install LLVM, or for C-SKY run tools/check_tables.py csky")
    command = [objdump, "-d", "--no-show-raw-insn", *options, str(FIRMWARE / f"{arch}.elf")]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {int(m[1], 16): m[2].strip() for m in re.finditer(r"^ *([0-9a-f]+):(.*)$", output, re.MULTILINE)}


@each("text")
def test_instructions_at_sites(arch, name):
    text = listing(arch).get(image_of(arch).symbol(name).address)
    assert text is not None and text.split()[0] == GUESTS[arch].text[name]


def test_delay_slots_on_mips():
    """A nop only where the kernel's treatment of nops is the point."""
    code = listing("mips")
    branches = [addr for addr, text in code.items() if re.match(r"b(?!reak)|j", text)]
    nops = {addr for addr in branches if code[addr + 4].startswith("nop")}
    image = image_of("mips")
    inside = {image.symbol_at(addr)[0].name for addr in nops}
    assert image.symbol("probe_delay_nop").address in nops
    assert inside == {"probe_delay", "guest_exit", "guest_loop"}
    assert image.symbol("probe_delay_slot").address == image.symbol("probe_delay_branch").address + 4


def test_straddling_and_wide_instructions_on_riscv():
    image = image_of("riscv")
    assert image.symbol("probe_straddle_site").address % 4 == 2
    for name in ("probe_me", "probe_branch_site", "probe_call_site", "probe_indirect_site", "probe_load_site"):
        assert in_memory(image, image.symbol(name).address, 1)[0] & 3 == 3, f"{name} is compressed"


# Results


def make_cpu(arch: str, memory: Memory, number: int = 0):
    found = arches.load(arch)
    return found.make_cpu()(number, memory), found.isa.registers


class Run:
    """One CPU at guest_start(number, function, count), and what it stopped for."""

    def __init__(self, arch: str, function: str, count: int, number: int = 0, memory: Memory | None = None) -> None:
        self.image = image_of(arch)
        self.guest = GUESTS[arch]
        if memory is None:
            memory = Memory()
            place(self.image, memory)
        self.memory = memory
        self.arch, self.function, self.count, self.number = arch, function, count, number

    def overwrite(self, addr: int, data: bytes) -> Run:
        """In memory, before there is a CPU that could have seen what was there."""
        self.memory.write(addr, data)
        return self

    def start(self) -> Run:
        return self.prepare().finish()

    def prepare(self) -> Run:
        self.cpu, registers = make_cpu(self.arch, self.memory, self.number)
        self.cpu.halt_at = self.image.symbol("guest_exit").address
        self.cpu.pc = self.image.symbol("guest_start").address
        arguments = (self.number, self.image.symbol(self.function).address, self.count)
        for name, value in zip(registers.arguments, arguments, strict=False):
            self.cpu.set(name, value)
        self.result_register = registers.result
        return self

    def finish(self) -> Run:
        self.stop = self.cpu.run(2000)
        return self

    def reaches(self, addr: int) -> bool:
        """Step up to an address; False if the CPU stops before."""
        for _ in range(2000):
            if self.cpu.pc == addr:
                return True
            if self.cpu.step() is not None:
                return False
        return False

    @property
    def result(self) -> int:
        return self.cpu.get(self.result_register)

    def load(self, name: str, index: int = 0) -> int:
        return self.memory.load(self.image.symbol(name).address + index * self.guest.long, self.guest.long)


def expected_result(guest: Guest, formula: Formula, count: int) -> int:
    result = 0
    for x in range(count):
        result = (result * 31 + formula(x, guest.long)) & mask(guest.elf_class)
    return result


@each("functions")
def test_functions_compute_what_the_readme_says(arch, name):
    guest = GUESTS[arch]
    for count in (0, 1, 2, 9):
        run = Run(arch, name, count, number=2).start()
        assert run.stop == Halt(run.image.symbol("guest_exit").address)
        expected = expected_result(guest, guest.functions[name], count)
        assert run.result == expected
        assert [run.load("results", i) for i in range(CPUS)] == [0, 0, expected, 0, 0, 0, 0, 0]
        counted = {"probe_atomic": count, "atomic_add": sum(range(count))}
        assert run.load("shared_counter") == counted.get(name, 0)


@each("traps")
def test_traps_and_what_comes_after_them(arch, name):
    guest = GUESTS[arch]
    site = name if name in guest.words else f"{name}_site"
    run = Run(arch, name, 3).start()
    for _ in range(3):
        kind, code = guest.trap_kinds[site]
        assert isinstance(run.stop, Trap)
        assert (run.stop.kind, run.stop.pc) == (kind, run.image.symbol(site).address)
        assert code is None or run.stop.code == code
        run.cpu.pc = run.stop.pc + len(bytes.fromhex(guest.words[site]))
        run.stop = run.cpu.run(2000)
    assert isinstance(run.stop, Halt)
    assert run.result == expected_result(guest, guest.traps[name], 3)


def test_every_cpu_has_a_stack_of_its_own(arch):
    image, memory = image_of(arch), Memory()
    place(image, memory)
    for number in range(CPUS):
        run = Run(arch, "probe_call", 2, number, memory).start()
        assert isinstance(run.stop, Halt)
    stacks = memory.read(image.symbol("stacks").address, CPUS * STACK)
    for number in range(CPUS):
        own = stacks[number * STACK : (number + 1) * STACK]
        assert any(own[-128:]) and not any(own[:-192])


def test_patched_nop5_takes_the_other_path():
    image = image_of("x86")
    site, target = image.symbol("nop5_site").address, image.symbol("nop5_target").address
    jump = b"\xe9" + (target - site - 5).to_bytes(4, "little", signed=True)
    run = Run("x86", "text_patch_nop5", 4).overwrite(site, jump).start()
    assert isinstance(run.stop, Halt)
    assert run.result == expected_result(GUESTS["x86"], lambda x, w: x + 65, 4)


# What the results are for: a probed instruction that is not executed shows.

LEFT_OUT = {
    **{name: name for name in ("probe_me", "nested_target", "leaf_add")},
    **{f"{name}_site": name for name in ("probe_branch", "probe_call", "probe_indirect", "probe_pcrel", "probe_load")},
    **{f"probe_atomic_{part}": "probe_atomic" for part in ("load", "mid", "store")},
    **{"probe_ret_site": "probe_ret", "probe_literal_site": "probe_literal", "atomic_add_site": "atomic_add"},
    **{f"probe_c_{name}_site": "probe_compressed" for name in ("addi", "mv", "beqz", "bnez", "j", "jalr", "jr")},
    **{"probe_straddle_site": "probe_compressed", "probe_likely_site": "probe_likely"},
    **{f"probe_delay_{name}": "probe_delay" for name in ("branch", "slot", "nop", "after")},
    **{f"{name}_site": name for name in CSKY},
}


@each("text")
def test_leaving_an_instruction_out_shows(arch, name):
    """At the result, at the shared counter, or by never coming back."""
    guest, image = GUESTS[arch], image_of(arch)
    function, site = LEFT_OUT[name], image.symbol(name).address
    size = min(addr for addr in listing(arch) if addr > site) - site
    if listing(arch)[site] == "lock":  # a prefix, a line of its own in the listing
        size = min(addr for addr in listing(arch) if addr > site + 1) - site
    nop = bytes.fromhex(guest.nop)
    run = Run(arch, function, 9).overwrite(site, nop * (size // len(nop))).start()
    right = Run(arch, function, 9).start()
    assert isinstance(right.stop, Halt)
    assert outcome(run) != outcome(right)


def outcome(run: Run) -> tuple[object, ...]:
    return run.stop, run.result, run.load("shared_counter")


@pytest.mark.parametrize("name", ["probe_me", "nested_target", "leaf_add", "probe_load_site", "probe_atomic_mid"])
def test_executing_an_instruction_twice_shows(arch, name):
    if (arch, name) == ("x86", "probe_atomic_mid"):
        pytest.skip("one locked instruction does it all, and has no middle")
    right = Run(arch, LEFT_OUT[name], 3).start()
    run = Run(arch, LEFT_OUT[name], 3).prepare()
    assert isinstance(right.stop, Halt)
    site = run.image.symbol(name).address
    assert run.reaches(site) and run.cpu.step() is None
    run.cpu.pc = site
    assert outcome(run.finish()) != outcome(right)


@pytest.mark.parametrize("name", ["probe_pcrel_site", "probe_call_site", "probe_literal_site"])
def test_executing_a_copy_elsewhere_shows(arch, name):
    """As a kernel would that steps in a slot what it has to simulate, even if it puts the pc right afterwards."""
    if name not in image_of(arch).symbols:
        pytest.skip("on ARM64 only")
    right, run = (Run(arch, LEFT_OUT[name], 3) for _ in range(2))
    site, slot = run.image.symbol(name).address, 0x80000
    run.memory.add("slot", slot, PAGE, executable=True)
    run.overwrite(slot, run.memory.read(site, 12)).prepare()
    assert isinstance(right.start().stop, Halt)
    assert run.reaches(site)
    run.cpu.pc = slot
    if run.cpu.step() is None and slot < run.cpu.pc < slot + 12:
        run.cpu.pc += site - slot
    assert outcome(run.finish()) != outcome(right)


def test_two_cpus_count_together(arch):
    """Turn and turn about, an instruction each, from one counter; neither's additions are lost."""
    image, memory = image_of(arch), Memory()
    place(image, memory)
    runs = [Run(arch, "atomic_add", 9, number, memory).prepare() for number in (0, 1)]
    waiting = list(runs)
    for turn in range(4000):
        run = waiting[turn % len(waiting)] if waiting else None
        if run is None:
            break
        stop = run.cpu.step()
        if run.cpu.pc == run.cpu.halt_at:
            waiting.remove(run)
        else:
            assert stop is None
    assert not waiting
    assert runs[0].load("shared_counter") == 2 * sum(range(9))
    assert [run.result for run in runs] == [expected_result(GUESTS[arch], FUNCTIONS["atomic_add"], 9)] * 2


# The build


@pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="ziglang is not installed")
def test_checked_in_images_are_what_the_sources_give(monkeypatch):
    spec = importlib.util.spec_from_file_location("build_firmware", ROOT / "tools" / "build_firmware.py")
    builder = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(importlib.sys.modules, "build_firmware", builder)  # dataclasses look their module up
    spec.loader.exec_module(builder)
    assert set(builder.TARGETS) == set(GUESTS) - {"csky"}
    assert builder.stale(builder.TARGETS) == []
    for arch in builder.TARGETS:
        assert str(ROOT).encode() not in (FIRMWARE / f"{arch}.elf").read_bytes()
