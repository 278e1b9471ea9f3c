"""ARCH is the first word of a command, or stands behind `--arch`."""

import pytest

from emu.cli import main
from emu.cli.commands import parser
from emu.errors import UsageError


def understood(*arguments):
    """What the command's function gets, but for how the architecture was given."""
    return vars(parser().parse_args(list(arguments)))


WITHOUT = (  # a command, and its words and options behind ARCH
    ["opcode", "0x8532", "0x0000", "--release", "6.1"],
    ["opcode", "--asm", "mips"],  # the value of an option is no word
    ["opcode", "-"],
    ["step", "0x8532", "--reg", "a0=5", "--json"],
    ["sweep", "--against", "6.13", "--list", "3"],
    ["transparent", "--row", "c.mv", "--count", "20"],
    ["probe-all", "some.elf", "function", "-5", "str:mips"],
    ["probe-all", "--json", "some.elf", "function", "--", "--5"],
    ["probe-all", "./mips", "function"],  # a file that is called like an architecture
)


@pytest.mark.parametrize("given", WITHOUT, ids=" ".join)
def test_both_spellings_are_the_same(given):
    command, *others = given
    expected = understood(command, "riscv", *others)
    assert expected["arch"] == "riscv"
    assert understood(command, "--arch", "riscv", *others) == expected
    assert understood(command, "--arch=riscv", *others) == expected
    assert understood(command, "--arch", "riscv", "riscv", *others) == expected
    if "--" not in others:
        assert understood(command, *others, "--arch", "riscv") == expected
        assert understood(command, "riscv", *others, "--arch=riscv64") == expected  # by its other name


@pytest.mark.parametrize("given", WITHOUT, ids=" ".join)
def test_two_that_differ_are_an_error(given):
    command, *others = given
    with pytest.raises(UsageError, match=r"^--arch csky: expected riscv, which is the first word"):
        understood(command, "--arch", "csky", "riscv", *others)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sweep", "--arch", "alpha"], "architecture 'alpha': expected one of arm64, "),
        (["sweep", "--arch"], "argument --arch: expected one argument"),
        (["sweep", "--arch", "mips", "--arch", "mips"], "argument --arch: 'mips': expected this option once"),
        (["sweep", "alpha", "--arch", "mips"], "unrecognized arguments: alpha"),
        (["step", "--arch", "mips"], "the following arguments are required: WORD"),
        (["sweep"], "the following arguments are required: ARCH"),
    ],
)
def test_what_is_not_understood(capsys, arguments, said):
    try:
        status = main(arguments)
    except SystemExit as end:
        status = end.code
    out, err = capsys.readouterr()
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert said in err
