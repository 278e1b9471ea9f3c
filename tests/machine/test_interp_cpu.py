"""The interpreter as a CPU: stops with exact pcs, its own view of text, snapshots, reservations. On LoongArch64."""

from __future__ import annotations

from types import ModuleType

import pytest

from arches.loongarch.insns import TABLE
from arches.loongarch.isa import assemble
from arches.loongarch.semantics import SPEC, make_cpu
from emu.errors import MemoryAccessError, TableError, UsageError
from emu.isa.registers import RegisterFile
from emu.isa.table import Table
from emu.machine.cpu import Cpu, Fault, Halt, Limit, Trap, TrapKind
from emu.machine.interp_cpu import InterpCpu, InterpSpec, semantics_of
from emu.machine.memory import Memory
from tools.bench_interp import measure

TEXT, DATA = 0x10000, 0x20000


def code(*lines: str) -> bytes:
    return b"".join(assemble(line, 0) for line in lines)


def machine(*lines: str) -> Memory:
    memory = Memory()
    memory.add("text", TEXT, 0x1000, executable=True)
    memory.add("data", DATA, 0x1000)
    memory.write(TEXT, code(*lines))
    return memory


def cpu_at_text(memory: Memory, id: int = 0) -> InterpCpu:
    cpu = make_cpu(id, memory)
    cpu.pc = TEXT
    return cpu


def test_it_is_a_cpu() -> None:
    cpu: Cpu = cpu_at_text(machine())
    assert cpu.id == 0


# Registers


def test_registers_by_every_name() -> None:
    cpu = cpu_at_text(machine())
    cpu.set("a0", 5)
    assert (cpu.get("r4"), cpu.get("$a0"), cpu.get("$r4"), cpu.gpr[4]) == (5, 5, 5, 5)
    cpu.set("u0", -1)
    assert cpu.get("r21") == (1 << 64) - 1
    cpu.set("pc", 0x1234)
    assert (cpu.pc, cpu.get("pc")) == (0x1234, 0x1234)
    assert cpu.get("prmd") == 4
    cpu.set("fcc3", 1)
    assert (cpu.get("fcc3"), cpu.get("fcc2"), cpu.special["fcc"]) == (1, 0, 8)
    cpu.set("fcc1", 6)
    assert cpu.special["fcc"] == 8


def test_register_zero_is_hard_wired() -> None:
    cpu = cpu_at_text(machine("addi.d $zero, $zero, 1"))
    cpu.gpr[0] = 7
    cpu.set("zero", 8)
    assert cpu.step() is None
    assert cpu.gpr[0] == 0


@pytest.mark.parametrize("name", ["r32", "x0", "", "fcc8", "PC"])
def test_unknown_registers(name: str) -> None:
    cpu = cpu_at_text(machine())
    with pytest.raises(UsageError, match="expected one of r0"):
        cpu.get(name)
    with pytest.raises(UsageError):
        cpu.set(name, 0)


# Stops


def test_step_and_run_count_instructions() -> None:
    cpu = cpu_at_text(machine("addi.d $a0, $a0, 1", "b -4"))
    assert cpu.step() is None
    assert (cpu.pc, cpu.gpr[4]) == (TEXT + 4, 1)
    assert cpu.run(9) == Limit(9)
    assert (cpu.pc, cpu.gpr[4]) == (TEXT, 5)
    assert cpu.run(0) == Limit(0)


@pytest.mark.parametrize(
    ("line", "kind", "insn_code"),
    [
        ("break 10", TrapKind.BREAK, 10),
        ("syscall 7", TrapKind.SYSCALL, 7),
        ("asrtgt.d $zero, $zero", TrapKind.TRAP, None),
        ("ll.w $a0, $a1, 0", TrapKind.UNALIGNED, None),
        ("amadd.w $a0, $a0, $a0", TrapKind.ILLEGAL, None),
        ("bstrpick.d $a0, $a1, 3, 4", TrapKind.ILLEGAL, None),
        ("tlbwr", TrapKind.OTHER, None),
    ],
)
def test_traps_have_the_exact_pc_and_change_nothing(line: str, kind: TrapKind, insn_code: int | None) -> None:
    nops = ["nop"] * 3
    cpu = cpu_at_text(machine(*nops, line, "addi.d $a0, $a0, 1"))
    cpu.gpr[5] = 1
    for _ in range(2):  # taken again when nobody moves the pc
        before = list(cpu.gpr)
        assert cpu.run(100) == Trap(kind, TEXT + 12, insn_code)
        assert cpu.pc == TEXT + 12
        assert list(cpu.gpr) == before
    assert cpu.step() == Trap(kind, TEXT + 12, insn_code)
    cpu.pc += 4
    assert cpu.step() is None
    assert cpu.gpr[4] == 1


