"""Rows of masks by release: parsing, order, and what a bad table says."""

import itertools
import re

import pytest

from emu.errors import DecodeError, TableError
from emu.verdict.release import Span
from emu.verdict.rules import RuleTable, periods
from emu.verdict.site import Verdict

TEXT = """
# name   mask           value     verdict   releases      action  why
  # an indented comment, and an empty line

first    ff00ff00       12003400  reject    ..6.2         -       it is  the first
first    ff00ff00       12003400  simulate  6.2..6.4      go_old  the first
first    ff00ff00       12003400  simulate  6.4..         go_new  the first
second   ff000000!00f0  12000000  reject    all@fast      -       needs a bit of 0x00f0
other    00000000       00000000  step      all           -       everything
"""
ROW = "a  ff000000  12000000  step  all  -  why"
LAST = "other  00000000  00000000  step  all  -  why"


def parse(*rows):
    return RuleTable.parse("\n".join((*rows, LAST)), "t.rules")


@pytest.mark.parametrize(
    ("word", "release", "features", "name", "action"),
    [
        (0x12FF34FF, (6, 1), (), "first", None),
        (0x12FF34FF, (6, 2), (), "first", "go_old"),
        (0x12FF34FF, (6, 3), (), "first", "go_old"),
        (0x12FF34FF, (6, 4), (), "first", "go_new"),
        (0x12FF34FF, None, (), "first", "go_new"),
        (0x12FF35FF, None, (), "other", None),
        (0x12FF35FF, None, ("fast",), "second", None),
        (0x12FF3510, None, ("fast",), "second", None),
        (0x12FF350F, None, ("fast",), "other", None),
        (0xFFFFFFFF, (99, 0), (), "other", None),
    ],
)
def test_the_first_row_in_force_decides(word, release, features, name, action):
    rule = RuleTable.parse(TEXT, "t").find(word, release, features)
    assert (rule.name, rule.action) == (name, action)


def test_a_row_is_all_its_columns():
    rule = RuleTable.parse(TEXT, "t").rules[0]
    assert (rule.mask, rule.value, rule.nonzero) == (0xFF00FF00, 0x12003400, 0)
    assert (rule.verdict, rule.span, rule.feature) == (Verdict.REJECT, Span.parse("..6.2"), None)
    assert (rule.why, rule.line) == ("it is  the first", 5)


def test_what_a_table_has():
    table = RuleTable.parse(TEXT, "t")
    assert table.actions == ("go_old", "go_new")
    assert table.features == {"fast"}
    assert table.boundaries == ((6, 2), (6, 4))
    assert list(periods(table)) == [(0, 0), (6, 2), None]
    names = [[rule.line for rule in table.in_force(release)] for release in periods(table)]
    assert names == [[5, 9], [6, 9], [7, 9]]
    assert list(periods(parse())) == [None]


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("a  ff000000  12000000  step  all  -", "t.rules:1: 6 columns: expected name, mask"),
        ("a  ff0000  12000000  step  all  -  why", "'ff0000': expected 8 hexadecimal digits"),
        ("a  FF000000  12000000  step  all  -  why", "'FF000000': expected 8 hexadecimal digits"),
        ("a  ff000000  0x120000  step  all  -  why", "'0x120000': expected 8 hexadecimal digits"),
        ("a  ff000000  12000001  step  all  -  why", "value 12000001: expected no bit outside the mask ff000000"),
        ("a  ff000000!  12000000  step  all  -  why", "condition !: expected the bits"),
        ("a  ff000000!0  12000000  step  all  -  why", "condition !0: expected the bits"),
        ("a  ff000000!zz  12000000  step  all  -  why", "condition !zz: expected the bits"),
        ("a  ff000000!0100000000  12000000  step  all  -  why", "condition !0100000000: expected the bits"),
        ("a  ff000000!01000000  12000000  step  all  -  why", "condition !1000000: expected no bit of the mask"),
        ("a  ff000000  12000000  stop  all  -  why", "verdict 'stop': expected reject, simulate or step"),
        (
            "a  ff000000  12000000  step  all  go  why",
            "action 'go': expected a routine for simulate, - for anything else",
        ),
        ("a  ff000000  12000000  simulate  all  -  why", "action '-': expected a routine"),
        ("a  ff000000  12000000  step  6.1  -  why", "releases '6.1': expected all, 6.13.., ..6.12 or 6.3..6.9"),
        ("a  ff000000  12000000  step  ..  -  why", "releases '..': expected all"),
        ("a  ff000000  12000000  step  6.2..6.2  -  why", "releases '6.2..6.2': expected all"),
        ("a  ff000000  12000000  step  6.9..6.10x  -  why", "release '6.10x': expected a Linux release"),
        ("a  ff000000  12000000  step  6.10..6.9  -  why", "releases '6.10..6.9': expected all"),
        ("a  ff000000  12000000  step  all@  -  why", "feature '': expected a name such as r6"),
        ("a  ff000000  12000000  step  all@R 6  -  why", "feature 'R 6': expected a name"),
    ],
)
def test_a_bad_row_is_named_with_its_line(row, complaint):
    with pytest.raises(TableError, match=re.escape(complaint)) as caught:
        parse(row)
    assert str(caught.value).startswith("t.rules:1: ")


