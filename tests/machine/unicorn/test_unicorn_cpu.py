"""One set of programs, the same stops on every architecture: each quirk of the engine is somewhere in here.

Words are from the architectures' manuals, in memory order. To add an architecture add a `Program`.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from dataclasses import dataclass

import pytest

import arches
from arches.arm64 import unicorn as arm64_engine
from arches.mips import unicorn as mips_engine
from arches.riscv import unicorn as riscv_engine
from arches.x86 import unicorn as x86_engine
from emu.bits import PAGE
from emu.errors import MemoryAccessError, UsageError
from emu.isa.registers import RegisterFile
from emu.machine.cpu import Cpu, Fault, Halt, Limit, Stop, Trap, TrapKind
from emu.machine.memory import Memory

TEXT, DATA, SIZE = 0x10000, 0x40000, 0x4000
UNMAPPED = 0x90000


def words(*values: int) -> bytes:
    return b"".join(value.to_bytes(4, "little") for value in values)


@dataclass(frozen=True)
class Program:
    """An architecture's spelling of the programs; `counter` counts `add`s, `pointer` is the base of `store`."""

    name: str
    make_cpu: Callable[[int, Memory], Cpu]
    counter: str
    pointer: str
    nop: bytes
    add: bytes  # counter += 1
    brk: bytes
    brk_code: int | None
    after_brk: int  # cpu.pc - trap.pc
    loop: Callable[[int], bytes]  # a jump (with its delay slot) back by so many bytes from where it stands
    store: bytes  # 4 bytes or more to [pointer]
    load: bytes  # a load from [pointer] to the counter
    jump: bytes  # to the pointer
    syscall: bytes
    syscall_code: int | None
    after_syscall: int
    illegal: bytes
    fp: bytes
    own_odd_fp: int = 0  # bits of the status with which odd floating point registers are registers of their own

    @property
    def registers(self) -> RegisterFile:
        return arches.load(self.name.removesuffix("-c")).isa.registers


