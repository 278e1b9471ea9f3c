"""What a comparison says in words: from cells that are made up, and from those of one architecture."""

import pytest

from emu.explore.report import Report, Seen
from emu.kernel.outcome import Outcome
from emu.lab.cells import Cell, Settings
from emu.lab.compare import Searched
from emu.report.conclusion import conclusion
from emu.scenarios.registry import RACE, find_scenario

SCENARIO = find_scenario(RACE)
DIES = Report(executions=4, complete=True, outcomes={Outcome.OOPS: Seen(1, ("cpu0",))})
SPINS = Report(executions=4, complete=True, outcomes={Outcome.LIVELOCK: Seen(1, ("cpu0",))})
WRONG = Report(executions=4, complete=True, outcomes={Outcome.WRONG_RESULT: Seen(1, ("cpu0",))})
LIVES = Report(executions=4, complete=True)
BOUNDED = Report(executions=4, complete=True, bound=1)
LIMITED = Report(executions=4, limit=4)


def said(cells):
    """The sentences about cells `(arch, variant, patching, preempt): report`, on one line."""
    settings = {Settings(SCENARIO, *key): report for key, report in cells.items()}
    text = conclusion(Searched(list(settings), [Cell(key, report) for key, report in settings.items()]))
    assert max(map(len, text.splitlines())) <= 80
    return " ".join(text.splitlines())


@pytest.mark.parametrize(
    ("report", "fate"),
    [
        (DIES, "can die"),
        (SPINS, "can die"),
        (LIVES, "cannot die"),
        (WRONG, "cannot die"),  # a wrong result is no death
        (BOUNDED, "may or may not die"),
        (LIMITED, "may or may not die"),
    ],
)
def test_what_is_said_of_one_cell(report, fate):
    assert said({("mips", "mainline", "stop_machine", "none"): report}) == (
        f"Patched by stop_machine, mainline {fate} on mips."
    )


def test_a_policy_that_is_the_kernels_own_is_said_first():
    """MIPS patches live, RISC-V by stop_machine (arch/riscv/kernel/probes/kprobes.c)."""
    cells = {("mips", "mainline", "live", "none"): DIES, ("riscv", "mainline", "live", "none"): LIVES}
    assert said(cells) == (
        "Patched as each kernel does it itself, mainline can die on mips. Patched live, mainline can die on mips."
    )


def test_a_preemption_setting_is_named_where_it_decides():
    cells = {("mips", "seed", "stop_machine", preempt): LIVES for preempt in ("none", "full")}
    cells |= {("csky", "mainline", "text_poke", preempt): DIES for preempt in ("none", "full")}
    assert "seed cannot die on mips." in said(cells)
    assert "mainline can die on csky." in said(cells)
    cells["mips", "seed", "stop_machine", "full"] = DIES
    cells["csky", "seed", "stop_machine", "none"] = cells["csky", "seed", "stop_machine", "full"] = DIES
    assert "Patched by stop_machine, seed can die on csky and on mips with preempt full." in said(cells)


def test_variants_of_which_the_same_is_to_be_said_stand_together():
    cells = {("riscv", variant, "live", "none"): DIES for variant in ("seed", "mainline")}
    cells["riscv", "fixed", "live", "none"] = LIVES
    assert said(cells) == "Patched live, seed and mainline can die on riscv; fixed cannot die on riscv."


def test_what_is_not_known_is_said_beside_what_is():
    cells = {("riscv", "seed", "live", "none"): DIES, ("x86", "seed", "live", "none"): BOUNDED}
    assert said(cells) == "Patched live, seed can die on riscv, may or may not die on x86."


def comparison(**reports):
    """What is said of the comparison: `arch=(without, with)`, patched live."""
    cells = {}
    for arch, (without, with_it) in reports.items():
        cells[arch, "recheck", "live", "none"], cells[arch, "no-recheck", "live", "none"] = with_it, without
    return said(cells)


def test_whom_the_comparison_saves():
    assert comparison(riscv=(DIES, LIVES)) == "The word comparison saves riscv patched live."
    assert comparison(mips=(DIES, DIES)) == "The word comparison does not save mips patched live."
    assert comparison(x86=(DIES, BOUNDED)) == "The word comparison may or may not save x86 patched live."
    assert comparison(x86=(LIMITED, DIES)) == "The word comparison may or may not save x86 patched live."
    nobody = "The word comparison saves nobody: none of them dies without it."
    assert comparison(csky=(LIVES, LIVES)) == nobody
    assert comparison(riscv=(DIES, LIVES), csky=(LIVES, LIVES), mips=(DIES, SPINS)) == (
        "The word comparison saves riscv patched live; it does not save mips patched live. Nobody else dies without it."
    )


def test_the_comparison_needs_both_variants():
    assert said({("riscv", "no-recheck", "live", "none"): DIES}) == "Patched live, no-recheck can die on riscv."
