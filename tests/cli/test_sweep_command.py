"""`trapline sweep`: sums that the masks themselves give, and the facts' exhaustive counts."""

import json

import pytest

import arches
import emu.isa.sweep as engine
from emu.cli import main


def swept(capsys, *arguments):
    assert main(["sweep", *arguments, "--jobs", "1", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_arm64_counts_are_what_the_masks_leave_free(capsys):
    """Rows that overlap no row before them have 2^(free bits) words each; MOPS probes are refused since 6.13."""
    report = swept(capsys, "arm64", "--version", "6.1", "--against", "6.13", "--list", "3")
    assert (report["words"], report["complete"]) == (2**32, True)
    assert sum(report["rows"].values()) == 2**32
    assert report["rows"]["exception"] == 2**24  # ff000000
    assert report["rows"]["adr"] == 2**26  # 9f000000
    assert report["rows"]["ret"] == 2**5  # fffffc1f
    assert report["rows"]["mops"] == 2**24  # 3b200c00: eight fixed bits
    # 0xd503201f is simulated since 6.13 (one word), ldr literals by another routine since 6.12 (2^25 words).
    assert report["differing"] == 2**24 + 2**25 + 1
    assert len(report["differences"]) == 3


@pytest.mark.parametrize(("version", "step", "simulate", "reject"), [(None, 42945, 6206, 1), ("6.1", 39936, 0, 9216)])
def test_riscv_halfwords_are_counted_as_the_facts_have_them(capsys, version, step, simulate, reject):
    """Facts, RISC-V section 5: the 49152 compressed halfwords, newest RV64 and v6.1.0."""
    report = swept(capsys, "riscv", *(["--version", version] if version else []))
    rules = {rule.name: rule.verdict.value for rule in arches.load("riscv").rules.in_force((6, 1) if version else None)}
    totals = {"step": 0, "simulate": 0, "reject": 0}
    for name, count in report["halfwords"].items():
        totals[rules[name]] += count
    assert totals == {"step": step, "simulate": simulate, "reject": reject}


def test_csky_refuses_nothing(capsys):
    report = swept(capsys, "csky")
    assert report["verdicts"]["reject"] == 0
    assert sum(report["halfwords"].values()) == 0xC000  # a first halfword below 0xc000 is a whole instruction


def test_x86_is_refused_in_one_line(capsys):
    assert main(["sweep", "x86"]) == 2
    assert (
        capsys.readouterr().err
        == "trapline: sweep x86: its instructions are not words; expected another architecture\n"
    )


def test_an_interrupted_sweep_prints_what_it_has(capsys, monkeypatch):
    chunks = []
    real = engine.sweep_chunk

    def interrupted(job, chunk):
        chunks.append(chunk)
        if len(chunks) == 3:
            raise KeyboardInterrupt
        return real(job, chunk)

    monkeypatch.setattr(engine, "sweep_chunk", interrupted)
    assert main(["sweep", "loongarch", "--jobs", "1"]) == 130
    output, message = capsys.readouterr()
    assert message.endswith(f"trapline: interrupted: {2 * 2**24} of {2**32} words are counted\n")
    assert f"{2 * 2**24} words: " in output
    assert f"not complete: interrupted, {254 * 2**24} words are not counted" in output


def test_a_journal_of_another_job_is_refused(capsys, tmp_path):
    journal = tmp_path / "journal"
    swept(capsys, "loongarch", "--resume", str(journal))
    assert main(["sweep", "mips", "--jobs", "1", "--resume", str(journal)]) == 2
    assert str(journal) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["arm64", "--version", "x"], "release 'x': expected a Linux release such as 6.1 or v6.18"),
        (["arm64", "--feature", "octeon"], "feature 'octeon': expected none on arm64"),
    ],
)
def test_bad_input_is_one_line(capsys, arguments, message):
    assert main(["sweep", *arguments]) == 2
    assert capsys.readouterr().err == f"trapline: {message}\n"