def test_a_word_that_is_no_instruction() -> None:
    memory = machine("nop")
    memory.write(TEXT + 4, b"\xff\xff\xff\xff")
    cpu = cpu_at_text(memory)
    assert cpu.run(10) == Trap(TrapKind.ILLEGAL, TEXT + 4)


def test_halt_comes_before_the_instruction() -> None:
    cpu = cpu_at_text(machine("nop", "nop", "addi.d $a0, $a0, 1", "b -8"))
    cpu.run(100)  # warm
    cpu.pc, cpu.gpr[4] = TEXT, 0
    cpu.halt_at = TEXT + 8
    assert cpu.run(10) == Halt(TEXT + 8)
    assert (cpu.pc, cpu.gpr[4]) == (TEXT + 8, 0)
    assert cpu.step() == Halt(TEXT + 8)
    cpu.halt_at = None
    assert cpu.step() is None
    assert cpu.gpr[4] == 1


def test_halting_at_an_address_that_wraps() -> None:
    cpu = cpu_at_text(machine("jirl $zero, $zero, -4"))
    cpu.halt_at = (1 << 64) - 4
    assert cpu.run(10) == Halt((1 << 64) - 4)


@pytest.mark.parametrize(
    ("line", "a1", "fault"),
    [
        ("ld.d $a0, $a1, 0", 0x5000, ("read", 0x5000)),
        ("ld.d $a0, $a1, 0", DATA + 0xFF9, ("read", DATA + 0xFF9)),
        ("ld.d $a0, $a1, -1", 0, ("read", (1 << 64) - 1)),
        ("st.b $a0, $a1, 0", 0x5000, ("write", 0x5000)),
        ("st.b $a0, $a1, 4", TEXT, ("write", TEXT + 4)),
        ("amadd.w $a0, $a2, $a1", TEXT, ("write", TEXT)),
    ],
)
def test_data_faults(line: str, a1: int, fault: tuple[str, int]) -> None:
    memory = machine("nop", line)
    cpu = cpu_at_text(memory)
    cpu.gpr[4], cpu.gpr[5] = 77, a1
    text = memory.read(TEXT, 0x1000)
    assert cpu.run(10) == Fault(*fault, TEXT + 4)
    assert (cpu.pc, cpu.gpr[4]) == (TEXT + 4, 77)
    assert memory.read(TEXT, 0x1000) == text


@pytest.mark.parametrize(("line", "access"), [("ld.d $a0, $a1, 1", "read"), ("st.d $a0, $a1, 1", "write")])
def test_an_access_over_the_end_of_a_region_that_was_just_used(line: str, access: str) -> None:
    cpu = cpu_at_text(machine("ld.d $a0, $a1, 0", line))
    cpu.gpr[5] = DATA + 0xFF8
    assert cpu.run(2) == Fault(access, DATA + 0xFF9, TEXT + 4)


def test_text_can_be_read_as_data() -> None:
    cpu = cpu_at_text(machine("ld.wu $a0, $a1, 0"))
    cpu.gpr[5] = TEXT
    assert cpu.step() is None
    assert cpu.gpr[4] == int.from_bytes(assemble("ld.wu $a0, $a1, 0", 0), "little")


@pytest.mark.parametrize("target", [0x5000, DATA, TEXT + 0x1000, (1 << 64) - 4])
def test_fetch_faults_are_at_the_target(target: int) -> None:
    cpu = cpu_at_text(machine("jirl $ra, $a1, 0"))
    cpu.gpr[5] = target
    assert cpu.run(10) == Fault("fetch", target, target)
    assert (cpu.pc, cpu.get("ra")) == (target, TEXT + 4)


def test_a_pc_between_instructions_traps_there() -> None:
    cpu = cpu_at_text(machine("jirl $ra, $a1, 0"))
    cpu.gpr[5] = TEXT + 2
    assert cpu.run(10) == Trap(TrapKind.UNALIGNED, TEXT + 2)


# The instruction view


def test_a_patch_is_executed_after_synchronisation_and_not_before() -> None:
    memory = machine("addi.d $a0, $a0, 1", "b -4")
    cpus = [cpu_at_text(memory, id) for id in range(2)]
    for cpu in cpus:
        cpu.run(4)  # warm
    memory.write(TEXT, assemble("break 10", 0))
    assert [cpu.step() for cpu in cpus] == [None, None]
    cpus[0].pc = cpus[1].pc = TEXT
    cpus[0].sync_icache(TEXT, 4)
    assert cpus[0].step() == Trap(TrapKind.BREAK, TEXT, 10)
    assert cpus[1].step() is None
    assert cpus[0].fetched(TEXT, 4) == assemble("break 10", 0)
    assert cpus[1].fetched(TEXT, 4) == assemble("addi.d $a0, $a0, 1", 0)


