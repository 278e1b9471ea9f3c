"""`trapline probe-all`: functions compute what they should, with and without probes; known defects are found."""

from __future__ import annotations

import json
import zlib

import pytest

from emu.cli import main
from emu.lab.probe_all import ProbeAll
from emu.machine.guest_call import Caller
from emu.report.text import ProgressLine

MASK = 0xFFFF_FFFF
ARCHES = ("arm64", "riscv", "x86", "loongarch", "mips")


def step(a, k):
    return [a + 1, a ^ 0x55, a * 5, a - 9, a >> 1, ~a, a, a][k & 7] & MASK


def mix(a, n):
    ops = (lambda a: a + 7, lambda a: a * 3, lambda a: a << 2, lambda a: a + 7)
    for i in range(n):
        a = step(ops[i & 3](a) & MASK, i)
    return a


def chars(text):
    s = 0
    for byte in text:
        s = s * 31 + byte & MASK
    return s


CALLS = [  # function, arguments, what it computes (tests/data/functions.c)
    ("crc32", ["str:trapline", "8"], zlib.crc32(b"trapline")),
    ("fib", ["6"], 8),
    ("far", ["9"], 7),
    ("mix", ["5", "20"], mix(5, 20)),
    ("chars", ["0"], chars(b"probe")),
    ("chars", ["1"], chars(b"all")),
]


@pytest.fixture
def probe_all(capsys):
    def run(path, function, *options, status=0):
        assert main(["probe-all", str(path), function, *options, "--json"]) == status
        report = json.loads(capsys.readouterr().out)
        assert report["schema"] == "trapline.probe-all/1"
        assert report["same"] is (status == 0) is not report["differences"]
        return report

    return run


@pytest.mark.parametrize(
    ("arch", "kind"),
    [
        *((arch, "o") for arch in ("arm64", "x86")),
        *(pytest.param(arch, "o", marks=pytest.mark.exhaustive) for arch in ("loongarch", "mips", "riscv")),
        *(pytest.param(arch, "elf", marks=pytest.mark.exhaustive) for arch in ARCHES),
    ],
)
def test_compiled_functions(compiled, probe_all, arch, kind):
    """-O2, so that they are short; the object goes through our own relocations. MIPS needs its defects mended."""
    path, more = compiled(arch, 2, kind), ["--variant", "fixed"] if arch == "mips" else []
    for function, arguments, expected in CALLS:
        report = probe_all(path, function, *arguments, "--arch", arch, *more)
        assert report["result"] & MASK == expected, function
        for site in report["sites"]:
            if site["refused"] is None:
                assert site["hits_alone"] == site["hits_together"] == site["executed"], site
        assert report["probed"] + report["refused"] == len(report["sites"])


@pytest.mark.parametrize("arch", ARCHES)
def test_unoptimised_code_has_other_relocations(compiled, probe_all, arch):
    path = compiled(arch, 0, "o")
    more = ["--variant", "fixed"] if arch == "mips" else []
    assert probe_all(path, "chars", "1", "--arch", arch, *more)["result"] & MASK == chars(b"all")
    assert probe_all(path, "fib", "4", "--arch", arch, *more)["result"] & MASK == 3


@pytest.mark.parametrize("arch", ["arm64", "riscv", "x86", "loongarch"])
def test_pointers_to_variables(compiled, probe_all, arch):
    """Position-independent code looks up its variables in a table that we make."""
    report = probe_all(compiled(arch, 2, "pic.o"), "crc32", "hex:00", "1", "--arch", arch)
    assert report["result"] & MASK == zlib.crc32(b"\x00")


def test_position_independent_mips_finds_its_data_by_its_own_address(compiled, probe_all):
    """The address of a function is in $t9 when it is called."""
    report = probe_all(compiled("mips", 2, "pic.elf"), "far", "9", "--arch", "mips", "--variant", "fixed")
    assert report["result"] == 7


