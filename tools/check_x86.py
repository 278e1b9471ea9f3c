"""Compares what the kernel's decoder sees in x86-64 bytes, by our table, with Capstone and LLVM.

Three questions for each string of bytes: is it an instruction, how long is it, and, where all three agree, does the
kprobe classification fit the mnemonic that LLVM prints. Strings are table examples and plain random bytes. LLVM is
`llvm-mc` for an object with one symbol for each string, and `llvm-objdump`, which starts afresh at each symbol.
Execution: what the variant `fixed` emulates, on the bench of `trapline transparent`, against Unicorn in place; what
Linux emulates otherwise is in tests/transparent/test_transparent.py.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import arches
from arches.x86 import verdict
from arches.x86.insns import MAX_INSN_LENGTH, decode_fields, shape_of, split_prefixes
from arches.x86.insns_fields import LEGACY_PREFIXES, X86_64, X86Insn
from arches.x86.trials import examples, opcode_rows
from arches.x86.verdict_rules import rules
from emu.isa.capstone_text import insn_length
from emu.transparent.bench import Bench
from emu.transparent.search import Search
from emu.transparent.tally import Quota
from emu.verdict.site import Site, Verdict

ASSEMBLERS = ("llvm-mc-19", "llvm-mc")
DISASSEMBLERS = ("llvm-objdump-19", "llvm-objdump")
BATCH = 20_000  # strings in one object
VEX_STARTS = (b"\xc5", b"\xc4", b"\x62")
SYMBOL = re.compile(r"[0-9a-f]+ <s(\d+)>:")
LINE = re.compile(r"\s*[0-9a-f]+: ((?:[0-9a-f]{2} ?)+)\s*\t\s*(.*)")
# what LLVM prints in front of a mnemonic, or alone when it takes the prefix for an instruction
REPEATS = ("lock", "rep", "repe", "repne", "repz", "repnz", "xacquire", "xrelease", "bnd", "notrack")
SIZES = ("data16", "data32", "addr32", "rex64")
PREFIX_WORDS = frozenset((*REPEATS, *SIZES, "cs", "ds", "es", "fs", "gs", "ss"))
CONDITIONS = ("o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g")
# mnemonics as LLVM spells them, without a size letter at the end
MNEMONICS = {
    "cli": {"cli"},
    "sti": {"sti"},
    "pushf": {"pushf"},
    "popf": {"popf"},
    "ret": {"ret", "lret"},
    "call": {"call"},
    "jmp": {"jmp"},
    "jcc": {f"j{condition}" for condition in CONDITIONS},
    "loop": {"loop", "loope", "loopne", "jrcxz", "jecxz"},
    "call_reg": {"call"},
    "jmp_reg": {"jmp"},
}
NOT_EMULATED = {"iret", "lcall", "ljmp", "call", "jmp"}  # refused: far ones, and those through memory
VM_EXTENSIONS = {"enclv", "vmcall", "vmlaunch", "vmresume", "vmxoff", "pconfig", "wrmsrns"}
SIZED = re.compile(r"(call|jmp|ret|lret|pushf|popf|iret|lcall|ljmp|enclv)[bwlq]")


@dataclass(frozen=True)
class Case:
    """One string and its three lengths, None where a decoder sees no instruction; `text` is LLVM's."""

    code: bytes
    insn: X86Insn | None
    capstone: int | None
    llvm: int | None
    text: str

    @property
    def kernel(self) -> int | None:
        return None if self.insn is None else self.insn.size

    @property
    def opcode(self) -> bytes:
        return b"" if self.insn is None else self.insn.opcode


@dataclass(frozen=True)
class Difference:
    """A known disagreement: when it applies, and why it is none of our mistakes."""

    name: str
    applies: Callable[[Case], bool]
    why: str


def _starts_with_prefix(case: Case) -> bool:
    return bool(case.text) and PREFIX_WORDS.issuperset(case.text.split())


def _ignores_66(case: Case) -> bool:
    shape = shape_of(case.opcode)
    return case.insn is not None and shape is not None and shape.force64 and b"\x66" in case.insn.prefixes


def _is_vex(code: bytes) -> bool:
    start = split_prefixes(code).length
    return code[start : start + 1] in VEX_STARTS


