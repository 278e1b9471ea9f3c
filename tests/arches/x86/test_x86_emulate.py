"""What the emulation computes, derived by hand from the manual and from the facts' list of its mistakes."""

from __future__ import annotations

import pytest

from arches.x86 import bugs
from arches.x86.insns import decode
from arches.x86.simulate import ACTIONS, REGISTERS, actions
from emu.machine.frame import PtRegs
from emu.machine.memory import Memory

REPAIRED = actions(bugs.ALL)
ADDR, STACK = 0x10_0000, 0x20_0800
CF, PF, ZF, SF, IF, OF = 1, 4, 0x40, 0x80, 0x200, 0x800
RF = 1 << 16


class FakeCpu:
    """Registers and nothing else."""

    def __init__(self, registers):
        self.values = dict.fromkeys(REGISTERS, 0) | {"eflags": 2, "rsp": STACK} | registers
        self.pc = ADDR + 1  # behind the int3
        self.gpr = None

    def get(self, name):
        return self.values[name]

    def set(self, name, value):
        assert 0 <= value < 1 << 64
        self.values[name] = value


def run(routines, name, code, stack=(), **registers):
    """Registers after an action, with `stack` on the guest's stack: {"pc", changed registers, "top": 8 bytes}."""
    memory = Memory()
    memory.add("stack", 0x20_0000, 0x2_0000)
    for index, value in enumerate(stack):
        memory.store(STACK + 8 * index, value, 8)
    cpu = FakeCpu(registers)
    before = dict(cpu.values)
    routines[name](PtRegs(cpu, memory, "eflags"), decode(bytes.fromhex(code), ADDR), ADDR)
    changed = {name: value for name, value in cpu.values.items() if value != before[name]}
    return {"pc": cpu.pc} | changed | {"top": memory.load(cpu.values["rsp"], 8)}


def pc_of(routines, name, code, **registers):
    return run(routines, name, code, **registers)["pc"]


BOTH = pytest.mark.parametrize("routines", [ACTIONS, REPAIRED], ids=["linux", "fixed"])


@BOTH
def test_if_modifiers(routines):
    assert run(routines, "cli", "fa", eflags=IF | 2) == {"pc": ADDR + 1, "eflags": 2, "top": 0}
    assert run(routines, "sti", "fb", eflags=2) == {"pc": ADDR + 1, "eflags": IF | 2, "top": 0}
    assert run(routines, "sti", "40fb", eflags=2)["pc"] == ADDR + 2


@BOTH
def test_pushf_popf(routines):
    pushed = run(routines, "pushf", "9c", eflags=IF | CF | 2)
    assert pushed == {"pc": ADDR + 1, "rsp": STACK - 8, "top": IF | CF | 2}
    popped = run(routines, "popf", "9d", stack=[IF | ZF | 2])
    assert popped == {"pc": ADDR + 1, "rsp": STACK + 8, "eflags": IF | ZF | 2, "top": 0}


def test_popf_is_wholesale():
    assert run(ACTIONS, "popf", "9d", stack=[RF | 8 | CF])["eflags"] == RF | 8 | CF
    assert run(REPAIRED, "popf", "9d", stack=[RF | 8 | CF])["eflags"] == CF | 2


def test_pushf_popf_of_16_bits():
    assert run(ACTIONS, "pushf", "669c", eflags=CF | 2)["rsp"] == STACK - 8
    assert run(REPAIRED, "pushf", "669c", eflags=CF | 2, stack=[0x1122])["top"] == 0x1122_0003
    assert run(ACTIONS, "popf", "669d", stack=[CF])["rsp"] == STACK + 8
    assert run(ACTIONS, "pushf", "9c", eflags=RF | 2)["top"] == RF | 2
    assert run(REPAIRED, "pushf", "9c", eflags=RF | 2)["top"] == 2  # the image has RF clear
    upper = 1 << 21  # ID
    assert run(REPAIRED, "popf", "669d", stack=[CF], eflags=upper | ZF | 2)["eflags"] == upper | CF | 2


@BOTH
def test_ret(routines):
    assert run(routines, "ret", "c3", stack=[0x1234, 5]) == {"pc": 0x1234, "rsp": STACK + 8, "top": 5}


def test_ret_immediate_is_ignored():
    assert run(ACTIONS, "ret", "c20800", stack=[0x1234])["rsp"] == STACK + 8
    assert run(REPAIRED, "ret", "c20800", stack=[0x1234])["rsp"] == STACK + 16
    assert run(REPAIRED, "ret", "c2f0ff", stack=[0x1234])["rsp"] == STACK + 8 + 0xFFF0  # unsigned


def test_far_return_is_near():
    assert run(ACTIONS, "ret", "cb", stack=[0x10_00001234]) == {"pc": 0x10_00001234, "rsp": STACK + 8, "top": 0}
    assert run(ACTIONS, "ret", "48ca0800", stack=[0x1234, 0x10])["rsp"] == STACK + 8


@BOTH
def test_relative_branches(routines):
    assert run(routines, "call", "e8fbffffff") == {"pc": ADDR, "rsp": STACK - 8, "top": ADDR + 5}
    assert run(routines, "call", "e800010000")["pc"] == ADDR + 0x105
    assert pc_of(routines, "jmp", "eb80") == ADDR + 2 - 128
    assert pc_of(routines, "jmp", "e9ffffff7f") == ADDR + 5 + 0x7FFFFFFF
    assert pc_of(routines, "jmp", "66e900010000") == ADDR + 0x106  # prefix 66 does not shorten it


def test_call_with_prefix_returns_into_itself():
    assert run(ACTIONS, "call", "48e800010000") == {"pc": ADDR + 0x106, "rsp": STACK - 8, "top": ADDR + 5}
    assert run(REPAIRED, "call", "48e800010000") == {"pc": ADDR + 0x106, "rsp": STACK - 8, "top": ADDR + 6}