def test_synchronising_half_a_word_fetches_a_torn_one() -> None:
    memory = machine("break 10")
    cpu = cpu_at_text(memory)
    cpu.step()
    memory.write(TEXT, assemble("addi.d $a0, $a0, 10", 0))
    cpu.sync_icache(TEXT, 2)
    torn = assemble("addi.d $a0, $a0, 10", 0)[:2] + assemble("break 10", 0)[2:]
    assert cpu.fetched(TEXT, 4) == torn
    assert TABLE.decode(int.from_bytes(torn, "little")).name == "break"
    assert cpu.step() == Trap(TrapKind.BREAK, TEXT, TABLE.decode(int.from_bytes(torn, "little")).code)


@pytest.mark.parametrize("byte", range(4))
def test_one_byte_of_a_word_that_was_decoded_before(byte: int) -> None:
    memory = machine("break 0")
    cpu = cpu_at_text(memory)
    assert cpu.step() == Trap(TrapKind.BREAK, TEXT, 0)
    patched = bytearray(assemble("break 0", 0))
    patched[byte] ^= 1
    memory.write(TEXT, bytes(patched))
    cpu.sync_icache(TEXT + byte, 1)
    assert cpu.fetched(TEXT, 4) == patched
    assert cpu.step() != Trap(TrapKind.BREAK, TEXT, 0)


def test_the_first_synchronisation_may_be_of_everything() -> None:
    memory = machine()
    cpu = cpu_at_text(memory)
    memory.write(TEXT, code("addi.d $a0, $a0, 1", "b -4"))
    assert cpu.run(3) == Trap(TrapKind.ILLEGAL, TEXT)
    cpu.sync_icache(TEXT, 0x1000)
    assert cpu.run(3) == Limit(3)


def test_views_of_what_is_not_text() -> None:
    cpu = cpu_at_text(machine())
    for addr in (DATA, 0x5000, TEXT + 0xFFE):
        with pytest.raises(MemoryAccessError, match=f"no text at {addr:#x}"):
            cpu.fetched(addr, 4)
        with pytest.raises(MemoryAccessError):
            cpu.sync_icache(addr, 4)


# Snapshots


def test_restore_brings_back_registers_and_view_any_number_of_times() -> None:
    memory = machine("addi.d $a0, $a0, 1", "b -4")
    cpu = cpu_at_text(memory)
    words = [assemble(text, 0) for text in ("break 1", "break 2", "break 3")]

    def patch(word: bytes, at: int = TEXT) -> None:
        memory.write(at, word)
        cpu.sync_icache(at, 4)

    first = cpu.snapshot()
    patch(words[0])
    second = cpu.snapshot()
    patch(words[1])
    patch(words[2], TEXT + 0x800)
    third = cpu.snapshot()
    cpu.restore(first)
    patch(words[2])  # a history that the other snapshots do not share
    for _ in range(2):
        cpu.restore(first)
        assert cpu.run(3) == Limit(3)
        assert cpu.gpr[4] == 2
        cpu.restore(third)
        assert cpu.step() == Trap(TrapKind.BREAK, TEXT, 2)
        assert cpu.fetched(TEXT + 0x800, 4) == words[2]
        cpu.restore(second)
        assert cpu.step() == Trap(TrapKind.BREAK, TEXT, 1)
        assert cpu.fetched(TEXT + 0x800, 4) == bytes(4)


def test_snapshots_hold_special_registers() -> None:
    cpu = cpu_at_text(machine("csrwr $a0, 1", "nop"))
    state = cpu.snapshot()
    assert cpu.step() is None
    assert (cpu.get("prmd"), cpu.gpr[4]) == (0, 4)
    cpu.set("fcc0", 1)
    cpu.restore(state)
    assert (cpu.get("prmd"), cpu.gpr[4], cpu.get("fcc0"), cpu.pc) == (4, 0, 0, TEXT)
    cpu.step()
    cpu.restore(state)
    assert cpu.get("prmd") == 4


# Reservations

LOOP = ("ll.d $t0, $a0, 0", "addi.d $t0, $t0, 1", "sc.d $t0, $a0, 0")


