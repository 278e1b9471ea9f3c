"""`trapline opcode --elf`: the same instructions as a disassembler finds, each with the verdict of its place."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter
from itertools import islice

import pytest

import arches
from emu.arch import Setup
from emu.cli import main
from emu.elf.image import load_image
from emu.kernel import kallsyms
from emu.kernel.boot import boot
from emu.kernel.kprobes import verdict_at
from emu.machine.machine import Machine
from emu.verdict.listing import Listing

ARCHES = arches.names()
LLVM = ("arm64", "loongarch", "mips", "riscv", "x86")
OBJDUMP = shutil.which("llvm-objdump-19") or shutil.which("llvm-objdump")


@pytest.fixture
def listed(capsys):
    def run(arch, path, *options):
        assert main(["opcode", arch, "--elf", str(path), "--json", *options]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["schema"], found["arch"], found["elf"]) == ("trapline.opcode/1", arch, str(path))
        return found

    return run


def check_summary(found):
    summary, verdicts = found["summary"], Counter(one["verdict"] for one in found["instructions"])
    assert summary["instructions"] == len(found["instructions"]) > 0
    assert {verdict: summary[verdict] for verdict in ("reject", "simulate", "step")} == {
        verdict: verdicts[verdict] for verdict in ("reject", "simulate", "step")
    }
    assert summary["may_be_probed"] == verdicts["simulate"] + verdicts["step"]
    rules = Counter((one["verdict"], one["rule"]) for one in found["instructions"])
    assert {(row["verdict"], row["rule"]): row["count"] for row in summary["rules"]} == rules
    assert all((one["errno"] is not None) is (one["verdict"] == "reject") for one in found["instructions"])


@pytest.mark.parametrize("arch", ARCHES)
def test_the_firmware_has_the_verdicts_of_a_running_kernel(listed, arch):
    """Every place asked as a probe's registration asks it, with the text around it in memory."""
    found = listed(arch, f"firmware/{arch}.elf")
    check_summary(found)
    one = arches.load(arch)
    image = load_image(f"firmware/{arch}.elf", one.elf)
    setup = Setup(one, one.port.variants["mainline"], one.port.variants["mainline"].patching, cpus=1)
    kernel = boot(setup.config(), Machine(one.isa, image, setup.make_cpu, 1))
    for line in found["instructions"]:
        judgement = verdict_at(kernel, kallsyms.site(kernel, line["address"]))
        around = image.symbol_at(line["address"])
        assert line["text"] and line["section"] == ".text"
        if around is None or around[0].address == line["address"] - line["offset"]:  # else a label is nearer
            assert (line["verdict"], line["errno"]) == (judgement.verdict.value, judgement.errno), line


def disassembled(arch, path):
    """Bytes of every instruction that objdump finds, by section and address."""
    if OBJDUMP is None:
        pytest.skip("llvm-objdump is not installed")
    version = subprocess.run([OBJDUMP, "--version"], check=True, capture_output=True, text=True).stdout
    if arch == "loongarch" and "loongarch64" not in version:
        pytest.skip(f"{OBJDUMP} does not know LoongArch (LLVM 16 is the first that does)")
    output = subprocess.run([OBJDUMP, "-d", "-z", str(path)], check=True, capture_output=True, text=True).stdout
    section, found = "", {}
    for line in output.splitlines():
        if match := re.fullmatch(r"Disassembly of section (.*):", line):
            section = match[1]
            continue
        match = re.match(r" *([0-9a-f]+): ((?:[0-9a-f]{2,8} )+) *\t([^.<]\S*)", line)
        if match is not None:
            found[section, int(match[1], 16)] = in_memory(match[2].split())
    return found


def in_memory(parts):
    """Bytes in memory order, however wide the numbers are that they are printed as."""
    return b"".join(bytes.fromhex(part)[::-1] for part in parts)


def compare(arch, found, expected):
    parse = arches.load(arch).isa.parse_word
    ours = {(one["section"], one["address"]): parse(one["word"]) for one in found["instructions"]}
    missing = {key: word for key, word in expected.items() if ours.get(key) != word}
    assert not missing
    known = {key for key in ours if key in expected}
    assert len(known) > 0.95 * len(ours)  # the rest is what objdump has no name for: padding, data


@pytest.mark.parametrize("kind", ["elf", "o"])
@pytest.mark.parametrize("arch", LLVM)
def test_compiled_text_as_llvm_disassembles_it(listed, compiled, arch, kind):
    path = compiled(arch, 2, kind)
    found = listed(arch, path)
    check_summary(found)
    compare(arch, found, disassembled(arch, path))


@pytest.mark.parametrize(
    ("arch", "name"),
    [("x86", "lz4_compress"), ("arm64", "lz4_compress"), ("mips", "lz4_compress"), ("mips", "crc8"), ("x86", "cordic")],
)
def test_kernel_modules_as_llvm_disassembles_them(listed, module, arch, name):
    path = module(arch, name)
    found = listed(arch, path, "--release", "6.1")
    check_summary(found)
    compare(arch, found, disassembled(arch, path))
    assert found["summary"]["may_be_probed"] > 0.7 * found["summary"]["instructions"]


def test_a_function_of_a_module(listed, module):
    found = listed("x86", module("x86", "crc7"), "--symbol", "crc7_be")
    assert [one["word"] for one in found["instructions"]][:4] == ["89f8", "4885d2", "7418", "4801f2"]
    assert [one["offset"] for one in found["instructions"]][:4] == [0, 2, 5, 7]
    assert found["instructions"][2]["text"] == "je 0x1f"  # as the file has it, not where it was put
    assert {one["symbol"] for one in found["instructions"]} == {"crc7_be"}


