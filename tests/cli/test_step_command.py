"""`trapline step`: vectors of other emulators through the command line, cases computed by hand, and what is refused."""

from __future__ import annotations

import gzip
import io
import json
import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from emu.cli import main

DATA = Path(__file__).parent.parent / "data"


@pytest.fixture
def step(monkeypatch, capsys):
    """`trapline step ARCH -` on these objects; the answers."""

    def run(arch, given):
        lines = [one if isinstance(one, str) else json.dumps(one) for one in given]
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(line + "\n" for line in lines)))
        assert main(["step", arch, "-"]) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return run


def vectors(name):
    found = json.loads(gzip.decompress((DATA / name).read_bytes()))
    return found["meta"], found["vectors"]


def flat(mem):
    return {int(addr, 16) + n: byte for addr, data in mem.items() for n, byte in enumerate(bytes.fromhex(data))}


SIGNALS = {12: ("other", "trap"), 4: ("illegal",), None: ("break", "syscall")}


def test_loongarch_vectors(step):
    """All vectors of an independent emulator: registers, memory, next pc, and whether it trapped."""
    meta, cases = vectors("loongarch64-step.json.gz")
    buffer = {hex(int(meta["buf"], 16)): bytes((i * 37 + 11) & 255 for i in range(256)).hex()}
    asked = [
        {
            "word": "0x" + case["w"],
            "at": int(case["at"], 16),
            "regs": {f"r{n}": int(value, 16) for n, value in case["in"].items()},
            "mem": buffer,
        }
        for case in cases
    ]
    answers = step("loongarch", asked)
    assert len(answers) == len(cases) == 3362
    for case, answer in zip(cases, answers, strict=True):
        assert answer["regs"] == {f"r{n}": int(value, 16) for n, value in case["out"].items()}, case
        assert answer["pc"] == int(case["pc"], 16), case
        assert flat(answer["mem"]) == flat(case.get("mem", {})), case
        if answer["trap"] is None:
            assert "sig" not in case
        else:
            assert answer["trap"]["pc"] == int(case["at"], 16)
            assert answer["trap"]["kind"] in SIGNALS[case.get("sig")], case
    assert (
        sum(answer["trap"] is not None for answer in answers) == 84 + 2 + 22
    )  # 22 are break, whose signal is not told


# Halfwords of the vectors' program that are read as literals (as in tests/arches/csky).
LITERALS = {0x194A4: 0x6A47, 0x19474: 0x476B, 0x195B4: 0xEDE7, 0x19424: 0x4109, 0x1BC60: 0x6402, 0x1BC62: 0xEFED}


