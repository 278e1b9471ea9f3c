"""Every row of every `kprobes.rules`, held against its text and against the kernel's judgement written a second way.

The first half reads the rows on its own, as patterns of 32 characters `0`, `1` and `.`, and tries each row at both
edges of each fixed bit. The second half is the kernel's tests as procedures, from the same reading of Linux as the
tables, but in the shape in which Linux asks: it would show a mistake made when they were turned into rows.
"""

import functools
import itertools
import random
import re
from pathlib import Path

import pytest

import arches.arm64.verdict
import arches.csky.verdict
import arches.loongarch.verdict
import arches.mips.verdict
import arches.riscv.verdict
from emu.verdict.rules import periods
from emu.verdict.site import Verdict

FOLDER = Path(arches.mips.verdict.__file__).parent.parent
TABLES = {
    "arm64/kprobes.rules": arches.arm64.verdict.RULES,
    "arm64/verdict_exclusive.rules": arches.arm64.verdict.EXCLUSIVE,
    "mips/kprobes.rules": arches.mips.verdict.RULES,
    "riscv/kprobes.rules": arches.riscv.verdict.RULES,
    "loongarch/kprobes.rules": arches.loongarch.verdict.RULES,
    "csky/kprobes.rules": arches.csky.verdict.RULES,
}
ROWS = {
    "arm64/kprobes.rules": 47,
    "arm64/verdict_exclusive.rules": 5,
    "mips/kprobes.rules": 41,
    "riscv/kprobes.rules": 28,
}
ROWS |= {"loongarch/kprobes.rules": 28, "csky/kprobes.rules": 30}


def later(release, change):
    """Whether a release has a change: of mainline, or of its own stable line."""
    return release >= change and (len(change) == 2 or release[:2] == change[:2])


class Row:
    """A row as text: a pattern, the bits that must not all be zero, and when it holds."""

    def __init__(self, line, number):
        _name, masks, value, self.verdict, when, self.action = line.split()[:6]
        mask, _, nonzero = masks.partition("!")
        fixed, ones = f"{int(mask, 16):032b}", f"{int(value, 16):032b}"
        self.pattern = "".join(one if bit == "1" else "." for bit, one in zip(fixed, ones, strict=True))
        self.nonzero = [31 - i for i, bit in enumerate(f"{int(nonzero or '0', 16):032b}") if bit == "1"]
        span, _, self.feature = when.partition("@")
        self.span, self.number = span, number

    def __str__(self):
        return str(self.number)

    def holds(self, release, features):
        if self.feature and self.feature not in features:
            return False
        if self.span == "all":
            return True
        since, until = ([tuple(map(int, n.split("."))) for n in end.split(",") if n] for end in self.span.split(".."))
        if release is None:
            return not until
        return (not since or any(later(release, r) for r in since)) and not any(later(release, r) for r in until)

    def fits(self, word):
        bits = f"{word:032b}"
        same = all(want in (".", bit) for want, bit in zip(self.pattern, bits, strict=True))
        return same and (not self.nonzero or any(bits[31 - bit] == "1" for bit in self.nonzero))

    def words(self):
        """With the free bits all zero (but for the condition's lowest), all one, and two in between."""
        lowest = {min(self.nonzero)} if self.nonzero else set()
        for chosen in (lowest, set(range(32)), set(range(0, 32, 2)) | lowest, set(range(1, 32, 2)) | lowest):
            bits = ["1" if 31 - i in chosen else "0" for i in range(32)]
            yield int("".join(bit if want == "." else want for want, bit in zip(self.pattern, bits, strict=True)), 2)


@functools.cache
def rows_of(name):
    lines = (FOLDER / name).read_text().splitlines()
    return [Row(line, n) for n, line in enumerate(lines, 1) if line.strip() and not line.strip().startswith("#")]


def first(name, word, release, features):
    """The line of the first row that holds and fits, by this file's own reading."""
    return next(row.number for row in rows_of(name) if row.holds(release, features) and row.fits(word))


def settings(name):
    """Every release that some row begins in, ends in or is just before, with and without each feature."""
    ends = TABLES[name].boundaries
    releases = {None, (2, 6), *ends, *((*end[:-1], end[-1] - 1) for end in ends)}
    features = [(), *((feature,) for feature in sorted(TABLES[name].features)), tuple(TABLES[name].features)]
    return list(itertools.product(releases, dict.fromkeys(features)))


CASES = [(name, row) for name in TABLES for row in rows_of(name)]


def test_no_row_is_left_out():
    assert {name: len(table.rules) for name, table in TABLES.items()} == ROWS
    assert {name: len(rows_of(name)) for name in TABLES} == ROWS


