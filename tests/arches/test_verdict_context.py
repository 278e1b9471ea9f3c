"""What counts besides the word: alignment, exception tables, delay slots, boundaries, exclusive loads before."""

import pytest

import arches.arm64.verdict
import arches.csky.verdict
import arches.loongarch.verdict
import arches.mips.verdict
import arches.riscv.verdict
from emu.errors import DecodeError
from emu.verdict.site import Site, Verdict

START = 0x10000
ADD = 0x91000400  # add x0, x0, #1
LDXR, STXR = 0x885F7C20, 0x88027C20  # ldxr w0, [x1]; stxr w2, w0, [x1]
LDAXP, STLXP = 0x887F8C20, 0x88228C20
LDAR, STLR = 0x88DFFC20, 0x889FFC20
CAS, CASA, CASP, CASPA = 0x88A07C20, 0x88E07C20, 0x08207C20, 0x08607C20


def text(words, size=4):
    data = b"".join(word.to_bytes(size, "little") for word in words)

    def read(addr, count):
        inside = addr >= START and addr + count <= START + len(data)
        return data[addr - START : addr - START + count] if inside else None

    return data, read


def arm64(words, release=None, symbol=START, index=-1):
    """The verdict about the last word, in a symbol that starts at START."""
    data, read = text(words)
    at = (index % len(words)) * 4
    return arches.arm64.verdict.judge(Site(data[at : at + 4], START + at, read, symbol), release)


@pytest.mark.parametrize(
    ("before", "old", "new"),
    [
        ([LDXR], False, False),
        ([LDAXP], False, False),
        ([LDXR, STXR], True, True),
        ([LDXR, STLXP], True, True),
        ([STXR, LDXR], False, False),
        ([LDXR, ADD, 0x14000001], False, False),  # a branch does not matter
        ([LDAR], False, True),
        ([CASA], False, True),
        ([CASPA], False, False),
        ([LDXR, STLR], True, False),  # a store-release hid the load-exclusive
        ([LDXR, CAS], True, False),
        ([LDXR, CASP], True, True),
        ([LDXR] + [ADD] * 31, False, False),  # 32 instructions before
        ([LDXR] + [ADD] * 32, True, True),
    ],
)
def test_arm64_exclusive_regions(before, old, new):
    """6.15 put bit 23 into the masks: only real exclusives count since, and CASP."""
    for release, accepted in (((6, 1), old), ((6, 14), old), ((6, 15), new), (None, new)):
        judgement = arm64([*before, ADD], release)
        assert (judgement.verdict is Verdict.STEP) is accepted, release
        assert (judgement.rule, judgement.errno) == (("other", None) if accepted else ("exclusive_region", "EINVAL"))


def test_arm64_the_walk_stops_at_the_symbol():
    assert arm64([LDXR, ADD, ADD], symbol=START + 4).verdict is Verdict.STEP
    assert arm64([LDXR, ADD, ADD], symbol=START).verdict is Verdict.REJECT
    assert arm64([LDXR, ADD, ADD], symbol=None).verdict is Verdict.STEP


def test_arm64_the_walk_reads_no_further_than_it_must():
    _, read = text([ADD] * 64)
    asked = []

    def spy(addr, size):
        asked.append((addr - START, size))
        return read(addr, size)

    site = Site(ADD.to_bytes(4, "little"), START + 200, spy, START)
    arches.arm64.verdict.judge(site, None)
    assert asked == [(offset, 4) for offset in range(196, 68, -4)]
    assert len(asked) == 32


def test_arm64_the_words_own_refusal_comes_first():
    assert arm64([LDXR, STXR]).rule == "exclusive"
    assert arm64([LDXR, 0x14000001]).rule == "exclusive_region"  # simulated, so it would be acceptable
    assert "0x10000" in arm64([LDXR, ADD]).why


@pytest.mark.parametrize("offset", [1, 2, 3])
def test_arm64_alignment_comes_before_everything(offset):
    data, read = text([LDXR, STXR])
    judgement = arches.arm64.verdict.judge(Site(data[:4], START + offset, read, START, in_extable=True), None)
    assert (judgement.rule, judgement.errno) == ("alignment", "EINVAL")