def csky_program(cases):
    """What the vectors' program had in memory: setc or clrc before each instruction, nops between."""
    text = bytearray(b"\x03\x6c" * 0x10000)
    halfwords = dict(LITERALS)
    for case in cases:
        at, word = int(case["at"], 16), case["w"]
        halfwords[at - 2] = 0x6400 if case["c"] else 0x6402
        halfwords |= {at + n // 2: int(word[n : n + 4], 16) for n in range(0, len(word), 4)}
    for addr, value in halfwords.items():
        text[addr - 0x10000 : addr - 0x10000 + 2] = value.to_bytes(2, "little")
    return text.hex()


def test_csky_vectors(step):
    """All but divisions of 64 bits, of which the vectors do not tell the upper half."""
    meta, cases = vectors("csky-step.json.gz")
    program = csky_program(cases)
    cases = [case for case in cases if not case["asm"].startswith(("divul", "divsl"))]
    pattern = bytes((i * 37 + 11) & 255 for i in range(1024)).hex()
    asked = []
    for case in cases:
        at, word = int(case["at"], 16), case["w"]
        mem = {"0": "00" * 0x10000, "0x10000": program, "0x9c000": ""} if case["asm"].startswith(("lr", "srs")) else {}
        regs = {f"r{n}": int(value, 16) for n, value in case["in"].items()} | {"c": case["c"]}
        asked.append(
            {"word": "0x" + word[4:] + word[:4], "at": at, "regs": regs, "mem": mem | {"0x" + meta["buf"]: pattern}}
        )
    answers = step("csky", asked)
    assert len(answers) == len(cases)
    for case, answer in zip(cases, answers, strict=True):
        expected = {f"r{n}": int(value, 16) for n, value in case["out"].items()}
        if case["c_out"] != case["c"]:
            expected["c"] = case["c_out"]
        assert answer == {"regs": expected, "mem": answer["mem"], "pc": int(case["pc"], 16), "trap": None}, case
        stored = {
            addr: byte for addr, byte in flat(answer["mem"]).items() if addr - int(meta["buf"], 16) in range(1024)
        }
        assert stored == flat(case.get("mem", {})), case  # what else was stored to was not looked at


# Computed by hand from the manuals: (arch, what is asked, regs, mem, pc, trap)

AT, BUF = 0x120000000, 0x140000000
KERNEL = 0xFFFF_8000_1000_0000
CASES = [
    # ARM64: add x0, x1, x2; the zero register reads 0 and drops what is written; sp is number 31 elsewhere
    ("arm64", "0x8b020020", {"x1": 2, "x2": 2**64 - 1}, {}, {"x0": 1}, {}, 4, None),
    ("arm64", "0x8b02003f", {"x1": 2, "x2": 3}, {}, {}, {}, 4, None),  # add xzr, x1, x2
    ("arm64", "0x0b020020", {"x0": 2**64 - 1, "x1": 2**32 - 1, "x2": 2}, {}, {"x0": 1}, {}, 4, None),  # w registers
    ("arm64", "0x2a1f03e0", {"x0": 5}, {}, {"x0": 0}, {}, 4, None),  # mov w0, wzr
    ("arm64", "0x910043ff", {"sp": 0x1000}, {}, {"sp": 0x1010}, {}, 4, None),  # add sp, sp, #16
    ("arm64", "0xeb01001f", {"x0": 1, "x1": 1}, {}, {"z": 1, "c": 1}, {}, 4, None),  # cmp x0, x1
    ("arm64", "0xeb01001f", {"x0": 1, "x1": 2, "z": 1}, {}, {"n": 1, "z": 0}, {}, 4, None),
    ("arm64", "0x9a1f0020", {"x1": 7, "c": 1}, {}, {"x0": 8}, {}, 4, None),  # adc x0, x1, xzr
    ("arm64", "0xf81f0fe1", {"sp": BUF + 16, "x1": 0x0102}, {BUF: "00" * 16}, {"sp": BUF}, {BUF: "0201"}, 4, None),
    ("arm64", "0x58000080", {}, {AT + 16: "0807060504030201"}, {"x0": 0x0102030405060708}, {}, 4, None),  # ldr x0, .+16
    ("arm64", "0xd65f03c0", {"lr": 0x5000}, {}, {}, {}, 0x5000 - AT, None),  # ret to where nothing is
    ("arm64", "0x97ffffff", {}, {}, {"x30": AT + 4}, {}, -4, None),  # bl .-4
    ("arm64", "0xd4200080", {}, {}, {}, {}, 0, ("break", 0)),
    ("arm64", "0x00000000", {}, {}, {}, {}, 0, ("illegal", 0)),
    ("arm64", "0xd4000001", {}, {}, {}, {}, 4, ("syscall", 0)),  # svc: what is saved is the next instruction
    ("arm64", "0xf9400020", {"x1": 0x9000}, {}, {}, {}, 0, ("read-fault", 0)),
    ("arm64", "0x1e602820", {"v1": 0x3FF0 << 48, "v0": 0x4000 << 48}, {}, {"v0": 0x4008 << 48}, {}, 4, None),
    # RISC-V: x0; compressed and not
    ("riscv", "0x00b50533", {"a0": 2, "x11": 3}, {}, {"x10": 5}, {}, 4, None),
    ("riscv", "0x00b50033", {"a0": 2, "a1": 3}, {}, {}, {}, 4, None),  # add zero, a0, a1
    ("riscv", "0x00b50533", {"zero": 9, "a1": 3}, {}, {"x10": 3}, {}, 4, None),
    ("riscv", "0x952e", {"a0": 2, "a1": 3}, {}, {"x10": 5}, {}, 2, None),  # c.add a0, a1
    ("riscv", "0x8082", {"ra": 0x5000}, {}, {}, {}, 0x5000 - AT, None),  # c.jr ra
    ("riscv", "0x9002", {}, {}, {}, {}, 0, ("break", 0)),
    ("riscv", "0x00100073", {}, {}, {}, {}, 0, ("break", 0)),
    ("riscv", "0x0000", {}, {}, {}, {}, 0, ("illegal", 0)),
    ("riscv", "0x00b53023", {"a0": BUF, "a1": 1 << 56}, {BUF: "00" * 8}, {}, {BUF + 7: "01"}, 4, None),  # sd a1, (a0)
    # LoongArch: add.d; jirl; bl leaves ra
    ("loongarch", "0x001098a4", {"$a1": 2, "r6": 3}, {}, {"r4": 5}, {}, 4, None),
    ("loongarch", "0x4c000020", {"ra": 0x5000}, {}, {}, {}, 0x5000 - AT, None),
    ("loongarch", "0x002a000a", {}, {}, {}, {}, 0, ("break", 0)),
    # x86-64, bytes in memory order
    ("x86", "4801d8", {"%rax": 2**63, "rbx": 2**63}, {}, {"rax": 0, "cf": 1, "pf": 1, "zf": 1, "of": 1}, {}, 3, None),
    ("x86", "50", {"rsp": BUF + 8, "rax": 0x0102}, {BUF: "00" * 8}, {"rsp": BUF}, {BUF: "0201"}, 1, None),
    ("x86", "c3", {"rsp": BUF}, {BUF: "0050000000000000"}, {"rsp": BUF + 8}, {}, 0x5000 - AT, None),
    ("x86", "cc", {}, {}, {}, {}, 1, ("break", 0)),
    ("x86", "0f0b", {}, {}, {}, {}, 0, ("illegal", 0)),
    ("x86", "488b05f9ffffff", {}, {}, {"rax": 0xCC_FFFFFFF9058B48 & (1 << 56) - 1}, {}, 7, None),  # mov rax, [rip-7]
    ("x86", "fa", {}, {}, {"eflags": 2}, {}, 1, None),  # cli: no flag that programs see
]
HIGH = [
    ("arm64", "0xf9400020", "x1", "x0"),
    ("riscv", "0x0005b503", "a1", "x10"),
    ("loongarch", "0x28c000a4", "a1", "r4"),
    ("x86", "488b01", "rcx", "rax"),
]


def given(word, at, regs, mem):
    return {"word": word, "at": at, "regs": regs, "mem": {hex(addr): data for addr, data in mem.items()}}


@pytest.mark.parametrize(("arch", "word", "regs", "mem", "changed", "stored", "distance", "trap"), CASES)
def test_by_hand(step, arch, word, regs, mem, changed, stored, distance, trap):
    (answer,) = step(arch, [given(word, AT, regs, mem)])
    found = answer.pop("trap")
    assert answer == {"regs": changed, "mem": {hex(a): data for a, data in stored.items()}, "pc": AT + distance}
    assert (found and (found["kind"], found["pc"] - AT)) == trap


@pytest.mark.parametrize(("arch", "word", "base", "result"), HIGH)
@pytest.mark.parametrize("at", [KERNEL, 0xFFFF_FFFF_8000_0000, 0x7FFF_FFFF_F000, 0x7000, 0, 2**64 - 0x1000])
def test_any_address(step, arch, word, base, result, at):
    data = (at + 0x5008) % 2**64
    (answer,) = step(arch, [given(word, at, {base: data}, {data: "0102030405060708"})])
    size = 3 if arch == "x86" else 4
    assert answer == {"regs": {result: 0x0807060504030201}, "mem": {}, "pc": at + size, "trap": None}


# MIPS: a branch executes with its delay slot, which is a nop unless memory says otherwise

BEQ, ADDIU_V0, BREAK = "0x10850003", "01004224", "0d000000"  # beq a0, a1, .+16; addiu v0, v0, 1; break
JAL_SLOT = [
    (BEQ, {"a0": 1, "a1": 1}, {}, {}, 16, None),
    (BEQ, {"a0": 1, "a1": 2}, {}, {}, 8, None),
    (BEQ, {"a0": 1, "a1": 1}, {4: ADDIU_V0}, {"r2": 1}, 16, None),
    (BEQ, {"a0": 1, "a1": 2, "v0": 4}, {4: ADDIU_V0}, {"r2": 5}, 8, None),
    (BEQ, {"a0": 1, "a1": 1}, {4: BREAK}, {}, 0, ("break", 4)),
    ("0x50850003", {"a0": 1, "a1": 2}, {4: ADDIU_V0}, {}, 8, None),  # beql: not taken, the slot is not executed
    ("0x03e00008", {"ra": 0x9000}, {4: ADDIU_V0}, {"r2": 1}, 0x9000, None),  # jr to where nothing is: an address
    ("0x0320f809", {"$t9": 0x9000}, {}, {"r31": 8}, 0x9000, None),
    ("0x00851021", {"$4": 2**32 - 1, "r5": 3}, {}, {"r2": 2}, 4, None),  # addu v0, a0, a1
    ("0x00851020", {"a0": 2**31 - 1, "a1": 1}, {}, {}, 0, ("overflow", 0)),
    ("0x00851021", {"a0": 1, "zero": 7}, {}, {"r2": 1}, 4, None),
    ("0x0085001a", {"a0": 7, "a1": 2}, {}, {"hi": 1, "lo": 3}, 4, None),  # div
    ("0x8c820001", {"a0": 0x20000}, {}, {}, 0, ("unaligned", 0)),  # lw v0, 1(a0)
    ("0x8c820000", {"a0": 0x20000}, {}, {}, 0, ("read-fault", 0)),
]


@pytest.mark.parametrize("at", [0x10000, 0x80100000, 0xC0000000, 0x7000, 0x10FFC])
@pytest.mark.parametrize(("word", "regs", "slot", "changed", "pc", "trap"), JAL_SLOT)
def test_mips(step, at, word, regs, slot, changed, pc, trap):
    (answer,) = step("mips", [given(word, at, regs, {at + n: data for n, data in slot.items()})])
    leads_away = "ra" in regs or "$t9" in regs
    changed = {name: at + 8 if name == "r31" else value for name, value in changed.items()}
    found = answer.pop("trap")
    assert answer == {"regs": changed, "mem": {}, "pc": pc if leads_away else at + pc}
    assert (found and (found["kind"], found["pc"] - at)) == trap


def test_one_line_does_not_change_the_next(step):
    """The same CPU runs them all: memory, registers, text and the reservation are fresh each time."""
    store, load, add = "0xf9000022", "0xf9400023", "0x8b020020"
    fault = {"word": load, "at": AT, "regs": {"x1": 0x9000}}
    lines = [
        given(store, AT, {"x1": BUF, "x2": 5}, {BUF: "ff" * 8}),
        given(load, AT, {"x1": BUF}, {BUF: ""}),
        fault,
        given(add, AT, {}, {AT + 4: "00"}),
        given("0xc85f7c20", AT, {"x1": BUF}, {BUF: "07"}),  # ldxr x0, [x1]
        given("0xc8027c20", AT, {"x1": BUF}, {BUF: "07"}),  # stxr w2, x0, [x1]
        fault,
        given(load, AT, {"x1": AT}, {}),
    ]
    answers = step("arm64", lines * 2)
    assert answers[:8] == answers[8:]
    regs = [answer["regs"] for answer in answers[:8]]
    assert regs == [{}, {}, {}, {}, {"x0": 7}, {"x2": 1}, {}, {"x3": 0xF9400023}]
    assert answers[0]["mem"] == {hex(BUF): "0500000000000000"}
    assert answers[2]["trap"] == {"kind": "read-fault", "pc": AT, "address": 0x9000}


SAME_PAGE = [  # a store of 5, its base and its value
    ("arm64", "0xf9000022", "x1", "x2"),
    ("riscv", "0x00b53023", "a0", "a1"),
    ("mips", "0xac820000", "a0", "v0"),
    ("loongarch", "0x29c00085", "a0", "a1"),
    ("csky", "0xb040", "r0", "r2"),
    ("x86", "488917", "rdi", "rdx"),
]


@pytest.mark.parametrize(("arch", "word", "base", "value"), SAME_PAGE)
def test_data_on_the_page_of_the_instruction(step, arch, word, base, value):
    """It can be written where some is given, and only there; the instruction itself, too, but for x86's: see SELF."""
    size = 4 if arch in ("mips", "csky") else 8
    line = given(word, 0x10000, {base: 0x10100, value: 5}, {0x10100: "ff" * 8})
    without = given(word, 0x10000, {base: 0x10100, value: 5}, {})
    itself = given(word, 0x10000, {base: 0x10000, value: 5}, {0x10100: "ff"})
    others = [] if arch == "x86" else [itself]
    for answers in (step(arch, [line, without, *others]), step(arch, [*others, line, without])[-2:]):
        assert answers[0]["mem"] == {"0x10100": "05" + "00" * (size - 1)}
        assert answers[1]["trap"]["kind"] == "write-fault"
    for answer in step(arch, others):
        assert list(answer["mem"]) == ["0x10000"]


BEHIND = [  # an instruction, and data behind it that the engine would die of if it were translated
    ("arm64", "0x91000400", 4, "002c400e", {"x0": 1}),
    ("x86", "48ffc0", 3, "f00fa3c0", {"rax": 1}),
    ("x86", "48ffc0", 4, "90f00fa3c0", {"rax": 1}),
    ("x86", "48b8f00fa3c0f00fa3c0", 10, "", {"rax": 0xC0A30FF0C0A30FF0}),
]


@pytest.mark.parametrize(("arch", "word", "distance", "data", "regs"), BEHIND)
def test_what_stands_behind_the_instruction(arch, word, distance, data, regs):
    """In a process of its own, since a failure would end this one."""
    line = json.dumps(given(word, AT, {}, {AT + distance: data}))
    command = [sys.executable, "-m", "emu.cli", "step", arch, "-"]
    done = subprocess.run(command, input=f"{line}\n{line}\n", capture_output=True, text=True, check=True)
    answers = [json.loads(answer) for answer in done.stdout.splitlines()]
    assert [answer["regs"] for answer in answers] == [regs] * 2


@pytest.mark.parametrize("slot", [False, True])
@pytest.mark.parametrize("mem", [{}, {AT % 2**32 + 0x100: "00"}], ids=["text", "writable text"])
def test_mips_words_that_the_engine_prints_for(slot, mem):
    """SPECIAL with function 5 is undefined, and nothing but answers comes out."""
    at = AT % 2**32
    pmon = given("0x000001c5", at, {"a0": 65}, mem)
    behind_branch = given("0x10000000", at, {"a0": 65}, {**mem, at + 4: "c5010000"})
    command = [sys.executable, "-m", "emu.cli", "step", "mips", "-"]
    given_line = json.dumps(behind_branch if slot else pmon)
    done = subprocess.run(command, input=given_line, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["trap"] == {"kind": "illegal", "pc": at + 4 * slot}


@pytest.mark.parametrize("word", ["0x42000018", "0x43ffffd8"])
def test_eret_of_mips_does_not_end_the_process(word):
    """There is nothing to return from; with the engine's own, what comes next would kill it."""
    command = [sys.executable, "-m", "emu.cli", "step", "mips", "-"]
    lines = "".join(json.dumps({"word": one, "at": 0x10000}) + "\n" for one in (word, "0x24020001", word))
    done = subprocess.run(command, input=lines, capture_output=True, text=True, check=True)
    first, second, third = map(json.loads, done.stdout.splitlines())
    assert first == third == {"regs": {}, "mem": {}, "pc": 0x10000, "trap": {"kind": "other", "pc": 0x10000}}
    assert second["regs"] == {"r2": 1}


TOP = [("arm64", "0xd2800020", "0xd2800040", "x0"), ("riscv", "0x00100513", "0x00200513", "x10")]
TOP += [("loongarch", "0x02c00404", "0x02c00804", "r4")]


@pytest.mark.parametrize(("arch", "one", "two", "name"), TOP)
def test_the_last_page(step, arch, one, two, name):
    """What stood there before is not executed again."""
    at = 2**64 - 16
    lines = [given(word, at, {}, {}) for word in (one, two)]
    elsewhere = given(one, AT, {}, {})
    assert [answer["regs"] for answer in step(arch, [*lines, elsewhere, *lines])] == [
        {name: value} for value in (1, 2, 1, 1, 2)
    ]


@pytest.mark.parametrize("arch", ["arm64", "csky", "loongarch", "mips", "riscv", "x86"])
def test_no_instruction_where_addresses_end(monkeypatch, capsys, arch):
    top = 2**32 if arch in ("csky", "mips") else 2**64
    word = {"x86": "90", "csky": "0x6c03", "riscv": "0x0001"}.get(arch, "0x00000000")
    for at in (top - 1, top - 2, top - 4):
        monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps({"word": word, "at": at})))
        assert main(["step", arch, "-"]) == 2
        assert f"line 1: address {at:#x}: expected" in capsys.readouterr().err


