"""MIPS floating point in both of its modes: every half of every register, by hand and against QEMU.

With Status.FR clear, a 64-bit value lies in an even register and the odd one behind it (MD00083, 5.6.3 Floating Point
Register models); with it set, each of 32 registers has 64 bits.
"""

import importlib.util
import shutil
import struct
import subprocess
import sys
from random import Random

import pytest

import arches
from emu.errors import UsageError
from emu.machine.single_step import State, Stepper

ONE, TWO = 0x3FF0_0000_0000_0000, 0x4000_0000_0000_0000
FR = 0x2400_0001  # CU1, FR and IE of Status
BOTH = pytest.mark.parametrize("fr", (0, 1))
DATA, AT = 0x30_0000, 0x1_0000
EIGHT = bytes.fromhex("0102030405060708")
FRESH = {"cp0_status": 0x2400_0001}


@pytest.fixture(scope="module")
def stepper():
    mips = arches.load("mips")
    return Stepper(mips.isa, mips.make_cpu())


def step(stepper, word, fr=0, mem=None, **regs):
    status = FRESH if fr else {}
    return stepper.step(State(word.to_bytes(4, "little"), AT, {**status, **regs}, mem or {}))


def float_bits(value):
    return int.from_bytes(struct.pack("<f", value), "little")


@BOTH
def test_a_double_is_added_in_either_mode(stepper, fr):
    assert step(stepper, 0x46241000, fr, f2=ONE, f4=ONE).regs == {"f0": TWO}  # add.d $f0, $f2, $f4


def test_the_halves_of_a_double_can_be_given_by_odd_names(stepper):
    assert step(stepper, 0x46241000, f3=ONE >> 32, f5=ONE >> 32).regs == {"f0": TWO}


def test_an_odd_name_is_a_register_of_its_own_with_fr(stepper):
    assert step(stepper, 0x46251800, 1, f3=ONE, f5=ONE).regs == {"f0": TWO}  # add.d $f0, $f3, $f5


@BOTH
@pytest.mark.parametrize("upper", (0, 0x1234_5678))
def test_a_single_is_added_in_the_lower_half(stepper, fr, upper):
    """add.s $f0, $f2, $f4. What it leaves in the upper half of f0 is UNPREDICTABLE; the other registers stay."""
    regs = {"f2": upper << 32 | float_bits(1.5), "f4": float_bits(2.25)}
    changed = step(stepper, 0x46041000, fr, **regs).regs
    assert set(changed) == {"f0"}
    assert changed["f0"] & 0xFFFF_FFFF == float_bits(3.75)


def test_mtc1_to_an_odd_register_is_the_upper_half_of_the_even_one(stepper):
    assert step(stepper, 0x44810800, at=7).regs == {"f0": 7 << 32}  # mtc1 $at, $f1
    assert step(stepper, 0x44810800, 1, at=7).regs == {"f1": 7}


@pytest.mark.parametrize(("fr", "value"), [(0, 0x9ABC_DEF0), (1, 0x1111_2222)])
def test_mfc1_from_an_odd_register(stepper, fr, value):
    """mfc1 $at, $f1: the upper half of f0, or the lower half of f1, sign and all (registers have 32 bits)."""
    given = {"f0": 0x9ABC_DEF0_1234_5678} | ({"f1": 0x3333_4444_1111_2222} if fr else {})
    assert step(stepper, 0x44010800, fr, **given).regs["r1"] == value


@BOTH
def test_ldc1_fills_both_halves(stepper, fr):
    changed = step(stepper, 0xD4400000, fr, {DATA: EIGHT}, v0=DATA)  # ldc1 $f0, 0($v0)
    assert changed.regs == {"f0": int.from_bytes(EIGHT, "little")}


@BOTH
def test_sdc1_stores_both_halves(stepper, fr):
    changed = step(stepper, 0xF4420008, fr, {DATA: bytes(16)}, v0=DATA, f2=int.from_bytes(EIGHT, "little"))
    assert changed.mem == {DATA + 8: EIGHT}


def test_more_than_an_upper_half_is_refused(stepper):
    with pytest.raises(UsageError, match="f1=0x100000000: expected 32 bits, the upper half of f0 in this mode"):
        step(stepper, 0x44810800, f1=1 << 32)


def test_one_state_does_not_leak_its_mode_into_the_next(stepper):
    step(stepper, 0x44810800, 1, at=7)
    assert step(stepper, 0x44810800, at=7).regs == {"f0": 7 << 32}
    step(stepper, 0x0000000D, 1, f1=5)  # break: an exception, after which the engine's state is renewed
    assert step(stepper, 0x44810800, 1, at=7, f0=3).regs == {"f1": 7}