def test_arm64_exception_table():
    site = Site(STXR.to_bytes(4, "little"), START, in_extable=True)
    judgement = arches.arm64.verdict.judge(site, None)
    assert (judgement.rule, judgement.errno) == ("exception_table", "EINVAL")


@pytest.mark.parametrize("module", ["mips", "riscv", "loongarch", "csky"])
def test_the_others_do_not_look_at_exception_tables(module):
    nops = {"mips": 0, "riscv": 0x13, "loongarch": 0x03400000, "csky": 0x4820C400}
    site = Site(nops[module].to_bytes(4, "little"), START, in_extable=True)
    assert getattr(arches, module).verdict.judge(site, None).verdict is Verdict.STEP


JR_RA, ADDIU, LL, BLEZC = 0x03E00008, 0x24420001, 0xC0820000, 0x58020003


@pytest.mark.parametrize(
    ("before", "word", "features", "rule"),
    [
        (JR_RA, ADDIU, (), "delay_slot"),
        (ADDIU, ADDIU, (), "other"),
        (JR_RA, LL, (), "ll"),  # LL and SC come first
        (JR_RA, 0xD0820000, (), "lld"),
        (JR_RA, 0xE0820000, (), "sc"),
        (JR_RA, 0xF0820000, (), "scd"),
        (ADDIU, BLEZC, ("r6",), "pop26"),
        (JR_RA, BLEZC, ("r6",), "delay_slot"),  # and Release 6 last
        (BLEZC, ADDIU, ("r6",), "delay_slot"),  # a compact branch has none, and the kernel does not know
        (0xC8440003, ADDIU, (), "other"),
        (0xC8440003, ADDIU, ("octeon",), "delay_slot"),  # bbit0
        (0xC8440003, ADDIU, ("r6",), "other"),  # bc
    ],
)
def test_mips_delay_slots(before, word, features, rule):
    data, read = text([before, word])
    site = Site(data[4:], START + 4, read, START, features=frozenset(features))
    judgement = arches.mips.verdict.judge(site, None)
    assert judgement.rule == rule
    assert judgement.errno == (None if rule == "other" else "EINVAL")


def test_mips_first_word_of_readable_text():
    data, read = text([ADDIU])
    assert arches.mips.verdict.judge(Site(data, START, read, START), None).verdict is Verdict.STEP


@pytest.mark.parametrize("offset", [1, 2, 3])
def test_mips_accepts_any_alignment(offset):
    data, read = text([ADDIU, ADDIU])
    site = Site(data[offset : offset + 4], START + offset, read, START)
    assert arches.mips.verdict.judge(site, None).verdict is Verdict.STEP


def riscv(offset, release, symbol=START):
    data, read = text([0x0505, 0x0513, 0x0015, 0x0505, 0x0505], size=2)  # c.addi; addi (4 bytes); c.addi; c.addi
    return arches.riscv.verdict.judge(Site(data[offset : offset + 4], START + offset, read, symbol), release)


@pytest.mark.parametrize(("offset", "accepted"), [(0, True), (2, True), (4, False), (6, True), (8, True)])
def test_riscv_boundaries(offset, accepted):
    for release in ((6, 2), (6, 18), None):
        judgement = riscv(offset, release)
        assert (judgement.rule, judgement.errno) == (("other", None) if accepted else ("boundary", "EILSEQ"))
    assert riscv(offset, (6, 1)).verdict is Verdict.STEP
    assert riscv(offset, None, symbol=None).verdict is Verdict.STEP


@pytest.mark.parametrize("release", [(6, 1), None])
def test_riscv_odd_addresses(release):
    judgement = riscv(1, release)
    assert (judgement.rule, judgement.errno) == ("alignment", "EILSEQ")


def test_riscv_the_words_own_refusal_is_another_errno():
    site = Site((0x00100073).to_bytes(4, "little"), START)
    judgement = arches.riscv.verdict.judge(site, None)
    assert (judgement.rule, judgement.errno) == ("system", "EINVAL")