KNOWN = (
    Difference(
        "undefined",
        lambda case: case.capstone is None and case.llvm is None,
        "the kernel's decoder asks what follows an opcode, not whether a processor has it",
    ),
    Difference(
        "capstone_lacks",
        lambda case: case.capstone is None and case.kernel == case.llvm,
        "Capstone 5 refuses prefixes that are ignored (0f 77, vmread, maskmovq), and has no newer instructions",
    ),
    Difference(
        "llvm_lacks",
        lambda case: case.llvm is None and case.kernel == case.capstone,
        "LLVM has no int1, ud0, reserved nops, d0/6, f6/1 and other undocumented encodings",
    ),
    Difference(
        "llvm_prefix",
        lambda case: _starts_with_prefix(case) and case.capstone in (None, case.kernel),
        "LLVM prints a prefix that does not belong as an instruction of its own",
    ),
    Difference(
        "prefix_as_opcode",
        lambda case: len(case.opcode) == 1 and (case.opcode[0] in LEGACY_PREFIXES or case.opcode[0] & 0xF0 == 0x40),
        "behind REX, or as the fifth of its kind, a prefix is the opcode to the kernel; processors drop the REX",
    ),
    Difference(
        "ud0_ud1",
        lambda case: case.opcode in (b"\x0f\xff", b"\x0f\xb9"),
        "whether UD0 and UD1 take a ModRM byte: the kernel says UD1 alone, Capstone neither, LLVM both",
    ),
    Difference(
        "reserved_nop",
        lambda case: case.opcode in (b"\x0f\x19", b"\x0f\x1d"),
        "reserved nops with ModRM to Capstone, empty rows in the kernel's map",
    ),
    Difference(
        "mov_cr_dr",
        lambda case: case.opcode in (b"\x0f\x20", b"\x0f\x21", b"\x0f\x22", b"\x0f\x23"),
        "processors ignore ModRM.mod here, the kernel reads SIB and displacement",
    ),
    Difference(
        "near_branch_66",
        lambda case: _ignores_66(case) and case.capstone in (None, case.kernel),
        "the kernel, as Intel, ignores prefix 66 for near branches; LLVM, as AMD, reads 16 bits",
    ),
    Difference(
        "capstone_ret",
        lambda case: case.opcode in (b"\xc2", b"\xca") and case.kernel == case.llvm,
        "Capstone 5 reads four bytes behind ret with 66 and REX.W",
    ),
    Difference(
        "sse4a",
        lambda case: case.opcode == b"\x0f\x78",
        "extrq and insertq have two more bytes; the kernel's map has vmread only",
    ),
    Difference(
        "jmpe",
        lambda case: case.opcode == b"\x0f\xb8",
        "jmpe of Itanium",
    ),
    Difference(
        "newer_vex",
        lambda case: case.insn is None and case.capstone is None and _is_vex(case.code),
        "APX and what else came after Capstone 5, whose answer on VEX and EVEX the table takes",
    ),
    Difference(
        "rex2_xop",
        lambda case: case.opcode in (b"\xd5", b"\x8f"),
        "REX2 and XOP, prefixes that the kernel's decoder learnt in 2024 and 2025 and the table leaves out",
    ),
)  # fmt: skip


def find_tool(names: tuple[str, ...]) -> str | None:
    return next((path for name in names if (path := shutil.which(name))), None)