def b_arm64(back: int) -> bytes:
    return words(0x14000000 | (-back // 4) & 0x3FFFFFF)


def b_mips(back: int) -> bytes:
    return words(0x10000000 | (-back // 4 - 1) & 0xFFFF, 0)


def j_riscv(back: int) -> bytes:
    off = -back & 0x1FFFFF
    imm = (off >> 20 & 1) << 31 | (off >> 1 & 0x3FF) << 21 | (off >> 11 & 1) << 20 | (off >> 12 & 0xFF) << 12
    return words(0x6F | imm)


def jmp_x86(back: int) -> bytes:
    return b"\xe9" + (-back - 5).to_bytes(4, "little", signed=True)


ARM64 = Program(
    name="arm64",
    make_cpu=arm64_engine.make_cpu,
    counter="x0",
    pointer="x3",
    nop=words(0xD503201F),
    add=words(0x91000400),  # add x0, x0, #1
    brk=words(0xD4200080),  # brk #4
    brk_code=4,
    after_brk=0,
    loop=b_arm64,
    store=words(0xB9000060),  # str w0, [x3]
    load=words(0xB9400060),  # ldr w0, [x3]
    jump=words(0xD61F0060),  # br x3
    syscall=words(0xD40000E1),  # svc #7
    syscall_code=7,
    after_syscall=4,
    illegal=words(0x00000000),  # udf #0
    fp=words(0x1E602800),  # fadd d0, d0, d0
)
MIPS = Program(
    name="mips",
    make_cpu=mips_engine.make_cpu,
    counter="v0",
    pointer="a0",
    nop=words(0),
    add=words(0x24420001),  # addiu v0, v0, 1
    brk=words(0x0000000D | 515 << 6),
    brk_code=515,
    after_brk=0,
    loop=b_mips,
    store=words(0xAC820000),  # sw v0, 0(a0)
    load=words(0x8C820000),  # lw v0, 0(a0)
    jump=words(0x00800008, 0),  # jr a0; nop
    syscall=words(0x0000000C | 9 << 6),
    syscall_code=9,
    after_syscall=0,
    illegal=words(0xFFFFFFFF),
    fp=words(0x46200000),  # add.d f0, f0, f0
    own_odd_fp=1 << 26,  # Status.FR
)
RISCV = Program(
    name="riscv",
    make_cpu=riscv_engine.make_cpu,
    counter="a0",
    pointer="a1",
    nop=words(0x00000013),
    add=words(0x00150513),  # addi a0, a0, 1
    brk=words(0x00100073),
    brk_code=None,
    after_brk=0,
    loop=j_riscv,
    store=words(0x00A5A023),  # sw a0, 0(a1)
    load=words(0x0005A503),  # lw a0, 0(a1)
    jump=words(0x00058067),  # jr a1
    syscall=words(0x00000073),
    syscall_code=None,
    after_syscall=0,
    illegal=words(0xFFFFFFFF),
    fp=words(0x02007053),  # fadd.d ft0, ft0, ft0
)
RISCV_C = Program(
    **{
        **vars(RISCV),
        "name": "riscv-c",
        "nop": bytes.fromhex("0100"),
        "add": bytes.fromhex("0505"),  # c.addi a0, 1
        "brk": bytes.fromhex("0290"),  # c.ebreak
        "illegal": bytes.fromhex("0000"),
    }
)
X86 = Program(
    name="x86",
    make_cpu=x86_engine.make_cpu,
    counter="rax",
    pointer="rbx",
    nop=b"\x90",
    add=bytes.fromhex("48ffc0"),  # inc rax
    brk=b"\xcc",
    brk_code=None,
    after_brk=1,
    loop=jmp_x86,
    store=bytes.fromhex("8903"),  # mov [rbx], eax
    load=bytes.fromhex("8b03"),  # mov eax, [rbx]
    jump=bytes.fromhex("ffe3"),  # jmp rbx
    syscall=bytes.fromhex("0f05"),
    syscall_code=None,
    after_syscall=2,
    illegal=bytes.fromhex("0f0b"),  # ud2
    fp=bytes.fromhex("f20f58c0"),  # addsd xmm0, xmm0
)
PROGRAMS = (ARM64, MIPS, RISCV, RISCV_C, X86)


@pytest.fixture(params=PROGRAMS, ids=lambda program: program.name)
def program(request: pytest.FixtureRequest) -> Program:
    return request.param


def machine(code: bytes = b"", at: int = TEXT) -> Memory:
    memory = Memory()
    memory.add("text", TEXT, SIZE, executable=True)
    memory.add("data", DATA, SIZE)
    memory.write(at, code)
    return memory


def boot(program: Program, code: bytes, at: int = TEXT) -> tuple[Cpu, Memory]:
    memory = machine(code, at)
    cpu = program.make_cpu(0, memory)
    cpu.pc = at
    return cpu, memory


def patch(cpu: Cpu, memory: Memory, addr: int, code: bytes) -> None:
    memory.write(addr, code)
    cpu.sync_icache(addr, len(code))


def the_break(program: Program, addr: int) -> Trap:
    return Trap(TrapKind.BREAK, addr, program.brk_code)


def assert_break(program: Program, cpu: Cpu, stop: Stop | None, addr: int) -> None:
    assert stop == the_break(program, addr)
    assert cpu.pc == addr + program.after_brk


# Breaks


def test_break_first(program: Program) -> None:
    cpu, _ = boot(program, program.brk)
    assert_break(program, cpu, cpu.step(), TEXT)


def test_break_in_the_middle_by_steps(program: Program) -> None:
    cpu, _ = boot(program, program.add * 3 + program.brk + program.add)
    assert [cpu.step(), cpu.step(), cpu.step()] == [None] * 3
    assert_break(program, cpu, cpu.step(), TEXT + 3 * len(program.add))
    assert cpu.get(program.counter) == 3


def test_break_in_the_middle_of_a_run(program: Program) -> None:
    cpu, _ = boot(program, program.add * 3 + program.brk + program.add)
    assert_break(program, cpu, cpu.run(100), TEXT + 3 * len(program.add))
    assert cpu.get(program.counter) == 3


def test_break_again_and_again(program: Program) -> None:
    cpu, _ = boot(program, program.brk)
    for _ in range(3):
        cpu.pc = TEXT
        assert_break(program, cpu, cpu.step(), TEXT)


def warm_loop(program: Program) -> tuple[Cpu, Memory]:
    body = program.add * 5
    cpu, memory = boot(program, body + program.loop(len(body)))
    assert cpu.run(600) == Limit(600)
    assert cpu.get(program.counter) == 500
    return cpu, memory


@pytest.mark.parametrize("place", range(5))
def test_patch_in_a_warm_block_is_executed_at_once_after_sync(program: Program, place: int) -> None:
    cpu, memory = warm_loop(program)
    addr = TEXT + place * len(program.add)
    patch(cpu, memory, addr, program.brk)
    assert_break(program, cpu, cpu.run(100), addr)
    assert cpu.get(program.counter) == 500 + place


def test_patch_is_not_seen_before_sync(program: Program) -> None:
    cpu, memory = warm_loop(program)
    memory.write(TEXT + len(program.add), program.brk)
    assert cpu.fetched(TEXT + len(program.add), len(program.brk)) == program.add[: len(program.brk)]
    assert cpu.run(600) == Limit(600)
    assert cpu.get(program.counter) == 1000


def test_patch_is_not_seen_before_sync_even_where_nothing_ran(program: Program) -> None:
    cpu, memory = boot(program, program.add * 2)
    memory.write(TEXT, program.brk)
    assert cpu.step() is None
    assert cpu.get(program.counter) == 1


def test_patch_under_the_pc_and_back(program: Program) -> None:
    cpu, memory = warm_loop(program)
    addr = TEXT + 2 * len(program.add)
    for _ in range(3):
        cpu.pc = TEXT
        assert cpu.run(2) == Limit(2)
        patch(cpu, memory, addr, program.brk)
        assert_break(program, cpu, cpu.step(), addr)
        patch(cpu, memory, addr, program.add)
        cpu.pc = addr
        assert cpu.step() is None
        assert cpu.pc == addr + len(program.add)


def test_sync_covers_what_was_asked_only(program: Program) -> None:
    cpu, memory = warm_loop(program)
    size = len(program.add)
    memory.write(TEXT, program.brk)
    memory.write(TEXT + 2 * size, program.brk)
    cpu.sync_icache(TEXT + 2 * size, len(program.brk))
    cpu.pc = TEXT
    assert_break(program, cpu, cpu.run(100), TEXT + 2 * size)


def test_each_cpu_has_its_own_view(program: Program) -> None:
    memory = machine(program.add * 2)
    cpus = [program.make_cpu(number, memory) for number in range(2)]
    patch(cpus[1], memory, TEXT, program.brk)
    for cpu in cpus:
        cpu.pc = TEXT
    assert cpus[0].step() is None
    assert_break(program, cpus[1], cpus[1].step(), TEXT)


# Other traps


@pytest.mark.parametrize("warm", [0, 1])
def test_illegal(program: Program, warm: int) -> None:
    cpu, _ = boot(program, program.nop + program.illegal)
    for _ in range(warm + 1):
        cpu.pc = TEXT
        assert cpu.run(9) == Trap(TrapKind.ILLEGAL, TEXT + len(program.nop))
        assert cpu.pc == TEXT + len(program.nop)


@pytest.mark.parametrize("warm", [0, 1])
def test_syscall(program: Program, warm: int) -> None:
    cpu, _ = boot(program, program.nop + program.syscall)
    for _ in range(warm + 1):
        cpu.pc = TEXT
        assert cpu.run(9) == Trap(TrapKind.SYSCALL, TEXT + len(program.nop), program.syscall_code)
        assert cpu.pc == TEXT + len(program.nop) + program.after_syscall


def test_floating_point_is_on(program: Program) -> None:
    cpu, _ = boot(program, program.fp)
    assert cpu.step() is None
    assert cpu.pc == TEXT + len(program.fp)


def test_pc_that_no_instruction_can_have(program: Program) -> None:
    if program is X86:
        pytest.skip("x86 instructions have no alignment")
    cpu, _ = boot(program, program.nop * 4)
    cpu.pc = TEXT + 1
    assert cpu.step() == Trap(TrapKind.UNALIGNED, TEXT + 1)


# MIPS: delay slots

B_16 = 0x10000003  # b .+16
IN_SLOT = {
    "break": (words(0x0000000D | 515 << 6), Trap(TrapKind.BREAK, TEXT + 8, 515, delay_slot=True)),
    "syscall": (words(0x0000000C), Trap(TrapKind.SYSCALL, TEXT + 8, 0, delay_slot=True)),
    "teq": (words(0x00000034 | 3 << 6), Trap(TrapKind.TRAP, TEXT + 8, 3, delay_slot=True)),
    "illegal": (words(0xFFFFFFFF), Trap(TrapKind.ILLEGAL, TEXT + 8, delay_slot=True)),
    "lw of nothing": (words(0x8CA20000), Fault("read", UNMAPPED, TEXT + 8)),
    "sw to text": (words(0xACC20000), Fault("write", TEXT, TEXT + 8)),
}


@pytest.mark.parametrize(("slot", "stop"), IN_SLOT.values(), ids=IN_SLOT)
@pytest.mark.parametrize("multi", [False, True])
def test_trap_in_a_delay_slot(slot: bytes, stop: Stop, multi: bool) -> None:
    cpu, _ = boot(MIPS, words(0, B_16) + slot + MIPS.add * 10)
    cpu.set("a1", UNMAPPED)
    cpu.set("a2", TEXT)
    for _ in range(3):
        cpu.pc = TEXT
        assert (cpu.run(9) if multi else [cpu.step(), cpu.step()][1]) == stop
        assert cpu.pc == TEXT + 4  # EPC is the branch
    # No branch is pending after it: the next instruction is the next one.
    cpu.set("v0", 0)
    cpu.pc = TEXT + 12
    assert [cpu.step(), cpu.step()] == [None, None]
    assert (cpu.get("v0"), cpu.pc) == (2, TEXT + 20)


def test_registers_survive_a_trap_in_a_delay_slot() -> None:
    cpu, _ = boot(MIPS, words(B_16) + MIPS.brk)
    before = {f"r{n}": 0x1000 + n for n in range(1, 32)} | {"hi": 7, "lo": 8, "f0": 9 << 32 | 1, "f30": 5}
    for name, value in before.items():
        cpu.set(name, value)
    assert isinstance(cpu.step(), Trap)
    assert {name: cpu.get(name) for name in before} == before


def test_branch_and_delay_slot_are_one_step() -> None:
    cpu, _ = boot(MIPS, words(B_16) + MIPS.add)
    assert cpu.step() is None
    assert (cpu.pc, cpu.get("v0")) == (TEXT + 16, 1)


def test_branch_likely_not_taken_skips_its_slot() -> None:
    cpu, _ = boot(MIPS, words(0x54000003) + MIPS.brk)  # bnel zero, zero, .+16
    assert cpu.step() is None
    assert cpu.pc == TEXT + 8


def test_patch_in_a_delay_slot_of_a_warm_loop() -> None:
    cpu, memory = boot(MIPS, MIPS.add + words(0x1000FFFE) + MIPS.add)  # add; b .-4; add
    assert cpu.run(200) == Limit(200)
    assert cpu.get("v0") == 200
    patch(cpu, memory, TEXT + 8, MIPS.brk)
    assert cpu.run(9) == Trap(TrapKind.BREAK, TEXT + 8, 515, delay_slot=True)
    assert cpu.pc == TEXT + 4
    assert cpu.get("v0") == 201


KERNEL_ADDRESSES = [
    (MIPS, 0x80100000),  # kseg0
    (ARM64, 0xFFFF800080000000),
    (RISCV, 0xFFFFFFFF80000000),
    (X86, 0xFFFFFFFF81000000),
]


@pytest.mark.parametrize(("program", "base"), KERNEL_ADDRESSES, ids=lambda value: getattr(value, "name", ""))
def test_addresses_that_kernels_have(program: Program, base: int) -> None:
    memory = Memory()
    memory.add("text", base, SIZE, executable=True)
    memory.add("data", base + 0x100000, SIZE)
    memory.write(base, program.add + program.store + program.brk)
    cpu = program.make_cpu(0, memory)
    cpu.pc = base
    cpu.set(program.pointer, base + 0x100000)
    at = base + len(program.add + program.store)
    assert_break(program, cpu, cpu.run(9), at)
    assert memory.load(base + 0x100000, 4) == 1
    patch(cpu, memory, base, program.brk)
    cpu.pc = base
    assert_break(program, cpu, cpu.run(9), base)
    cpu.pc = base + len(program.add)
    cpu.set(program.pointer, base + 0x200000)
    assert cpu.step() == Fault("write", base + 0x200000, base + len(program.add))


TRAPS = {
    # name: program, code, registers, kind, code of the trap, cpu.pc - trap.pc
    "mips add overflow": (MIPS, words(0x00E71020), {"a3": 0x7FFFFFFF}, TrapKind.OVERFLOW, None, 0),
    "mips teq": (MIPS, words(0x00840034), {}, TrapKind.TRAP, 0, 0),
    "mips teqi": (MIPS, words(0x040C0000), {}, TrapKind.TRAP, None, 0),
    "mips lw": (MIPS, MIPS.load, {"a0": DATA + 1}, TrapKind.UNALIGNED, None, 0),
    "mips sw": (MIPS, MIPS.store, {"a0": DATA + 1}, TrapKind.UNALIGNED, None, 0),
    "arm64 ldxr": (ARM64, words(0xC85F7C60), {"x3": DATA + 1}, TrapKind.UNALIGNED, None, 0),
    "arm64 hlt": (ARM64, words(0xD4400000), {}, TrapKind.ILLEGAL, None, 0),
    "arm64 brk 0x800": (ARM64, words(0xD4210000), {}, TrapKind.BREAK, 0x800, 0),
    "riscv lr": (RISCV, words(0x1005B2AF), {"a1": DATA + 1}, TrapKind.UNALIGNED, None, 0),
    "x86 div": (X86, bytes.fromhex("f7f2"), {"rdx": 0}, TrapKind.DIVIDE, None, 0),
    "x86 int 0x80": (X86, bytes.fromhex("cd80"), {}, TrapKind.SYSCALL, 0x80, 2),
    "x86 int 3": (X86, bytes.fromhex("cd03"), {}, TrapKind.BREAK, None, 2),
    "x86 lock nop": (X86, bytes.fromhex("f090"), {}, TrapKind.ILLEGAL, None, 0),
}


@pytest.mark.parametrize(("program", "code", "registers", "kind", "number", "after"), TRAPS.values(), ids=TRAPS)
def test_traps_come_again_the_same(
    program: Program, code: bytes, registers: dict[str, int], kind: TrapKind, number: int | None, after: int
) -> None:
    cpu, _ = boot(program, program.nop + code)
    at = TEXT + len(program.nop)
    for name, value in registers.items():
        cpu.set(name, value)
    for _ in range(3):
        cpu.pc = TEXT
        assert cpu.run(5) == Trap(kind, at, number)
        assert cpu.pc == at + after
    assert {name: cpu.get(name) for name in registers} == registers


def test_unaligned_accesses_that_are_allowed() -> None:
    for program in (ARM64, RISCV, X86):
        cpu, memory = boot(program, program.load)
        memory.store(DATA + 1, 0x1234, 4)
        cpu.set(program.pointer, DATA + 1)
        assert cpu.step() is None
        assert cpu.get(program.counter) == 0x1234


# x86: the trap flag


def test_trap_flag_stops_after_each_instruction() -> None:
    cpu, _ = boot(X86, X86.add + bytes.fromhex("eb10"))
    cpu.set("eflags", cpu.get("eflags") | 1 << 8)
    assert cpu.step() == Trap(TrapKind.TRACE, TEXT + 3)
    assert (cpu.pc, cpu.get("rax")) == (TEXT + 3, 1)
    assert cpu.step() == Trap(TrapKind.TRACE, TEXT + 5 + 0x10)
    cpu.pc = TEXT
    cpu.set("eflags", cpu.get("eflags") & ~(1 << 8))
    assert cpu.step() is None


def test_break_wins_over_the_trap_flag() -> None:
    cpu, _ = boot(X86, X86.brk)
    cpu.set("eflags", cpu.get("eflags") | 1 << 8)
    assert_break(X86, cpu, cpu.step(), TEXT)


def test_int1_is_a_debug_exception() -> None:
    cpu, _ = boot(X86, b"\xf1")
    assert cpu.step() == Trap(TrapKind.TRACE, TEXT + 1)
    assert cpu.pc == TEXT + 1


# Memory


def test_data_is_shared_with_the_host_and_other_cpus(program: Program) -> None:
    memory = machine(program.store + program.load)
    first, second = (program.make_cpu(number, memory) for number in range(2))
    for cpu in (first, second):
        cpu.set(program.pointer, DATA + 8)
    first.set(program.counter, 0x1234)
    first.pc, second.pc = TEXT, TEXT + len(program.store)
    assert (first.step(), second.step()) == (None, None)
    assert memory.load(DATA + 8, 4) == second.get(program.counter) == 0x1234
    memory.store(DATA + 8, 77, 4)
    second.pc = TEXT + len(program.store)
    assert second.step() is None
    assert second.get(program.counter) == 77


@pytest.mark.parametrize(
    ("insn", "address", "access"),
    [("load", UNMAPPED, "read"), ("store", UNMAPPED, "write"), ("store", TEXT + 0x100, "write")],
)
def test_faults(program: Program, insn: str, address: int, access: str) -> None:
    cpu, _ = boot(program, program.add + getattr(program, insn))
    cpu.set(program.pointer, address)
    at = TEXT + len(program.add)
    for _ in range(2):
        cpu.pc = TEXT
        assert cpu.run(9) == Fault(access, address, at)
        assert cpu.pc == at
    cpu.set(program.pointer, DATA)
    assert cpu.step() is None


def test_a_fault_is_forgotten(program: Program) -> None:
    cpu, _ = boot(program, program.store + program.brk)
    cpu.set(program.pointer, UNMAPPED)
    assert cpu.step() == Fault("write", UNMAPPED, TEXT)
    cpu.pc = at = TEXT + len(program.store)
    assert_break(program, cpu, cpu.step(), at)


@pytest.mark.parametrize("target", [UNMAPPED, DATA])
def test_a_jump_to_no_text_completes_and_the_fetch_faults(program: Program, target: int) -> None:
    cpu, _ = boot(program, program.jump)
    cpu.set(program.pointer, target)
    assert cpu.step() is None
    assert cpu.pc == target
    for _ in range(2):
        assert cpu.step() == Fault("fetch", target, target)
        assert cpu.pc == target
    cpu.pc = TEXT
    assert cpu.step() is None


def test_halt_at_needs_no_memory(program: Program) -> None:
    cpu, _ = boot(program, program.jump)
    cpu.set(program.pointer, UNMAPPED)
    cpu.halt_at = UNMAPPED
    assert cpu.run(9) == Halt(UNMAPPED)
    assert cpu.run(9) == Halt(UNMAPPED)


def test_halt_in_a_warm_block(program: Program) -> None:
    cpu, _ = warm_loop(program)
    cpu.halt_at = TEXT + 2 * len(program.add)
    cpu.pc = TEXT
    assert cpu.run(100) == Halt(cpu.halt_at)
    assert cpu.get(program.counter) == 502


def test_an_endless_loop_ends_at_the_limit(program: Program) -> None:
    cpu, _ = boot(program, program.loop(0))
    assert cpu.run(1000) == Limit(1000)
    assert cpu.pc == TEXT


def test_the_first_and_last_word_of_text(program: Program) -> None:
    at = TEXT + SIZE - len(program.brk)
    cpu, _ = boot(program, program.brk, at)
    assert_break(program, cpu, cpu.step(), at)


@pytest.mark.parametrize(("addr", "size"), [(DATA, 4), (UNMAPPED, 4), (TEXT + SIZE - 2, 4)])
def test_view_of_what_is_not_text(program: Program, addr: int, size: int) -> None:
    cpu, _ = boot(program, program.nop)
    with pytest.raises(MemoryAccessError, match=f"{addr:#x}"):
        cpu.sync_icache(addr, size)
    with pytest.raises(MemoryAccessError, match=f"{addr:#x}"):
        cpu.fetched(addr, size)


# State


def names_of(program: Program) -> list[str]:
    registers = program.registers
    return [*registers.visible, registers.status, *(name for name in registers.fp if name not in registers.widths)]


def test_every_register_keeps_what_it_is_given(program: Program) -> None:
    cpu, _ = boot(program, b"")
    registers = program.registers
    # The status last to first: x86's flags are bits of it.
    values = {name: 0x100 + 3 * n for n, name in enumerate(names_of(program)) if name != "eflags"}
    values |= {name: n & 1 for n, name in enumerate(registers.flags)}
    if program.own_odd_fp:
        values[registers.status] |= program.own_odd_fp
    for name, value in values.items():
        cpu.set(name, value)
    if registers.zero is not None:
        values[registers.gpr[registers.zero]] = 0
    assert {name: cpu.get(name) for name in values} == values


FP_MODES = {
    "arm64": {"fpcr": 1 << 24, "fpsr": 0x1F},  # FZ; all cumulative exceptions but IDC
    "riscv": {"fcsr": 0x61},  # round up, inexact
    "x86": {"mxcsr": 0x1FA0, "fpcw": 0x27F, "fpsw": 0x3800, "fp7": 0x3FFF_8000_0000_0000_0000},
}


def test_modes_of_floating_point_keep_what_they_are_given(program: Program) -> None:
    cpu, _ = boot(program, b"")
    values = FP_MODES.get(program.name, {})
    for name, value in values.items():
        cpu.set(name, value)
    assert {name: cpu.get(name) for name in values} == values
    assert cpu.reader(tuple(values))() == tuple(values.values())


def test_width_of_registers(program: Program) -> None:
    cpu, _ = boot(program, b"")
    top = (1 << program.registers.bits) - 1
    cpu.set(program.counter, -1)
    assert cpu.get(program.counter) == top
    cpu.pc = -4
    assert cpu.pc == top - 3


def test_unknown_register(program: Program) -> None:
    cpu, _ = boot(program, b"")
    with pytest.raises(UsageError, match="'q77'"):
        cpu.get("q77")
    with pytest.raises(UsageError, match="'q77'"):
        cpu.set("q77", 1)


def test_registers_by_number_and_name_are_the_same(program: Program) -> None:
    cpu, _ = boot(program, b"")
    number = program.registers.gpr.index(program.registers.canonical(program.counter))
    cpu.gpr[number] = 0x55
    assert cpu.get(program.counter) == 0x55


def test_snapshot_brings_back_registers_pc_and_soft_ones(program: Program) -> None:
    cpu, _ = boot(program, program.add * 9)
    status = program.registers.status
    cpu.set(program.counter, 5)
    before = cpu.get(status)
    state = cpu.snapshot()
    for _ in range(3):
        assert cpu.run(4) == Limit(4)
        assert cpu.get(program.counter) == 9
        cpu.set(status, before ^ 0x200)
        cpu.restore(state)
        assert (cpu.pc, cpu.get(program.counter), cpu.get(status)) == (TEXT, 5, before)


def test_snapshots_bring_back_the_view_in_any_order(program: Program) -> None:
    cpu, memory = warm_loop(program)
    size = len(program.add)
    cpu.pc = TEXT
    clean = cpu.snapshot()
    patch(cpu, memory, TEXT + 2 * size, program.brk)
    one = cpu.snapshot()
    patch(cpu, memory, TEXT + size, program.brk)
    two = cpu.snapshot()
    for state, stop in [(clean, None), (two, 1), (one, 2), (two, 1), (clean, None), (one, 2), (one, 2)]:
        cpu.restore(state)
        if stop is None:
            assert cpu.run(50) == Limit(50)
        else:
            assert_break(program, cpu, cpu.run(50), TEXT + stop * size)
    cpu.restore(clean)
    assert cpu.fetched(TEXT, 5 * size) == program.add * 5


def test_a_patch_undone_is_in_no_later_snapshot(program: Program) -> None:
    cpu, memory = warm_loop(program)
    size = len(program.add)
    cpu.pc = TEXT
    clean = cpu.snapshot()
    patch(cpu, memory, TEXT + size, program.brk)
    cpu.restore(clean)
    memory.write(TEXT + size, program.add)
    patch(cpu, memory, TEXT + 3 * size, program.brk)
    later = cpu.snapshot()
    cpu.restore(clean)
    cpu.restore(later)
    assert_break(program, cpu, cpu.run(50), TEXT + 3 * size)


def test_restore_after_a_whole_image_was_synchronised(program: Program) -> None:
    cpu, memory = boot(program, program.brk)
    state = cpu.snapshot()
    memory.write(TEXT, program.add * 10)
    cpu.sync_icache(TEXT, SIZE)
    assert cpu.run(10) == Limit(10)
    cpu.restore(state)
    assert_break(program, cpu, cpu.step(), TEXT)


def test_restore_after_every_kind_of_stop(program: Program) -> None:
    cpu, _ = boot(program, program.add * 2)
    state = cpu.snapshot()
    for code in (program.brk, program.illegal, program.syscall, program.store):
        cpu.memory.write(TEXT + 0x1000, code)
        cpu.sync_icache(TEXT + 0x1000, len(code))
        cpu.pc = TEXT + 0x1000
        cpu.set(program.pointer, UNMAPPED)
        assert isinstance(cpu.step(), Trap | Fault)
        cpu.restore(state)
        assert cpu.run(2) == Limit(2)
        assert cpu.get(program.counter) == 2


# Reservations: load-linked from the pointer, store-conditional of 0x55, register that says whether it stored.
RESERVATIONS = {
    "arm64": (ARM64, words(0xC85F7C60), words(0xC8027C61), "x1", "x2", 0),  # ldxr x0; stxr w2, x1
    "mips": (MIPS, words(0xC0820000), words(0xE0830000), "v1", "v1", 1),  # ll v0; sc v1
    "riscv": (RISCV, words(0x1005B52F), words(0x18C5B6AF), "a2", "a3", 0),  # lr.d a0; sc.d a3, a2
}


@pytest.mark.parametrize(("program", "ll", "sc", "value", "status", "stored"), RESERVATIONS.values(), ids=RESERVATIONS)
@pytest.mark.parametrize("cleared", [False, True])
def test_reservation(
    program: Program, ll: bytes, sc: bytes, value: str, status: str, stored: int, cleared: bool
) -> None:
    cpu, memory = boot(program, ll + sc)
    cpu.set(program.pointer, DATA + 0x40)
    cpu.set(value, 0x55)
    assert cpu.step() is None
    before = {name: cpu.get(name) for name in names_of(program)}
    if cleared:
        cpu.clear_reservation()
    assert {name: cpu.get(name) for name in before} == before
    assert cpu.pc == TEXT + 4
    assert cpu.step() is None
    assert (cpu.get(status) == stored) is not cleared
    assert memory.load(DATA + 0x40, 4) == (0 if cleared else 0x55)


def test_clear_reservation_does_nothing_where_there_are_none() -> None:
    cpu, _ = boot(X86, X86.add)
    cpu.clear_reservation()
    assert (cpu.step(), cpu.get("rax")) == (None, 1)


def test_region_over_the_private_page() -> None:
    memory = Memory()
    memory.add("low", 0x7000, 0x1000)
    with pytest.raises(MemoryAccessError, match="low at 0x7000"):
        mips_engine.make_cpu(0, memory)


def test_arm64_atomics_and_flags() -> None:
    # ldadd x0, x1, [x3]; cmp x0, #5
    cpu, memory = boot(ARM64, words(0xF8200061, 0xF100141F))
    memory.store(DATA, 40, 8)
    cpu.set("x3", DATA)
    cpu.set("x0", 5)
    assert (cpu.step(), cpu.step()) == (None, None)
    assert (memory.load(DATA, 8), cpu.get("x1")) == (45, 40)
    assert [cpu.get(flag) for flag in "nzcv"] == [0, 1, 1, 0]


def test_x86_flags() -> None:
    cpu, _ = boot(X86, bytes.fromhex("4829c0"))  # sub rax, rax
    cpu.set("cf", 1)
    assert cpu.get("eflags") & 0x201 == 0x201
    assert cpu.step() is None
    assert [cpu.get(flag) for flag in ("cf", "pf", "af", "zf", "sf", "df", "of")] == [0, 1, 0, 1, 0, 0, 0]
    assert cpu.get("eflags") & 1 << 9


# Words that abort the engine; in a process of their own, since a failure would end this one.

LETHAL = {
    "mips pmon": (MIPS, words(0x000001C5)),  # prints
    "mips eret": (MIPS, words(0x42000018)),  # dies of what comes after it
    "arm64 fp16": (ARM64, words(0x4ED01EDF)),
    "arm64 fp16, u": (ARM64, words(0x2EF87B0F)),
    "x86 lock bts": (X86, bytes.fromhex("f00fabc0")),
    "x86 lock btc imm": (X86, bytes.fromhex("66f0490fbafd07")),
}


def lethal_child(program: Program, code: bytes) -> None:
    size = len(program.nop)
    kind = TrapKind.OTHER if code == LETHAL["mips eret"][1] else TrapKind.ILLEGAL
    cpu, memory = boot(program, program.nop + code if program is not X86 else code)
    if program is not X86:  # translated ahead of the pc
        assert cpu.step() is None
    at = cpu.pc
    assert cpu.step() == Trap(kind, at)
    assert cpu.fetched(at, len(code)) == code
    state = cpu.snapshot()
    patch(cpu, memory, at, program.nop * (len(code) // size))
    assert cpu.step() is None
    cpu.restore(state)
    assert cpu.step() == Trap(kind, at)
    patch(cpu, memory, at + 0x100, code)
    cpu.pc = at + 0x100
    assert cpu.step() == Trap(kind, at + 0x100)


@pytest.mark.parametrize(("program", "code"), LETHAL.values(), ids=LETHAL)
def test_words_that_abort_the_engine(program: Program, code: bytes) -> None:
    pid = os.fork()
    if pid == 0:
        try:
            lethal_child(program, code)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.mark.parametrize(
    ("program", "jump", "target", "begins"),
    [(RISCV, "6f00e07f", 0x7FE, "3305"), (X86, "e9fa070000", 0x7FF, "48")],
    ids=["riscv", "x86"],
)
def test_a_jump_to_an_instruction_that_memory_ends_in(program: Program, jump: str, target: int, begins: str) -> None:
    """The jump is executed; what it leads to cannot be fetched."""
    memory = Memory()
    memory.add("text", 0x10000, PAGE, executable=True)
    at = 0x10800
    memory.write(at, bytes.fromhex(jump))
    memory.write(at + target, bytes.fromhex(begins))
    cpu = program.make_cpu(0, memory)
    cpu.pc = at
    assert cpu.step() is None
    assert cpu.pc == at + target
    assert cpu.step() == Fault("fetch", 0x11000, at + target)
