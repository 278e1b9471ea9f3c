"""A ^C that comes while a hook runs: it is not lost, and the step that it cut short does not count as one."""

import signal
import time

import pytest

import arches
from emu.machine.cpu import Trap
from emu.machine.memory import Memory
from emu.machine.unicorn.cpu import UnicornCpu
from emu.parallel.interrupts import Signals, signals_interrupt

TEXT = 0x10000
BREAKS = {"arm64": "800020d4", "mips": "cd800000", "x86": "cc"}  # on RISC-V ebreak comes to no hook


def at_break(arch):
    memory = Memory()
    memory.add("text", TEXT, 0x1000, executable=True)
    memory.write(TEXT, bytes.fromhex(BREAKS[arch]))
    cpu = arches.load(arch).make_cpu()(0, memory)
    cpu.pc = TEXT
    return cpu


@pytest.mark.parametrize("arch", BREAKS)
def test_the_commands_do_not_raise_it_there_at_all(monkeypatch, interruptible, arch):
    """The step is as it would have been without, and the interrupt comes right after it."""
    hook = UnicornCpu._on_interrupt

    def pressed(self, engine, number, data):
        signal.raise_signal(signal.SIGINT)
        hook(self, engine, number, data)

    monkeypatch.setattr(UnicornCpu, "_on_interrupt", pressed)
    cpu, stopped = at_break(arch), None
    before = signal.getsignal(signal.SIGINT)
    with signals_interrupt(Signals()), pytest.raises(KeyboardInterrupt):
        stopped = cpu.step()
        time.sleep(5)
    assert isinstance(stopped, Trap)
    assert stopped.pc == TEXT
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("arch", BREAKS)
def test_an_interrupt_in_a_hook_is_raised_by_the_step(monkeypatch, arch):
    hook, pressed = UnicornCpu._on_interrupt, [False, True]  # the last one first

    def interrupted(self, engine, number, data):
        if pressed.pop():
            raise KeyboardInterrupt
        hook(self, engine, number, data)

    monkeypatch.setattr(UnicornCpu, "_on_interrupt", interrupted)
    cpu = at_break(arch)
    with pytest.raises(KeyboardInterrupt):
        cpu.step()
    cpu.pc = TEXT
    stopped = cpu.step()
    assert isinstance(stopped, Trap)
    assert stopped.pc == TEXT