def contenders() -> tuple[Memory, InterpCpu, InterpCpu]:
    memory = machine(*LOOP)
    cpus = [cpu_at_text(memory, id) for id in range(2)]
    for cpu in cpus:
        cpu.set("a0", DATA + 8)
    return memory, cpus[0], cpus[1]


def test_a_store_conditional_succeeds_once() -> None:
    memory, cpu, _ = contenders()
    assert cpu.run(3) == Limit(3)
    assert (memory.load(DATA + 8, 8), cpu.get("t0")) == (1, 1)
    cpu.pc -= 4
    assert cpu.step() is None
    assert (memory.load(DATA + 8, 8), cpu.get("t0")) == (1, 0)


def test_two_cpus_that_interleave_do_not_lose_a_count() -> None:
    memory, one, other = contenders()
    one.run(2)
    other.run(3)
    assert other.get("t0") == 1
    one.run(1)
    assert one.get("t0") == 0  # the other's store broke it
    one.pc = TEXT
    one.run(3)
    assert (one.get("t0"), memory.load(DATA + 8, 8)) == (1, 2)


def test_any_store_of_another_cpu_to_the_line_breaks_a_reservation() -> None:
    memory, one, other = contenders()
    memory.write(TEXT + 0x100, code("st.b $zero, $a0, -8"))
    other.sync_icache(TEXT + 0x100, 4)
    one.run(2)
    other.pc = TEXT + 0x100
    assert other.step() is None  # the same value, elsewhere in the line
    one.run(1)
    assert (one.get("t0"), memory.load(DATA + 8, 8)) == (0, 0)


@pytest.mark.parametrize(
    ("offset", "size", "succeeds"),
    [(-8, 1, 0), (55, 1, 0), (56, 1, 1), (-9, 1, 1), (-9, 2, 0), (-100, 92, 1), (-100, 300, 0)],
)
def test_host_stores_break_reservations_by_line(offset: int, size: int, succeeds: int) -> None:
    memory, one, _ = contenders()
    one.set("a0", DATA + 0x88)
    one.run(2)
    memory.write(DATA + 0x88 + offset, bytes(size))
    one.run(1)
    assert one.get("t0") == succeeds


def test_own_stores_and_clear_reservation() -> None:
    memory, one, _ = contenders()
    memory.write(TEXT, code("ll.w $t0, $a0, 0", "st.w $zero, $a0, 0", "sc.w $t0, $a0, 0"))
    one.sync_icache(TEXT, 12)
    one.run(3)
    assert one.get("t0") == 1
    one.pc = TEXT
    one.run(2)
    one.clear_reservation()
    one.run(1)
    assert one.get("t0") == 0


def test_snapshots_hold_the_reservation() -> None:
    _, one, other = contenders()
    one.run(2)
    state = one.snapshot()
    other.run(3)
    one.restore(state)
    assert (one.step(), one.get("t0")) == (None, 1)
    other.restore(other.snapshot())
    one.clear_reservation()
    state = one.snapshot()
    one.pc = TEXT
    one.run(2)
    one.restore(state)
    one.pc = TEXT + 8
    assert (one.step(), one.get("t0")) == (None, 0)


# What an architecture gives


def small_spec(trace: tuple[str, int] | None) -> InterpSpec:
    """A machine with two sizes of instructions, no zero register and a trace bit."""
    table = Table.parse(
        "inc  000000 rx:4 imm:6  rx, imm\npsr  000001 imm:10  imm\nlong  11000000 rx:8 imm:16  rx, imm",
        "small.decode",
        halfwords_high_first=True,
        size_of=lambda halfword: 4 if halfword >> 14 == 3 else 2,
    )

    def inc(cpu: InterpCpu, i):  # type: ignore[no-untyped-def]
        cpu.gpr[i.rx] += i.imm

    def psr(cpu: InterpCpu, i):  # type: ignore[no-untyped-def]
        cpu.special["psr"] = i.imm

    registers = RegisterFile(
        bits=32,
        gpr=tuple(f"r{n}" for n in range(16)),
        aliases={},
        status="psr",
        arguments=(),
        result="r0",
        stack="r14",
        link="r15",
        flags=("c",),
    )
    return InterpSpec(
        table=table,
        semantics={"inc": inc, "long": inc, "psr": psr},
        registers=registers,
        reset={"psr": 1},
        flag_bits={"c": ("psr", 0)},
        trace=trace,
        alignment=2,
    )