def test_the_global_pointer_of_riscv(assembled, probe_all):
    text = (
        "\t.globl f\nf:\tlw a0, 8(gp)\n\tret\n\t.data\n\t.globl __global_pointer$\n__global_pointer$:\t.word 1, 2, 3\n"
    )
    report = probe_all(assembled("riscv", "\t.type f, %function\n" + text), "f", "--arch", "riscv")
    assert report["result"] == 3


def test_arguments_have_a_home_in_the_callers_frame(assembled, probe_all):
    """o32 functions may store them there; what was given as bytes is elsewhere."""
    text = "\t.set noreorder\n\t.globl f\nf:\tsw $a0, 0($sp)\n\tlw $v0, ($a1)\n\tjr $ra\n\tsw $a1, 4($sp)\n"
    path = assembled("mips", "\t.type f, %function\n" + text)
    assert probe_all(path, "f", "5", "hex:07000000", "--arch", "mips", "--variant", "fixed")["result"] == 7
    assert main(["probe-all", str(path), "f", "5", "0x100", "--arch", "mips"]) == 2  # nothing is at 0x100


def test_a_jump_out_of_text_says_from_where(assembled, capsys):
    path = assembled("x86", "\t.globl f\n\t.type f, %function\nf:\tjmp *%rdi\n")
    assert main(["probe-all", str(path), "f", "0x10", "--arch", "x86"]) == 2
    assert capsys.readouterr().err == "trapline: 0x10: fetch of 0x10, from f+0x0: expected text of the image\n"


def test_weak_symbols_that_nobody_defines_are_zero(assembled, probe_all):
    text = "\t.globl f\n\t.type f, %function\nf:\tmovl $maybe, %eax\n\tret\n\t.weak maybe\n"
    assert probe_all(assembled("x86", text), "f", "--arch", "x86")["result"] == 0


def test_the_leaking_skip_delayslot_of_mips(compiled, probe_all):
    """From the first probe on a branch with a nop behind it on, no probe is hit any more."""
    report = probe_all(compiled("mips", 0, "o"), "fib", "4", "--arch", "mips", status=1)
    assert "hits" in {found["what"] for found in report["differences"] if found["probes"] == "alone"}
    assert report["result"] == 3


