"""Generators of inputs, by kind. Each takes a random number generator and nothing else, so that a seed is an input."""

from __future__ import annotations

import json
from contextlib import suppress
from functools import cache
from pathlib import Path
from random import Random

import arches
from emu.errors import DecodeError
from fuzz.harness import Case, Generator

ROOT = Path(__file__).resolve().parents[2]
INPUTS = ROOT / "tests" / "data" / "inputs"
RACES = ("unregister_vs_hit", "two_cpus_hit", "register_vs_hit", "foreign_break")
RELEASES = ("6.1", "v6.18", "5.12", "6.1.192", "2.6", "7.9", "6.", "9" * 5000, "6.1\n", "")
ODD = ("", " ", "\0", "\x1b[31m", "\n", "é", "\udcff", "\u202e", "a" * 5000, "%s", "{}", "-1", "1e999", "nan", "'")
NUMBERS = ("0", "1", "-1", "0x10", "4096", "0x" + "f" * 16, "0x" + "f" * 40, "9" * 5000, "0b11", "1_0", "07", "x", "")


def name_of(rng: Random) -> str:
    return rng.choice(arches.names())


def digits(rng: Random, count: int) -> str:
    return "".join(rng.choice("0123456789abcdef") for _ in range(count))


def spoiled(rng: Random, text: str) -> str:
    """A text with one or two places changed."""
    for _ in range(rng.randint(1, 2)):
        at = rng.randint(0, len(text))
        text = text[:at] + rng.choice((*ODD, digits(rng, 3))) + text[at + rng.randint(0, 3) :]
    return text


def as_argument(text: str) -> str:
    """What an operating system can pass: no NUL, and no lone surrogates but those of undecoded bytes."""
    return text.replace("\0", "")


def spoiled_bytes(rng: Random, data: bytes) -> bytes:
    """Bytes with a few changed, most of them where a file's tables are, or cut off."""
    changed = bytearray(data)
    if rng.random() < 0.1:
        return bytes(changed[: rng.randrange(len(changed))])
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        where = rng.choice((64, 400, len(changed), -1))
        at = rng.randrange(where) if where > 0 else rng.randrange(max(0, len(changed) - 1500), len(changed))
        at = min(at, len(changed) - 8)
        if rng.random() < 0.5:
            changed[at] = rng.randrange(256)
        else:
            value = rng.choice((0, 1, 0x7F, 0xFF, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFFF, (1 << 64) - 1, rng.getrandbits(64)))
            changed[at : at + 8] = value.to_bytes(8, "little")[: rng.choice((1, 2, 4, 8))].ljust(8, b"\0")
    return bytes(changed)


@cache
def programs() -> tuple[tuple[str, bytes], ...]:
    found = [(path.stem, path.read_bytes()) for path in sorted((ROOT / "firmware").glob("*.elf"))]
    return (*found, *(("x86", path.read_bytes()) for path in sorted(INPUTS.glob("*.exe"))))


def elf(rng: Random) -> Case:
    """A program with bytes of its tables, names or text changed."""
    name, data = rng.choice(programs())
    files = {"f.elf": spoiled_bytes(rng, data)}
    if rng.random() < 0.3:
        function = rng.choice(("leaf_add", "probe_me", "probe_call", "fib", "add5", "_start", "0x10000"))
        return Case(("probe-all", "{folder}/f.elf", function, "5", "--arch", name), files=files)
    more = rng.choice(((), ("--json",), ("--symbol", "probe_me"), ("--release", "6.6")))
    return Case(("opcode", name, "--elf", "{folder}/f.elf", *more), files=files)