def random_codes(count: int, seed: int) -> Iterator[bytes]:
    """Strings of 15 bytes: examples of every row in turn, random bytes, and VEX or EVEX with random bytes."""
    rng = Random(seed)
    rows = [row.name for row in opcode_rows()]
    for index in range(count):
        start = (examples(rows[index // 3 % len(rows)], rng), b"", rng.choice(VEX_STARTS))[index % 3]
        yield (start + rng.randbytes(MAX_INSN_LENGTH))[:MAX_INSN_LENGTH]


def llvm_first(codes: list[bytes]) -> dict[int, tuple[int | None, str]]:
    """Length and text of the first instruction of each string; length None for `<unknown>`.

    A string is followed by a nop, so that the next symbol does not cut its first instruction.
    """
    assembler, disassembler = find_tool(ASSEMBLERS), find_tool(DISASSEMBLERS)
    assert assembler and disassembler
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "codes.s", Path(folder) / "codes.o"
        source.write_text("".join(f"s{n}: .byte {','.join(map(str, code + NOP))}\n" for n, code in enumerate(codes)))
        subprocess.run([assembler, "-triple=x86_64", "-filetype=obj", source, "-o", target], check=True)
        listing = subprocess.run([disassembler, "-d", target], check=True, capture_output=True, text=True).stdout
    return _first_lines(listing)


NOP = b"\x90"


def _first_lines(listing: str) -> dict[int, tuple[int | None, str]]:
    found: dict[int, tuple[int | None, str]] = {}
    number = -1
    for line in listing.splitlines():
        if (symbol := SYMBOL.match(line)) is not None:
            number = int(symbol[1])
        elif number >= 0 and number not in found and (match := LINE.match(line)) is not None:
            size = None if "<unknown>" in match[2] else len(match[1].split())
            found[number] = size, match[2].strip()
    return found


def cases(codes: list[bytes]) -> Iterator[Case]:
    """Every string with what the three decoders say."""
    llvm = llvm_first(codes)
    for number, code in enumerate(codes):
        size, text = llvm[number]
        yield Case(code, decode_fields(code), insn_length(X86_64, code), size, text)


def judge(case: Case) -> str:
    """`same`, the name of a known difference, or `""` for one that nobody has explained."""
    if case.kernel == case.capstone == case.llvm:
        return "same" if case.kernel is None or _fits_mnemonic(case) else ""
    return next((difference.name for difference in KNOWN if difference.applies(case)), "")


def _mnemonic(text: str) -> str:
    words = [word for word in text.split() if word not in PREFIX_WORDS]
    word = words[0] if words else ""
    return word[:-1] if SIZED.fullmatch(word) else word


def _fits_mnemonic(case: Case) -> bool:
    """Whether the newest kprobe classification and LLVM's mnemonic go together."""
    insn = case.insn
    assert insn is not None
    if insn.vex:
        return True  # the kernel keeps the opcode byte and forgets the map: see kprobes.rules
    judgement, mnemonic = verdict.judge(Site(insn.code), None), _mnemonic(case.text)
    if judgement.verdict is Verdict.SIMULATE:
        return mnemonic in MNEMONICS[judgement.action or ""]
    if judgement.errno == "EOPNOTSUPP":
        return mnemonic in NOT_EMULATED | VM_EXTENSIONS
    return mnemonic not in NOT_EMULATED.union(*MNEMONICS.values())


def compare(count: int, seed: int, report: Callable[[str], None]) -> Counter[str]:
    """Counts by `judge`; `report` gets a line for each unexplained string."""
    counts: Counter[str] = Counter()
    codes = random_codes(count, seed)
    for start in range(0, count, BATCH):
        batch = [next(codes) for _ in range(min(BATCH, count - start))]
        for case in cases(batch):
            verdict = judge(case)
            counts[verdict] += 1
            if not verdict:
                sizes = f"kernel {case.kernel}, Capstone {case.capstone}, LLVM {case.llvm}"
                report(f"unexplained: {case.code.hex()}: {sizes}: {case.text!r}")
    return counts


def compare_execution(count: int, seed: int, report: Callable[[str], None]) -> tuple[int, int]:
    """How many instructions were executed both ways, and kinds of difference; `report` gets a line for each."""
    arch = arches.load("x86")
    search = Search(Bench(arch, arch.port.variants["fixed"], arches.trials(arch)))
    rows = sorted({f"kprobes:{rule.name}" for rule in rules() if rule.decision == "simulate"})
    tally = search.run([Quota(row, -(-count // len(rows)), seed) for row in rows])
    for group in tally.groups.values():
        report(f"executed: {group.case.insn.hex()}: {group.difference}")
    return tally.compared.total(), len(tally.groups)


FULL = ("--count", "10000000", "--execute", "100000")


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="check_tables.py x86", description="x86-64 decoding against Capstone and LLVM"
    )
    parser.add_argument("--count", type=int, default=200_000, help="strings to compare (default %(default)s)")
    parser.add_argument("--execute", type=int, default=1_000, help="instructions to execute (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of what is random (default %(default)s)")
    arguments = parser.parse_args(argv)
    if not find_tool(ASSEMBLERS) or not find_tool(DISASSEMBLERS):
        print("check_x86: needs llvm-mc and llvm-objdump (Debian: llvm-19)", file=sys.stderr)
        return 2
    complain = partial(print, file=sys.stderr)
    counts = compare(arguments.count, arguments.seed, complain)
    for name, count in counts.most_common():
        why = next((difference.why for difference in KNOWN if difference.name == name), "")
        print(f"{count:9}  {name or 'UNEXPLAINED':16}  {why}")
    executed, differing = compare_execution(arguments.execute, arguments.seed, complain)
    print(f"{executed:9}  executed, and emulated by the variant `fixed`: {differing} kinds of difference")
    return 1 if counts[""] or differing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
