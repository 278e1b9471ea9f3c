"""How often an outcome comes, as far as the search knows it; what --expect may say."""

import pytest

from emu.errors import UsageError
from emu.explore.report import Report, Seen
from emu.kernel.outcome import Outcome
from emu.lab.claims import Claim, claim, covers, expectation, is_exact


def report(count, **search):
    """Four executions, of which `count` died."""
    outcomes = {Outcome.OOPS: Seen(count, ("cpu0",))} if count else {}
    return Report(executions=4, outcomes=outcomes, **search)


@pytest.mark.parametrize(
    ("search", "none", "some", "all_of_them"),
    [
        ({"complete": True}, "never", "sometimes", "always"),
        ({"complete": True, "bound": 2}, "not-found", "sometimes", "all-run"),
        ({"limit": 4}, "not-found", "sometimes", "all-run"),
        ({"interrupted": True}, "not-found", "sometimes", "all-run"),
    ],
)
def test_never_and_always_need_a_complete_search(search, none, some, all_of_them):
    found = [claim(report(count, **search), Outcome.OOPS) for count in (0, 2, 4)]
    assert found == [none, some, all_of_them]
    assert [one.found for one in found] == [False, True, True]


def test_nothing_is_known_before_the_first_execution():
    assert claim(Report(interrupted=True), Outcome.HIT) is Claim.NOT_FOUND


@pytest.mark.parametrize(
    ("search", "said", "exact"),
    [
        ({"complete": True}, "every interleaving", True),
        ({"complete": True, "limit": 9}, "every interleaving", True),
        ({"complete": True, "bound": 1}, "every interleaving with at most 1 preemption", False),
        ({"complete": True, "bound": 0}, "every interleaving with at most 0 preemptions", False),
        ({"limit": 4}, "not complete: stopped at the limit of 4", False),
        ({"limit": 4, "bound": 3}, "not complete: stopped at the limit of 4 with at most 3 preemptions", False),
        ({"limit": 9, "interrupted": True}, "not complete: interrupted", False),
    ],
)
def test_what_was_searched(search, said, exact):
    assert (covers(report(0, **search)), is_exact(report(0, **search))) == (said, exact)


def test_expectations_are_parsed():
    assert expectation("oops=never") == (Outcome.OOPS, Claim.NEVER)
    assert expectation("passed-on=always") == (Outcome.PASSED_ON, Claim.ALWAYS)


@pytest.mark.parametrize(
    "text", ["oops", "oops=", "=never", "oops=Never", "panic=never", "oops=never=always", "oops=not-found"]
)
def test_what_is_no_expectation(text):
    with pytest.raises(UsageError, match="expected OUTCOME=never"):
        expectation(text)
