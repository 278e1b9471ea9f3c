"""A probe on every site and function of the firmware, by itself: what the guest computes must not change.

What is refused and what goes wrong is listed with the reason; everything else has both handlers run each time and
the result that it has without a probe.
"""

from functools import cache
from pathlib import Path

import pytest

import arches
from emu.elf.image import load_image
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
REFUSED_MENDED = Rows(
    f"{HERE}: REFUSED_MENDED",
    {arch: sites | EXCLUSIVE if arch in ("csky", "riscv") else sites for arch, sites in REFUSED.items()},
)
BUG = {"bug_site", "warn_site"}  # in the bug table, refused everywhere

FOREIGN = "the function has a breakpoint of its own, of which the kernel dies"
LOOP = "the breakpoint between a load-linked and its store ends the reservation: it is tried for ever"
HALF = "csky: the slot gets the first halfword only, and an instruction is made of it and of what was there"
DEFECTS = Rows(
    f"{HERE}: DEFECTS",
    {
        "arm64": {"foreign_break": ({"hit", "oops"}, FOREIGN)},
        "riscv": {
            "foreign_break": ({"hit", "oops", "passed-on"}, FOREIGN),
            "foreign_break_c": ({"hit", "oops", "passed-on"}, FOREIGN),
            "probe_atomic_load": ({"hit", "livelock"}, LOOP),
            "probe_atomic_mid": ({"hit", "livelock"}, LOOP),
            "probe_atomic_store": ({"hit", "livelock"}, LOOP),
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
            "foreign_break_gas": (
                {"hit", "claimed", "livelock"},
                "break 515 as gas spells it is taken for one removed",
            ),
            "foreign_break_gas_site": ({"hit", "claimed", "livelock"}, "the same, in the slot"),
            "probe_atomic_mid": ({"hit", "livelock"}, LOOP),
            "probe_delay_nop": ({"hit", "missed"}, "the skipped nop leaves the probe current: later hits are misses"),
            "probe_likely_site": ({"hit", "missed", "wrong-result"}, "a taken likely branch skips its delay slot"),
        },
        "csky": {
            "foreign_break": ({"hit", "oops", "passed-on"}, FOREIGN),
            "foreign_break_site": ({"hit", "oops", "passed-on"}, "the copied 0x1464 is illegal in the slot too"),
            "probe_branch": ({"hit", "claimed", "passed-on", "livelock"}, HALF),  # btsti, andi, st.w, ...
            "probe_load": ({"hit", "wrong-result"}, HALF),
            "probe_step32_site": ({"hit", "wrong-result"}, HALF),
            "pop_r28": ({"hit", "oops"}, HALF),
            **{
                name: ({"hit", "livelock"}, "csky: lrw is simulated, but the pc stays at it")
                for name in ("probe_extable", "probe_atomic", "atomic_add", "probe_lrw16_site", "probe_lrw32_site")
            },
            "probe_grs": ({"hit", "livelock"}, "csky: its first instruction is an lrw"),
            "probe_atomic_load": ({"hit", "livelock"}, LOOP),
            "probe_atomic_mid": ({"hit", "livelock"}, LOOP),
            "probe_compare_site": ({"hit", "wrong-result"}, "csky: the C flag that the step computed is put back"),
            "probe_branch_far_site": ({"hit", "wrong-result"}, "csky: the sign bit of br16 is one too low"),
            "probe_jsr16_site": ({"hit", "oops", "passed-on"}, "csky: jsr16 is stepped and traps in the callee"),
            "probe_pop32_site": ({"hit", "wrong-result"}, "csky: pop of r28 loads r29"),
            "probe_grs_site": ({"hit", "wrong-result"}, "csky: grs is pc-relative, but stepped in the slot"),
        },
        "x86": {"foreign_break": ({"hit", "oops", "passed-on"}, FOREIGN)},
    },
)
MENDED = Rows(
    f"{HERE}: MENDED",
    {  # what the variant `fixed` still has
        **{
            arch: DEFECTS[arch] for arch in ("arm64", "loongarch", "riscv", "x86")
        },  # other instructions are mended there
        "csky": {
            "probe_atomic_mid": ({"hit", "livelock"}, LOOP),
            "foreign_break": ({"hit", "claimed", "passed-on", "livelock"}, "SIGTRAP is sent, and the address stays"),
            "foreign_break_site": ({"hit", "claimed", "passed-on", "livelock"}, "the same, in the slot"),
        },
        "mips": {
            name: it for name, it in DEFECTS["mips"].items() if name not in ("probe_delay_nop", "probe_likely_site")
        },
    },
)


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


def check(found, arch, site, defects, refused=REFUSED):
    if site in refused[arch] | BUG:
        assert found is None
        return
    assert found is not None
    outcomes, calls = found
    expected, why = defects.get(site, ({"hit"}, ""))
    assert outcomes == expected, why
    if expected == {"hit"}:
        assert calls == ["pre", "post"] * CALLS


@pytest.mark.parametrize(("arch", "site"), of("mainline"))
def test_a_probe_changes_nothing_but_for_the_known_defects(probed, arch, site):
    check(probed(arch, site), arch, site, DEFECTS[arch])


@pytest.mark.parametrize(("arch", "site"), of("fixed"))
def test_what_the_variant_fixed_mends(probed, arch, site):
    check(probed(arch, site, "fixed"), arch, site, MENDED[arch], REFUSED_MENDED)


@pytest.mark.parametrize("arch", ARCHS)
def test_every_listed_site_exists(arch):
    listed = REFUSED[arch] | set(DEFECTS[arch]) | set(MENDED[arch])
    assert listed <= set(sites(arch))