@pytest.mark.parametrize(
    "second",
    [
        "b  ff0f0000  12010000  step  all  -  why",
        "b  ff000000  12000000  reject  6.1..  -  why",
        "b  ff000000!00ff  12000000  step  all@r6  -  why",
    ],
)
def test_a_row_that_another_hides_is_an_error(second):
    with pytest.raises(TableError, match=r"t\.rules:2: row 'b' can never match: line 1 takes all its words"):
        parse(ROW, second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("a  ff000000  12000000  step  ..6.5  -  why", "b  ff000000  12000000  step  6.1..  -  why"),
        ("a  ff000000  12000000  step  6.1..  -  why", "b  ff000000  12000000  step  ..6.5  -  why"),
        ("a  ff000000  12000000  step  all@r6  -  why", "b  ff000000  12000000  step  all  -  why"),
        ("a  ff000000!00ff  12000000  step  all  -  why", "b  ff000000  12000000  step  all  -  why"),
        ("a  ff000000!00ff  12000000  step  all  -  why", "b  ff000000!ff00  12000000  step  all  -  why"),
        ("a  ff0f0000  12010000  step  all  -  why", "b  ff000000  12000000  step  all  -  why"),
    ],
)
def test_a_row_that_another_hides_in_part_is_none(first, second):
    assert len(parse(first, second).rules) == 3


def test_a_name_stands_for_one_row_at_a_time():
    with pytest.raises(TableError, match=r"t\.rules:2: row 'a': expected another name, line 1 has it"):
        parse("a  ff000000  12000000  step  ..6.5  -  why", "a  ff000000  13000000  step  6.4..  -  why")
    assert parse("a  ff000000  12000000  step  ..6.5  -  why", "a  ff000000  13000000  step  6.5..  -  why")


@pytest.mark.parametrize("rows", ["", ROW, LAST.replace("all", "6.1.."), LAST.replace("all", "all@r6")])
def test_the_last_row_must_match_everything(rows):
    with pytest.raises(TableError, match="expected a last row with mask 0, in force in all releases"):
        RuleTable.parse(rows, "t.rules")


@pytest.mark.parametrize("word", [-1, 1 << 32])
def test_a_word_has_32_bits(word):
    with pytest.raises(DecodeError, match="expected 32 bits"):
        parse().find(word, None)


def test_hiding_is_what_it_says():
    """`hides` against its meaning, tried out on all words of four bits and all masks."""
    rows = [
        f"r{n}  0000000{mask:x}{f'!{nonzero:x}' if nonzero else ''}  0000000{value:x}  step  all  -  why"
        for n, (mask, value, nonzero) in enumerate(itertools.product(range(8), repeat=3))
        if not value & ~mask and not nonzero & mask
    ]
    rules = [parse(row).rules[0] for row in rows if " 00000000  0" not in row]
    matched = [{word for word in range(16) if rule.matches(word)} for rule in rules]
    hidden = 0
    for (first, ours), (second, theirs) in itertools.product(zip(rules, matched, strict=True), repeat=2):
        hidden += first.hides(second)
        if first.nonzero or second.nonzero:
            assert ours >= theirs or not first.hides(second)
        else:
            assert (ours >= theirs) is first.hides(second)
    assert hidden > 100
