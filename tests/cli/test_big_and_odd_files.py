"""ELF files that are large, or have names that a terminal should not see, and states with much memory."""

import io
import json
import struct
import time
from pathlib import Path

import pytest

from emu.cli import main

INPUTS = Path(__file__).parent.parent / "data" / "inputs"
ADDI, RET = bytes.fromhex("0505"), bytes.fromhex("8280")  # c.addi a0, 1; c.jr ra
COUNT = 20_000
SECONDS = 8  # of processor time; it was 24 for as many sections, 19 for a line of 4,000 pieces of memory


def relocatable(texts, symbols):
    """A RISC-V object with these sections of text, and functions (section, offset)."""
    names = b"\0.symtab\0.strtab\0.text\0"
    strings = b"\0" + b"".join(b"f%d\0" % number for number in range(len(symbols)))
    starts = [1]
    for number in range(len(symbols) - 1):
        starts.append(starts[-1] + len(b"f%d\0" % number))
    table = bytes(24) + b"".join(
        struct.pack("<IBBHQQ", starts[number], 0x12, 0, section, offset, len(ADDI + RET))
        for number, (section, offset) in enumerate(symbols)
    )
    body, headers = b"", [bytes(64)]
    for data, name, kind, flags, link, info, entry in (
        *((text, names.index(b".text"), 1, 6, 0, 0, 0) for text in texts),
        (table, names.index(b".symtab"), 2, 0, len(texts) + 2, 1, 24),
        (strings, names.index(b".strtab"), 3, 0, 0, 0, 0),
        (names, names.index(b".strtab"), 3, 0, 0, 0, 0),
    ):
        place = 64 + len(body), len(data)
        headers.append(struct.pack("<IIQQQQIIQQ", name, kind, flags, 0, *place, link, info, 2, entry))
        body += data
    ident = b"\x7fELF\2\1\1" + bytes(9)
    count = len(headers)
    head = struct.pack("<HHIQQQIHHHHHH", 1, 243, 1, 0, 0, 64 + len(body), 0, 64, 0, 0, 64, count, count - 1)
    return ident + head + body + b"".join(headers)


@pytest.mark.parametrize("kind", ["sections", "symbols"])
def test_an_object_of_20_000(tmp_path, capsys, kind):
    """What -ffunction-sections makes, and the same in one section."""
    if kind == "sections":
        data = relocatable([ADDI + RET] * COUNT, [(number + 1, 0) for number in range(COUNT)])
    else:
        data = relocatable([(ADDI + RET) * COUNT], [(1, 4 * number) for number in range(COUNT)])
    (tmp_path / "big.o").write_bytes(data)
    begun = time.process_time()
    assert main(["opcode", "riscv", "--elf", str(tmp_path / "big.o")]) == 0
    assert time.process_time() - begun < SECONDS
    out = capsys.readouterr().out
    assert f"\n{2 * COUNT} instructions: " in out and "\nf19999: (.text" in out


@pytest.mark.parametrize("arch", ["arm64", "csky", "x86"])
def test_a_state_with_4_000_pieces_of_memory(monkeypatch, capsys, arch):
    """A load from the last one finds it; ldr x0, [x1], ld.w r0, (r1, 0) and mov rax, [rcx]."""
    word, base, result = {
        "arm64": ("0xf9400020", "x1", "x0"),
        "csky": ("0x9100", "r1", "r0"),
        "x86": ("488b01", "rcx", "rax"),
    }[arch]
    places = [0x100_0000 + number * 0x2_0000 for number in range(4000)]
    mem = {hex(place): f"{number:08x}" for number, place in enumerate(places)}
    line = json.dumps({"word": word, "regs": {base: places[-1]}, "mem": mem})
    monkeypatch.setattr("sys.stdin", io.StringIO(line))
    begun = time.process_time()
    assert main(["step", arch, "-"]) == 0
    assert time.process_time() - begun < SECONDS
    answer = json.loads(capsys.readouterr().out)
    assert answer["trap"] is None and answer["regs"] == {result: int.from_bytes((3999).to_bytes(4, "big"), "little")}


def test_a_store_over_two_of_many_pieces(monkeypatch, capsys):
    """mov [rcx], rax, across the end of a page."""
    mem = {hex(0x100_0000 + 0x2_0000 * number): "00" for number in range(100)} | {"0x9000ffc": "00", "0x9001000": "00"}
    line = json.dumps({"word": "488901", "regs": {"rcx": 0x9000FFC, "rax": 0x1122334455667788}, "mem": mem})
    monkeypatch.setattr("sys.stdin", io.StringIO(line))
    assert main(["step", "x86", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["mem"] == {"0x9000ffc": "8877665544332211"}


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("name-with-escape", r"\x1b"),
        ("name-with-newline", r"\n"),
    ],
)
def test_names_are_escaped_in_listings(capsys, name, shown):
    assert main(["opcode", "x86", "--elf", str(INPUTS / f"{name}-x86.exe")]) == 0
    out = capsys.readouterr().out
    assert shown in out and out.replace("\n", "").isprintable()


@pytest.mark.parametrize("name", ["name-with-escape", "name-with-newline", "section-name-with-newline"])
def test_names_are_escaped_in_messages(capsys, name):
    path = str(INPUTS / f"{name}-x86.exe")
    assert main(["opcode", "x86", "--elf", path, "--symbol", "fi"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and err[:-1].isprintable()


def test_names_that_the_terminal_lacks(monkeypatch):
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    monkeypatch.setattr("sys.stdout", out)
    assert main(["opcode", "x86", "--elf", str(INPUTS / "name-not-ascii-x86.exe")]) == 0
    out.flush()
    assert rb"\x" in out.buffer.getvalue() or rb"\u" in out.buffer.getvalue()


def test_a_program_that_nothing_of_can_be_executed(capsys):
    path = str(INPUTS / "no-executable-segment-x86.exe")
    assert main(["probe-all", path, "fib", "5", "--arch", "x86"]) == 2
    assert capsys.readouterr().err == (f"trapline: {path}: nothing to execute: expected an executable segment (PF_X)\n")


@pytest.mark.parametrize(("name", "says"), [("not-utf8", "expected UTF-8"), ("register-of-6000-digits", "expected a")])
def test_lines_that_once_gave_a_traceback(monkeypatch, capsys, name, says):
    data = (INPUTS / f"{name}.arm64.jsonl").read_bytes()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
    assert main(["step", "arm64", "-"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("trapline: line ") and says in err and err.count("\n") == 1 and len(err) < 500


def test_what_is_no_file(tmp_path, capsys):
    for path in ("/dev/zero", str(tmp_path)):
        assert main(["opcode", "x86", "--elf", path]) == 2
        assert capsys.readouterr().err == f"trapline: {path}: cannot be read: expected a regular file\n"