def words(rng: Random) -> Case:
    """Lines of words, good and bad, and options."""
    lines: list[bytes] = []
    for _ in range(rng.randint(1, 20)):
        word = rng.choice(("", "0x")) + digits(rng, rng.choice((1, 2, 4, 4, 8, 8, 8, 9, 16, 30)))
        if rng.random() < 0.05:
            word = spoiled(rng, word)
        line = word.encode("utf-8", "surrogateescape")
        lines.append(line if rng.random() < 0.98 else rng.randbytes(rng.randint(1, 40)).replace(b"\n", b""))
    options: list[str] = []
    if rng.random() < 0.3:
        options += ["--prev", digits(rng, rng.choice((4, 8)))]
    if rng.random() < 0.3:
        options += [f"--at={rng.choice(NUMBERS)}"]
    if rng.random() < 0.3:
        options += [f"--release={as_argument(rng.choice(RELEASES))}"]
    if rng.random() < 0.2:
        options += ["--json"]
    return Case(("opcode", name_of(rng), "-", *options), stdin=b"\n".join(lines))


def state(rng: Random, name: str) -> dict[str, object]:
    """A state of a CPU that makes sense."""
    file = arches.load(name).isa.registers
    names = rng.sample((*file.gpr, *file.special, *file.flags), rng.randint(0, 6))
    value = lambda: rng.choice((0, 1, 0x1000, 0x2000, rng.getrandbits(file.bits), (1 << file.bits) - rng.randint(1, 9)))  # noqa: E731
    regs = {one: value() & (1 if one in file.flags else -1) for one in names}
    mem = {hex(value() & ~7): rng.randbytes(rng.randint(0, 16)).hex() for _ in range(rng.choice((0, 1, 2, 3, 200)))}
    return {"word": digits(rng, rng.choice((4, 8, 8))), "at": value() & ~3, "regs": regs, "mem": mem}


def lines(rng: Random) -> Case:
    """States for `step -`, a part of them spoiled."""
    name, found = name_of(rng), []
    for _ in range(rng.randint(1, 10)):
        text = json.dumps(state(rng, name))
        if rng.random() < 0.1:
            text = rng.choice(
                (spoiled(rng, text), "[" * 9000, text[: rng.randint(0, len(text))], text * 2, "null", "3")
            )
        found.append(text.encode("utf-8", "surrogateescape"))
    return Case(("step", name, "-"), stdin=b"\n".join(found))


BULK = 4000  # lines of one input of `bulk`


def whole(rng: Random, name: str) -> str:
    """Random bytes that are as long as the instruction that they begin is, as a word."""
    isa = arches.load(name).isa
    while True:
        data = rng.randbytes(max(isa.sizes))
        with suppress(DecodeError):
            return isa.word(data[: isa.insn_size(data)])


def bulk(rng: Random) -> Case:
    """Thousands of lines, all of them good: words, or words with a state of the CPU, of any bits."""
    name = name_of(rng)
    found = [whole(rng, name) for _ in range(BULK)]
    if rng.random() < 0.5:
        return Case(("opcode", name, "-"), stdin="\n".join(found).encode())
    file = arches.load(name).isa.registers
    states = []
    for word in found:
        regs = {one: rng.choice((1, 0x1000, rng.getrandbits(file.bits))) for one in rng.sample(file.gpr, 3)}
        states.append(json.dumps({"word": word, "regs": regs, "mem": {"0x1000": "0102030405060708"}}))
    return Case(("step", name, "-"), stdin="\n".join(states).encode())


OPTIONS = "--json --arch --release --variant --patching --preempt --cpus --views --at --prev --reg --mem --symbol --elf"
OPTIONS += (
    " --asm --feature --seed --count --case --expect - mainline seed live stop_machine full oops=never x1=1 0x10=00"
)
PIECES = (*OPTIONS.split(), "firmware/mips.elf", "/")
COMMANDS = ("list", "run", "explore", "opcode", "step", "probe-all", "transparent", "opcodes", "", "--version")


def command(rng: Random) -> Case:
    """Words of the grammar in any order."""
    found = [rng.choice(COMMANDS)]
    for _ in range(rng.randint(0, 6)):
        found.append(rng.choice((*PIECES, *NUMBERS, *ODD, *RACES, *arches.names(), digits(rng, 8))))
    if found[0] in ("transparent", "explore"):
        found += ["--count", "2"] if found[0] == "transparent" else ["--limit", "5"]
    return Case(tuple(map(as_argument, found)))


