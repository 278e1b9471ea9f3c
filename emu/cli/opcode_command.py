"""`trapline opcode`: what an instruction is, and what the kernel says to a probe on it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable

import arches
from emu.cli.arguments import Commands, command, natural
from emu.cli.output import print_json, table
from emu.errors import UsageError
from emu.isa.opcode import Opcode, opcode
from emu.isa.site import parse_release


def add(commands: Commands) -> None:
    example = "trapline opcode riscv 0x8532 --version 6.1"
    parser = command(commands, "opcode", "instructions: text, verdict, why", example, opcodes)
    parser.add_argument("arch", metavar="ARCH")
    parser.add_argument("word", nargs="*", metavar="WORD", help="hex; - reads words from standard input, one a line")
    parser.add_argument("--asm", action="append", default=[], metavar="TEXT", help="assemble this instead")
    parser.add_argument("--at", type=natural, default=0x10000, metavar="ADDR", help="address; default 0x10000")
    parser.add_argument("--prev", metavar="WORD", help="the instruction before it (delay slots, exclusives)")
    parser.add_argument("--version", metavar="RELEASE", help="the rules of a Linux release; default: the newest")


def opcodes(options: argparse.Namespace) -> int:
    arch = arches.load(options.arch)
    release = parse_release(options.version) if options.version is not None else None
    prev = arch.parse_word(options.prev) if options.prev is not None else None
    found: list[Opcode] = []
    for insn in instructions(options, arch):
        found.append(opcode(arch, insn, options.at, prev, release))
    if options.json:
        instructions_json = [one.json() for one in found]
        print_json({"schema": "trapline.opcode/1", "arch": arch.name, "instructions": instructions_json})
        return 0
    rows = [[one.word, one.text, one.verdict, one.why] for one in found]
    print(table(("word", "text", "verdict", "why"), rows))
    return 0


def instructions(options: argparse.Namespace, arch: arches.AnyArch) -> Iterable[bytes]:
    if not options.word and not options.asm:
        raise UsageError("opcode: expected WORD..., - or --asm TEXT")
    for text in options.asm:
        yield arch.assemble(text, options.at)
    for word in options.word:
        if word == "-":
            yield from (arch.parse_word(line.strip()) for line in sys.stdin if line.strip())
        else:
            yield arch.parse_word(word)