@pytest.mark.parametrize("release", [(5, 15), (6, 2), (6, 3), (6, 4), (6, 12), None])
def test_riscv_c_jal(release):
    """RV32 refuses it always; on RV64 the halfword is c.addiw, which was refused until the kernel looked at XLEN."""
    insn = (0x2001).to_bytes(2, "little")
    old = release is not None and release < (6, 3)
    for features, refused in ((frozenset({"rv32"}), True), (frozenset(), old)):
        judgement = arches.riscv.verdict.judge(Site(insn, START, features=features), release)
        assert (judgement.verdict is Verdict.REJECT) is refused


def test_riscv_routines_by_release():
    """The routines whose behaviour changed have a name of their own for each."""
    words = {"jal": 0x0080006F, "jalr": 0x474080E7, "auipc": 0x00000517, "branch": 0x00000463, "c_jr": 0x8082}
    actions = {
        release: [arches.riscv.verdict.RULES.find(word, release).action for word in words.values()]
        for release in ((6, 1), (6, 2), (6, 5), (6, 6), (6, 7), None)
    }
    middle = ["simulate_jal_x0_fails", "simulate_jalr_x0_fails", "simulate_auipc_x0_fails", "simulate_branch"]
    newest = ["simulate_jal", "simulate_jalr", "simulate_auipc", "simulate_branch", "simulate_c_jr"]
    oldest = [middle[0], "simulate_jalr_rd_first", *middle[2:]]
    assert actions == {
        (6, 1): [*oldest, None],
        (6, 2): [*middle, None],
        (6, 5): [*middle, None],
        (6, 6): [*middle, "simulate_c_jr"],
        (6, 7): newest,
        None: newest,
    }


@pytest.mark.parametrize(
    ("release", "rule"), [((6, 1), "other"), ((6, 2), "other"), ((6, 3), "alignment"), (None, "alignment")]
)
def test_loongarch_alignment(release, rule):
    """The vendor tree, which stands for releases before 6.3, does not look at it; the answer says whose it is."""
    site = Site((0x03400000).to_bytes(4, "little"), START + 2)
    judgement = arches.loongarch.verdict.judge(site, release)
    assert (judgement.rule, judgement.errno) == (rule, None if rule == "other" else "EILSEQ")
    assert ("vendor tree" in judgement.why) is (rule == "other")


def test_csky_refuses_odd_addresses_and_nothing_else():
    for halfword in range(0x1_0000):
        site = Site((halfword | 0x1464_0000).to_bytes(4, "little"), START + 2)
        assert arches.csky.verdict.judge(site, None).verdict is not Verdict.REJECT
    judgement = arches.csky.verdict.judge(Site(b"\x64\x14", START + 1), None)
    assert (judgement.rule, judgement.errno) == ("alignment", "EILSEQ")


@pytest.mark.parametrize(
    ("word", "old"),
    [(0xE9A0, "bhsz32"), (0xE940, "bhz32"), (0xE960, "blsz32"), (0xE980, "blz32"), (0xE820, "bnezad32")],
)
def test_csky_compared_unsigned_before_5_12(word, old):
    find = arches.csky.verdict.RULES.find
    assert find(word, (5, 11)).action == f"simulate_{old}_unsigned"
    assert find(word, (5, 12)).action == find(word, None).action == f"simulate_{old}"


@pytest.mark.parametrize(
    ("module", "insn"),
    [
        ("arm64", "000000"),
        ("mips", "0000"),
        ("loongarch", ""),
        ("riscv", "13"),
        ("riscv", "1300"),
        ("csky", "00"),
        ("csky", "00c4"),
    ],
)
def test_fewer_bytes_than_an_instruction(module, insn):
    with pytest.raises(DecodeError, match=r"expected at least [24] bytes"):
        getattr(arches, module).verdict.judge(Site(bytes.fromhex(insn)), None)


@pytest.mark.parametrize(("module", "insn"), [("riscv", "0505"), ("csky", "036c")])
def test_two_bytes_are_enough_for_a_short_instruction(module, insn):
    assert getattr(arches, module).verdict.judge(Site(bytes.fromhex(insn)), None).verdict is Verdict.STEP
