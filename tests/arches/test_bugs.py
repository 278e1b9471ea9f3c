"""Each known bug of Linux shows in the kernels that have it, and is gone with its own repair alone."""

from __future__ import annotations

from functools import cache

import pytest

import arches
from emu.arch import Setup
from emu.elf.image import load_image
from emu.explore.search import explore
from emu.kernel.bug import REFUSED, Answered, Changed, Explored, Probed, before, every, find_bugs
from emu.kernel.guest import run_guest
from emu.kernel.kprobes import register_kprobe
from emu.kernel.probe import Kprobe
from emu.lab.lab import FIRMWARE, Laboratory
from emu.scenarios.registry import find_scenario
from emu.transparent.bench import Bench, drive
from emu.transparent.case import parse_case
from emu.transparent.search import Search
from emu.verdict.site import NO_REPAIRS, Site

ARCHS = arches.names()
FOUND = [
    pytest.param(name, bug, found, id=f"{name}-{bug.id}-{number}")
    for name in ARCHS
    for bug in arches.load(name).bugs
    for number, found in enumerate(bug.found)
]
CALLS = 4  # with arguments 0 to 3: both ways of every branch
CALLED_BY = {"pop_r28": "probe_pop32"}  # not a function that guest_loop can call


def kernel_of(name, release, repairs):
    """A kernel of a release (None: the newest) with some of its bugs repaired."""
    return arches.load(name).variant(None, release, repairs)


@cache
def searching(name, release, repairs):
    arch = arches.load(name)
    return Search(Bench(arch, kernel_of(name, release, repairs), arches.trials(arch)))


@cache
def image_of(name):
    arch = arches.load(name)
    return load_image(FIRMWARE / f"{name}.elf", arch.elf)


def outcomes_of(name, scenario, release, repairs, cpus=2):
    """What happens in some interleaving."""
    kernel = kernel_of(name, release, repairs)
    setup = Setup(arches.load(name), kernel, kernel.patching, cpus=cpus)
    report = explore(Laboratory(scenario, setup, image_of(name)))
    assert report.complete
    return {outcome for outcome in report.outcomes if report.frequency(outcome) != "never"}


def probed(name, label, release, repairs):
    """What happens if a label is probed and its function called; `refused` if the kernel refuses the probe."""
    refused = []

    def scenario(lab):
        probe = Kprobe(lab.symbol(label), pre_handler=lambda p, regs: None, post_handler=lambda p, regs, flags: None)
        if drive(register_kprobe(lab.kernel, probe)):
            refused.append(label)
        function = lab.kernel.machine.image.symbol_at(probe.addr)[0].name
        return {"cpu0": run_guest(lab.cpus[0], CALLED_BY.get(function, function), CALLS)}

    outcomes = outcomes_of(name, scenario, release, repairs, cpus=1)
    return set(REFUSED) if refused else outcomes


def shown(name, found, release, repairs):
    """What a kernel does where a bug of it was found: comparable with what is expected with and without the bug."""
    match found:
        case Changed():
            arch = arches.load(name)
            difference = searching(name, release, repairs | found.besides).difference(parse_case(found.line, arch.isa))
            return None if difference is None or str(difference).startswith("refused: ") else str(difference)
        case Explored():
            return outcomes_of(name, find_scenario(found.scenario).function, release, repairs)
        case Probed():
            return probed(name, found.label, release, repairs)
        case Answered():
            arch = arches.load(name)
            return arch.probing.judge(Site(arch.isa.parse_word(found.word)), release, repairs).verdict.value


def with_it(found):
    match found:
        case Changed():
            return found.difference
        case Answered():
            return found.verdict
    return found.outcomes


def without_it(found):
    return "reject" if isinstance(found, Answered) else found.leaves


@pytest.mark.parametrize(("name", "bug", "found"), FOUND)
def test_a_bug_shows_in_the_last_release_that_has_it(name, bug, found):
    assert shown(name, found, bug.last, NO_REPAIRS) == with_it(found)


@pytest.mark.parametrize(("name", "bug", "found"), FOUND)
def test_a_bug_is_gone_with_its_own_repair_alone(name, bug, found):
    assert shown(name, found, bug.last, frozenset({bug.id})) == without_it(found)


@pytest.mark.parametrize(("name", "bug", "found"), FOUND)
def test_the_variant_fixed_has_no_bug(name, bug, found):
    fixed = arches.load(name).port.variants["fixed"]
    assert fixed.repairs == every(arches.load(name).bugs)
    if isinstance(found, Changed):
        assert shown(name, found, bug.last, fixed.repairs) is None
    else:
        assert shown(name, found, bug.last, fixed.repairs) != with_it(found)


RELEASES = [param for param in FOUND if param.values[1].since or param.values[1].until]


@pytest.mark.parametrize(("name", "bug", "found"), RELEASES)
def test_a_bug_is_in_its_releases_and_in_no_other(name, bug, found):
    if bug.since is not None:
        assert shown(name, found, bug.since, NO_REPAIRS) == with_it(found)
        assert shown(name, found, before(bug.since), NO_REPAIRS) != with_it(found)
    if bug.until is not None:
        assert shown(name, found, bug.until, NO_REPAIRS) != with_it(found)


@pytest.mark.parametrize("name", ARCHS)
def test_every_bug_has_an_id_of_its_own_and_is_found_somehow(name):
    bugs = arches.load(name).bugs
    assert len({bug.id for bug in bugs}) == len(bugs) > 0
    for bug in bugs:
        assert bug.id == bug.id.lower().replace(" ", "-").replace("_", "-")
        assert bug.found
        assert (bug.commit is None) == (bug.until is None)
        assert find_bugs(name, bugs, [bug.id]) == (bug,)


def test_the_releases_that_have_a_bug_in_words():
    assert (before((6, 2)), before((6, 0)), before((5, 0)), before((7, 0))) == ((6, 1), (5, 19), (4, 20), (6, 19))
    by_id = {bug.id: bug for bug in arches.load("x86").bugs}
    assert by_id["jle-and"].releases == "5.13 to 5.19"
    assert by_id["loop-counter"].releases == "since 5.13"
    assert {bug.releases for bug in arches.load("riscv").bugs} == {"newest", "before 6.2", "before 6.7", "since 6.6"}
