"""Loops of a scenario's own without an await: ended with their line; what only takes its time is not."""

import multiprocessing
import re
import signal
import time

import pytest

from emu.blame import Endless
from emu.cli import main
from emu.errors import HandlerError
from emu.explore.schedulers import RoundRobin
from emu.lab import endless
from emu.lab.cells import Settings, explore_cell, run_once
from emu.lab.compare import explore_cells
from emu.lab.endless import endless_loops_end
from emu.scenarios.registry import find_scenario

HEAD = """
import time
from emu.explore.ops import load, wait
from emu.kernel.guest import run_guest
from emu.kernel.kprobes import register_kprobe
from emu.kernel.probe import Kprobe

"""
LIMIT = 0.3  # seconds, instead of 10


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(endless, "NO_AWAIT", LIMIT)


@pytest.fixture
def own(tmp_path):
    """Path of a scenario file, the number of the line in it that has LOOP, and the scenario's name."""

    def own(body):
        path, text = tmp_path / "own.py", HEAD.lstrip("\n") + body.strip("\n") + "\n"
        path.write_text(text.replace("LOOP", "while True: pass"))
        lines = [number for number, line in enumerate(text.splitlines(), 1) if "LOOP" in line]
        return f"{path}:{lines[0] if lines else 0}", f"{path}::scenario"

    return own


def settings(name):
    return Settings(find_scenario(name), "riscv", patching="live")


IN_A_TASK = """
def scenario(lab):
    async def code():
        await load("x")
        LOOP
    return {"cpu0": code()}
"""
BEFORE_THE_FIRST_AWAIT = """
def scenario(lab):
    async def code():
        LOOP
        await load("x")
    return {"cpu1": code()}
"""
IN_WHAT_A_TASK_CALLS = """
def helper():
    LOOP

def scenario(lab):
    async def code():
        await load("x")
        helper()
    return {"cpu0": code()}
"""
IN_A_HANDLER = """
def scenario(lab):
    def pre(p, regs):
        LOOP
    lab.boot(register_kprobe(lab.kernel, Kprobe(lab.symbol("probe_me"), pre_handler=pre)))
    return {"cpu0": run_guest(lab.cpus[0])}
"""
IN_A_NOTIFIER = """
def scenario(lab):
    def call(event, cpu, regs):
        LOOP
    lab.register_die_notifier("own", call, priority=1000)
    return {"cpu0": run_guest(lab.cpus[0], "foreign_break")}
"""
IN_A_PREDICATE = """
def ready():
    LOOP

def scenario(lab):
    async def code():
        await wait("x", ready)
    return {"cpu0": code()}
"""
WHERE_IT_IS_CLOSED = """
def scenario(lab):
    async def code():
        try:
            await wait("x", lambda: False)
        finally:
            LOOP
    return {"cpu0": code()}
"""


@pytest.mark.parametrize(
    ("body", "cpu"),
    [
        (IN_A_TASK, "cpu0"),
        (BEFORE_THE_FIRST_AWAIT, "cpu1"),
        (IN_WHAT_A_TASK_CALLS, "cpu0"),
        (IN_A_HANDLER, "cpu0"),
        (IN_A_NOTIFIER, "cpu0"),
        (IN_A_PREDICATE, "cpu0"),
        (WHERE_IT_IS_CLOSED, "cpu0"),
        (IN_A_TASK.replace("LOOP", "while True: time.sleep(0.001)  # LOOP"), "cpu0"),
        (IN_A_TASK.replace("LOOP", "while True: lab.kernel.machine.symbol('probe_me')  # LOOP"), "cpu0"),
        (IN_A_TASK.replace("LOOP", "while True: lab.kernel.machine.cpus[1].step()  # LOOP"), "cpu0"),
    ],
)
def test_a_loop_without_an_await_is_ended_with_its_line(own, body, cpu):
    place, name = own(body)
    expected = f"{place}: {cpu} has been there for 0.3 s without an await; expected it to end or to await something"
    for searches in (True, False):
        with pytest.raises(HandlerError) as error:
            explore_cell(settings(name)) if searches else run_once(settings(name), RoundRobin())
        assert str(error.value) == expected


