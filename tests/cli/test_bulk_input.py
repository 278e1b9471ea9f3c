"""`opcode ARCH -` and `step ARCH -`: whatever comes in, one line with the number of the line and what was expected."""

import io

import pytest

from emu.cli import main

GOOD = {"opcode": b"0xd503201f", "step": b'{"word": "0xd503201f"}'}
ANY = [
    (b"\xff", "byte 0xff: expected UTF-8"),
    (b"0x8b020020\xc3", "byte 0xc3: expected UTF-8"),
    (b"f" * 1_000_000, "expected"),
    ("0x8b02002\N{CYRILLIC SMALL LETTER A}".encode(), "expected"),
    (b"\x1b[31m", "expected"),
    (b"0x\0", "expected"),
    (b"[" * 100_000, "expected"),
]
OBJECTS = [
    (b'{"word": "0xd503201f", "word": "0xd65f03c0"}', "'word' is there twice: expected it once"),
    (b'{"word": "0xd503201f", "regs": {"x1": 1, "x1": 2}}', "'x1' is there twice"),
    (b'{"word": "0xd503201f", "regs": {"x30": 1, "lr": 2}}', "registers 'x30' and 'lr' are one: expected it once"),
    (b'{"word": "0xd503201f", "mem": {"0x1000": "00", "4096": "01"}}', "mem: 0x1000 is there twice: expected it once"),
    (b'{"word": "0xd503201f", "regs": {"x1": "0x' + b"f" * 6000 + b'"}}', "expected a whole number"),
    (b'{"word": "0xd503201f", "regs": {"x1": ' + b"9" * 5000 + b"}}", "expected"),
    (b'{"word": "0xd503201f", "regs": {"x1": "0x' + b"f" * 900 + b'"}}', "expected 64 bits"),
    (b'{"word": "0xd503201f", "at": 1e999}', "expected a whole number"),
    (b'{"word": "0xd503201f", "at": NaN}', "expected a whole number"),
    (b'{"word": "0xd503201f", "mem": {"0": "0"}}', "expected bytes"),
    (b'{"word": "0xd503201f", "regs": ' + b"[" * 50_000, "expected"),
    (b'{"word": "0xd503201f", "regs": {"\\u001b[31m": 1}}', "expected one of"),
]


@pytest.fixture
def refused(monkeypatch, capsys):
    """What is said of these bytes on standard input; that nothing else is."""

    def run(command, data):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", errors="strict"))
        assert main([command, "arm64", "-"]) == 2
        out, err = capsys.readouterr()
        assert err.startswith("trapline: ") and err.endswith("\n") and err[:-1].isprintable() and len(err) < 1300
        return out, err

    return run


@pytest.mark.parametrize(("line", "says"), ANY, ids=lambda value: repr(value)[:30])
@pytest.mark.parametrize("command", ["opcode", "step"])
def test_a_bad_line_behind_a_good_one(refused, command, line, says):
    _, err = refused(command, b"\n".join([GOOD[command], b"", line, GOOD[command]]))
    assert err.startswith("trapline: line 3: ") and says in err


@pytest.mark.parametrize(("line", "says"), OBJECTS, ids=lambda value: repr(value)[:50])
def test_an_object_that_says_two_things_or_too_much(refused, line, says):
    out, err = refused("step", GOOD["step"] + b"\n" + line)
    assert out.count("\n") == 1 and err.startswith("trapline: line 2: ") and says in err


@pytest.mark.parametrize(
    "options",
    [("--reg", "x1=1", "--reg", "x1=2"), ("--mem", "0x10=00", "--mem", "16=01"), ("--reg", "x30=1", "--reg=lr=1")],
)
def test_options_that_say_two_things(capsys, options):
    assert main(["step", "arm64", "0xd503201f", *options]) == 2
    assert "expected it once" in capsys.readouterr().err


def test_standard_input_that_is_closed(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", None)
    assert main(["opcode", "arm64", "-"]) == 2
    assert capsys.readouterr().err == "trapline: standard input is closed: expected a line for each question\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "unregister_vs_hit", "--arch", "mips", "--schedule", "cpu0*" + "9" * 5000),
        ("transparent", "mips", "--count", "20", "--seed", "0x" + "f" * 5000),
        ("transparent", "mips", "--case", "word=0x00000000 at=" + "9" * 5000),
        ("opcode", "mips", "0x" + "0" * 5000),
        ("opcode", "mips", "0", "--at", "0x" + "0" * 5000),
        ("opcode", "mips", "0", "--release", "6." + "9" * 5000),
        ("opcode", "x86", "f" * 1_000_000),
        ("run", "x" * 1_000_000, "--arch", "mips"),
        ("run", "a.py::" + "x" * 1_000_000, "--arch", "mips"),
        ("probe-all", "firmware/mips.elf", "x" * 1_000_000, "--arch", "mips"),
        ("opcode", "arm64", "--elf", "/dev/null"),
        ("opcode", "arm64", "--elf", "x" * 5000),
    ],
    ids=lambda arguments: " ".join(arguments)[:40],
)
def test_long_values_on_the_command_line(capsys, arguments):
    try:
        status = main(arguments)
    except SystemExit as stopped:
        status = stopped.code
    err = capsys.readouterr().err
    assert status == 2 and "expected" in err and err.count("\n") == 1 and len(err) < 1400
