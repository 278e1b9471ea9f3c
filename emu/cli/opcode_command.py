"""`trapline opcode`: what an instruction is, and what the kernel says to a probe on it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import groupby

import arches
from emu.cli.arch_argument import add_arch
from emu.cli.bulk import at_line, input_lines
from emu.cli.parser import Parser, add_features, add_release, command, natural
from emu.cli.releases import asked_release
from emu.errors import UsageError
from emu.isa.isa import Isa, is_whole, one_after_the_other
from emu.isa.words import parse_bytes
from emu.parallel.interrupts import interrupts_held
from emu.report.text import print_json, table
from emu.verdict.opcode import Opcode, known_features, opcode

Placed = tuple[int, bytes, bytes]  # address, instruction, what stands before it


def add(parser: Parser) -> None:
    example = "trapline opcode riscv 0x8532 --release 6.1"
    command(parser, example, opcodes)
    add_arch(parser)
    parser.add_argument("word", nargs="*", metavar="WORD", help="hex; - reads words from standard input, one a line")
    parser.add_argument("--asm", action="append", default=[], metavar="TEXT", help="assemble this instead")
    parser.add_argument("--at", type=natural, default=0x10000, metavar="ADDR", help="address; default 0x10000")
    parser.add_argument("--elf", metavar="FILE", help="every instruction of an ELF file: a program, a module, a kernel")
    parser.add_argument("--symbol", metavar="S", help="with --elf: of this function only")
    help_text = "the instruction before it (delay slots, exclusives); several are given in the order of their addresses"
    parser.add_argument("--prev", action="append", default=[], metavar="WORD", help=help_text)
    add_release(parser, "the newest")
    add_features(parser)


def opcodes(options: argparse.Namespace) -> int:
    if options.elf is not None:
        with interrupts_held():
            from emu.cli.opcode_listing import list_elf  # a tenth of a second, of which most words need nothing
        return list_elf(options)
    if options.symbol is not None:
        raise UsageError(f"--symbol {options.symbol}: expected --elf FILE with it")
    arch = arches.load(options.arch)
    asked = asked_release(arch, options.release)
    features = known_features(arch.isa, arch.probing, options.feature)
    if options.at >> arch.isa.registers.bits:
        raise UsageError(f"--at {options.at:#x}: expected an address of {arch.isa.registers.bits} bits")
    found = [
        opcode(arch.isa, arch.probing, insn, addr, prev, asked.release, features)
        for addr, insn, prev in instructions(options, arch.isa)
    ]
    if options.json:
        instructions_json = [one.json() for one in found]
        head = {"schema": "trapline.opcode/1", "arch": arch.name, "release": asked.number}
        print_json({**head, "instructions": instructions_json})
    else:
        print_table(found)
        print(f"\n{asked.line}")
    return 0


def print_table(found: list[Opcode]) -> None:
    print(table(("word", "text", "verdict", "why"), [[one.word, one.text, one.verdict, one.why] for one in found]))


def instructions(options: argparse.Namespace, isa: Isa) -> Iterator[Placed]:
    if not options.word and not options.asm:
        raise UsageError("opcode: expected WORD..., -, --asm TEXT or --elf FILE")
    prev = b"".join(map(isa.parse_word, options.prev))
    for text in options.asm:
        yield from placed(isa, isa.assemble(text, options.at), options.at, prev)
    for is_input, words in groupby(options.word, key=lambda word: word == "-"):
        for code in runs_of_input(isa) if is_input else runs(isa, list(words)):
            yield from placed(isa, code, options.at, prev)


def runs_of_input(isa: Isa) -> Iterator[bytes]:
    """Each line of standard input by itself."""
    for number, line in input_lines():
        with at_line(number):
            (code,) = runs(isa, [line])
            for _ in one_after_the_other(isa, code):
                pass  # what is wrong with it is said here, where its number is known
        yield code


def runs(isa: Isa, words: list[str]) -> list[bytes]:
    """What stands by itself: each word, unless they are pieces of one run of bytes, as `ff d0` of a disassembly is."""
    if not isa.words_are_bytes:
        return [isa.parse_word(word) for word in words]
    pieces = [parse_bytes(word) for word in words]
    return pieces if all(is_whole(isa, piece) for piece in pieces) else [b"".join(pieces)]


def placed(isa: Isa, code: bytes, addr: int, prev: bytes) -> Iterator[Placed]:
    """What was given as one text, which may be several instructions."""
    for insn in one_after_the_other(isa, code):
        yield addr, insn, prev
        addr, prev = addr + len(insn), prev + insn
