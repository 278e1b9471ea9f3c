"""`trapline step`: one instruction from a given state, or a stream of them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import arches
from emu.cli.arch_argument import add_arch
from emu.cli.bulk import at_line, input_lines
from emu.cli.parser import Parser, command, natural
from emu.errors import UsageError
from emu.foreign import whole_number
from emu.isa.isa import Isa, text_of
from emu.machine.cpu import Fault, Trap
from emu.machine.single_step import Change, State, Stepper
from emu.report.text import print_json

KEYS = ("word", "at", "regs", "mem")
DEFAULT_AT = 0x10000
KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")


def add(parser: Parser) -> None:
    example = "trapline step csky 0x6c03 --reg r0=5 --reg r3=7"
    command(parser, example, step)
    add_arch(parser)
    help_text = "hex; - reads states from standard input, a JSON object a line, and answers with one line each"
    parser.add_argument("word", metavar="WORD", help=help_text)
    parser.add_argument("--reg", action="append", default=[], metavar="NAME=VALUE", help="others are 0")
    parser.add_argument("--mem", action="append", default=[], metavar="ADDR=HEX", help="bytes; the rest of a page is 0")
    parser.add_argument("--at", type=natural, default=DEFAULT_AT, metavar="ADDR", help="address; default 0x10000")


def step(options: argparse.Namespace) -> int:
    arch = arches.load(options.arch)
    isa = arch.isa
    stepper = Stepper(isa, arch.make_cpu())
    if options.word == "-":
        if options.reg or options.mem:
            raise UsageError("step -: expected states on standard input, and no --reg or --mem")
        return step_lines(stepper)
    state = State(
        isa.parse_word(options.word),
        options.at,
        once((register(text) for text in options.reg), "--reg"),
        once((memory(text) for text in options.mem), "--mem"),
    )
    change = stepper.step(state)
    word, text = isa.word(state.insn), text_of(isa, state.insn, state.at)
    if options.json:
        print_json({"schema": "trapline.step/1", "arch": arch.name, "word": word, "text": text, **answer(change)})
    else:
        print(f"{state.at:#x}: {word}  {text}\n{lines(change)}")
    return 0


def step_lines(stepper: Stepper) -> int:
    """One answer for each line, in order; UsageError names the first line that is not a state."""
    for number, line in input_lines():
        with at_line(number):
            print(json.dumps(answer(stepper.step(state_of(stepper.isa, line)))), flush=True)
    return 0


# What is asked


def register(text: str) -> tuple[str, int]:
    """NAME=VALUE."""
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--reg {text!r}: expected NAME=VALUE")
    return name.strip(), number(value, f"--reg {text!r}")


def memory(text: str) -> tuple[int, bytes]:
    """ADDR=HEX."""
    addr, equals, data = text.partition("=")
    if not equals:
        raise UsageError(f"--mem {text!r}: expected ADDR=HEX")
    return number(addr, f"--mem {text!r}"), hex_bytes(data, f"--mem {text!r}")


def number(value: Any, where: str) -> int:
    """A JSON number, or text in any of C's bases; UsageError."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    try:
        return whole_number(value.strip())
    except (ValueError, AttributeError):
        raise UsageError(f"{where}: {value!r}: expected a whole number such as 18 or 0x12") from None


def hex_bytes(value: Any, where: str) -> bytes:
    try:
        return bytes.fromhex(value.strip().removeprefix("0x"))
    except (ValueError, AttributeError):
        raise UsageError(f"{where}: {value!r}: expected bytes in hexadecimal such as 0102ff") from None


def once(pairs: Iterable[tuple[KeyT, ValueT]], where: str) -> dict[KeyT, ValueT]:
    """The pairs as a mapping; UsageError for a name that comes twice: only one of the two could count."""
    found: dict[KeyT, ValueT] = {}
    for name, value in pairs:
        if name in found:
            shown = f"{name:#x}" if isinstance(name, int) else repr(name)
            raise UsageError(f"{where}: {shown} is there twice: expected it once")
        found[name] = value
    return found


def json_object(line: str) -> Any:
    """What a line of JSON stands for; UsageError."""
    try:
        return json.loads(line, parse_int=whole_number, object_pairs_hook=lambda pairs: once(pairs, "JSON"))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"no JSON ({error}): expected an object with {', '.join(KEYS)}") from None


def state_of(isa: Isa, line: str) -> State:
    """A line of `step -`; UsageError."""
    fields = json_object(line)
    if not isinstance(fields, dict) or "word" not in fields or set(fields) - set(KEYS):
        raise UsageError(f"{line[:60]!r}: expected an object with word, and of {', '.join(KEYS[1:])} what is not 0")
    if not isinstance(fields["word"], str):
        raise UsageError(f"word {fields['word']!r}: expected a string such as '0x0000000d'")
    regs, mem = mapping(fields, "regs"), mapping(fields, "mem")
    return State(
        isa.parse_word(fields["word"]),
        number(fields.get("at", DEFAULT_AT), "at"),
        {name: number(value, name) for name, value in regs.items()},
        once(((number(addr, "mem"), hex_bytes(data, f"mem {addr}")) for addr, data in mem.items()), "mem"),
    )


def mapping(fields: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = fields.get(key, {})
    if not isinstance(value, dict):
        raise UsageError(f"{key} {value!r}: expected an object")
    return value


# What is answered


def answer(change: Change) -> dict[str, Any]:
    """The JSON of one step; a fault has the address that was accessed, too."""
    trap: dict[str, Any] | None = None
    if isinstance(change.stop, Trap):
        trap = {"kind": change.stop.kind.value, "pc": change.stop.pc}
    elif isinstance(change.stop, Fault):
        trap = {"kind": f"{change.stop.access}-fault", "pc": change.stop.pc, "address": change.stop.address}
    mem = {f"{addr:#x}": data.hex() for addr, data in change.mem.items()}
    return {"regs": dict(change.regs), "mem": mem, "pc": change.pc, "trap": trap}


def lines(change: Change) -> str:
    """The same for people, numbers in hexadecimal."""
    answered = answer(change)
    shown = [f"  {name:8} {value:#x}" for name, value in answered["regs"].items()]
    shown += [f"  [{addr}] {data}" for addr, data in answered["mem"].items()]
    shown.append(f"  pc       {change.pc:#x}")
    if answered["trap"] is not None:
        at = f" of {answered['trap']['address']:#x}" if "address" in answered["trap"] else ""
        shown.append(f"  {answered['trap']['kind']}{at} at {answered['trap']['pc']:#x}")
    return "\n".join(shown)
