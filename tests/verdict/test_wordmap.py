"""The map of words to rows, held against row-by-row judgements."""

import itertools
import random

import numpy as np
import pytest

from emu.errors import TableError
from emu.verdict.rules import RuleTable
from emu.verdict.wordmap import BLOCK, BLOCKS, Comparison, WordMap, as_words

TABLE = RuleTable.parse(
    """
both     f0f0f0f0           10203040  reject    all    -     halves of both
upper    ffff0000           12340000  step      all    -     takes a whole block
low      0000000f           0000000f  simulate  ..6.2  old   lower half alone
low      0000000f           0000000f  simulate  6.2..  new   lower half alone
straddle 00f0000f!0f000f00  00500005  reject    all    -     a condition on bits of both halves
upperif  ff000000!00ff0000  99000000  simulate  all    new   a condition on bits of the upper half alone
late     ff0000ff           77000077  reject    6.3..  -     newer
fast     ff0000ff           78000077  reject    all@f  -     a feature
other    00000000           00000000  step      all    -     everything
""".replace("straddle ", "straddle  ").replace("upperif ", "upperif  "),
    "t",
)
SETTINGS = list(itertools.product([(6, 1), (6, 2), None], [(), ("f",)]))


def interesting(count):
    """Random words and words close to each row."""
    rng = random.Random(5)
    yield from (rng.getrandbits(32) for _ in range(count))
    for rule, _ in itertools.product(TABLE.rules, range(count // 4)):
        word = rule.value | rng.getrandbits(32) & ~rule.mask
        few = word & (rule.mask | rule.nonzero & rng.getrandbits(32) & rng.getrandbits(32))
        yield from (word, word ^ 1 << rng.randrange(32), few)


@pytest.mark.parametrize(("release", "features"), SETTINGS)
def test_classify_is_the_row_that_decides(release, features):
    words = list(interesting(1000))
    found = WordMap.build(TABLE, release, features)
    lines = [found.rules[index].line for index in found.classify(as_words(words))]
    assert lines == [TABLE.find(word, release, features).line for word in words]
    assert {TABLE.rules[-1].line} < set(lines)
    assert set(lines) == {rule.line for rule in TABLE.in_force(release, features)}


def test_whole_blocks_are_what_their_words_are():
    """Every word of blocks in which several rows compete, against a mask-by-mask judgement."""
    words = WordMap.build(TABLE, None)
    for upper in (0x1020, 0x0050, 0x0F50, 0x9901):
        block = (np.arange(BLOCK, dtype=np.uint32) + np.uint32(upper * BLOCK)).tolist()
        expected = dict.fromkeys((rule.name for rule in words.rules), 0)
        for word in block:
            expected[TABLE.find(word, None).name] += 1
        assert words.count_blocks(range(upper, upper + 1)) == expected
        assert words.count(as_words(block)) == expected


def test_the_shape_of_the_words_is_kept():
    words = as_words(range(6)).reshape(2, 3)
    assert WordMap.build(TABLE, None).classify(words).shape == (2, 3)
    assert WordMap.build(TABLE, None).classify(as_words([])).shape == (0,)


def test_upper_halves_alike_share_a_page():
    words = WordMap.build(TABLE, None)
    assert words.pages.nbytes < 64 * BLOCK
    assert len(words.page_of) == BLOCKS


def test_more_rows_than_a_byte_can_number():
    rows = "\n".join(f"r{n}  ffffffff  {n:08x}  step  all  -  why" for n in range(255))
    with pytest.raises(TableError, match=r"256 rows in one release: expected at most 255"):
        WordMap.build(RuleTable.parse(f"{rows}\nother  00000000  00000000  step  all  -  why", "t"), None)
    few = "\n".join(rows.splitlines()[:254])
    table = RuleTable.parse(f"{few}\nother  00000000  00000000  step  all  -  why", "t")
    assert WordMap.build(table, None).classify(as_words([0, 253, 254])).tolist() == [0, 253, 254]


@pytest.mark.parametrize("actions", [False, True])
def test_differences_are_the_words_that_differ(actions):
    old, new = WordMap.build(TABLE, (6, 1)), WordMap.build(TABLE, None)
    blocks = range(0x76F8, 0x7708)
    comparison = Comparison(old, new, actions)
    listed = list(comparison.differences(blocks))
    words = [word for difference in listed for word in difference.words()]
    assert len(set(words)) == len(words) == sum(d.count for d in listed) == comparison.count_blocks(blocks)

    def differs(word):
        before, after = TABLE.find(word, (6, 1)), TABLE.find(word, None)
        return before.verdict is not after.verdict or (actions and before.action != after.action)

    chosen = set(words)
    rng = random.Random(3)
    for word in [*rng.sample(words, 400), *(rng.randrange(blocks[0] * BLOCK, blocks[-1] * BLOCK) for _ in range(5000))]:
        assert (word in chosen) is differs(word)
    for difference in listed:
        word = next(difference.words())
        assert (difference.old, difference.new) == (TABLE.find(word, (6, 1)).name, TABLE.find(word, None).name)
    # by hand: late is 2^8 words of each block 77xx; low, when routines count, one word in sixteen of every block
    assert sum(d.count for d in listed if d.new == "late") == 8 << 8
    low = sum(d.count for d in listed if d.new == "low")
    assert low == (len(blocks) * BLOCK // 16 if actions else 0)


def test_differences_come_in_order_and_alike_blocks_together():
    comparison = Comparison(WordMap.build(TABLE, (6, 1)), WordMap.build(TABLE, None))
    listed = list(comparison.differences(range(BLOCKS)))
    assert [d.upper for d in listed] == [(0x7700, 0x77FF)] * 256
    assert [d.lower for d in listed] == [(low << 8 | 0x77, low << 8 | 0x77) for low in range(256)]


def test_differences_among_given_words():
    comparison = Comparison(WordMap.build(TABLE, (6, 1)), WordMap.build(TABLE, None))
    assert list(comparison.among([0, 0x77000077, 0x77000078, 0x77FF0177])) == [
        (0x77000077, "other", "late"),
        (0x77FF0177, "other", "late"),
    ]
    assert list(Comparison(comparison.new, comparison.new, actions=True).differences(range(BLOCKS))) == []
