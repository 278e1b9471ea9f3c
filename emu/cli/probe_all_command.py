"""`trapline probe-all`: one function, with a probe on every instruction."""

from __future__ import annotations

import argparse
from dataclasses import replace

import arches
from emu.cli.arch_argument import add_arch
from emu.cli.parser import Parser, add_fix, add_release, command
from emu.cli.releases import asked_release
from emu.cli.status import CONTRADICTED, DONE, say_interrupted
from emu.elf.file import ElfFile
from emu.errors import UsageError
from emu.foreign import escaped, whole_number
from emu.lab.probe_all import ProbeAll, Report
from emu.machine.guest_call import Argument
from emu.report.text import ProgressLine, print_json, table

BYTES, TEXT = "hex:", "str:"


def add(parser: Parser) -> None:
    example = "trapline probe-all crc7.ko crc7_be 0 str:trapline 8 --arch mips"
    command(parser, example, probe_all)
    add_arch(parser)
    parser.add_argument("elf", metavar="ELF", help="a static program or a module (.ko) of that machine")
    parser.add_argument("function", metavar="FUNCTION", help="a name, or an address")
    arguments = f"integers, or {BYTES}0102 and {TEXT}text for the address of such bytes"
    parser.add_argument("arguments", nargs="*", metavar="ARG", help=arguments)
    parser.add_argument("--variant", metavar="V", help="the version of its handlers; default mainline")
    add_release(parser, "the file's, or the newest")
    add_fix(parser)


def probe_all(options: argparse.Namespace) -> int:
    arch = arches.load(options.arch)
    file = ElfFile.load(options.elf)
    asked = asked_release(arch, options.release, file if options.variant is None else None)
    variant = arch.variant(options.variant, asked.release, options.fix)
    asked = replace(asked, release=variant.release)
    arguments = [argument(text) for text in options.arguments]
    job = ProbeAll(arch, variant, file, options.function, arguments)
    line = ProgressLine(f"probe-all {options.function}")
    report = job.run(lambda done, of: line.show(f"{done} of {of} instructions", done / of))
    line.done()
    if options.json:
        head = {"schema": "trapline.probe-all/1", "arch": arch.name, "elf": options.elf, "function": options.function}
        release = {"release": asked.number, "release_from": asked.origin or None}
        print_json({**head, "variant": variant.name, "version": options.release, **release, **report.json()})
    else:
        print_report(report)
        print(f"handlers of {variant.name}, {asked.line}")
    if report.interrupted:
        return say_interrupted(f"{report.probed} probes are tried, alone")
    return DONE if report.same else CONTRADICTED


def argument(text: str) -> Argument:
    """An integer in any of C's bases, or bytes; UsageError."""
    try:
        if text.startswith(TEXT):
            return text.removeprefix(TEXT).encode()
        return bytes.fromhex(text.removeprefix(BYTES)) if text.startswith(BYTES) else whole_number(text)
    except ValueError:
        raise UsageError(f"argument {text!r}: expected an integer, {BYTES}0102 or {TEXT}text") from None


def print_report(report: Report) -> None:
    rows = []
    for site in report.sites:
        opcode = site.line.opcode
        place = f"{escaped(site.line.symbol.name) if site.line.symbol else ''}+{site.line.offset:#x}"
        together = "-" if site.together is None else site.together
        hits = "-" if site.alone is None else f"{site.alone} {together}"
        rows.append([place, opcode.word, opcode.text, str(site.executed), hits, site.refused or ""])
    print(table(("where", "word", "instruction", "executed", "hits: alone, together", "refused"), rows))
    functions = escaped(", ".join(report.functions))
    print(
        f"\n{functions}: {report.executed} instructions executed, result {report.result:#x}; "
        f"{report.probed} of {len(report.sites)} instructions probed"
    )
    for found in report.differences:
        where = f"probe at {found.address:#x}" if found.address is not None else "all probes"
        print(f"{where}: {found.what}: expected {found.expected}, found {found.found}")
    if report.registers:
        print(f"registers that were otherwise at the end: {', '.join(report.registers)}")
    so_far = " so far" if report.interrupted else ""
    same = f"the same with and without probes{so_far}"
    print(same if report.same else f"{len(report.differences)} differences{so_far}")