def small_cpu(trace: tuple[str, int] | None, *insns: tuple[str, dict[str, int]]) -> InterpCpu:
    spec = small_spec(trace)
    memory = Memory()
    memory.add("text", TEXT, 0x1000, executable=True)
    data = b""
    for name, fields in insns:
        word = spec.table.encode(name, **fields)
        data += spec.table.to_bytes(word, 4 if name == "long" else 2)
    memory.write(TEXT, data)
    cpu = InterpCpu(spec, 0, memory)
    cpu.pc = TEXT
    return cpu


def test_mixed_sizes_and_32_bits() -> None:
    cpu = small_cpu(
        None, ("inc", {"rx": 0, "imm": 1}), ("long", {"rx": 1, "imm": 0xFFFF}), ("inc", {"rx": 0, "imm": 2})
    )
    cpu.gpr[0] = 0xFFFFFFFF
    assert cpu.run(2) == Limit(2)
    assert (cpu.pc, cpu.gpr[0], cpu.gpr[1]) == (TEXT + 6, 0, 0xFFFF)
    cpu.pc += 1
    assert cpu.step() == Trap(TrapKind.UNALIGNED, TEXT + 7)


def test_an_instruction_cut_off_by_the_end_of_text() -> None:
    cpu = small_cpu(None)
    cpu.memory.write(TEXT + 0xFFE, b"\x00\xc0")
    cpu.sync_icache(TEXT + 0xFFE, 2)
    cpu.pc = TEXT + 0xFFE
    assert cpu.step() == Fault("fetch", TEXT + 0x1000, TEXT + 0xFFE)


def test_flags_are_bits_of_a_special_register() -> None:
    cpu = small_cpu(None)
    assert cpu.get("c") == 1
    cpu.set("c", 0)
    assert cpu.get("psr") == 0
    cpu.set("psr", 3)
    assert cpu.get("c") == 1


def test_trace_mode() -> None:
    step = ("inc", {"rx": 0, "imm": 1})
    cpu = small_cpu(("psr", 0x200), step, ("psr", {"imm": 0x200}), step, ("psr", {"imm": 0}), step, step)
    # The instruction that turns it on is not traced, the one that turns it off is.
    assert cpu.run(10) == Trap(TrapKind.TRACE, TEXT + 6)
    assert cpu.pc == TEXT + 6
    assert cpu.run(10) == Trap(TrapKind.TRACE, TEXT + 8)
    cpu.halt_at = TEXT + 12
    assert cpu.run(10) == Halt(TEXT + 12)
    assert cpu.gpr[0] == 4


def test_a_trap_while_tracing_is_the_trap() -> None:
    cpu = small_cpu(("psr", 0x200), ("psr", {"imm": 0x200}))
    cpu.memory.write(TEXT + 2, b"\xff\xff\xff\xff")
    cpu.sync_icache(TEXT, 8)
    assert cpu.run(10) == Trap(TrapKind.ILLEGAL, TEXT + 2)


def module_of(source: str) -> ModuleType:
    made = ModuleType("semantics_made")
    exec(source, vars(made) | {"__name__": "semantics_made"}, vars(made))
    return made


ROWS = Table.parse("mask  0000000000000000 imm:16  imm\nand   0000000000000001 imm:16  imm", "made.decode")


def test_functions_are_bound_to_rows_by_their_names() -> None:
    found = semantics_of(ROWS, module_of("def mask(cpu, i): pass\ndef and_(cpu, i): pass"))
    assert {name: function.__name__ for name, function in found.items()} == {"mask": "mask", "and": "and_"}


def test_a_helper_that_was_imported_is_bound_to_no_row() -> None:
    found = semantics_of(ROWS, module_of("from emu.bits import mask\ndef and_(cpu, i): pass"))
    assert set(found) == {"and"}


@pytest.mark.parametrize("source", ["def mask(width): pass", "def and_(cpu, i): pass\ndef mask(cpu, i, width): pass"])
def test_a_helper_with_a_rows_name_is_an_error(source: str) -> None:
    with pytest.raises(TableError, match=r"semantics_made\.mask: expected one function \(cpu, i\) for the row mask"):
        semantics_of(ROWS, module_of(source))


def test_two_functions_for_one_row_are_an_error() -> None:
    module = module_of("def mask(cpu, i): pass\ndef and_(cpu, i): pass")
    with pytest.raises(TableError, match=r"semantics_made\.mask: expected one function"):
        semantics_of(ROWS, module, module)


def test_every_row_needs_a_function() -> None:
    with pytest.raises(TableError, match="extra: expected a function"):
        InterpSpec(
            table=Table.parse("extra  0000000000000000  -", "t"), semantics=SPEC.semantics, registers=SPEC.registers
        )


def test_it_is_fast_enough() -> None:
    assert max(measure(100_000) for _ in range(3)) > 500_000