# Against QEMU's user mode, an emulator whose registers are read by stores and not by an interface for them.

WORDS = (
    *(0x46241000, 0x46041000, 0x46241001, 0x46041002, 0x46241003),  # add.d add.s sub.d mul.s div.d
    *(0x44810800, 0x44811000, 0x44010800, 0x44021000),  # mtc1 to odd and even, mfc1 from odd and even
    *(0xD4400000, 0xD4420008, 0xC4410004, 0xC4420004),  # ldc1, lwc1 to odd and even
    *(0xF4400000, 0xF4420008, 0xE4410004, 0xE4420004),  # sdc1, swc1 from odd and even
    *(0x46201006, 0x46001006, 0x460010A1, 0x462010A0),  # mov.d, mov.s, cvt.d.s, cvt.s.d
)
PROGRAM = """
    .set noreorder
    .set noat
    .set mips32r2
    .set fp=64
    .text
    .globl __start
__start:
    li $v0, 4192
    li $a0, 45
    li $a1, {fr}
    syscall
{cases}
    li $v0, 4001
    li $a0, 0
    syscall
    nop
    .data
    .balign 8
"""
CASE = """
    lui $t0, %hi(in{n})
    addiu $t0, $t0, %lo(in{n})
{loads}
    lw $at, 256($t0)
    addiu $v0, $t0, 264
    .word {word:#x}
    sw $at, 256($t0)
    sw $v0, 260($t0)
{stores}
    li $v0, 4004
    li $a0, 1
    move $a1, $t0
    li $a2, 280
    syscall
    nop
"""


def program(fr, cases):
    numbers = range(0, 32, 1 if fr else 2)
    loads = "\n".join(f"    ldc1 $f{n}, {8 * n}($t0)" for n in numbers)
    stores = "\n".join(f"    sdc1 $f{n}, {8 * n}($t0)" for n in numbers)
    code = "".join(CASE.format(n=n, word=word, loads=loads, stores=stores) for n, (word, _) in enumerate(cases))
    data = "\n".join(f"in{n}: .byte {', '.join(map(str, given))}" for n, (_, given) in enumerate(cases))
    return PROGRAM.format(fr=fr, cases=code) + data + "\n"


def some_state(rng):
    """32 registers of 64 bits that are ordinary numbers in both widths, $at, padding, and 16 bytes of memory."""
    halves = [rng.choice((float_bits(rng.uniform(-9, 9)), 0x3FF0_0000 | rng.getrandbits(18))) for _ in range(64)]
    return struct.pack("<64I", *halves) + struct.pack("<II", rng.getrandbits(31), 0) + rng.randbytes(16)


def ran_by_qemu(tmp_path, fr, cases):
    if shutil.which("qemu-mipsel") is None:
        pytest.skip("qemu-mipsel is not installed (tools/install_debian installs it)")
    if importlib.util.find_spec("ziglang") is None:
        pytest.skip("ziglang is not installed")
    source, output = tmp_path / "fp.s", tmp_path / "fp"
    source.write_text(program(fr, cases))
    target = ["-target", "mipsel-linux-musleabihf", "-mfp64", "-nostdlib", "-static", "-Wl,-e,__start"]
    command = [sys.executable, "-m", "ziglang", "cc", *target, str(source), "-o", str(output)]
    subprocess.run(command, check=True, capture_output=True)
    out = subprocess.run(["qemu-mipsel", "-cpu", "74Kf", str(output)], check=True, capture_output=True).stdout
    return [out[at : at + 280] for at in range(0, len(out), 280)]


@BOTH
def test_registers_and_memory_are_qemus(stepper, fr, tmp_path):
    rng = Random(fr)
    cases = [(word, some_state(rng)) for word in WORDS for _ in range(4)]
    for (word, given), there in zip(cases, ran_by_qemu(tmp_path, fr, cases), strict=True):
        values = struct.unpack_from("<32Q", given)
        names = [f"f{n}" for n in range(0, 32, 1 if fr else 2)]
        regs = {name: values[int(name[1:])] for name in names}
        at, base = struct.unpack_from("<I", given, 256)[0], DATA
        changed = step(stepper, word, fr, {base: given[264:]}, at=at, v0=base, **regs)
        seen = {name: changed.regs.get(name, value) for name, value in regs.items()}
        assert seen == {name: struct.unpack_from("<Q", there, 8 * int(name[1:]))[0] for name in names}, f"{word:#x}"
        assert changed.regs.get("r1", at) == struct.unpack_from("<I", there, 256)[0], f"{word:#x}"
        memory = bytearray(given[264:])
        for addr, data in changed.mem.items():
            memory[addr - base : addr - base + len(data)] = data
        assert bytes(memory) == there[264:280], f"{word:#x}"
