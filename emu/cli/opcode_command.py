"""`trapline opcode`: what an instruction is, and what the kernel says to a probe on it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import groupby

import arches
from emu.cli.arguments import Commands, command, natural
from emu.cli.bulk import at_line, input_lines
from emu.cli.opcode_listing import list_elf
from emu.errors import UsageError
from emu.isa.words import parse_bytes
from emu.report.text import print_json, table
from emu.verdict.opcode import Opcode, is_whole, known_features, one_after_the_other, opcode
from emu.verdict.site import parse_release

Placed = tuple[int, bytes, bytes]  # address, instruction, what stands before it


def add(commands: Commands) -> None:
    example = "trapline opcode riscv 0x8532 --version 6.1"
    parser = command(commands, "opcode", "instructions: text, verdict, why", example, opcodes)
    parser.add_argument("arch", metavar="ARCH")
    parser.add_argument("word", nargs="*", metavar="WORD", help="hex; - reads words from standard input, one a line")
    parser.add_argument("--asm", action="append", default=[], metavar="TEXT", help="assemble this instead")
    parser.add_argument("--at", type=natural, default=0x10000, metavar="ADDR", help="address; default 0x10000")
    parser.add_argument("--elf", metavar="FILE", help="every instruction of an ELF file: a program, a module, a kernel")
    parser.add_argument("--symbol", metavar="S", help="with --elf: of this function only")
    help_text = "the instruction before it (delay slots, exclusives); several are given in the order of their addresses"
    parser.add_argument("--prev", action="append", default=[], metavar="WORD", help=help_text)
    add_rules(parser)


def add_rules(parser: argparse.ArgumentParser) -> None:
    """Which rules decide."""
    parser.add_argument("--version", metavar="RELEASE", help="the rules of a Linux release; default: the newest")
    parser.add_argument("--feature", action="append", default=[], metavar="NAME", help="what the CPU or kernel has")


def opcodes(options: argparse.Namespace) -> int:
    if options.elf is not None:
        return list_elf(options)
    if options.symbol is not None:
        raise UsageError(f"--symbol {options.symbol}: expected --elf FILE with it")
    arch = arches.load(options.arch)
    release = parse_release(options.version) if options.version is not None else None
    features = known_features(arch, options.feature)
    if options.at >> arch.registers.bits:
        raise UsageError(f"--at {options.at:#x}: expected an address of {arch.registers.bits} bits")
    found = [opcode(arch, insn, addr, prev, release, features) for addr, insn, prev in instructions(options, arch)]
    if options.json:
        instructions_json = [one.json() for one in found]
        print_json({"schema": "trapline.opcode/1", "arch": arch.name, "instructions": instructions_json})
    else:
        print_table(found)
    return 0


def print_table(found: list[Opcode]) -> None:
    print(table(("word", "text", "verdict", "why"), [[one.word, one.text, one.verdict, one.why] for one in found]))


def instructions(options: argparse.Namespace, arch: arches.AnyArch) -> Iterator[Placed]:
    if not options.word and not options.asm:
        raise UsageError("opcode: expected WORD..., -, --asm TEXT or --elf FILE")
    prev = b"".join(map(arch.parse_word, options.prev))
    for text in options.asm:
        yield from placed(arch, arch.assemble(text, options.at), options.at, prev)
    for is_input, words in groupby(options.word, key=lambda word: word == "-"):
        for code in runs_of_input(arch) if is_input else runs(arch, list(words)):
            yield from placed(arch, code, options.at, prev)


def runs_of_input(arch: arches.AnyArch) -> Iterator[bytes]:
    """Each line of standard input by itself."""
    for number, line in input_lines():
        with at_line(number):
            (code,) = runs(arch, [line])
            for _ in one_after_the_other(arch, code):
                pass  # what is wrong with it is said here, where its number is known
        yield code


def runs(arch: arches.AnyArch, words: list[str]) -> list[bytes]:
    """What stands by itself: each word, unless they are pieces of one run of bytes, as `ff d0` of a disassembly is."""
    if not arch.words_are_bytes:
        return [arch.parse_word(word) for word in words]
    pieces = [parse_bytes(word) for word in words]
    return pieces if all(is_whole(arch, piece) for piece in pieces) else [b"".join(pieces)]


def placed(arch: arches.AnyArch, code: bytes, addr: int, prev: bytes) -> Iterator[Placed]:
    """What was given as one text, which may be several instructions."""
    for insn in one_after_the_other(arch, code):
        yield addr, insn, prev
        addr, prev = addr + len(insn), prev + insn