def test_a_value_that_is_an_exception(monkeypatch, capsys):
    """FCSR of MIPS with a cause and its enable bit."""
    monkeypatch.setattr("sys.stdin", io.StringIO('{"word": "0x00000000", "regs": {"fcsr": "0x7fffffff"}}'))
    assert main(["step", "mips", "-"]) == 2
    assert "line 1: fcsr=0x7fffffff" in capsys.readouterr().err


def test_what_was_written_before_is_gone(step):
    """On the same pages, so that nothing is mapped anew."""
    store = given("0xf9000022", AT, {"x1": BUF + 8, "x2": 5}, {BUF: "ff" * 8})
    load = given("0xf9400023", AT, {"x1": BUF + 8}, {BUF: "ff" * 8})
    assert [answer["regs"] for answer in step("arm64", [store, load, store, load])] == [{}] * 4


def test_answers_come_line_by_line():
    """A program that waits for an answer before it asks again gets it."""
    command = [sys.executable, "-m", "emu.cli", "step", "arm64", "-"]
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes, env=buffered) as running:
        for value in (1, 2):
            running.stdin.write(json.dumps({"word": "0x8b020020", "regs": {"x1": value}}) + "\n")
            running.stdin.flush()
            assert select.select([running.stdout], [], [], 60)[0]
            assert json.loads(running.stdout.readline())["regs"] == {"x0": value}
        running.stdin.close()
        assert running.wait(60) == 0