@pytest.mark.parametrize("arch", ARCHES)
@pytest.mark.parametrize(("function", "name"), [("needs_function", "outside"), ("needs_data", "missing")])
def test_what_is_not_defined_matters_when_it_is_needed(compiled, capsys, arch, function, name):
    path = compiled(arch, 2, "o")
    assert main(["probe-all", str(path), function, "1", "--arch", arch]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"{function}+" in error and f"needs '{name}', which the file does not define" in error


# Debian's modules


def crc7(data):
    """CRC-7 as the MMC specification has it: x^7 + x^3 + 1, left-aligned as the kernel's crc7_be gives it."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x12 if crc & 0x80 else crc << 1) & 0xFF
    return crc


def crc_itu_t(data):
    """CRC-16 with x^16 + x^12 + x^5 + 1, from 0."""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


@pytest.mark.parametrize("arch", ["x86", "arm64", "mips"])
def test_leaf_functions_of_kernel_modules(module, probe_all, arch):
    report = probe_all(module(arch, "crc7"), "crc7_be", "0", "str:trapline", "8", "--arch", arch)
    assert report["result"] == crc7(b"trapline")
    report = probe_all(module(arch, "crc-itu-t"), "crc_itu_t", "0", "str:trapline", "8", "--arch", arch)
    assert report["result"] & 0xFFFF == crc_itu_t(b"trapline")  # on x86 the rest of eax is anything


def test_a_traced_function_of_a_module(module, probe_all):
    """Its call of the tracer returns at once, and its return thunk is a return."""
    report = probe_all(module("x86", "cordic"), "cordic_calc_iq", "30", "--arch", "x86")
    assert (report["probed"], report["refused"]) == (68, 0)
    iq = report["result"] & MASK, report["result"] >> 32
    assert [round(value / 65536, 2) for value in iq] == [0.87, 0.5]  # cos and sin of 30 degrees


@pytest.mark.parametrize(("variant", "status"), [("mainline", 1), ("fixed", 0)])
def test_mips_modules_show_the_leak(module, probe_all, variant, status):
    options = ["hex:0000000000000000", "30", "--arch", "mips", "--variant", variant]
    report = probe_all(module("mips", "cordic"), "cordic_calc_iq", *options, status=status)
    assert {found["what"] for found in report["differences"]} == ({"hits"} if status else set())


# The firmware, whose functions are known word by word

FIRMWARE = {
    ("arm64", "probe_branch", "mainline"): set(),
    ("riscv", "probe_ret", "mainline"): set(),
    ("riscv", "probe_ret", "seed"): {"died"},  # c.jr is stepped in the slot by 6.1: it never comes back
    ("x86", "probe_indirect", "mainline"): set(),
    ("x86", "probe_indirect", "seed"): {"died"},  # call *%reg pushes the wrong address before 2024
    ("mips", "probe_likely", "mainline"): {"result"},  # branch-likely skips its slot the wrong way round
    ("mips", "probe_likely", "fixed"): set(),
    ("mips", "probe_delay", "fixed"): set(),
    ("csky", "probe_step32", "mainline"): {"result"},  # only the first halfword is copied
    ("csky", "probe_step32", "fixed"): set(),
    ("csky", "probe_pop32", "fixed"): set(),
    ("csky", "pop_r28", "fixed"): set(),  # it pops what its caller has on the stack
    ("csky", "probe_compare", "mainline"): {"result"},  # the C flag is put back
    ("csky", "probe_compare", "fixed"): set(),
    ("loongarch", "probe_branch", "mainline"): set(),
}


@pytest.mark.parametrize(("arch", "function", "variant"), FIRMWARE, ids=map("-".join, FIRMWARE))
def test_known_defects(probe_all, arch, function, variant):
    expected = FIRMWARE[arch, function, variant]
    report = probe_all(
        f"firmware/{arch}.elf", function, "1", "--arch", arch, "--variant", variant, status=1 if expected else 0
    )
    alone = {found["what"] for found in report["differences"] if found["probes"] == "alone"}
    assert expected <= alone if expected else not report["differences"]


def test_a_probe_between_ll_and_sc_never_ends(probe_all):
    report = probe_all("firmware/riscv.elf", "probe_atomic", "5", "--arch", "riscv", status=1)
    assert {(found["what"], found["found"]) for found in report["differences"]} == {("died", "livelock")}


def test_constants_in_text_are_no_instructions(probe_all):
    report = probe_all("firmware/arm64.elf", "probe_literal", "5", "--arch", "arm64")
    constants = [site for site in report["sites"] if site["refused"] and "read as data" in site["refused"]["why"]]
    assert len(constants) == 2 and all(site["executed"] == 0 for site in constants)


def test_refusals_have_the_kernels_reason(probe_all):
    report = probe_all("firmware/mips.elf", "probe_delay", "5", "--arch", "mips", "--variant", "fixed")
    refused = [site["refused"] for site in report["sites"] if site["refused"]]
    assert refused and all("delay slot" in one["why"] and one["errno"] == 22 for one in refused)


def test_the_rules_of_another_release(probe_all):
    """The simulated jalr of 6.1 does not come back where it should; the variant's own release has it right."""
    assert probe_all("firmware/riscv.elf", "probe_ret", "5", "--arch", "riscv")["version"] is None
    report = probe_all("firmware/riscv.elf", "probe_ret", "5", "--arch", "riscv", "--release", "6.1", status=1)
    assert (report["release"], report["variant"]) == ("6.1", "seed")
    assert {found["what"] for found in report["differences"]} == {"died"}


def test_people_get_a_table(capsys):
    assert main(["probe-all", "firmware/arm64.elf", "leaf_add", "5", "--arch", "arm64"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split() == ["leaf_add+0x0", "0x91001400", "add", "x0,", "x0,", "#5", "1", "1", "1"]
    assert lines[-3] == "leaf_add: 2 instructions executed, result 0xa; 2 of 2 instructions probed"
    assert lines[-2] == "the same with and without probes"
    assert lines[-1] == "handlers of mainline, rules of Linux 7.0 (the newest that is known)"


@pytest.mark.parametrize("wrong", [-1, 1])
@pytest.mark.parametrize("probes", ["alone", "together"])
def test_a_hit_too_few_or_too_many_is_found(probe_all, monkeypatch, probes, wrong):
    real = ProbeAll._call

    def call(self, kernel, registered, address, report):
        hits = real(self, kernel, registered, address, report)
        if (probes == "alone") == (address is not None):
            hits.update({probe.where: wrong for probe in registered})
        return hits

    monkeypatch.setattr(ProbeAll, "_call", call)
    report = probe_all("firmware/arm64.elf", "leaf_add", "5", "--arch", "arm64", status=1)
    found = [(one["what"], one["probes"], one["found"]) for one in report["differences"]]
    assert found == [("hits", probes, str(1 + wrong))] * 2


def test_registers_that_end_otherwise_are_named(probe_all, monkeypatch):
    """Nobody promised them: it is no difference."""
    real, calls = Caller.finish, []

    def finish(self, trace):
        calls.append(real(self, trace))
        if len(calls) == 3:
            calls[-1].registers["x5"] += 1
        return calls[-1]

    monkeypatch.setattr(Caller, "finish", finish)
    report = probe_all("firmware/arm64.elf", "leaf_add", "5", "--arch", "arm64")
    assert report["registers"] == ["x5"]


def test_after_an_interrupt_there_is_what_was_tried(capsys, monkeypatch):
    shown = []

    def show(_line, text, _fraction):
        shown.append(text)
        if len(shown) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(ProgressLine, "show", show)
    call = ["probe-all", "firmware/riscv.elf", "probe_call", "5", "--arch", "riscv"]
    assert main(call) == 130
    out, err = capsys.readouterr()
    assert err == "trapline: interrupted: 2 probes are tried, alone\n"
    assert [line.split()[-2:] for line in out.splitlines()[2:5]] == [["1", "-"], ["1", "-"], ["1", "-"]]
    assert out.splitlines()[-2] == "the same with and without probes so far"
    shown.clear()
    assert main([*call, "--json"]) == 130
    said = json.loads(capsys.readouterr().out)
    assert (said["complete"], said["probed"], said["same"]) == (False, 2, True)
    assert [site["hits_alone"] for site in said["sites"]] == [1, 1] + 8 * [None]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["firmware/arm64.elf", "leaf_ad", "--arch", "arm64"], "did you mean leaf_add"),
        (["firmware/arm64.elf", "leaf_add", "--arch", "mips"], "expected EM_MIPS"),
        (["firmware/arm64.elf", "0x4", "--arch", "arm64"], "in the text"),
        (["firmware/arm64.elf", "results", "--arch", "arm64"], "in the text"),
        (["firmware/arm64.elf", "0xz", "--arch", "arm64"], "0xz"),
        (["firmware/arm64.elf", "bug_site", "--arch", "arm64"], "trap (break)"),
        (["firmware/arm64.elf", "guest_exit", "--arch", "arm64"], "no end after"),
        (["firmware/arm64.elf", "leaf_add", "five", "--arch", "arm64"], "'five'"),
        (["firmware/arm64.elf", "leaf_add", "hex:0", "--arch", "arm64"], "'hex:0'"),
        (["firmware/arm64.elf", "leaf_add", *"123456789", "--arch", "arm64"], "at most 8"),
        (["firmware/arm64.elf", "leaf_add", "0x10000000000000000", "--arch", "arm64"], "64 bits"),
        (["firmware/arm64.elf", "leaf_add", "--arch", "arm64", "--variant", "best"], "'best'"),
        (["firmware/arm64.elf", "leaf_add", "--arch", "arm64", "--release", "best"], "'best'"),
        (["firmware/none.elf", "leaf_add", "--arch", "arm64"], "cannot be read"),
    ],
)
def test_bad_input_is_one_line(capsys, options, says):
    assert main(["probe-all", *options]) == 2
    error = capsys.readouterr().err
    assert error.startswith("trapline: ") and error.count("\n") == 1 and says in error
