"""Signals that ask for the end: one exception, held back where it would do harm, and a status for each."""

import signal
import threading
import time
from types import ModuleType

import pytest

from emu.parallel import interrupts
from emu.parallel.interrupts import (
    ENDING,
    Interrupted,
    Signals,
    interrupts_held,
    is_interrupt,
    signals_interrupt,
    until_interrupted,
)

pytestmark = pytest.mark.usefixtures("interruptible")
EACH = pytest.mark.parametrize("number", ENDING, ids=lambda number: number.name)


@pytest.fixture(autouse=True)
def as_it_was():
    before = {number: signal.getsignal(number) for number in (*ENDING, signal.SIGALRM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def blocked():
    return set(ENDING) & signal.pthread_sigmask(signal.SIG_BLOCK, ())


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_each_raises_the_same_and_has_its_own_status(name, status):
    signals = Signals()
    with pytest.raises(Interrupted), signals_interrupt(signals):
        signal.raise_signal(signal.Signals[name])
    assert signals.status(0) == status
    assert Signals().status(7) == 7


@EACH
def test_afterwards_all_is_as_before(number):
    signal.signal(number, signal.SIG_DFL)
    with signals_interrupt(Signals()):
        assert signal.getsignal(number) is not signal.SIG_DFL
    assert signal.getsignal(number) is signal.SIG_DFL


@EACH
def test_at_the_end_of_a_process_they_do_nothing_any_more(number):
    signal.signal(number, signal.SIG_DFL)
    with signals_interrupt(Signals(), to_the_end=True):
        pass
    signal.raise_signal(number)


@EACH
def test_one_that_the_process_was_started_to_ignore_stays_ignored(number):
    signal.signal(number, signal.SIG_IGN)
    signals = Signals()
    with signals_interrupt(signals):
        signal.raise_signal(number)
    assert signals.first is None


def test_one_that_was_blocked_from_the_start_comes_then():
    """As tools/trapline starts Python, which has a traceback for an interrupt while it begins."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    signal.raise_signal(signal.SIGTERM)
    with pytest.raises(Interrupted), signals_interrupt(Signals(), to_the_end=True):
        pytest.fail("it comes before anything else")
    assert not blocked()


def test_a_second_one_at_once_is_the_first_again_and_a_later_one_is_another(monkeypatch):
    """`timeout` sends its signal twice; a user who sees nothing happen presses again."""
    signals, came = Signals(), []
    with signals_interrupt(signals):
        with until_interrupted() as cut_short:
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGHUP)
        came.append(bool(cut_short))
        monkeypatch.setattr(interrupts, "SAME", 0.0)
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGINT)
    assert came == [True]
    assert signals.status(0) == 143


def test_what_is_held_comes_afterwards():
    done = []
    with pytest.raises(KeyboardInterrupt):
        with interrupts_held():
            signal.raise_signal(signal.SIGINT)
            done.append(len(blocked()))
        done.append("never")
    assert done == [3]
    assert not blocked()


def test_one_that_comes_when_holding_begins_leaves_nothing_blocked(monkeypatch):
    real = signal.pthread_sigmask

    def late(how, numbers):
        before = real(how, numbers)
        if how == signal.SIG_BLOCK and numbers:
            raise KeyboardInterrupt
        return before

    with monkeypatch.context() as patch:
        patch.setattr("signal.pthread_sigmask", late)
        with pytest.raises(KeyboardInterrupt), interrupts_held():
            pytest.fail("it comes before")
    assert not blocked()


def module(marked):
    """A module whose `call` calls something, and may say that this could be foreign code."""
    made = ModuleType("made")
    exec("def call(function):\n    return function()\n", made.__dict__)
    made.INTERRUPTS_WAIT = marked
    return made


@pytest.mark.parametrize("marked", [True, False])
def test_what_a_marked_module_calls_is_not_interrupted_but_what_comes_after_it(marked):
    done = []

    def called():
        signal.raise_signal(signal.SIGINT)
        done.append("whole")

    with signals_interrupt(Signals()), pytest.raises(Interrupted):
        module(marked).call(called)
        time.sleep(5)
    assert done == (["whole"] if marked else [])


def test_a_keyboard_interrupt_of_a_users_own_code_is_no_interrupt_where_signals_raise_another():
    assert is_interrupt(KeyboardInterrupt()) and is_interrupt(Interrupted())
    with signals_interrupt(Signals()):
        assert is_interrupt(Interrupted()) and not is_interrupt(KeyboardInterrupt())
    assert not is_interrupt(SystemExit())


def test_another_thread_changes_no_handlers():
    seen = []

    def other():
        with signals_interrupt(Signals()):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


def test_what_comes_while_an_object_goes_away_is_raised_behind_that():
    """Python drops what `__del__` raises, and the interrupt with it."""

    class Goes:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)
            gone.append(True)

    gone, signals = [], Signals()
    with signals_interrupt(signals), pytest.raises(Interrupted):
        Goes()
        assert gone == [True]
        time.sleep(5)
