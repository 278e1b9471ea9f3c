"""RISC-V assembly: words that are printed in manuals or were made by LLVM 19, spellings, and what is refused."""

from __future__ import annotations

import pytest

from arches.riscv.insns import assemble, disassemble, table
from arches.riscv.insns_operands import CSR, KINDS
from arches.riscv.unicorn import make_cpu
from emu.errors import DecodeError, EncodeError
from emu.machine.memory import Memory

# Text without aliases and word, both LLVM 19's.
WORDS = [
    ("addi a0, a0, 1", 0x00150513),
    ("addi a0, zero, -2048", 0x80000513),
    ("lui a0, 1048575", 0xFFFFF537),
    ("auipc ra, 1048575", 0xFFFFF097),
    ("jal zero, 8", 0x0080006F),
    ("jalr zero, 0(ra)", 0x00008067),
    ("jalr ra, 1140(ra)", 0x474080E7),
    ("beq a0, a1, -4096", 0x80B50063),
    ("bgeu a0, a1, 4094", 0x7EB57FE3),
    ("ld s0, -8(sp)", 0xFF813403),
    ("sd s0, -8(sp)", 0xFE813C23),
    ("srai a0, a0, 63", 0x43F55513),
    ("sraiw a0, a0, 31", 0x41F5551B),
    ("fence rw, w", 0x0310000F),
    ("fence.tso", 0x8330000F),
    ("fence.i", 0x0000100F),
    ("ebreak", 0x00100073),
    ("csrrw zero, sepc, a0", 0x14151073),
    ("csrrsi a0, sstatus, 2", 0x10016573),
    ("mulhu a0, a1, a2", 0x02C5B533),
    ("lr.d.aq a0, (a1)", 0x1405B52F),
    ("sc.d.rl a0, a2, (a1)", 0x1AC5B52F),
    ("amoadd.w.aqrl a0, a2, (a1)", 0x06C5A52F),
    ("fmadd.d fa0, fa1, fa2, fa3, dyn", 0x6AC5F543),
    ("fcvt.w.d a0, fa1, rtz", 0xC2059553),
    ("sh3add.uw a0, a1, a2", 0x20C5E53B),
    ("c.addi4spn s0, sp, 1020", 0x1FE0),
    ("c.addi a0, -1", 0x157D),
    ("c.addi16sp sp, -512", 0x7101),
    ("c.lui a0, 1048575", 0x757D),
    ("c.j -2048", 0xB001),
    ("c.beqz a5, 254", 0xCFFD),
    ("c.jr ra", 0x8082),
    ("c.jalr ra", 0x9082),
    ("c.ebreak", 0x9002),
    ("c.ldsp ra, 504(sp)", 0x70FE),
    ("c.sdsp ra, 504(sp)", 0xFF86),
]


@pytest.mark.parametrize(("text", "word"), WORDS)
def test_text_and_words(text: str, word: int) -> None:
    data = word.to_bytes(4 if word & 3 == 3 else 2, "little")
    assert assemble(text, 0) == data
    assert disassemble(data, 0) == text


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("nop", "addi zero, zero, 0"),
        ("ret", "jalr zero, 0(ra)"),
        ("mv a0, a1", "addi a0, a1, 0"),
        ("li a0, -1", "addi a0, zero, -1"),
        ("j 8", "jal zero, 8"),
        ("jal 8", "jal ra, 8"),
        ("jalr a0", "jalr ra, 0(a0)"),
        ("jalr a0, a1, 4", "jalr a0, 4(a1)"),
        ("lw a0, (a1)", "lw a0, 0(a1)"),
        ("bgt a0, a1, 8", "blt a1, a0, 8"),
        ("blez a0, 8", "bge zero, a0, 8"),
        ("sltz a0, a1", "slt a0, a1, zero"),
        ("add a0, a1, 5", "addi a0, a1, 5"),
        ("csrw sepc, a0", "csrrw zero, sepc, a0"),
        ("csrr a0, 0x100", "csrrs a0, sstatus, zero"),
        ("rdtime a0", "csrrs a0, time, zero"),
        ("fence", "fence iorw, iorw"),
        ("fmv.d fa0, fa1", "fsgnj.d fa0, fa1, fa1"),
        ("fadd.s fa0, fa1, fa2", "fadd.s fa0, fa1, fa2, dyn"),
        ("addi x10, x11, 0x7ff", "addi a0, a1, 2047"),
        ("sd fp, 0(sp)", "sd s0, 0(sp)"),
    ],
)
def test_other_spellings(text: str, same: str) -> None:
    assert assemble(text, 0) == assemble(same, 0)


def test_branches_take_labels_and_here() -> None:
    assert assemble("beqz a0, .+16", 0x1000) == assemble("beq a0, zero, 16", 0)
    assert table().assemble("j loop", pc=0x1008, labels={"loop": 0x1000}) == assemble("jal zero, -8", 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("addi a0, a0, 2048", "imm = 2048: expected -2048..2047"),
        ("addi a0, x32, 1", "'x32': expected a register such as zero"),
        ("beq a0, a1, 3", "off = 3: expected -4096..4094, a multiple of 2"),
        ("c.addi zero, 1", "rd = 0: expected rd!=0"),
        ("c.lw a0, 0(t0)", "rs1 = 5: expected 8..15"),
        ("c.addi16sp a0, 16", "'a0': expected sp"),
        ("c.lui a0, 32", "chi = 32: expected -32..31"),
        ("lui a0, -1", "hi = -1: expected 0..1048575"),
        ("fence wr, rw", "'wr': expected some of iorw in this order, or 0"),
        ("fadd.s fa0, fa1, fa2, up", "'up': expected a rounding mode: rne, rtz"),
        ("csrr a0, nosuch", "'nosuch': expected a CSR such as sstatus"),
        ("li a0, 4096", "imm = 4096: expected -2048..2047"),
        ("frobnicate a0", "expected an instruction of the table"),
        ("ret a0", "expected 'ret'"),
        ("", "expected an instruction of the table"),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(EncodeError) as caught:
        assemble(text, 0)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "word", [0xFFFFFFFF, 0x00000013 | 1 << 31 | 1 << 12 | 1 << 14 | 1 << 25, 0x02057553 & ~0x7000 | 0x5000]
)
def test_what_is_no_instruction(word: int) -> None:
    with pytest.raises(DecodeError):
        disassemble(word.to_bytes(4, "little"), 0)


def test_a_loop_assembled_here_runs() -> None:
    """Sum 1..10: a count in a0, the sum in a1."""
    memory = Memory()
    memory.add("text", 0x10000, 0x1000, executable=True)
    source = ["li a0, 10", "c.li a1, 0", "add a1, a1, a0", "c.addi a0, -1", "bnez a0, .-6"]
    program = b""
    for text in source:
        program += assemble(text, 0x10000 + len(program))
    memory.write(0x10000, program)
    cpu = make_cpu(0, memory)
    cpu.sync_icache(0x10000, len(program))
    cpu.pc, cpu.halt_at = 0x10000, 0x10000 + len(program)
    cpu.run(100)
    assert (cpu.get("a0"), cpu.get("a1"), cpu.pc) == (0, 55, cpu.halt_at)


def test_names_are_unique() -> None:
    assert len(set(CSR.values())) == len(CSR)
    assert {"imm", "off", "csr", "rm"} <= set(KINDS)