# Intel SDM vol. 1, table B-1: what each condition code is true for
CONDITIONS = {
    0: lambda c, p, z, s, o: o, 2: lambda c, p, z, s, o: c, 4: lambda c, p, z, s, o: z,
    6: lambda c, p, z, s, o: c or z, 8: lambda c, p, z, s, o: s, 10: lambda c, p, z, s, o: p,
    12: lambda c, p, z, s, o: s != o, 14: lambda c, p, z, s, o: z or s != o,
}  # fmt: skip


def all_flags():
    for bits in range(32):
        c, p, z, s, o = (bool(bits >> n & 1) for n in range(5))
        yield (c, p, z, s, o), c * CF | p * PF | z * ZF | s * SF | o * OF | 2


@pytest.mark.parametrize("code", range(16))
@pytest.mark.parametrize("form", ["{:02x}10", "0f{:02x}10000000"])
def test_jcc(code, form):
    insn = form.format((0x70 if form[0] == "{" else 0x80) + code)
    end = ADDR + len(insn) // 2
    for flags, eflags in all_flags():
        taken = bool(CONDITIONS[code & 14](*flags)) != bool(code & 1)
        for routines, name in ((ACTIONS, "jcc"), (REPAIRED, "jcc"), (REPAIRED, "jcc_jle_and")):
            assert pc_of(routines, name, insn, eflags=eflags) == end + 16 * taken, (code, flags)


@pytest.mark.parametrize("code", range(16))
def test_jcc_before_6_0(code):
    for flags, eflags in all_flags():
        _, _, z, s, o = flags
        taken = bool(CONDITIONS[code & 14](*flags)) != bool(code & 1)
        if code == 14:
            taken = z and s != o
        elif code == 15:
            taken = not (z and s != o)
        assert pc_of(ACTIONS, "jcc_jle_and", f"{0x70 + code:02x}10", eflags=eflags) == ADDR + 2 + 16 * taken


TAKEN, NOT = ADDR + 2 + 16, ADDR + 2


@pytest.mark.parametrize(
    ("code", "rcx", "zf", "linux", "fixed", "after"),
    [
        ("e210", 2, 0, TAKEN, TAKEN, 1),
        ("e210", 1, 0, TAKEN, NOT, 0),  # compared before the decrement
        ("e210", 0, 0, NOT, TAKEN, (1 << 64) - 1),
        ("e110", 2, 1, TAKEN, TAKEN, 1),  # loope
        ("e110", 2, 0, NOT, NOT, 1),
        ("e110", 1, 1, TAKEN, NOT, 0),
        ("e010", 2, 0, TAKEN, TAKEN, 1),  # loopne
        ("e010", 2, 1, NOT, NOT, 1),
        ("e010", 1, 0, TAKEN, NOT, 0),
        ("e310", 0, 0, TAKEN, TAKEN, 0),  # jrcxz
        ("e310", 1, 0, NOT, NOT, 1),
        ("e310", 1 << 32, 0, NOT, NOT, 1 << 32),
    ],
)
def test_loop(code, rcx, zf, linux, fixed, after):
    for routines, pc in ((ACTIONS, linux), (REPAIRED, fixed)):
        found = run(routines, "loop", code, rcx=rcx, eflags=ZF * zf | 2)
        assert (found["pc"], found.get("rcx", rcx)) == (pc, after)


def test_loop_with_a_32_bit_counter():
    high = 7 << 32
    linux = run(ACTIONS, "loop", "67e210", rcx=high | 2)
    assert (linux["pc"], linux["rcx"]) == (ADDR + 3 + 16, high | 1)
    fixed = run(REPAIRED, "loop", "67e210", rcx=high | 2)
    assert (fixed["pc"], fixed["rcx"]) == (ADDR + 3 + 16, 1)  # a write to ECX clears the upper half
    assert run(ACTIONS, "loop", "67e210", rcx=high)["rcx"] == high | 0xFFFFFFFF
    assert pc_of(ACTIONS, "loop", "67e310", rcx=high) == ADDR + 3 + 16  # jecxz
    assert pc_of(REPAIRED, "loop", "67e310", rcx=high) == ADDR + 3 + 16


@pytest.mark.parametrize("number", range(16))
def test_register_branches(number):
    rex = "41" if number >= 8 else ""
    name, size = REGISTERS[number], 2 + len(rex) // 2
    value = STACK - 0x80 if name == "rsp" else 0x5000 + number
    top = value - 8 if name == "rsp" else STACK - 8
    registers = {name: value}
    assert pc_of(ACTIONS, "jmp_reg", f"{rex}ff{0xE0 + number % 8:02x}", **registers) == value
    call = f"{rex}ff{0xD0 + number % 8:02x}"
    for routines, action, pushed in (
        (ACTIONS, "call_reg", ADDR + size),
        (REPAIRED, "call_reg", ADDR + size),
        (REPAIRED, "call_reg_5", ADDR + size),
        (ACTIONS, "call_reg_5", ADDR + 5),  # before f5d03da48d06
    ):
        found = run(routines, action, call, **registers)
        after_push = action == "call_reg" and routines is ACTIONS
        target = top if name == "rsp" and after_push else value
        assert (found["pc"], found["rsp"], found["top"]) == (target, top, pushed)


def test_instruction_behind_vex_is_not_executed():
    """vzeroupper is found under opcode 77: whatever the flags, the next instruction follows."""
    for eflags in (2, CF | 2):
        assert run(ACTIONS, "jcc", "c5f877", eflags=eflags) == {"pc": ADDR + 3, "top": 0}


def test_every_action_is_in_both():
    assert set(ACTIONS) == set(REPAIRED)
