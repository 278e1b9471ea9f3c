"""The benchmark runs and its table adds up; how fast anything is, no test asks."""

import re

import pytest

from tools import bench_all


def number(text):
    return float(text.replace(",", ""))


def test_the_table(capsys):
    assert bench_all.main(["--milliseconds", "1"]) == 0
    lines, start = (part.splitlines() for part in capsys.readouterr().out.split("\n\n"))
    rows = [re.split(r" {2,}", line) for line in lines[2:]]
    assert [row[0] for row in rows] == [subject.name for subject in bench_all.SUBJECTS]
    for row, subject in zip(rows, bench_all.SUBJECTS, strict=True):
        speed, unit = row[1].split()
        assert unit == subject.unit
        assert number(row[2]) == pytest.approx(1e6 / number(speed), rel=0.01, abs=0.001)
        assert number(row[3]) > 0
        assert row[4] == ("-" if subject.bound is None else f"{subject.bound:,}")
    assert [line.rpartition("  ")[2] for line in start[2:]] == ["0.1 s", "0.25 s"]
    assert all(number(re.split(r" {2,}", line)[1].removesuffix(" s")) > 0 for line in start[2:])


@pytest.mark.parametrize("subject", bench_all.SUBJECTS, ids=lambda subject: subject.name)
def test_work_says_how_much_it_did(subject):
    work = subject.prepare()
    assert work() == work() > 0


def test_rates_and_turns(monkeypatch):
    """A clock that goes 1 s with each look: two pieces of work in 3 s."""
    clock = iter(range(1000))
    monkeypatch.setattr(bench_all.time, "process_time", lambda: next(clock))
    assert bench_all.rate(lambda: 5, 3) == pytest.approx(10 / 3)
    subject = bench_all.Subject("x", "things/s", None, lambda: lambda: 8)
    speed = bench_all.measure(subject, 2)
    assert speed.per_second == pytest.approx(8 / 2)
    assert speed.turns == pytest.approx(bench_all.LOOP / 2 / speed.per_second)


@pytest.mark.parametrize("given", ["0", "-1", "fast"])
def test_bad_lengths(given, capsys):
    with pytest.raises(SystemExit) as exit:
        bench_all.main(["--milliseconds", given])
    assert exit.value.code == 2
    assert "expected a whole number, at least 1" in capsys.readouterr().err