def test_delay_slots_are_refused_where_they_are(listed, module):
    """Each is behind an instruction that is simulated, and nothing else behind one is accepted."""
    lines = listed("mips", module("mips", "ext4"))["instructions"]
    slots = [n for n, one in enumerate(lines) if one["rule"] == "delay_slot"]
    assert slots
    assert all(lines[n - 1]["verdict"] == "simulate" for n in slots)
    simulated = [n for n, one in enumerate(lines) if one["verdict"] == "simulate"]
    assert {n + 1 for n in simulated} <= set(slots) | {n for n, one in enumerate(lines) if one["rule"] in ("ll", "sc")}


def test_the_exception_table_and_exclusives_of_arm64(listed):
    rules = Counter(one["rule"] for one in listed("arm64", "firmware/arm64.elf")["instructions"])
    assert rules["exception_table"] == 1 and rules["exclusive_region"] >= 1
    (entry,) = [one for one in listed("arm64", "firmware/arm64.elf", "--symbol", "probe_extable_site")["instructions"]][
        :1
    ]
    assert (entry["rule"], entry["errno"]) == ("exception_table", "EINVAL")


ASSEMBLY = """
	.section .text.one, "ax"
	.globl one
	.type one, %function
one:	{nop}
	{load}
	.word 0xd4200080, 0x00100073
	.globl two
two:	{nop}
	.section __ex_table, "a"
	{entry}
"""
PARTS = {
    "arm64": {"nop": "nop", "load": "ldr x0, [x1]", "entry": ".word one + 4 - ., two - ., 0"},
    "riscv": {"nop": ".option norvc\n\tnop", "load": "ld a0, 0(a1)", "entry": ".word one + 4 - ., two - ., 0"},
}


@pytest.mark.parametrize("arch", PARTS)
def test_mapping_symbols_and_a_relocated_exception_table(listed, assembled, arch):
    """The words between $d and $x are data, also where they would be breakpoints; the table's entry is relocated."""
    found = listed(arch, assembled(arch, ASSEMBLY.format(**PARTS[arch])))
    lines = [one for one in found["instructions"] if one["section"] == ".text.one"]
    assert [(one["symbol"], one["address"]) for one in lines] == [("one", 0), ("one", 4), ("two", 16)]
    assert found["summary"]["data_bytes"] == 8
    assert [one["rule"] == "exception_table" for one in lines] == [False, arch == "arm64", False]


def test_stripped_files_can_be_listed(listed, compiled, tmp_path):
    objcopy = shutil.which("llvm-objcopy-19") or shutil.which("llvm-objcopy")
    if objcopy is None:
        pytest.skip("llvm-objcopy is not installed")
    path = tmp_path / "stripped"
    subprocess.run([objcopy, "--strip-all", str(compiled("arm64", 2, "elf")), str(path)], check=True)
    found = listed("arm64", path)
    check_summary(found)
    assert {one["symbol"] for one in found["instructions"]} == {None}


def test_the_release_decides(listed):
    """In 6.1 no compressed jump is simulated."""
    now, then = (listed("riscv", "firmware/riscv.elf", *more)["summary"] for more in ([], ["--release", "6.1"]))
    assert now["instructions"] == then["instructions"]
    assert "c_jr" in {row["rule"] for row in now["rules"] if row["verdict"] == "simulate"}
    assert "c_jr" in {row["rule"] for row in then["rules"] if row["verdict"] == "reject"}


def test_people_get_functions_and_a_summary(capsys):
    assert main(["opcode", "mips", "--elf", "firmware/mips.elf", "--symbol", "probe_delay"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "probe_delay: (.text)"
    assert re.match(r" +[0-9a-f]+  0x[0-9a-f]{8} +\S.* (step|simulate|reject) +\S", lines[2])
    assert any(re.fullmatch(r"\d+ instructions: \d+ may be probed \(.*\), \d+ are refused", line) for line in lines)


def test_an_interrupted_listing_is_whole_json_and_has_a_summary(capsys, monkeypatch):
    real = Listing.lines

    def lines(listing, symbol):
        yield from islice(real(listing, symbol), 5)
        raise KeyboardInterrupt

    monkeypatch.setattr(Listing, "lines", lines)
    call = ["opcode", "riscv", "--elf", "firmware/riscv.elf"]
    assert main([*call, "--json"]) == 130
    out, err = capsys.readouterr()
    found = json.loads(out)
    check_summary(found)
    assert (found["complete"], len(found["instructions"])) == (False, 5)
    assert err == "trapline: interrupted: 5 instructions are listed\n"
    assert main(call) == 130
    assert "\n5 instructions: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["arm64", "--elf", "firmware/mips.elf"], "expected EM_AARCH64"),
        (["arm64", "--elf", "firmware/none.elf"], "cannot be read"),
        (["arm64", "--elf", "README.md"], "not an ELF"),
        (["arm64", "--elf", "firmware/arm64.elf", "--symbol", "leaf_ad"], "did you mean leaf_add"),
        (["arm64", "--elf", "firmware/arm64.elf", "--symbol", "stacks"], "not in text"),
        (["arm64", "0xd503201f", "--elf", "firmware/arm64.elf"], "no words"),
        (["arm64", "--elf", "firmware/arm64.elf", "--feature", "x"], "'x'"),
        (["arm64", "0xd503201f", "--symbol", "leaf_add"], "--elf"),
    ],
)
def test_bad_input_is_one_line(capsys, options, says):
    assert main(["opcode", *options]) == 2
    error = capsys.readouterr().err
    assert error.startswith("trapline: ") and error.count("\n") == 1 and says in error
