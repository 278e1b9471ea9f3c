"""Counters and random numbers, which the engine takes from the host: a counter counts who looks, the rest is refused.

What rdtsc and rdtscp change is from the Intel SDM, volume 2B: EDX:EAX, the upper halves of the registers cleared, and
with rdtscp ECX, in which Linux has the CPU's number.
"""

import pytest

from arches.x86.unicorn import host_values, make_cpu
from emu.errors import GuestError
from emu.machine.cpu import Trap, TrapKind
from emu.machine.memory import Memory

TEXT = 0x10000
ONES = (1 << 64) - 1
NOP = b"\x90"


@pytest.fixture
def cpu_at():
    """cpu_at(code, number): a CPU of this number whose text begins with the code, and nops behind."""

    def cpu_at(code, number=0):
        memory = Memory()
        memory.add("text", TEXT, 0x1000, executable=True)
        memory.write(TEXT, bytes.fromhex(code).ljust(0x1000, NOP))
        cpu = make_cpu(number, memory)
        cpu.pc = TEXT
        for name in ("rax", "rcx", "rdx"):
            cpu.set(name, ONES)
        return cpu

    return cpu_at


def seen(cpu):
    return cpu.pc - TEXT, cpu.get("rax"), cpu.get("rdx"), cpu.get("rcx")


def test_each_read_is_one_more_and_the_same_again_from_the_same_state(cpu_at):
    cpu = cpu_at("0f31 0f01f9 0f31", number=3)
    before, runs = cpu.snapshot(), []
    for _ in range(2):
        cpu.restore(before)
        steps = []
        for _ in range(3):
            assert cpu.step() is None
            steps.append(seen(cpu))
        runs.append(steps)
    assert runs[0] == [(2, 1, 0, ONES), (5, 2, 0, 3), (7, 3, 0, 3)]
    assert runs[1] == runs[0]


@pytest.mark.parametrize("code", ["660f31", "480f31", "f30f31", "2e66480f31", "26660f01f9", "4f0f01f9"])
def test_with_prefixes_it_is_the_same_instruction(cpu_at, code):
    cpu = cpu_at(code)
    assert cpu.step() is None
    assert seen(cpu)[:3] == (len(code) // 2, 1, 0)


def test_what_was_read_is_part_of_the_state(cpu_at):
    cpu = cpu_at("0f31 ebfc")  # rdtsc; jmp back to it
    states = []
    for _ in range(2):
        cpu.step()
        cpu.step()
        for name in ("rax", "rdx"):
            cpu.set(name, 0)
        states.append(cpu.state())
    assert states[0] != states[1]


def test_a_single_step_over_it_traps_behind_it(cpu_at):
    cpu = cpu_at("0f31")
    cpu.set("eflags", 0x102)  # TF
    assert cpu.step() == Trap(TrapKind.TRACE, TEXT + 2)
    assert seen(cpu)[:3] == (2, 1, 0)


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("0f33", "rdpmc"),
        ("0fc7f0", "rdrand"),
        ("490fc7f7", "rdrand"),
        ("660fc7f1", "rdrand"),
        ("0fc7f8", "rdseed"),
        ("480fc7ff", "rdseed"),
    ],
)
def test_what_nobody_can_repeat_is_not_executed(cpu_at, code, name):
    cpu = cpu_at(code)
    with pytest.raises(GuestError, match=rf"^{name} at 0x10000: .*expected an instruction that can be repeated$"):
        cpu.step()
    assert seen(cpu) == (0, ONES, ONES, ONES)


@pytest.mark.parametrize(
    ("code", "changed"),
    [
        ("b80f310f31", {"rax": 0x310F310F}),  # mov eax, 0x310f310f
        ("48b80fc7f00fc7f80f33", {"rax": 0x330FF8C70FF0C70F}),  # movabs
        ("0fc70f", {}),  # cmpxchg8b [rdi], which is not mapped
        ("f30fc7f8", {}),  # rdpid, which Haswell does not have
    ],
)
def test_others_that_have_such_bytes_are_none_of_them(cpu_at, code, changed):
    cpu = cpu_at(code)
    cpu.step()
    for name in ("rax", "rdx", "rcx"):
        assert cpu.get(name) == changed.get(name, ONES)


def test_one_that_goes_away_is_not_there_any_more(cpu_at):
    cpu = cpu_at("90 0f31")
    cpu.memory.write(TEXT, b"\x90\x90\x90")
    cpu.sync_icache(TEXT + 1, 2)
    for _ in range(3):
        cpu.step()
    assert seen(cpu) == (3, ONES, ONES, ONES)


@pytest.mark.parametrize("pieces", [((2, 1), (0, 2)), ((0, 2), (2, 1)), ((1, 1), (0, 1), (2, 1))])
def test_one_that_comes_in_pieces_is_found(cpu_at, pieces):
    cpu = cpu_at("")
    cpu.memory.write(TEXT, b"\x66\x0f\x31")
    for at, size in pieces:
        cpu.sync_icache(TEXT + at, size)
    cpu.step()
    assert seen(cpu)[:3] == (3, 1, 0)


def test_one_that_begins_behind_a_change_stays_known(cpu_at):
    cpu = cpu_at("90 66660f31")
    cpu.memory.write(TEXT, b"\xfc")
    cpu.sync_icache(TEXT, 1)
    cpu.pc = TEXT + 1
    cpu.step()
    assert seen(cpu)[:3] == (5, 1, 0)


def test_every_place_from_which_it_can_begin_is_found():
    found = [(at, value.name) for at, value in host_values(bytes.fromhex("90 f3 66 48 0f31 41 0fc7f0"))]
    assert sorted(found) == [(1, "rdtsc"), (2, "rdtsc"), (3, "rdtsc"), (4, "rdtsc"), (6, "rdrand"), (7, "rdrand")]
