"""`trapline sweep`: sums that the masks themselves give, and the facts' exhaustive counts.

All 2^32 words take five to thirty seconds an architecture and are `exhaustive`; the others sweep 2^20 words, or count
halfwords and leave the words uncounted.
"""

import json
import re

import pytest

import arches
import emu.verdict.sweep as engine
from emu.cli import main


def swept(capsys, *arguments):
    assert main(["sweep", *arguments, "--jobs", "1", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def uncounted(monkeypatch):
    """Chunks whose words are all taken for one row's, at once: what is tested is what the command does with them."""

    def chunk_of(job, chunk):
        return engine.ChunkResult(chunk, {job.table.rules[-1].name: len(job.blocks(chunk)) << 16}, 0)

    monkeypatch.setattr(engine, "sweep_chunk", chunk_of)


def test_a_slice_of_arm64_is_what_the_masks_leave_free():
    """2^20 words with upper halves 0x1900 to 0x190f: MOPS, 3b200c00 19000400, leaves 14 of 16 lower bits free there."""
    job = engine.SweepJob(arches.load("arm64").probing.rules, ((6, 1), (6, 13)), chunks=16, space=range(0x1900, 0x1910))
    report = engine.sweep(job)
    assert report.counts["mops"] == report.differing == 2**18
    assert sum(report.counts.values()) == 2**20


@pytest.mark.exhaustive
def test_arm64_counts_are_what_the_masks_leave_free(capsys):
    """Rows that overlap no row before them have 2^(free bits) words each; MOPS probes are refused since 6.13."""
    report = swept(capsys, "arm64", "--release", "6.1", "--against", "6.13", "--list", "3")
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
def test_riscv_halfwords_are_counted_as_the_facts_have_them(capsys, uncounted, version, step, simulate, reject):
    """Facts, RISC-V section 5: the 49152 compressed halfwords, newest RV64 and v6.1.0."""
    report = swept(capsys, "riscv", *(["--release", version] if version else []))
    rules = {
        rule.name: rule.verdict.value
        for rule in arches.load("riscv").probing.rules.in_force((6, 1) if version else None)
    }
    totals = {"step": 0, "simulate": 0, "reject": 0}
    for name, count in report["halfwords"].items():
        totals[rules[name]] += count
    assert totals == {"step": step, "simulate": simulate, "reject": reject}
    assert (report["words"], report["complete"]) == (2**32, True)


def test_a_csky_halfword_below_0xc000_is_a_whole_instruction(capsys, uncounted):
    assert sum(swept(capsys, "csky")["halfwords"].values()) == 0xC000


@pytest.mark.exhaustive
def test_csky_refuses_nothing(capsys):
    assert swept(capsys, "csky")["verdicts"]["reject"] == 0


@pytest.mark.exhaustive
def test_x86_opcodes(capsys):
    """INT and UD are refused since 6.9; both counts are of the whole list."""
    report = swept(capsys, "x86", "--release", "6.1", "--against", "6.9", "--list", "100000")
    assert report["complete"] and sum(report["rows"].values()) == sum(report["verdicts"].values()) == report["words"]
    assert report["words"] > 50_000
    assert report["differing"] == len(report["differences"])
    found = {one["words"]: (one["old"], one["new"]) for one in report["differences"]}
    assert {word for word in found if len(word) == 2} == {"ce", "f1"}  # cc was refused before
    assert {"0f0b", "cd00", "66f1", "0fb9c0", "0fff"} <= set(found)
    # call *reg returned to the wrong place until 6.8
    assert {new for _, new in found.values()} == {"ud0", "ud1", "ud2", "int", "int1", "into", "call_reg"}


def test_x86_interrupted(capsys, monkeypatch):
    def interrupt(n, of):
        raise KeyboardInterrupt

    monkeypatch.setattr("emu.cli.encoding_sweep.ProgressLine.show", lambda *_: interrupt(0, 0))
    assert main(["sweep", "x86", "--json"]) == 130
    output, message = capsys.readouterr()
    report = json.loads(output)
    assert (report["words"], report["complete"]) == (1024, False)
    assert "interrupted: 1024 of " in message


@pytest.mark.exhaustive
def test_x86_for_people(capsys):
    assert main(["sweep", "x86", "--release", "5.12", "--against", "5.13", "--list", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(re.fullmatch(r"\d+ encodings: reject \d+, simulate \d+, step \d+", line) for line in lines)
    assert any(re.fullmatch(r"iret +reject +\d+", line) for line in lines)


def test_x86_is_not_remembered(capsys):
    assert main(["sweep", "x86", "--resume", "x"]) == 2
    assert capsys.readouterr().err.endswith("expected no --cluster and no --resume\n")


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


def test_a_journal_of_another_job_is_refused(capsys, tmp_path, uncounted):
    journal = tmp_path / "journal"
    swept(capsys, "loongarch", "--resume", str(journal))
    assert main(["sweep", "mips", "--jobs", "1", "--resume", str(journal)]) == 2
    assert str(journal) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["arm64", "--release", "x"], "release 'x': expected a Linux release such as 6.1 or v6.18"),
        (["arm64", "--feature", "octeon"], "feature 'octeon': expected none on arm64"),
    ],
)
def test_bad_input_is_one_line(capsys, arguments, message):
    assert main(["sweep", *arguments]) == 2
    assert capsys.readouterr().err == f"trapline: {message}\n"