def test_numbers_may_be_text_and_addresses_decimal(step):
    line = {"word": "0xf9400020", "at": hex(AT), "regs": {"x1": hex(BUF)}, "mem": {str(BUF): "0x01"}}
    assert step("arm64", [line])[0]["regs"] == {"x0": 1}
    assert step("arm64", [{"word": "0x8b020020"}])[0] == {"regs": {}, "mem": {}, "pc": 0x10004, "trap": None}


GOOD = '{"word": "0xd503201f"}'
BAD = [
    ("nonsense", "no JSON"),
    ("[" * 100_000, "no JSON"),
    ("[]", "expected an object with word"),
    ("{}", "expected an object with word"),
    ('{"word": "0xd503201f", "reg": {}}', "expected an object with word"),
    ('{"word": 5}', "expected a string"),
    ('{"word": "0x1d503201f"}', "0x1d503201f"),
    ('{"word": "zz"}', "zz"),
    ('{"word": "0xd503201f", "regs": {"q77": 1}}', "q77"),
    ('{"word": "0xd503201f", "regs": {"x1": "five"}}', "five"),
    ('{"word": "0xd503201f", "regs": {"pc": 5}}', "the pc is the address"),
    ('{"word": "0xd503201f", "regs": {"x1": true}}', "True"),
    ('{"word": "0xd503201f", "regs": {"x1": 18446744073709551616}}', "18446744073709551616"),
    ('{"word": "0xd503201f", "regs": {"z": 2}}', "expected 1 bit"),
    ('{"word": "0xd503201f", "regs": 7}', "expected an object"),
    ('{"word": "0xd503201f", "mem": {"0x20000": "0"}}', "bytes in hexadecimal"),
    ('{"word": "0xd503201f", "mem": {"0xffffffffffffffff": "0102"}}', "0xffffffffffffffff"),
    ('{"word": "0xd503201f", "at": -4}', "-0x4"),
    ('{"word": "0xd503201f", "at": 1.5}', "1.5"),
]