def test_a_loop_that_catches_every_exception_is_ended_too(own):
    body = """
def scenario(lab):
    async def code():
        while True:
            try:
                await load("x")
                while True: pass  # LOOP
            except Exception:
                pass
    return {"cpu0": code()}
"""
    place, name = own(body)
    with pytest.raises(HandlerError, match=re.escape(f"{place}: cpu0 has been there")):
        explore_cell(settings(name))


def test_one_where_the_scenario_sets_up_is_ended(own):
    place, name = own("def scenario(lab):\n    LOOP")
    with pytest.raises(HandlerError) as error:
        explore_cell(settings(name))
    assert str(error.value) == f"{place}: {name} has been there for 0.3 s; expected it to return"


def test_one_where_the_file_is_imported_is_ended(own):
    place, name = own("LOOP")
    with pytest.raises(HandlerError) as error:
        find_scenario(name)
    assert str(error.value) == f"{place}: own.py has been there for 0.3 s; expected it to return"


def test_one_in_a_worker_is_ended(own):
    place, name = own(IN_A_TASK)
    cells = [settings(name), Settings(find_scenario(name), "mips", patching="live")]
    with pytest.raises(HandlerError, match=re.escape(f": {place}: cpu0 has been there for 0.3 s")):
        list(explore_cells(cells, None, None))
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(
    "command", ["run {} --arch riscv", "explore {} --arch riscv", "compare {} --arch riscv mips --patching live"]
)
def test_a_command_ends_with_one_line_and_2(own, capsys, command):
    place, name = own(IN_A_TASK)
    assert main(command.format(name).split()) == 2
    said = capsys.readouterr()
    assert said.out == ""
    line = said.err.splitlines()[-1]
    assert line.startswith("trapline: ") and line.endswith("expected it to end or to await something")
    assert f"{place}: cpu0 has been there for 0.3 s without an await" in line


# What is no loop


def test_many_steps_that_take_long_together_are_none(own):
    body = """
def scenario(lab):
    async def code():
        for _ in range(100):
            await load("x")
            time.sleep(0.01)
    return {"cpu0": code()}
"""
    _, name = own(body)
    begun = time.monotonic()
    run_once(settings(name), RoundRobin())
    assert time.monotonic() - begun > 3 * LIMIT


def test_many_worlds_whose_setting_up_takes_long_together_are_none(own):
    body = """
def scenario(lab):
    time.sleep(0.05)
    async def code():
        for _ in range(6):
            await load("x")
    return {"cpu0": code(), "cpu1": code()}
"""
    _, name = own(body)
    begun = time.monotonic()
    assert explore_cell(settings(name)).report.complete
    assert time.monotonic() - begun > 3 * LIMIT


def test_a_long_way_of_a_guest_is_none(own, monkeypatch):
    """Some 100,000 instructions in one step that code of others waits for, in many times the limit."""
    monkeypatch.setattr(endless, "NO_AWAIT", 0.01)
    body = """
def scenario(lab):
    async def code():
        await run_guest(lab.cpus[0], "probe_me", 10000)
    return {"cpu0": code()}
"""
    _, name = own(body)
    assert len(run_once(settings(name), RoundRobin()).schedule) == 1


def test_code_of_others_that_calls_a_search_is_none(own, monkeypatch):
    """This file is no part of trapline, and the step of the guest, which is nobody else's code, takes long."""
    monkeypatch.setattr(endless, "NO_AWAIT", 0.01)
    _, name = own('def scenario(lab):\n    return {"cpu0": run_guest(lab.cpus[0], "probe_me", 3000)}')
    assert explore_cell(settings(name)).report.executions == 1


# The clock


def test_it_stands_still_afterwards():
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(HandlerError, match=r"^there$"), endless_loops_end("it"):
        raise Endless("there")
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
