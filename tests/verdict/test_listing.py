"""Listings of text that is made up: walks to instruction boundaries where one symbol has all of it."""

from dataclasses import replace
from pathlib import Path

import pytest

import arches
import arches.riscv.verdict
import arches.x86.verdict
from emu.elf.image import SHF_ALLOC, SHF_EXECINSTR, Section, Symbol, load_image
from emu.verdict.listing import Listing
from emu.verdict.site import Site

FIRMWARE = Path(__file__).parents[2] / "firmware"
BASE = 0x10000


def listing(name, *texts, relocatable=False, release=None):
    """Of sections with one symbol each, at its start."""
    arch = arches.load(name)
    image = load_image(FIRMWARE / f"{name}.elf", arch.elf)
    flags = SHF_ALLOC | SHF_EXECINSTR
    sections = [Section(f".text.{n}", BASE * (n + 1), len(text), text, flags) for n, text in enumerate(texts)]
    symbols = tuple(Symbol(f"s{n}", one.address, one.size, "function") for n, one in enumerate(sections))
    own = replace(image, sections={s.name: s for s in sections}, functions=symbols, labels=(), mapping=())
    return Listing(arch.isa, arch.probing, own, release, relocatable=relocatable)


def whole_walk(name, text, addr, insn, release):
    """The verdict when the walk is made from the symbol's start."""
    offset = addr - BASE

    def read(at, size):
        return text[at - BASE : at - BASE + size] if at >= BASE and at + size <= BASE + len(text) else None

    return arches.load(name).probing.judge(
        Site(insn=text[offset:][: len(insn)], addr=addr, read=read, symbol=BASE), release
    )


WALKS = {"x86": (arches.x86.verdict, "decode_fields"), "riscv": (arches.riscv.verdict, "insn_size")}


@pytest.mark.parametrize("name", WALKS)
def test_a_long_function_is_walked_through_once(monkeypatch, name):
    text = {"x86": bytes.fromhex("4801d890"), "riscv": bytes.fromhex("0100 13000000 0100")}[name] * 500
    module, decode = WALKS[name]
    real, calls = getattr(module, decode), []
    monkeypatch.setattr(module, decode, lambda *a: (calls.append(1), real(*a))[1])
    found = list(listing(name, text).lines())
    assert len(found) == {"x86": 1000, "riscv": 1500}[name]
    assert {line.opcode.judgement.rule for line in found} <= {"alu", "xchg_ax", "other"}
    assert len(calls) <= 5 * len(found)


@pytest.mark.parametrize("release", [(6, 0), (6, 1), None])
def test_every_answer_is_that_of_a_whole_walk(release):
    """Also inside what only the kernel takes for an instruction (0f 04), behind an INT3, which ended the walk before
    6.1, and behind what nobody can decode (c4 e0 01)."""
    text = bytes.fromhex("90 4801d8 0f04 90 cc 90 0f04 90 c3") * 3 + bytes.fromhex("c4e001 90 90")
    found = list(listing("x86", text, release=release).lines())
    rules = set()
    for line in found:
        whole = whole_walk("x86", text, line.address, bytes.fromhex(line.opcode.word), release)
        assert line.opcode.judgement == whole, hex(line.address)
        rules.add(whole.rule)
    assert "boundary" in rules


def test_sections_of_a_module_begin_at_0_each():
    """The second one's walk is its own: it does not come past its first three bytes."""
    broken = bytes.fromhex("c4e001 90 90 90 90 90")
    lines = list(listing("x86", bytes.fromhex("90") * 8, broken, relocatable=True).lines())
    refused = [(line.symbol.name, line.offset) for line in lines if line.opcode.judgement.rule == "boundary"]
    assert len(refused) > 3
    assert refused == [("s1", line.offset) for line in lines if line.symbol.name == "s1" and line.offset]