@pytest.mark.parametrize(("name", "row"), CASES, ids=[f"{name}:{row.number}" for name, row in CASES])
def test_both_edges_of_each_fixed_bit(name, row):
    """A row's words are its own, unless an earlier row takes them; one fixed bit flipped, they no longer are."""
    table, held, own = TABLES[name], 0, 0
    for release, features in settings(name):
        for word in row.words():
            found = table.find(word, release, features).line
            assert found == first(name, word, release, features)
            held += row.holds(release, features)
            own += found == row.number
            assert found != row.number or row.holds(release, features)
            for bit in (31 - i for i, want in enumerate(row.pattern) if want != "."):
                flipped = table.find(word ^ 1 << bit, release, features).line
                assert flipped != row.number
                assert flipped == first(name, word ^ 1 << bit, release, features)
    assert held
    assert own


@pytest.mark.parametrize(("name", "row"), [case for case in CASES if case[1].nonzero], ids=str)
def test_the_bits_that_must_not_all_be_zero(name, row):
    table = TABLES[name]
    release, features = next((r, f) for r, f in settings(name) if row.holds(r, f))
    none = next(row.words()) & ~sum(1 << bit for bit in row.nonzero)
    assert table.find(none, release, features).line != row.number
    assert all(table.find(none | 1 << bit, release, features).line == row.number for bit in row.nonzero)


@pytest.mark.parametrize("name", TABLES)
def test_random_words_get_the_row_of_an_independent_reading(name):
    random_words = random.Random(name)
    table = TABLES[name]
    for release, features in settings(name):
        for _ in range(300):
            word = random_words.getrandbits(32)
            assert table.find(word, release, features).line == first(name, word, release, features)


# The kernel's tests as procedures ---------------------------------------------------------------------------------


def arm64(word, release):
    """arm_kprobe_decode_insn, with aarch64_insn_is_steppable in front of the simulations as Linux has it."""

    def at_least(*since):
        return release is None or release >= since

    def among(*rows):
        return any(word & mask == value for mask, value in rows)

    branches = {
        "simulate_b_cond": among((0xFF000010, 0x54000000)),
        "simulate_cbz_cbnz": among((0x7F000000, 0x34000000), (0x7F000000, 0x35000000)),
        "simulate_tbz_tbnz": among((0x7F000000, 0x36000000), (0x7F000000, 0x37000000)),
        "simulate_b_bl": among((0xFC000000, 0x14000000), (0xFC000000, 0x94000000)),
        **register_branches(word, at_least(6, 18)),
    }
    literals = among((0xBF000000, 0x18000000), (0xFF000000, 0x98000000))
    adr = among((0x9F000000, 0x10000000), (0x9F000000, 0x90000000))

    def steppable():
        if word & 0x1C000000 == 0x14000000:
            authenticated = ((0xFEFFF800, 0xD61F0800), (0xFEFFF800, 0xD63F0800), (0xFFFFFBFF, 0xD65F0BFF))
            returns = ((0xFFFFFFFF, 0xD69F03E0), (0xFFFFFBFF, 0xD69F0BFF))
            writes = ((0xFFF8F01F, 0xD500401F), (0xFFF00000, 0xD5100000), (0xFF000000, 0xD4000000))
            if any(branches.values()) or among(*authenticated, *returns, *writes):
                return False
            if among((0xFFF00000, 0xD5300000)):
                return (word & 0x1FFFE0) >> 5 != 0xDA11
            if among((0xFFFFF01F, 0xD503201F)):
                listed = (0x00, 0x07, 0x08, 0x0A, 0x18, 0x19, 0x1A, 0x1B, 0x20, 0x22, 0x24, 0x26)
                return (word & 0xFE0) >> 5 in listed
            return True
        mops = at_least(6, 13) and among((0x3B200C00, 0x19000400))
        return not (literals or adr or mops or among((0xFF000000, 0xD8000000), (0x3F800000, 0x08000000)))

    if among((0xBF000000, 0x18000000)):
        return "simulate_ldr_literal" if at_least(6, 12) else "simulate_ldr_literal_64"
    if among((0xFF000000, 0x98000000)):
        return "simulate_ldrsw_literal"
    if word == 0xD503201F and at_least(6, 13):
        return "simulate_nop"
    if steppable():
        return "step"
    if adr:
        return "simulate_adr_adrp"
    return next((name for name, is_it in branches.items() if is_it), "reject")


def register_branches(word, split):
    """br, blr and ret: one routine for all three before they were split."""
    br_blr, ret = word & 0xFFFFFC1F in (0xD61F0000, 0xD63F0000), word & 0xFFFFFC1F == 0xD65F0000
    return {"simulate_br_blr": br_blr, "simulate_ret": ret} if split else {"simulate_br_blr_ret": br_blr or ret}


