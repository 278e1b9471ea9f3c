"""What an instruction is said to access before it is executed, held against the fault that it then takes.

Every register points to where no memory is, so the engine names the address and the kind of access.
"""

from __future__ import annotations

from types import ModuleType

import pytest

import arches
from arches.arm64 import isa as arm64
from arches.mips import isa as mips
from arches.riscv import isa as riscv
from arches.x86 import isa as x86
from emu.isa.operand import MemoryOperand
from emu.machine.cpu import Fault
from emu.machine.memory import Memory

TEXT = 0x10000

# Words are from the manuals; a second column gives the access and the size in bytes.
ARM64 = """
ldr x0, [x1]                    | read 8
ldr w0, [x1, #8]                | read 4
ldr x0, [x1], #8                | read 8
ldr x0, [x1, #8]!               | read 8
ldr x0, [x1, x2, lsl #3]        | read 8
ldr w0, [x1, w2, sxtw #2]       | read 4
ldr w0, [x1, w2, uxtw]          | read 4
ldr x0, [x1, x2, sxtx #3]       | read 8
ldrb w0, [x1, x2]               | read 1
ldrsh x0, [x1, #2]              | read 2
ldrsw x0, [x1]                  | read 4
ldpsw x0, x2, [x1]              | read 8
ldr q0, [x1]                    | read 16
ldr s3, [x1, #4]                | read 4
ldur x0, [x1, #-3]              | read 8
str x0, [x1]                    | write 8
strb w0, [x1]                   | write 1
strh w0, [x1, #2]               | write 2
stp x0, x2, [sp, #-16]!         | write 16
stp q0, q1, [x1]                | write 32
ldp w0, w2, [x1, #8]            | read 8
ldnp x0, x2, [x1]               | read 16
ldxr x0, [x1]                   | read 8
ldaxrh w0, [x1]                 | read 2
ldar w0, [x1]                   | read 4
stlr w0, [sp]                   | write 4
ldxp x0, x2, [x1]               | read 16
ldr x0, 0x90000                 | read 8
ldrsw x0, 0x90000               | read 4
ld1 {v0.16b, v1.16b}, [x1]      | read 32
ld1 {v0.s}[1], [x1], #4         | read 4
ld1r {v0.2d}, [x1]              | read 8
st2 {v0.4s, v1.4s}, [x1]        | write 32
st1 {v0.8b}, [x1]               | write 8
str x0, [x29, #16]              | write 8
str x0, [x1, xzr]               | write 8
word f8200062                   | update 8
word b8e00062                   | update 4
word 38e00062                   | update 1
word f8a08062                   | update 8
word c8a07c62                   | update 8
word 48207c62                   | update 16
word f820005f                   | update 8
"""
MIPS = """
lw $2, -4($sp)                  | read 4
lb $2, 3($4)                    | read 1
lhu $2, 2($4)                   | read 2
lwl $2, 3($4)                   | read 4
lwr $2, 4($4)                   | read 4
ll $2, 0($6)                    | read 4
sb $2, -1($5)                   | write 1
sh $2, 2($5)                    | write 2
sw $2, 0($5)                    | write 4
swl $2, 3($5)                   | write 4
swr $2, 0($5)                   | write 4
lwc1 $f0, 4($5)                 | read 4
ldc1 $f0, 8($5)                 | read 8
swc1 $f0, 4($5)                 | write 4
sdc1 $f0, 8($5)                 | write 8
b 0x10040; lw $2, 8($4)         | read 4
jr $4; sw $2, 12($5)            | write 4
word 4ca80000                   | read 4
word 4ca80001                   | read 8
word 4ca80008                   | write 4
"""
X86 = """
mov rax, [rbx]                  | read 8
mov eax, [rbx + rcx*4 + 0x10]   | read 4
mov [rbx], al                   | write 1
mov word ptr [rbx - 2], 5       | write 2
add [rbx], rax                  | update 8
add rax, [rbx]                  | read 8
inc dword ptr [rsi]             | update 4
lock cmpxchg [rdi], rdx         | update 8
lock xadd [rdi], edx            | update 4
xchg [rdi], rdx                 | update 8
lock add dword ptr [r12 + 8], 1 | update 4
mov rax, [rip + 0x80000]        | read 8
cmp byte ptr [r13], 0           | read 1
test dword ptr [rbx], 1         | read 4
movzx eax, byte ptr [rbx]       | read 1
movss xmm0, [rbx]               | read 4
movups [rbx], xmm0              | write 16
mov rax, [rcx*8 + 0x90000]      | read 8
sete byte ptr [rbx]             | write 1
fstp qword ptr [rbx]            | write 8
fistp dword ptr [rbx]           | write 4
fld qword ptr [rbx]             | read 8
stmxcsr dword ptr [rbx]         | write 4
mov rax, [rip - 0x70000000]     | read 8
add dword ptr [rax - 0x70000000], 1 | update 4
insertps xmm0, dword ptr [rbx], 0 | read 4
shl dword ptr [rbx], 3          | update 4
neg qword ptr [rbx]             | update 8
cmpxchg8b qword ptr [rdi]       | update 8
bts dword ptr [rbx], 3          | update 4
lock bts dword ptr [rbx], 3     | update 4
stosd                           | write 4
lodsb                           | read 1
rep stosq                       | write 8
"""
RISCV = """
word 00058503 | read 1
word 00259503 | read 2
word ffc5a503 | read 4
word 0085b503 | read 8
word 0005c503 | read 1
word 0005d503 | read 2
word 0005e503 | read 4
word 00a58023 | write 1
word 00a59123 | write 2
word fea5ae23 | write 4
word 00a5b423 | write 8
word 0045a507 | read 4
word 0085b507 | read 8
word 00a5a227 | write 4
word 00a5b427 | write 8
word 1005a52f | read 4
word 1005b52f | read 8
word 00c5b52f | update 8
word 08c5a52f | update 4
word 20c5a52f | update 4
word e0c5b52f | update 8
half 4188     | read 4
half 41dc     | read 4
half 6588     | read 8
half 7de8     | read 8
half 2188     | read 8
half c188     | write 4
half c5fc     | write 4
half e188     | write 8
half fde8     | write 8
half a188     | write 8
half 4502     | read 4
half 50fe     | read 4
half 6502     | read 8
half 70fe     | read 8
half 2502     | read 8
half c02a     | write 4
half dfaa     | write 4
half e02a     | write 8
half ffaa     | write 8
half a02a     | write 8
"""


