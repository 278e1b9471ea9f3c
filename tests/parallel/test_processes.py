"""Processes that a ^C does not reach, and the parent that it reaches afterwards."""

import os
import signal

import pytest

from emu.parallel.processes import Forking, Spawning, interrupts_held


def blocked():
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def press_and_say():
    """Ends by itself, with 3, if no interrupt reaches it."""
    os.kill(os.getpid(), signal.SIGINT)
    os._exit(3 if blocked() else 4)


@pytest.mark.parametrize("context", [Forking, Spawning])
def test_an_interrupt_does_not_reach_them(context):
    process = context().Process(target=press_and_say)
    process.start()
    process.join()
    assert process.exitcode == 3
    assert not blocked()


def test_one_that_comes_meanwhile_comes_afterwards():
    done = []
    with pytest.raises(KeyboardInterrupt):
        with interrupts_held():
            signal.raise_signal(signal.SIGINT)  # to this thread: other tests may have left some that do not block it
            done.append(blocked())
        done.append("never")
    assert done == [True]
    assert not blocked()
