"""Searches in processes of their own: what a ^C or an engine that dies leaves behind, which is everything."""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from threading import Timer

import pytest

import arches
from emu.errors import GuestError, UsageError
from emu.transparent.bench import Bench
from emu.transparent.case import parse_case
from emu.transparent.processes import Pool
from emu.transparent.search import LETHAL, Search
from emu.transparent.tally import Quota

QUOTAS = [Quota(f"insns.decode:{name}", 12, 1) for name in ("pcaddu18i", "add.d", "xor", "ertn")]
CASE = "word=0x1fffffe4 at=0x9000000000213000"


def make(wrap=lambda search: search):
    arch = arches.load("loongarch")
    return wrap(Search(Bench(arch, arch.variant(), arches.trials(arch))))


def dies_of_large_a0(search):
    """An engine that is killed by some states."""
    right = search.bench.in_place

    def in_place(case):
        if case.regs.get("r4", 0) >> 62 == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return right(case)

    search.bench.in_place = in_place
    return search


def dies_of_everything(search):
    search.bench.in_place = lambda case: os._exit(3)
    return search


def slow(search):
    right = search.bench.in_place

    def in_place(case):
        time.sleep(0.01)
        return right(case)

    search.bench.in_place = in_place
    return search


@pytest.fixture
def pool():
    made = []

    def get(wrap, processes=1):
        made.append(Pool(partial(make, wrap), processes))
        return made[-1]

    yield get
    for one in made:
        one.__exit__()


def same(search):
    return search


@pytest.mark.parametrize("processes", [1, 2, 6])
def test_tallies_come_in_order_and_are_those_of_one_process(pool, processes):
    here = make()
    for quota, tally in zip(QUOTAS, pool(same, processes).run(QUOTAS), strict=True):
        expected = here.tally(quota)
        assert (tally.compared, tally.tried) == (expected.compared, expected.tried)
        assert [group.case for group in tally.groups.values()] == [group.case for group in expected.groups.values()]


def test_an_engine_that_dies_costs_the_case_and_nothing_else(pool):
    dying = pool(dies_of_large_a0)
    tallies = list(dying.run(QUOTAS))
    assert [tally.compared.total() for tally in tallies] == [quota.encodings for quota in QUOTAS]
    assert dying.deaths
    for death in dying.deaths:
        assert death.how == "SIGKILL" and death.note.regs["r4"] >> 62 == 3
    assert sum(tally.skipped[LETHAL] for tally in tallies) == len(dying.deaths)
    assert len(set(map(str, dying.deaths))) == len(dying.deaths)


def test_shrinking_goes_around_what_is_lethal(pool):
    dying = pool(dies_of_large_a0)
    groups = [group for tally in dying.run(QUOTAS) for group in tally.groups.values()]
    findings = list(dying.findings(groups))
    assert {finding.group.rule for finding in findings} == {"pcaddu18i", "other"}
    assert all("r4=0xc" not in finding.case for finding in findings)


def test_an_engine_that_always_dies_is_given_up(pool):
    dying = pool(dies_of_everything, 2)
    assert list(dying.run(QUOTAS)) == []
    assert {death.how for death in dying.deaths} == {"exit status 3"}


def test_a_replay_that_kills_the_engine_is_one_line(pool):
    case = parse_case(f"{CASE} r4=0xc000000000000000", arches.load("loongarch").isa)
    with pytest.raises(GuestError, match="the engine does not survive it: SIGKILL"):
        pool(dies_of_large_a0).replay(case)
    assert pool(same).replay(case).differs


def test_errors_of_a_process_are_raised_here(pool):
    with pytest.raises(UsageError, match="lets be probed"):
        pool(same).replay(parse_case(f"{CASE} then=0x22000000", arches.load("loongarch").isa))


def is_mistaken(search):
    search.bench.in_place = lambda case: {}["nothing"]
    return search


def test_mistakes_in_a_process_are_raised_here_with_their_place(pool):
    with pytest.raises(KeyError, match="nothing") as raised:
        list(pool(is_mistaken).run(QUOTAS))
    assert "in <lambda>" in raised.value.__notes__[0]


def test_after_an_interrupt_each_process_gives_what_it_has(pool, interruptible):
    """One quota is done, two are under way, and the last has not begun; then the same processes go on."""
    long = [QUOTAS[0], *(Quota(quota.row, 100_000, 1) for quota in QUOTAS[1:])]
    slowly = pool(slow, 2)
    tallies = slowly.run(long)
    found = [next(tallies)]
    Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        for tally in tallies:
            found.append(tally)
    assert [list(tally.tried) for tally in found] == [[quota.row] for quota in long[:3]]
    assert all(0 < tally.tried.total() < 1000 for tally in found[1:])
    [finding] = slowly.findings(list(found[0].groups.values()))
    assert finding.word.startswith("0x1e")


def test_an_answer_that_nobody_took_is_not_taken_for_the_next(pool):
    """^C came while a tally was being added up."""
    slowly = pool(slow)
    tallies = slowly.run([QUOTAS[0], Quota(QUOTAS[1].row, 100_000, 1)])
    groups = next(tallies).groups.values()
    tallies.close()
    assert len(list(slowly.findings(list(groups)))) == 1


def test_shrinking_ends_where_it_is_told_to():
    search = make()
    (group,) = search.tally(QUOTAS[0]).groups.values()
    shortest, tries = search.shrunk(group.case, group.difference), []
    search.stopped = lambda: len(tries) >= 3 or tries.append(0) is not None
    cut_short = search.shrunk(group.case, group.difference)
    assert len(tries) == 3
    assert len(shortest.regs) < len(cut_short.regs) <= len(group.case.regs)
    assert search.difference(cut_short).kind == group.difference.kind
