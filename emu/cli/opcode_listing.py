"""`trapline opcode --elf`: every instruction of a file, printed as it is found, and a summary."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator

import arches
from emu.cli.releases import Asked, asked_release
from emu.cli.status import DONE, say_interrupted
from emu.elf.extable import EXTABLE
from emu.elf.file import ElfFile
from emu.elf.module import open_image
from emu.errors import UsageError
from emu.foreign import escaped
from emu.parallel.interrupts import until_interrupted
from emu.report.text import ProgressLine, table
from emu.verdict.listing import Line, Listing
from emu.verdict.opcode import known_features

EVERY = 4096  # instructions between two looks at the progress


def list_elf(options: argparse.Namespace) -> int:
    if options.word or options.asm or options.prev or "at" in options.given:
        raise UsageError("opcode --elf: expected no words, --asm, --prev or --at beside it")
    arch = arches.load(options.arch)
    file = ElfFile.load(options.elf)
    asked = asked_release(arch, options.release, file)
    image, module = open_image(
        file, arch.elf, {EXTABLE}, stripped=True
    )  # verdicts do not depend on what is linked to what
    features = known_features(arch.isa, arch.probing, options.feature)
    listing = Listing(arch.isa, arch.probing, image, asked.release, features, relocatable=module is not None)
    lines = with_progress(listing, listing.lines(options.symbol))
    whole = print_json_lines(asked, options, listing, lines) if options.json else print_lines(asked, listing, lines)
    return DONE if whole else say_interrupted(f"{listing.summary.json()['instructions']} instructions are listed")


def with_progress(listing: Listing, lines: Iterator[Line]) -> Iterator[Line]:
    progress, seen = ProgressLine(f"opcode {listing.image.name}"), 0
    for number, line in enumerate(lines):
        seen += line.opcode.size
        if number % EVERY == 0 and not sys.stdout.isatty():
            progress.show(f"{number} instructions", min(1.0, seen / max(1, listing.size)))
        yield line
    progress.done()


def print_json_lines(asked: Asked, options: argparse.Namespace, listing: Listing, lines: Iterator[Line]) -> bool:
    """One object, without having it all in memory; whether no ^C cut it short."""
    head = {"schema": "trapline.opcode/1", "arch": asked.arch.name, "elf": options.elf, "version": options.release}
    head |= {"release": asked.number, "release_from": asked.origin or None}
    print(json.dumps(head)[:-1] + ', "instructions": [')
    separator, whole = " ", False
    with until_interrupted():
        for line in lines:
            print(separator + json.dumps(line.json()))
            separator = ","
        whole = True
    print(f'], "complete": {json.dumps(whole)}, "summary": {json.dumps(listing.summary.json())}}}')
    return whole


def print_lines(asked: Asked, listing: Listing, lines: Iterator[Line]) -> bool:
    """Each function under its name, as disassemblers have it; whether no ^C cut it short."""
    heading, whole = None, False
    with until_interrupted():
        for line in lines:
            if heading != (line.section.name, line.symbol):
                heading = line.section.name, line.symbol
                name = line.symbol.name if line.symbol else line.section.name
                print(f"\n{escaped(name)}: ({escaped(line.section.name)})")
            opcode = line.opcode
            print(f"{line.address:>12x}  {opcode.word:22} {opcode.text:40} {opcode.verdict:8}  {opcode.why}".rstrip())
        whole = True
    print_summary(listing)
    print(f"\n{asked.line}")
    return whole


def print_summary(listing: Listing) -> None:
    found = listing.summary.json()
    print(
        f"\n{found['instructions']} instructions: {found['may_be_probed']} may be probed "
        f"({found['step']} stepped, {found['simulate']} simulated), {found['reject']} are refused"
    )
    if found["data_bytes"]:
        print(f"{found['data_bytes']} bytes of text are data")
    rows = [[row["verdict"], row["rule"], str(row["count"]), row["why"]] for row in found["rules"]]
    print("\n" + table(("verdict", "row", "count", "why, of the first"), rows))
