"""Verdicts against the fact vectors and against what a running Linux 6.1 answered."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from arches.x86.insns import decode
from arches.x86.verdict import judge
from emu.verdict.site import Site

DATA = Path(__file__).parents[2] / "data"
VECTORS = json.loads((DATA / "x86-kprobe-vectors.json").read_text())["entries"]
LINUX = json.loads((DATA / "x86_64-6.1-verdicts.json").read_text())["entries"]
UD0 = "0fff"  # the kernel's decoder sees no ModRM behind it, the vectors' disassembler does


def expected(entry, release):
    """verdict, errno and boostable (None where the vectors do not say) of one entry."""
    suffix = "_v6_1" if release == (6, 1) else ""
    verdict = entry["verdict" + suffix]
    errno = entry.get("errno" + suffix, entry.get("errno")) if verdict == "reject" else None
    return verdict, errno, entry.get("boostable" + suffix)


def test_vector_file_is_complete():
    assert len(VECTORS) == 77


@pytest.mark.parametrize("release", [None, (6, 1)], ids=["newest", "6.1"])
@pytest.mark.parametrize("entry", VECTORS, ids=lambda entry: entry["bytes"])
def test_vector(entry, release):
    judgement = judge(Site(bytes.fromhex(entry["bytes"]), 0x1000), release)
    verdict, errno, boostable = expected(entry, release)
    assert (judgement.verdict.value, judgement.errno) == (verdict, errno)
    if boostable is not None:
        assert judgement.boostable is boostable


@pytest.mark.parametrize("entry", VECTORS, ids=lambda entry: entry["bytes"])
def test_vector_length(entry):
    size = 2 if entry["bytes"].startswith(UD0) else entry["size"]
    assert decode(bytes.fromhex(entry["bytes"]) + bytes(15)).size == size


def text_of(symbol):
    """What is known of a symbol's text: {address: byte}."""
    known = {}
    for entry in LINUX:
        if entry["sym"] == symbol:
            for offset, byte in enumerate(bytes.fromhex(entry["bytes"])):
                known[int(entry["addr"], 16) + offset] = byte
    return known


def site_at(entry, start):
    known = text_of(entry["sym"])

    def read(addr, size):
        window = [known.get(at) for at in range(addr, addr + size)]
        return None if None in window else bytes(window)

    return Site(bytes.fromhex(entry["bytes"]), int(entry["addr"], 16), read, symbol=start)


def test_reasons_of_linux():
    """All but two refusals come from before arch_prepare_kprobe and are no verdict on the instruction."""
    assert Counter(entry.get("reason") for entry in LINUX) == {
        "notrace-function": 163,
        "blacklist,notrace-function": 16,
        None: 2,
    }


@pytest.mark.parametrize(
    "entry", [e for e in LINUX if "reason" not in e], ids=lambda entry: entry["sym"] + str(entry["off"])
)
def test_verdict_of_linux(entry):
    """The text from the symbol's start is not in the data; offset 576 is known to be a boundary."""
    start = int(entry["addr"], 16) - entry["off"] + 576
    judgement = judge(site_at(entry, start), (6, 1))
    assert (judgement.errno is None) is entry["accepted"]
    assert judgement.errno == entry["errno"]


WALKED = ("memset", "__switch_to_asm", "native_save_fl")  # their whole text is in the data


@pytest.mark.parametrize(
    "entry", [e for e in LINUX if e["sym"] in WALKED], ids=lambda entry: entry["sym"] + str(entry["off"])
)
def test_boundary_of_real_text(entry):
    """Boundaries in the data are Capstone's."""
    start = int(entry["addr"], 16) - entry["off"]
    judgement = judge(site_at(entry, start), (6, 1))
    assert (judgement.rule == "boundary") is not entry["boundary"]
    assert (judgement.errno == "EILSEQ") is not entry["boundary"]


def test_boundaries_counted():
    walked = [entry["boundary"] for entry in LINUX if entry["sym"] in WALKED]
    assert Counter(walked) == {True: 63, False: 113}
