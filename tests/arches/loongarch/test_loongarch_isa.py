"""LoongArch64 rows and semantics against single instructions that an independent emulator executed."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from arches.loongarch.insns import TABLE
from arches.loongarch.isa import assemble, disassemble, parse_word, word
from arches.loongarch.registers import REGISTERS
from arches.loongarch.semantics import make_cpu
from emu.errors import DecodeError
from emu.machine.cpu import Trap, TrapKind
from emu.machine.interp_cpu import InterpCpu
from emu.machine.memory import Memory

VECTORS = Path(__file__).parents[2] / "data" / "loongarch64-step.json.gz"
SIGNAL_OF = {TrapKind.ILLEGAL: 4, TrapKind.TRAP: 12}  # gdb's numbers: SIGILL, SIGSYS (user mode's bound check error)


@cache
def vectors() -> tuple[dict[str, Any], tuple[dict[str, Any], ...]]:
    data = json.loads(gzip.decompress(VECTORS.read_bytes()))
    return data["meta"], tuple(data["vectors"])


def page(addr: int) -> int:
    return addr & ~0xFFF


def prepared_cpu(vector: dict[str, Any], buffer: int) -> InterpCpu:
    memory = Memory()
    at = int(vector["at"], 16)
    memory.add("text", page(at), 0x1000, executable=True)
    memory.add("data", page(buffer), 0x1000)
    memory.write(at, int(vector["w"], 16).to_bytes(4, "little"))
    memory.write(buffer, bytes((i * 37 + 11) & 255 for i in range(256)))
    cpu = make_cpu(0, memory)
    cpu.pc = at
    for number, value in vector["in"].items():
        cpu.gpr[int(number)] = int(value, 16)
    return cpu


def outcome(vector: dict[str, Any], buffer: int) -> dict[str, Any]:
    cpu = prepared_cpu(vector, buffer)
    gpr, memory = list(cpu.gpr), cpu.memory.read(buffer, 256)
    stop = cpu.step()
    after = cpu.memory.read(buffer, 256)
    changed = [i for i in range(256) if memory[i] != after[i]]
    result: dict[str, Any] = {"out": {str(n): f"{v:x}" for n, v in enumerate(cpu.gpr) if v != gpr[n]}}
    result["pc"] = f"{cpu.pc:x}"
    if changed:
        result["mem"] = {f"{buffer + changed[0]:x}": after[changed[0] : changed[-1] + 1].hex()}
    if isinstance(stop, Trap) and stop.kind in SIGNAL_OF:
        result["sig"] = SIGNAL_OF[stop.kind]
    return result


def test_there_are_vectors_for_enough_instructions() -> None:
    meta, all_vectors = vectors()
    assert "qemu-loongarch64" in meta["oracle"]
    assert len(all_vectors) == 3362
    assert len({v["asm"].split()[0] for v in all_vectors}) == 184


@pytest.mark.parametrize("mnemonic", sorted({v["asm"].split()[0] for v in vectors()[1]}))
def test_execution(mnemonic: str) -> None:
    meta, all_vectors = vectors()
    for vector in all_vectors:
        if vector["asm"].split()[0] == mnemonic:
            expected = {k: vector[k] for k in ("out", "pc", "mem", "sig") if k in vector}
            assert outcome(vector, int(meta["buf"], 16)) == expected, vector


def test_text_is_the_one_of_the_vectors_and_assembles_back() -> None:
    for vector in vectors()[1]:
        insn, at = parse_word(vector["w"]), int(vector["at"], 16)
        assert TABLE.plain(int(vector["w"], 16)) == vector["asm"]
        assert assemble(vector["asm"], at) == insn
        assert assemble(disassemble(insn, at), at) == insn
        assert word(insn) == "0x" + vector["w"]


def test_encode_is_the_inverse_of_decode() -> None:
    for vector in vectors()[1]:
        insn = TABLE.decode(int(vector["w"], 16))
        assert TABLE.encode(insn.name, **insn.fields) == insn.word


# What the vectors do not say


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nop", "03400000"),
        ("move $a0, $a1", "001500a4"),
        ("ret", "4c000020"),
        ("jr $t0", "4c000180"),
        ("bgtz $a0, 8", "60000804"),
        ("blez $a0, 8", "64000804"),
        ("bltz $a0, 8", "60000880"),
        ("bgez $a0, 8", "64000880"),
        ("bgt $a0, $a1, 8", "600008a4"),
        ("bleu $a0, $a1, 8", "6c0008a4"),
        ("li.w $a0, -5", "02bfec04"),
        ("li.d $a0, 4095", "03bffc04"),
        ("csrwr $t8, 33", "04008434"),
        ("csrxchg $t8, $t0, 33", "04008594"),
        ("break 10", "002a000a"),
        ("break 11", "002a000b"),
        ("ll.w r4, $r5, 4", "200004a4"),
    ],
)
def test_words_that_llvm_makes(text: str, expected: str) -> None:
    assert word(assemble(text, 0)) == f"0x{expected}"


def run_one(text: str, at: int = 0x1000, **registers: int) -> InterpCpu:
    memory = Memory()
    memory.add("text", page(at), 0x1000, executable=True)
    memory.add("data", 0x8000, 0x1000)
    memory.write(at, assemble(text, at))
    memory.write(0x8000, bytes(range(0x80, 0x90)))
    cpu = make_cpu(1, memory)
    cpu.pc = at
    for name, value in registers.items():
        cpu.set(name, value)
    assert cpu.step() is None
    return cpu


@pytest.mark.parametrize(
    ("text", "old", "a0", "memory"),
    [
        # LoongArch Reference Manual 1.1, 2.2.7: rd is compared, rk stored if equal, rd gets the old value
        ("amcas.b $a0, $a1, $a2", 0x180, -0x80, "77818283"),
        ("amcas.h $a0, $a1, $a2", 0x8180, 0x8180 - 0x10000, "77778283"),
        ("amcas.w $a0, $a1, $a2", 0x83828180, 0x83828180 - (1 << 32), "77776655"),
        ("amcas_db.w $a0, $a1, $a2", 0x83828181, 0x83828180 - (1 << 32), "80818283"),
        ("amswap.b $a0, $a1, $a2", 0, -0x80, "77818283"),
        ("amswap_db.h $a0, $a1, $a2", 0, 0x8180 - 0x10000, "77778283"),
        ("amadd.b $a0, $a1, $a2", 0, -0x80, "f7818283"),
        ("amadd_db.h $a0, $a1, $a2", 0, 0x8180 - 0x10000, "f7f88283"),
    ],
)
def test_atomics_of_version_1_1(text: str, old: int, a0: int, memory: str) -> None:
    cpu = run_one(text, a0=old, a1=0x1122334455667788 - 0x11, a2=0x8000)
    assert cpu.get("a0") == a0 & (1 << 64) - 1
    assert cpu.memory.read(0x8000, 4).hex() == memory


def test_every_core_knows_its_number() -> None:
    assert run_one("csrrd $a0, 32", a0=9).get("a0") == 1
    assert run_one("csrwr $a0, 32", a0=9).get("cpuid") == 1


def test_csr_exchange_changes_the_masked_bits() -> None:
    cpu = run_one("csrxchg $a0, $a1, 1", a0=0b011, a1=0b110)
    assert (cpu.get("prmd"), cpu.get("a0")) == (0b010, 0b100)


def test_exception_return() -> None:
    cpu = run_one("ertn", era=0x4444, prmd=0b000)
    assert cpu.pc == 0x4444
    assert cpu.get("crmd") & 0b111 == 0


def test_condition_flags() -> None:
    cpu = run_one("movgr2cf $fcc5, $a0", a0=3)
    assert (cpu.get("fcc5"), cpu.special["fcc"]) == (1, 32)
    assert run_one("bcnez $fcc5, 64", fcc5=1).pc == 0x1040
    assert run_one("bceqz $fcc5, 64", fcc5=1).pc == 0x1004
    assert run_one("movcf2gr $a0, $fcc5", fcc5=1).get("a0") == 1


def test_time_passes_by_being_read() -> None:
    cpu = run_one("rdtime.d $a0, $a1")
    assert (cpu.get("a0"), cpu.get("a1")) == (1, 1)


def test_a_branch_around_the_end_of_the_address_space() -> None:
    cpu = run_one("b -8192")
    assert cpu.pc == (1 << 64) - 4096


@pytest.mark.parametrize("number", range(32))
def test_register_names(number: int) -> None:
    abi = ["zero", "ra", "tp", "sp", *(f"a{n}" for n in range(8)), *(f"t{n}" for n in range(9)), "r21", "fp"]
    abi += [f"s{n}" for n in range(9)]
    for name in (abi[number], f"${abi[number]}", f"$r{number}", f"r{number}"):
        assert REGISTERS.canonical(name) == f"r{number}"
        assert assemble(f"addi.d {name}, $zero, 0", 0)[0] & 31 == number


@pytest.mark.parametrize("text", ["", "xyz", "0x100000000", "-1", "1 2"])
def test_words_that_do_not_parse(text: str) -> None:
    with pytest.raises(DecodeError, match=r"expected (hexadecimal|32 bits)"):
        parse_word(text)


@pytest.mark.parametrize("row", [row.name for row in TABLE.rows])
def test_every_row_takes_its_text_back(row: str) -> None:
    (entry,) = (r for r in TABLE.rows if r.name == row)
    free = 0xFFFFFFFF & ~entry.mask
    for value in (entry.bits, entry.bits | free, entry.bits | free & 0x55555555, entry.bits | free & 0xAAAAAAAA):
        if TABLE.find(value, 4) is entry:
            assert assemble(TABLE.plain(value), 0) == value.to_bytes(4, "little")
            assert TABLE.encode(row, **TABLE.decode(value).fields) == value


@pytest.mark.parametrize(("rj", "rk", "less"), [(-1, 1, False), (1, -1, True), (5, 5, True), (6, 5, False)])
def test_bounds_are_compared_unsigned(rj: int, rk: int, less: bool) -> None:
    # As qemu-loongarch64 7.2 answered when these were run on it.
    for text, passes in (("asrtle.d $a0, $a1", less), ("asrtgt.d $a0, $a1", not less)):
        memory = Memory()
        memory.add("text", 0x1000, 0x1000, executable=True)
        memory.write(0x1000, assemble(text, 0))
        cpu = make_cpu(0, memory)
        cpu.pc, cpu.gpr[4], cpu.gpr[5] = 0x1000, rj, rk
        assert cpu.step() == (None if passes else Trap(TrapKind.TRAP, 0x1000))
