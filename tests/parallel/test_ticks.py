"""The clock that looks at what runs, beside interrupts that are held."""

import signal
import threading
import time

import pytest

from emu.parallel.interrupts import Interrupted, Signals, signals_interrupt
from emu.parallel.ticks import ticking
from tests.parallel.test_interrupts import module

pytestmark = pytest.mark.usefixtures("interruptible")
EVERY = 0.01
LONG = 10.0  # until a test that would hang fails


def spin_until(done):
    end = time.monotonic() + LONG
    while not done() and time.monotonic() < end:
        pass
    return done()


def test_it_is_called_with_the_frame_that_runs():
    names = []
    with ticking(lambda frame: names.append(frame.f_code.co_name), EVERY):
        assert spin_until(lambda: len(names) > 3)
    assert set(names) <= {"spin_until", "<lambda>", "test_it_is_called_with_the_frame_that_runs"}


def test_an_interrupt_that_was_held_comes_and_the_clock_goes_on():
    ticks = []
    with signals_interrupt(Signals()), ticking(lambda frame: ticks.append(frame), 1000):
        with pytest.raises(Interrupted):
            module(marked=True).call(lambda: signal.raise_signal(signal.SIGINT))
            time.sleep(LONG)
        assert ticks == []
        assert signal.getitimer(signal.ITIMER_REAL)[1] == 1000


def test_one_that_is_still_held_at_its_end_comes_afterwards():
    with signals_interrupt(Signals()), pytest.raises(Interrupted):
        with ticking(lambda frame: None, 1000):
            module(marked=True).call(lambda: signal.raise_signal(signal.SIGINT))
            signal.setitimer(signal.ITIMER_REAL, 0)
        time.sleep(LONG)


def test_it_leaves_a_sigalrm_of_somebody_else_alone():
    def theirs(number, frame):
        pass

    before = signal.signal(signal.SIGALRM, theirs)
    try:
        with ticking(lambda frame: None, EVERY):
            assert signal.getsignal(signal.SIGALRM) is theirs
            assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_it_does_not_run_in_another_thread():
    seen = []

    def other():
        with ticking(lambda frame: None, EVERY):
            seen.append(signal.getsignal(signal.SIGALRM))

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert seen == [signal.SIG_DFL]
