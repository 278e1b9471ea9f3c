"""A slice of each kind of input, always the same one; `tools/fuzz KIND --count N` is for long runs."""

from __future__ import annotations

from random import Random

import pytest

from emu.isa import keystone_text
from fuzz import harness
from fuzz.harness import Case, cases, complaint, run
from fuzz.kinds import KINDS
from fuzz.signals import interrupted

SLICE = {"elf": 20, "words": 30, "lines": 20, "command": 40, "asm": 15}
SLICE |= {"bulk": 2, "schedules": 20, "scenarios": 20, "journals": 8}


def test_every_kind_has_a_slice():
    assert SLICE.keys() == KINDS.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_a_slice(kind, monkeypatch):
    monkeypatch.setattr(keystone_text, "SECONDS", 0.5)  # of each text that the assembler hangs on
    assert [f"{failure.what}: {failure.case}" for failure in run(cases(KINDS[kind], SLICE[kind], seed=1))] == []


def test_signals():
    assert [found for number in range(4) if (found := interrupted(Random(number)))[1]] == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_is_an_input(kind):
    assert cases(KINDS[kind], 3, seed=5) == cases(KINDS[kind], 5, seed=5)[:3]


@pytest.mark.parametrize(
    ("ends", "what"),
    [
        ("import os; os.kill(os.getpid(), 9)", "the process is gone"),
        ("import os; os._exit(0)", "the process is gone"),
        ("while True: pass", "hangs"),
        ("raise KeyError('x')", "traceback: KeyError"),
        ("import sys; print('one\\ntwo', file=sys.stderr); return 2", "not one line"),
        ("print('\\x1b[31m'); return 0", "control characters"),
        ("return 77", "exit status 77"),
    ],
)
def test_what_goes_wrong_is_noticed_and_the_next_input_is_run(monkeypatch, ends, what):
    """The second of three inputs does it."""
    scope = {}
    exec(f"def bad():\n    {ends}\n", scope)
    monkeypatch.setattr(harness, "main", lambda arguments: scope["bad"]() if arguments == ["bad"] else 0)
    monkeypatch.setattr(harness, "SECONDS", 1)
    (failure,) = run([Case(("good",)), Case(("bad",)), Case(("good",))])
    assert failure.number == 1 and failure.what.startswith(what)


def test_one_line_is_what_bad_input_gives():
    assert complaint(2, b"", "trapline: word 'x': expected y\n") == ""
    assert complaint(2, b"", "") and complaint(2, b"", "trapline: a\nb\n") and complaint(2, b"", "trapline: \x1b\n")
