"""Workers of this machine: what a dead one costs, and what ends them all."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from threading import Timer

import pytest

from emu.errors import UsageError, WorkerError
from emu.parallel.local import Processes, how, plain
from emu.parallel.pool import Death, Lost, answers

ROOT = Path(__file__).parents[2]


def work(folder, piece):
    """What a piece says: a number is squared, a name is done; a file of the folder tells what was done before."""
    seen = folder / f"{piece}"
    first = not seen.exists()
    seen.touch()
    if piece == "dies" or (piece == "dies once" and first):
        os.kill(os.getpid(), signal.SIGKILL)
    if piece == "leaves":
        os._exit(0)
    if piece == "is wrong":
        raise UsageError("wrong")
    if piece == "stops":
        raise KeyboardInterrupt
    if piece == "gives what cannot be sent":
        return lambda: None
    if piece == "sleeps":
        time.sleep(100)
    return piece * piece if isinstance(piece, int) else piece


def done(folder, pieces, processes=2):
    with Processes(plain(partial(work, folder)), processes) as crew:
        return dict(answers(crew, pieces))


@pytest.mark.parametrize("processes", [1, 2, 9])
def test_every_piece_has_its_answer(tmp_path, processes):
    assert done(tmp_path, range(20), processes) == {number: number * number for number in range(20)}


def test_a_worker_that_dies_costs_its_piece_and_nothing_else(tmp_path):
    found = done(tmp_path, [1, "dies", 2, "leaves", 3])
    assert found == {0: 1, 1: Lost("SIGKILL"), 2: 4, 3: Lost("exit status 0"), 4: 9}


def test_a_piece_is_tried_again_once(tmp_path):
    assert done(tmp_path, ["dies once", 5]) == {0: "dies once", 1: 25}


def test_a_worker_that_dies_with_nothing_to_do_costs_no_piece():
    with Processes(plain(abs), 1) as crew:
        assert dict(answers(crew, [-1])) == {0: 1}
        [idle] = multiprocessing.active_children()
        idle.kill()
        idle.join()
        assert dict(answers(crew, [-2], lambda piece, death, times: None)) == {0: 2}


def test_what_is_noted_last_is_known_after_a_death():
    def make(side):
        def piece(number):
            side.note(("before", number))
            side.note(("about to", number))
            os._exit(number)

        return piece

    deaths = []
    with Processes(make, 1) as crew:
        assert dict(answers(crew, [3], lambda piece, death, times: deaths.append(death))) == {0: Lost("exit status 3")}
    assert deaths == [Death("exit status 3", ("about to", 3))]


@pytest.mark.parametrize(
    ("piece", "error", "message"),
    [
        ("is wrong", UsageError, "wrong"),
        ("stops", WorkerError, "KeyboardInterrupt"),
        ("gives what cannot be sent", WorkerError, "expected one that can be sent"),
    ],
)
def test_what_a_piece_raises_is_raised_here(tmp_path, piece, error, message):
    with pytest.raises(error, match=message):
        done(tmp_path, [piece])


def test_an_interrupt_gives_up_what_is_under_way_and_keeps_what_is_done(tmp_path, interruptible):
    found = {}
    Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    with Processes(plain(partial(work, tmp_path)), 2) as crew, pytest.raises(KeyboardInterrupt):
        for number, answer in answers(crew, [1, "sleeps", 2, "sleeps"]):
            found[number] = answer
    assert found == {0: 1, 2: 4}
    assert multiprocessing.active_children() == []


PARENT = """
import os, sys, time
from emu.parallel.local import Processes, plain
from emu.parallel.pool import answers

def work(piece):
    os.write(1, b"begun\\n")
    time.sleep(100)

with Processes(plain(work), 2) as crew:
    list(answers(crew, [1, 2]))
"""


@pytest.mark.parametrize("how_it_ends", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP], ids=lambda one: one.name)
def test_workers_end_with_their_parent(how_it_ends):
    """They hold its standard output, which ends when the last of them does."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, cwd=ROOT, preexec_fn=default_signals
    )
    assert parent.stdout.read(12) == b"begun\n" * 2
    parent.send_signal(how_it_ends)
    began = time.monotonic()
    parent.communicate(timeout=30)
    assert time.monotonic() - began < 10
    assert parent.returncode == -how_it_ends


def default_signals():
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda one: one.name)
def test_signals_of_a_whole_terminal_or_job_do_not_reach_workers(number):
    with Processes(plain(lambda piece: os.kill(os.getpid(), number) or "alive"), 1) as crew:
        assert dict(answers(crew, [0])) == {0: "alive"}


def test_how_a_process_ended():
    assert [how(0), how(7), how(-9), how(-64), how(-50)] == [
        "exit status 0",
        "exit status 7",
        "SIGKILL",
        "SIGRTMAX",
        "signal 50",
    ]


def test_no_process_to_be_had_is_one_line(monkeypatch):
    def refused(self):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("multiprocessing.context.ForkProcess.start", refused)
    with Processes(plain(len), 2) as crew, pytest.raises(WorkerError, match="Resource temporarily unavailable"):
        list(answers(crew, ["a"]))