def rows() -> list[tuple[ModuleType, str, str, int]]:
    found = []
    for isa, table in ((arm64, ARM64), (mips, MIPS), (x86, X86), (riscv, RISCV)):
        for line in table.strip().splitlines():
            text, _, expected = line.partition("|")
            access, size = expected.split()
            found.append((isa, text.strip(), access, int(size)))
    return found


def assemble(isa: ModuleType, text: str) -> bytes:
    if text.startswith("word "):
        return int(text[5:], 16).to_bytes(4, "little")
    if text.startswith("half "):
        return int(text[5:], 16).to_bytes(2, "little")
    return isa.assemble(text, TEXT)


def pointers(isa: ModuleType) -> dict[str, int]:
    """Register values, far apart so that no sum of two is another's; no memory near any of them or their sums."""
    file = isa.ISA.registers
    step = 0x10_0000_0000 if file.bits == 64 else 0x0100_0000
    names = [*file.gpr, *(name for name in file.special if name == "sp")]
    values = {name: 0x0200_0000 + number * step for number, name in enumerate(names)}
    # An index of 32 bits has a sign, and bits above it that must not count.
    return values | ({"x2": 0x5_FFFF_FF00} if isa is arm64 else {})


@pytest.mark.parametrize(("isa", "text", "access", "size"), rows(), ids=lambda v: getattr(v, "__name__", v))
def test_access_is_known_before(isa: ModuleType, text: str, access: str, size: int) -> None:
    insn = assemble(isa, text)
    memory = Memory()
    memory.add("text", TEXT, 0x1000, executable=True)
    memory.write(TEXT, insn)
    cpu = arches.load(isa.ISA.name).make_cpu()(0, memory)
    for name, value in pointers(isa).items():
        cpu.set(name, value)
    cpu.pc = TEXT
    [operand] = isa.memory_operands(insn, TEXT)
    kind = "update" if operand.reads and operand.writes else "read" if operand.reads else "write"
    assert (kind, operand.size) == (access, size)
    address = operand.address(cpu.get, isa.ISA.registers.bits)
    stop = cpu.step()
    assert isinstance(stop, Fault)
    # lwl and relatives touch part of what is given.
    slack = 3 if text[:3] in ("lwl", "lwr", "swl", "swr") else 0
    assert address <= stop.address <= address + slack
    if access != "update":  # the engine may try either first
        assert stop.access == access