def mips(word, features):
    opcode, rt, function = word >> 26, word >> 16 & 31, word & 63
    if opcode in (0x30, 0x34, 0x38, 0x3C):
        return "reject"
    if "r6" in features:
        if opcode in (0x06, 0x07, 0x16, 0x17) and rt:
            return "reject"
        if opcode in (0x32, 0x3A, 0x08, 0x18, 0x36, 0x3E):
            return "reject"
    return "simulate" if mips_delay_slot(opcode, rt, function, features) else "step"


def mips_delay_slot(opcode, rt, function, features):
    if opcode == 0:
        return function in (0x08, 0x09)
    if opcode == 1:
        return rt in (0x00, 0x01, 0x02, 0x03, 0x10, 0x11, 0x12, 0x13, 0x1C)
    if opcode in (0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x14, 0x15, 0x16, 0x17, 0x11):
        return True
    return "octeon" in features and opcode in (0x32, 0x36, 0x3A, 0x3E)


def loongarch(word, release):
    if word >> 24 in (0x20, 0x21, 0x22, 0x23) or word >> 26 == 0x12:
        return "reject"
    if (release is None or release >= (6, 5)) and 0x70C0 <= word >> 15 <= 0x70E3:
        return "reject"
    if (release is None or release >= (6, 18)) and (word >> 15 == 0x70AE or 0xE15E0 <= word >> 10 <= 0xE15E3):
        return "reject"
    if word >> 25 in (0x0C, 0x0D, 0x0E, 0x0F):
        return "simu_pc"
    return "simu_branch" if 0x10 <= word >> 26 <= 0x1B else "step"


def answer(rule):
    return rule.action or rule.verdict.value


def near(table, rng, count):
    """Random words, and words a few bits away from each row."""
    yield from (rng.getrandbits(32) for _ in range(count))
    for rule, _ in itertools.product(table.rules, range(count // 50)):
        word = rule.value | rng.getrandbits(32) & ~rule.mask
        yield from (word, word ^ 1 << rng.randrange(32), word ^ 1 << rng.randrange(32) ^ 1 << rng.randrange(32))


@pytest.mark.parametrize("release", [(6, 1), (6, 11), (6, 12), (6, 13), (6, 17), (6, 18), None], ids=str)
def test_arm64_against_the_procedure(release):
    table = arches.arm64.verdict.RULES
    for word in near(table, random.Random(64), 5000):
        assert answer(table.find(word, release)) == arm64(word, release), hex(word)


@pytest.mark.parametrize("features", [(), ("r6",), ("octeon",), ("octeon", "r6")], ids=str)
def test_mips_against_the_procedure(features):
    table = arches.mips.verdict.RULES
    for word in near(table, random.Random(32), 5000):
        assert table.find(word, None, features).verdict is Verdict(mips(word, features)), hex(word)
        fields = (word >> 26, word >> 16 & 31, word & 63)
        assert arches.mips.verdict.has_delay_slot(word, None, features) is mips_delay_slot(*fields, features)


@pytest.mark.parametrize("release", [(6, 1), (6, 4), (6, 5), (6, 17), (6, 18), None], ids=str)
def test_loongarch_against_the_procedure(release):
    table = arches.loongarch.verdict.RULES
    for word in near(table, random.Random(1), 5000):
        assert answer(table.find(word, release)) == loongarch(word, release), hex(word)


def test_loongarch_ranges_at_their_ends():
    table = arches.loongarch.verdict.RULES
    for shift, ends in (
        (15, (0x70C0, 0x70E3, 0x70AE)),
        (10, (0xE15E0, 0xE15E3)),
        (24, (0x20, 0x23)),
        (25, (0x0C, 0x0F)),
    ):
        for end, beside, low in itertools.product(ends, (-1, 0, 1), (0, (1 << shift) - 1)):
            word = (end + beside) << shift | low
            assert answer(table.find(word, None)) == loongarch(word, None), hex(word)


@pytest.mark.parametrize("name", TABLES)
def test_periods_are_all_there_is(name):
    """Between two neighbouring releases of `periods` no release has rows of its own."""
    table = TABLES[name]
    known = {table.in_force(release) for release in periods(table)}
    mainline = set(itertools.product(range(2, 8), range(25)))
    stable = {(6, minor, number) for minor in range(25) for number in range(0, 400, 8)}
    everything = {table.in_force(release) for release in mainline | stable}
    assert everything == known


def test_actions_are_routines():
    actions = {action for table in TABLES.values() for action in table.actions}
    assert all(re.fullmatch(r"[a-z_][a-z0-9_]*", action) for action in actions)