MNEMONICS = "mov add nop b beq jmp call ld lw sc rep lock = .inst .byte .text .set .rept .if .org .align .uleb128 .err"
MNEMONICS += " .code64 .space .incbin .macro .include .cfi_startproc .section"
TOKENS = (
    "x0",
    "r1",
    "$a0",
    "rax",
    "(rax)",
    "[x1]",
    "#4",
    "0x10",
    ",",
    ",",
    ":lo12:x",
    "é",
    "\\",
    "-",
    "'",
    '"',
    "1.5",
    ";",
)


def asm(rng: Random) -> Case:
    """Assembly of tokens."""
    parts = [rng.choice(MNEMONICS.split()), *(rng.choice((*TOKENS, *NUMBERS, *ODD)) for _ in range(rng.randint(0, 5)))]
    return Case(("opcode", name_of(rng), f"--asm={as_argument(' '.join(parts))}"))


def schedules(rng: Random) -> Case:
    """Schedules of CPUs that there are, for too long, too short, and spoiled."""
    items = [f"cpu{rng.randint(0, 2)}{rng.choice(('', '', '*2', '*3', '*10'))}" for _ in range(rng.randint(0, 8))]
    text = " ".join(items)
    text = as_argument(spoiled(rng, text) if rng.random() < 0.4 else text)
    return Case(("run", rng.choice(RACES), "--arch", name_of(rng), f"--schedule={text}"))


STATEMENTS = (
    "    raise ValueError('a\\nb')",
    "    await load('x')",
    "    await store('x')",
    "    await wait('x', lambda: False)",
    "    return 1 / 0",
    "    lab.note('hit')",
    "    assert False, 'x' * 100000",
    "    await lab",
    "    raise SystemExit(3)",
    "    await load('\\x1b[31m')",
    "    return lab.symbol('nope')",
    "    [await load('x') for _ in range(3)]",
)
RETURNS = (
    "{'cpu0': code(lab), 'cpu1': run_guest(lab.cpus[1])}",
    "{'cpu0': code(lab), 'cpu1': code(lab)}",
    "{}",
    "None",
    "[code(lab)]",
    "{'cpu9': code(lab)}",
    "{'cpu0': 3}",
    "{'\\n': code(lab)}",
    "code(lab)",
)
HEAD = "from emu.explore.ops import load, store, wait\nfrom emu.kernel.guest import run_guest\n\n"


def scenarios(rng: Random) -> Case:
    """Files with a scenario of a few statements, most of them wrong."""
    body = "\n".join(rng.choice(STATEMENTS) for _ in range(rng.randint(1, 3)))
    text = f"{HEAD}async def code(lab):\n{body}\n\n\ndef f(lab):\n    return {rng.choice(RETURNS)}\n"
    if rng.random() < 0.2:
        text = spoiled(rng, text)
    files = {"s.py": text.encode("utf-8", "surrogateescape")}
    what = rng.choice((("run",), ("explore", "--limit", "20")))
    return Case((what[0], "{folder}/s.py::f", "--arch", name_of(rng), *what[1:]), files=files)


def journal_of(rng: Random, rules: int) -> bytes:
    """What looks like a journal."""
    found = {"sweep": digits(rng, 8), "done": {str(rng.randint(0, 99)): {"counts": {"other": rules}, "differing": 0}}}
    return json.dumps(found).encode()


def journals(rng: Random) -> Case:
    """Files that are no journal of this sweep, or none at all: nothing is swept on top of them."""
    data = rng.choice(
        (journal_of(rng, 1 << 20), b"[" * 100_000, b"{}", b"null", b"", rng.randbytes(50), b'{"done": 1e999}')
    )
    if rng.random() < 0.5 and data:
        data = spoiled_bytes(rng, data.ljust(16))
    return Case(("sweep", "riscv", "--resume", "{folder}/j"), files={"j": data or b" "})


KINDS: dict[str, Generator] = {
    "elf": elf,
    "words": words,
    "lines": lines,
    "bulk": bulk,
    "command": command,
    "asm": asm,
    "schedules": schedules,
    "scenarios": scenarios,
    "journals": journals,
}
