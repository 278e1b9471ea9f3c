"""A probe on every site and function of the firmware, by itself: what the guest computes must not change.

What goes wrong is a bug (arches/NAME/bugs.py), or listed here with the reason, as is what is refused; everything else
has both handlers run each time and the result that it has without a probe.
"""

from functools import cache
from pathlib import Path

import pytest

import arches
from emu.elf.image import load_image
from emu.kernel.bug import Probed
from emu.kernel.guest import run_guest
from emu.kernel.kprobes import register_kprobe
from emu.kernel.probe import Kprobe
from tests.arch_rows import Rows

FIRMWARE = Path(__file__).parents[2] / "firmware"
ARCHS = arches.names()
HERE = "tests/kernel/test_step_sites.py"
CALLS = 4  # with arguments 0 to 3: both ways of every branch, all entries of load_ring
NOT_RUN = ("probe_extable_fixup", "nop5_target")  # no call gets there
CALLED_BY = {"pop_r28": "probe_pop32"}  # not a function that guest_loop can call

REFUSED = Rows(  # expectations of test_register_kprobe.py and the facts about each architecture
    f"{HERE}: REFUSED",
    {
        "arm64": {
            *("probe_atomic_load", "probe_atomic_mid", "probe_atomic_store", "probe_extable_site"),
            "foreign_break_site",
        },
        "csky": set(),
        "loongarch": {"probe_atomic_load", "probe_atomic_store", "atomic_add_site"},
        "mips": {"probe_atomic_load", "probe_atomic_store", "probe_delay_slot"},
        "riscv": {"foreign_break_site", "foreign_break_c_site"},
        "x86": {"foreign_break_site"},
    },
)
EXCLUSIVE = {"probe_atomic_load", "probe_atomic_store"}
REFUSED_REPAIRED = Rows(
    f"{HERE}: REFUSED_REPAIRED",
    {arch: sites | EXCLUSIVE if arch in ("csky", "riscv") else sites for arch, sites in REFUSED.items()},
)
BUG = {"bug_site", "warn_site"}  # in the bug table, refused everywhere

FOREIGN = "the function has a breakpoint of its own, of which the kernel dies"
LOOP = "the breakpoint between a load-linked and its store ends the reservation: it is tried for ever"
OTHERWISE = Rows(  # what goes wrong, and is no bug with a repair of its own
    f"{HERE}: OTHERWISE",
    {
        "arm64": {"foreign_break": ({"hit", "oops"}, FOREIGN)},
        "riscv": {
            "foreign_break": ({"hit", "oops", "passed-on"}, FOREIGN),
            "foreign_break_c": ({"hit", "oops", "passed-on"}, FOREIGN),
            "probe_atomic_mid": ({"hit", "livelock"}, LOOP),
        },
        "loongarch": {
            "foreign_break": ({"hit", "oops"}, FOREIGN),
            "foreign_break_site": ({"hit", "oops"}, "the copied break 10 traps in the slot, where no probe is"),
            "probe_atomic_mid": ({"hit", "livelock"}, LOOP),
        },
        "mips": {
            "foreign_break": ({"hit", "oops", "passed-on"}, FOREIGN),
            "foreign_break_site": (
                {"hit", "oops", "passed-on"},
                "the copied break 515 traps in the slot, and dies there",
            ),
            "probe_atomic_mid": ({"hit", "livelock"}, LOOP),
        },
        "csky": {"probe_atomic_mid": ({"hit", "livelock"}, LOOP)},
        "x86": {"foreign_break": ({"hit", "oops", "passed-on"}, FOREIGN)},
    },
)
STILL_FOREIGN = {  # breakpoints that are nobody's, in kernels that take them for what they are
    "csky": ({"foreign_break", "foreign_break_site"}, {"hit", "claimed", "passed-on", "livelock"}),  # SIGTRAP is sent
    "mips": ({"foreign_break_gas", "foreign_break_gas_site"}, {"hit", "oops", "passed-on"}),
}


def of_bugs(arch):
    """The sites that go wrong because of a bug of the newest kernel; test_bugs.py has what each does, and why."""
    return {found.label for bug in arches.load(arch).bugs for found in bug.found if isinstance(found, Probed)}


def still(arch):
    """What the variant `fixed` still has."""
    names, outcomes = STILL_FOREIGN.get(arch, (set(), set()))
    return {**OTHERWISE[arch], **{name: (outcomes, FOREIGN) for name in names}}


@cache
def sites(arch):
    """Every label and function of the firmware, with the function to call."""
    about = arches.load(arch)
    image = load_image(FIRMWARE / f"{arch}.elf", about.elf)
    found = {}
    for symbol in image.symbols.values():
        at = image.symbol_at(symbol.address)
        if symbol.kind != "object" and at is not None and not at[0].name.startswith("guest_"):
            found[symbol.name] = CALLED_BY.get(at[0].name, at[0].name)
    return found


def of(variant):
    named = {arch: sites(arch) for arch in ARCHS if variant in arches.load(arch).port.variants}
    return [(arch, site) for arch, found in named.items() for site in sorted(found) if site not in NOT_RUN]


@pytest.fixture
def probed(run_alone, boot):
    """Outcomes and handler calls of a guest with a probe at a site, None if it is refused."""

    def run(arch, site, variant="mainline"):
        calls, refused = [], []

        def scenario(lab):
            probe = Kprobe(
                lab.symbol(site),
                pre_handler=lambda p, regs: calls.append("pre"),
                post_handler=lambda p, regs, flags: calls.append("post"),
            )
            refused.append(boot(register_kprobe(lab.kernel, probe)) != 0)
            return {"cpu0": run_guest(lab.cpus[0], sites(arch)[site], CALLS)}

        outcomes, _ = run_alone(scenario, arch, variant, cpus=1)
        return None if refused[0] else (outcomes, calls)

    return run


def check(found, arch, site, otherwise, refused=REFUSED):
    if site in refused[arch] | BUG:
        assert found is None
        return
    assert found is not None
    outcomes, calls = found
    expected, why = otherwise.get(site, ({"hit"}, ""))
    assert outcomes == expected, why
    if expected == {"hit"}:
        assert calls == ["pre", "post"] * CALLS


@pytest.mark.parametrize(("arch", "site"), of("mainline"))
def test_a_probe_changes_nothing_but_for_the_known_bugs(probed, arch, site):
    if site not in of_bugs(arch):
        check(probed(arch, site), arch, site, OTHERWISE[arch])


@pytest.mark.parametrize(("arch", "site"), of("fixed"))
def test_what_the_variant_fixed_repairs(probed, arch, site):
    check(probed(arch, site, "fixed"), arch, site, still(arch), REFUSED_REPAIRED)


@pytest.mark.parametrize("arch", ARCHS)
def test_every_listed_site_exists(arch):
    listed = REFUSED[arch] | set(still(arch)) | of_bugs(arch)
    assert listed <= set(sites(arch))
