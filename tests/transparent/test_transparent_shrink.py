"""Shrinking a case: the fewest registers, nothing that can be left out, simple values."""

from __future__ import annotations

from itertools import combinations

import pytest

from emu.transparent.case import Case
from emu.transparent.shrink import shrink

SITE, STATUS = 0x1000, "status"
REGS = {f"r{n}": 0x123450 + n for n in range(12)} | {STATUS: 0x30}
CASE = Case(b"\1", SITE + 0x110, REGS, {0x8000: bytes(range(1, 33))}, following=b"\7", then=b"\5")


def shrunk(shows):
    tried = []

    def told(case):
        tried.append(case)
        return shows(case)

    found = shrink(CASE, told, SITE, STATUS)
    assert shows(found)
    return found, len(tried)


def test_what_never_matters_goes():
    found, tried = shrunk(lambda case: True)
    assert (found.regs, found.mem, found.then, found.following, found.at) == ({}, {}, b"", b"\0", SITE)
    assert tried < 10


@pytest.mark.parametrize("names", list(combinations(["r0", "r5", "r11", STATUS], 2)))
def test_a_pair_is_found_where_greedy_removal_would_keep_three(names):
    """Any of the pair, or three others together, show it: what is dropped first is the pair."""
    others = ["r2", "r3", "r4"]

    def shows(case):
        return set(names) <= set(case.regs) or set(others) <= set(case.regs)

    found, _ = shrunk(shows)
    assert set(found.regs) == set(names)


def test_of_more_none_can_be_left_out():
    needed = {"r1", "r2", "r3", "r7"}
    found, tried = shrunk(lambda case: needed <= set(case.regs))
    assert set(found.regs) == needed
    assert tried < 400


def test_what_could_not_go_before_may_go_after_another():
    """r3 is needed as long as r9 is there: so is a value that was tried, and kept, before."""

    def shows(case):
        regs = set(case.regs)
        return {"r0", "r1", "r2"} <= regs and ("r3" in regs or "r9" not in regs)

    assert set(shrunk(shows)[0].regs) == {"r0", "r1", "r2"}


def test_less_memory_may_need_fewer_registers():
    """A word of memory makes a register matter."""

    def shows(case):
        return "r4" in case.regs or not any(case.mem)

    found, _ = shrunk(shows)
    assert (found.regs, found.mem) == ({}, {})


def test_a_simpler_value_may_need_fewer_registers():
    def shows(case):
        return "r1" in case.regs and (case.regs["r1"] == 1 or "r2" in case.regs)

    assert shrunk(shows)[0].regs == {"r1": 1}


def test_values_lose_their_low_bits_and_the_status_stays():
    found, _ = shrunk(lambda case: case.regs.get("r6", 0) > 0x123000 and STATUS in case.regs)
    assert found.regs == {"r6": 0x123400, STATUS: 0x30}


def test_memory_is_kept_by_words():
    found, _ = shrunk(lambda case: any(addr <= 0x8009 < addr + len(data) for addr, data in case.mem.items()))
    assert found.mem == {0x8008: bytes(range(9, 17))}