NONE = [
    (arm64, "add x0, x1, x2"),
    (arm64, "prfm pldl1keep, [x0]"),
    (arm64, "b 0x10010"),
    (arm64, "word 00000000"),
    (mips, "addiu $2, $2, 1"),
    (mips, "b 0x10010; nop"),
    (mips, "word 0000000d"),
    (x86, "lea rax, [rbx]"),
    (x86, "nop dword ptr [rax]"),
    (x86, "prefetcht0 [rax]"),
    (x86, "push rax"),
    (riscv, "word 00150513"),
    (riscv, "half 0000"),
    (riscv, "half 0505"),
    (riscv, "half 9002"),
]


@pytest.mark.parametrize(("isa", "text"), NONE, ids=lambda v: getattr(v, "__name__", v))
def test_no_access(isa: ModuleType, text: str) -> None:
    assert isa.memory_operands(assemble(isa, text), TEXT) == ()


# A store-conditional without a reservation accesses nothing, but would.
BY_FIELDS = [
    (arm64, "stxr w0, x2, [x1]", MemoryOperand("x1", 0, 8, True, True)),
    (arm64, "stlxrb w0, w2, [sp]", MemoryOperand("sp", 0, 1, True, True)),
    (arm64, "stxp w0, x2, x3, [x1]", MemoryOperand("x1", 0, 16, True, True)),
    (mips, "sc $2, -8($6)", MemoryOperand("r6", -8, 4, True, True)),
    (mips, "word 7c85100a", MemoryOperand("r4", 0, 4, True, False, "r5")),  # lwx: the DSP ASE is off on the CPU
    (mips, "word 7c85110a", MemoryOperand("r4", 0, 2, True, False, "r5")),
    (mips, "word 7c85118a", MemoryOperand("r4", 0, 1, True, False, "r5")),
    (mips, "lwl $2, 3($4)", MemoryOperand("r4", 0, 4, True, False)),  # bytes 0..3 at most
    (mips, "swl $2, 0($4)", MemoryOperand("r4", -3, 4, False, True)),
    (mips, "swr $2, 1($4)", MemoryOperand("r4", 1, 4, False, True)),
    (riscv, "word 18c5a52f", MemoryOperand("x11", 0, 4, True, True)),
    (riscv, "word 18c5b52f", MemoryOperand("x11", 0, 8, True, True)),
]


@pytest.mark.parametrize(("isa", "text", "operand"), BY_FIELDS, ids=lambda v: getattr(v, "__name__", v))
def test_operand_that_does_not_fault(isa: ModuleType, text: str, operand: MemoryOperand) -> None:
    assert isa.memory_operands(assemble(isa, text), TEXT) == (operand,)


def test_both_accesses_of_a_string_move() -> None:
    assert set(x86.memory_operands(assemble(x86, "movsq"), TEXT)) == {
        MemoryOperand("rdi", 0, 8, False, True),
        MemoryOperand("rsi", 0, 8, True, False),
    }


@pytest.mark.parametrize("isa", [arm64, mips, riscv, x86], ids=lambda isa: isa.__name__)
def test_nothing_accesses_nothing(isa: ModuleType) -> None:
    assert isa.memory_operands(b"", TEXT) == ()