@pytest.mark.parametrize(("line", "says"), BAD)
def test_a_bad_line_ends_it(monkeypatch, capsys, line, says):
    """What came before is answered; one line says which line, what was there and what was expected."""
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{GOOD}\n\n{line}\n{GOOD}\n"))
    assert main(["step", "arm64", "-"]) == 2
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 1
    assert err.startswith("trapline: line 3: ") and err.count("\n") == 1 and says in err


# One instruction on the command line


def test_people_get_hexadecimal(capsys):
    options = ["--reg", "x1=0x20000", "--reg", "x2=-1", "--mem", "0x20000=0102", "--at", "0x30000"]
    assert main(["step", "arm64", "0xb8004422", *options]) == 0  # str w2, [x1], #4
    assert capsys.readouterr().out.splitlines() == [
        "0x30000: 0xb8004422  str w2, [x1], #4",
        "  x1       0x20004",
        "  [0x20000] ffffffff",
        "  pc       0x30004",
    ]


def test_json_of_one(capsys):
    assert main(["step", "loongarch", "0x002a000a", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "schema": "trapline.step/1",
        "arch": "loongarch",
        "word": "0x002a000a",
        "text": "break 10",
        "regs": {},
        "mem": {},
        "pc": 0x10000,
        "trap": {"kind": "break", "pc": 0x10000},
    }


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["0xd503201f", "--reg", "x1"], "NAME=VALUE"),
        (["0xd503201f", "--reg", "x1=one"], "'one'"),
        (["0xd503201f", "--mem", "0x20000"], "ADDR=HEX"),
        (["0xd503201f", "--mem", "0x20000=0"], "bytes in hexadecimal"),
        (["word"], "'word'"),
        (["-", "--reg", "x1=1"], "standard input"),
    ],
)
def test_bad_options(capsys, options, says):
    assert main(["step", "arm64", *options]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("word", ["66", "f0", "4848", "0f", "e8", "48b81122"])
def test_half_an_instruction_is_not_executed_with_what_is_behind(capsys, word):
    """Prefixes alone, an escape, an immediate that is missing; what follows in memory is none of it."""
    assert main(["step", "x86", word]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", f"trapline: word {word}: cut off, expected the whole instruction\n")


@pytest.mark.parametrize("word", ["c4", "0f04"])
def test_what_is_none_with_anything_behind_is_the_cpus_to_refuse(capsys, word):
    assert main(["step", "x86", word, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["trap"] == {"kind": "illegal", "pc": 0x10000}


@pytest.mark.parametrize("word", ["0f31", "0f01f9"])
def test_a_counter_is_the_same_each_time(step, word):
    """It counts who looks; the CPU's number, which rdtscp has in rcx, is 0."""
    assert (
        step("x86", [{"word": word}] * 3)
        == [{"regs": {"rax": 1}, "mem": {}, "pc": 0x10000 + len(word) // 2, "trap": None}] * 3
    )


@pytest.mark.parametrize(("word", "name"), [("0fc7f0", "rdrand"), ("0fc7f8", "rdseed"), ("0f33", "rdpmc")])
def test_what_is_another_one_each_time_is_refused(capsys, word, name):
    assert main(["step", "x86", word]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith(f"trapline: {name} at 0x10000: ") and said.err.count("\n") == 1


WRAPS = "its store goes on at 0 behind the last address; expected it to end there"
SELF = "it writes over itself, which is not modelled; expected it to write elsewhere"


@pytest.mark.parametrize(
    ("word", "at", "options", "says"),
    [
        ("41896aff", "2", ["--mem", "0x1=ee", "--mem", "0xfffffffffffffff0=00"], WRAPS),  # mov [r10-1], ebp
        ("41896aff", "2", ["--mem", "0xfffffffffffffff0=00"], WRAPS),
        ("41896aff", "0x20000", ["--mem", "0xfffffffffffffff0=00"], WRAPS),
        ("41896a00", "0x20000", ["--reg", "r10=0x20001", "--mem", "0x20100=00"], SELF),
        ("f3aa", "0x20000", ["--reg", "rdi=0x20001", "--reg", "rcx=9", "--mem", "0x20100=00"], SELF),  # rep stosb
    ],
)
def test_a_store_that_would_be_left_half_done_is_refused(capsys, word, at, options, says):
    assert main(["step", "x86", word, "--at", at, "--reg", "rbp=0x12345678", *options]) == 2
    assert capsys.readouterr() == ("", f"trapline: {word} at {int(at, 0):#x}: {says}\n")


@pytest.mark.parametrize(
    ("word", "regs", "changed"),
    [
        ("ebfe", {}, {}),  # jmp to itself
        ("e8fbffffff", {"rsp": 0x10200}, {"rsp": 0x101F8}),  # call of itself
        ("f3aa", {"rdi": 0x10080, "rcx": 3}, {"rdi": 0x10081, "rcx": 2}),  # one round of rep stosb
    ],
)
def test_one_that_comes_back_to_itself_is_complete(step, word, regs, changed):
    [answer] = step("x86", [{"word": word, "regs": regs, "mem": {"0x10100": "ee"}}])
    assert (answer["regs"], answer["pc"], answer["trap"]) == (changed, 0x10000, None)


def test_a_store_across_the_end_that_is_complete_is_answered(step):
    """All four bytes, 78 at the last address and 56 34 12 from 0 on."""
    given = {"word": "41896aff", "regs": {"rbp": 0x12345678}, "mem": {"0x1": "ee", "0xfffffffffffffff0": "00"}}
    [answer] = step("x86", [given])
    assert answer["mem"] == {"0x0": "563412", "0xffffffffffffffff": "78"}
