"""Releases of mainline and of stable lines, and spans of them."""

import itertools

import pytest

from emu.errors import TableError, UsageError
from emu.verdict.release import Border, Span, parse_release, release_text
from emu.verdict.rules import RuleTable, periods

LAST = "other  00000000  00000000  step  all  -  why"


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("6.1", (6, 1)),
        ("v6.18", (6, 18)),
        ("6.1.192", (6, 1, 192)),
        ("6.1.0-50-cloud-arm64", (6, 1)),  # Debian's name for each of its 6.1: it does not say which
        ("2.6.36", (2, 6, 36)),
        ("6.13.0-rc4-next-20241224", (6, 13)),
        ("6.12.117+deb13-arm64", (6, 12, 117)),
    ],
)
def test_a_release_has_up_to_three_parts(text, release):
    assert parse_release(text) == release
    assert parse_release(release_text(release)) == release


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        ("all", [(2, 6), (6, 1, 5), None], []),
        ("6.2..", [(6, 2), (6, 2, 1), (7, 0), None], [(6, 1), (6, 1, 192)]),
        ("..6.2", [(6, 1), (6, 1, 192)], [(6, 2), None]),
        ("6.2,6.1.192..", [(6, 2), (6, 1, 192), (6, 1, 200), None], [(6, 1), (6, 1, 191), (6, 0, 300), (5, 15, 999)]),
        ("..6.2,6.1.192", [(6, 1), (6, 1, 191), (6, 0, 300)], [(6, 1, 192), (6, 2), None]),
        (
            "7.1,6.18.34,6.12.92..",  # 2ccd8ff980b5 as it went to stable lines
            [(6, 12, 92), (6, 18, 34), (7, 1)],
            [(6, 12, 91), (6, 13), (6, 17, 200), (6, 18, 33), (6, 19), (7, 0)],
        ),
        ("6.2,6.1.10..6.5", [(6, 1, 10), (6, 4)], [(6, 1, 9), (6, 5), None]),
        ("6.2..6.7,6.6.9", [(6, 2), (6, 6, 8)], [(6, 6, 9), (6, 6, 10), (6, 7), (6, 1)]),
    ],
)
def test_a_span_holds_in_stable_lines_from_their_own_release_on(text, yes, no):
    span = Span.parse(text)
    assert [span.holds(release) for release in yes] == [True] * len(yes)
    assert [span.holds(release) for release in no] == [False] * len(no)


@pytest.mark.parametrize("text", ["6.2,6.1..", "6.2,6.3.1..", "6.2.1..", "6.2,..", "6.5..6.2", "6.2", "..", "6.2..6.2"])
def test_spans_that_are_none(text):
    with pytest.raises(UsageError, match="expected"):
        Span.parse(text)


def test_covering_and_meeting_are_what_they_say():
    """Against their meaning, for every release that there could be between these."""
    texts = ("all", "6.2..", "..6.2", "6.3..6.5", "6.2,6.1.4..", "..6.2,6.1.4", "6.3,6.1.2..6.5", "6.3..6.5,6.4.3")
    releases = [None, (6, 0), *itertools.product([6], range(7)), *itertools.product([6], range(7), range(1, 7))]
    for first, second in itertools.product(map(Span.parse, texts), repeat=2):
        ours, theirs = ({r for r in releases if span.holds(r)} for span in (first, second))
        assert first.covers(second) is (ours >= theirs), (first, second)
        assert first.meets(second) is bool(ours & theirs), (first, second)


A_ROW = "a  000000ff  0000000{}  {}  {}  -  why"


def test_rows_of_a_stable_line_and_the_periods_they_make():
    rows = A_ROW.format(1, "reject", "..6.2,6.1.4"), A_ROW.format(1, "step", "6.2,6.1.4.."), LAST
    table = RuleTable.parse("\n".join(rows), "t")
    asked = ((6, 1), (6, 1, 4), (6, 2), (6, 0, 9), None)
    assert [table.find(1, release).line for release in asked] == [1, 2, 2, 1, 2]
    assert {table.in_force(release) for release in periods(table)} == {table.in_force((6, 1)), table.in_force(None)}


def test_one_name_for_two_rows_of_one_stable_release_is_an_error():
    rows = A_ROW.format(1, "reject", "..6.2,6.1.5"), A_ROW.format(2, "step", "6.2,6.1.4.."), LAST
    with pytest.raises(TableError, match="expected another name"):
        RuleTable.parse("\n".join(rows), "t")


def test_a_border_of_mainline_alone():
    assert Border.parse("6.2") == Border((6, 2))
    assert list(Border.parse("6.2,6.1.4").ends()) == [(6, 2), (6, 1, 4), (6, 2)]


@pytest.mark.parametrize(("text", "last"), [("6.99", "6.19"), ("6.20", "6.19"), ("5.20.3", "5.19"), ("v4.21", "4.20")])
def test_a_release_that_never_was_is_refused(text, last):
    """Linus went from 3.19 to 4.0, from 4.20 to 5.0, from 5.19 to 6.0 and from 6.19 to 7.0."""
    with pytest.raises(UsageError, match=f"{text}.*ended with {last}"):
        parse_release(text)
    assert parse_release(last) == tuple(map(int, last.split(".")))
