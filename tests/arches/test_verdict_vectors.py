"""Every single-instruction vector gets the verdict that a reading of the kernel gave it, in each release it names."""

import collections
import json
import re
from pathlib import Path

import pytest

import arches.arm64.verdict
import arches.csky.verdict
import arches.loongarch.verdict
import arches.mips.verdict
import arches.riscv.verdict
from emu.verdict.site import Site, Verdict

DATA = Path(__file__).parent.parent / "data"
JUDGE = {
    "arm64": arches.arm64.verdict.judge,
    "riscv64": arches.riscv.verdict.judge,
    "riscv32": arches.riscv.verdict.judge,
    "csky": arches.csky.verdict.judge,
    "mips": arches.mips.verdict.judge,
    "loongarch": arches.loongarch.verdict.judge,
}
VERDICT_KEYS = {"verdict": None, "verdict_v61": (6, 1), "verdict_v6_3": (6, 3), "verdict_seed_2022": (5, 19)}
SEED_AND_NEW_COUNTS = {  # (architecture, key): entries, counted in the files with another program (jq)
    ("arm64", "verdict"): 162,
    ("arm64", "verdict_v61"): 8,
    ("riscv64", "verdict"): 99,
    ("riscv64", "verdict_v61"): 23,
    ("riscv32", "verdict"): 3,
    ("csky", "verdict"): 95,
    ("mips", "verdict"): 102,
    ("loongarch", "verdict"): 59,
    ("loongarch", "verdict_v6_3"): 8,
    ("loongarch", "verdict_seed_2022"): 8,
}


def load(name):
    return json.loads((DATA / name).read_text())


ENTRIES = [
    entry
    for name in ("vectors-arm64-riscv-csky.json", "vectors-mips-loongarch-x86.json")
    for entry in load(name)
    if entry["arch"] != "x86_64"
]
CASES = [(entry, key) for entry in ENTRIES for key in VERDICT_KEYS if key in entry]


def features(entry):
    cpu = entry.get("cpu", "")
    names = {"r6"} if cpu == "r6" else {"octeon"} if cpu == "octeon" else set()
    return frozenset(names | ({"rv32"} if entry["arch"] == "riscv32" else set()))


def site(entry):
    before = entry.get("prev_word")
    around = {0x1000 - 4: int(before, 16).to_bytes(4, "little")} if before else {}
    word = int(entry["word"], 16)
    if entry["arch"] == "csky":  # `word` is the load's; binutils writes the halfwords the other way round
        halfwords = [int(half, 16) for half in entry["halfwords"]]
        assert word == sum(half << 16 * i for i, half in enumerate(halfwords))
    insn = word.to_bytes(entry["size"], "little")
    return Site(insn, 0x1000, lambda addr, size: around.get(addr), 0x1000, features=features(entry))


def name(case):
    entry, key = case
    return f"{entry['arch']}-{entry['word']}-{key}"


@pytest.mark.parametrize("case", CASES, ids=map(name, CASES))
def test_vector(case):
    entry, key = case
    judgement = JUDGE[entry["arch"]](site(entry), VERDICT_KEYS[key])
    assert judgement.verdict is Verdict(entry[key]), entry["why"]
    assert (judgement.errno is not None) is (judgement.verdict is Verdict.REJECT)
    if key == "verdict" and "errno" in entry:
        assert judgement.errno == entry["errno"]


def test_no_vector_is_left_out():
    assert collections.Counter((entry["arch"], key) for entry, key in CASES) == SEED_AND_NEW_COUNTS
    other_keys = {key for entry in ENTRIES for key in entry if key.startswith("verdict")} - set(VERDICT_KEYS)
    assert not other_keys


def test_what_the_vectors_say_of_the_routine():
    """`why` of the simulated ARM64, RISC-V and C-SKY vectors names the row and often the routine."""
    named = [(e, word) for e in ENTRIES for word in re.findall(r"simulate_\w+", e["why"])]
    for entry, routine in named:
        action = JUDGE[entry["arch"]](site(entry), None).action
        assert action == {"simulate_br_blr_ret": action}.get(routine, routine), entry
    assert len(named) > 50


@pytest.mark.parametrize(("release", "step", "simulate", "reject"), [(None, 42945, 6206, 1), ((6, 1), 39936, 0, 9216)])
def test_all_compressed_halfwords_of_riscv(release, step, simulate, reject):
    """Counts over the 49,152 halfwords that are 16-bit instructions, taken from an exhaustive run on RV64."""
    halfwords = [half for half in range(0x1_0000) if half & 3 != 3]
    assert len(halfwords) == 49152
    find = arches.riscv.verdict.RULES.find
    counts = collections.Counter(find(half, release).verdict for half in halfwords)
    assert counts == collections.Counter({Verdict.STEP: step, Verdict.SIMULATE: simulate, Verdict.REJECT: reject})


def test_all_compressed_halfwords_of_riscv32():
    halfwords = [half for half in range(0x1_0000) if half & 3 != 3]
    find = arches.riscv.verdict.RULES.find
    counts = collections.Counter(find(half, None, {"rv32"}).verdict for half in halfwords)
    assert counts == {Verdict.STEP: 40897, Verdict.SIMULATE: 6206, Verdict.REJECT: 2049}
