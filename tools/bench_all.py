"""How fast trapline is here: every speed that was promised, in one run and one table.

All of it is measured in CPU seconds of this process, and beside each measurement a loop of plain Python is timed. What
a thing costs in turns of that loop can be compared between machines, and between a busy hour and an idle one; the
speeds themselves cannot. This is a report for people: no test waits for a number of it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

if __package__ in (None, ""):  # started as a file: the project's root is not on the path yet
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import arches
from emu.cli.parser import positive
from emu.explore.search import explore
from emu.lab.cells import Settings
from emu.machine.cpu import Cpu
from emu.report.text import table
from emu.scenarios.registry import find_scenario
from emu.verdict.sweep import SweepJob, sweep
from tools.bench_interp import prepared

LOOP = 20_000  # turns at a time
Work = Callable[[], int]
"""Does some of it and says how much that was."""


@dataclass(frozen=True)
class Subject:
    """Something to measure: how much work a second; `bound` is what the project wants on an idle core."""

    name: str
    unit: str
    bound: int | None
    prepare: Callable[[], Work]


@dataclass(frozen=True)
class Speed:
    """`per_second` units of work; `turns` of the plain loop take as long as one of them."""

    subject: Subject
    per_second: float
    turns: float


def plain_loop() -> int:
    """What everything is compared with: LOOP turns of integer arithmetic."""
    value = 0
    for turn in range(LOOP):
        value = (value * 31 + turn) & 0xFFFFFFFF
    return LOOP


def rate(work: Work, seconds: float) -> float:
    """Units a CPU second, over at least that many seconds and at least once, after a warm-up."""
    work()
    done, start = 0, time.process_time()
    while (elapsed := time.process_time() - start) < seconds or not done:
        done += work()
    return done / elapsed


def measure(subject: Subject, seconds: float) -> Speed:
    """The plain loop is timed before and after."""
    work = subject.prepare()
    before = rate(plain_loop, seconds / 4)
    speed = rate(work, seconds)
    loop = (before + rate(plain_loop, seconds / 4)) / 2
    return Speed(subject, speed, loop / speed)


def executions(patching: str) -> Work:
    """Complete executions of the two-CPU seed scenario on ARM64."""
    laboratory = Settings(find_scenario("unregister_vs_hit"), "arm64", patching=patching).laboratory()
    return lambda: explore(laboratory, limit=50).executions


def interpreted() -> Work:
    """LoongArch64 instructions in `InterpCpu.run`."""
    cpu = prepared()

    def run(instructions: int = 5_000) -> int:
        cpu.run(instructions)
        return instructions

    return run


def unicorn_steps() -> Work:
    """Single steps of one warm engine: the loop of the firmware, on ARM64."""
    cpu = endless_guest()

    def steps(number: int = 500) -> int:
        for _ in range(number):
            cpu.step()
        return number

    return steps


def endless_guest() -> Cpu:
    world = Settings(find_scenario("two_cpus_hit"), "arm64").laboratory()()
    for task in world.tasks.values():
        task.close()
    machine = world.lab.kernel.machine
    machine.reset()
    machine.start(machine.cpus[0], 0, "probe_ret", 1 << 40)
    return machine.cpus[0]


def swept_words() -> Work:
    """Words that ARM64's newest rules are asked about, in this process; a part of the space at a time."""
    rules = arches.load("arm64").probing.rules
    assert rules is not None, "ARM64's instructions are words"
    part = 0x40  # upper halves: 4 M words
    starts = (number * part % 0x10000 for number in count())

    def words() -> int:
        start = next(starts)
        job = SweepJob(rules, chunks=1, space=range(start, start + part))
        return sweep(job).words

    return words


SUBJECTS = (
    Subject("explore arm64 live", "executions/s", 2_000, lambda: executions("live")),
    Subject("explore arm64 stop_machine", "executions/s", 2_000, lambda: executions("stop_machine")),
    Subject("InterpCpu loongarch", "instructions/s", 500_000, interpreted),
    Subject("UnicornCpu arm64 step", "steps/s", None, unicorn_steps),
    Subject("sweep arm64, one process", "words/s", None, swept_words),
)


def report(speeds: Sequence[Speed]) -> str:
    rows = [
        [
            speed.subject.name,
            f"{speed.per_second:,.0f} {speed.subject.unit}",
            f"{1e6 / speed.per_second:,.3f}",
            f"{speed.turns:,.2f}",
            f"{speed.subject.bound:,}" if speed.subject.bound is not None else "-",
        ]
        for speed in speeds
    ]
    return table(("what", "speed", "us each", "in turns of a plain loop", "wanted, on an idle core"), rows)


STARTS = {"--help": 0.1, "opcode riscv 0x8532": 0.25}  # command: CPU seconds that the project wants


def starts() -> str:
    """What a command costs that does next to nothing, as a table."""
    rows = [
        [f"trapline {line}", f"{cpu_seconds(line.split()):.2f} s", f"{wanted} s"] for line, wanted in STARTS.items()
    ]
    return table(("command", "CPU time", "wanted"), rows)


def cpu_seconds(arguments: Sequence[str]) -> float:
    """The least of a few processes'."""
    return min(_cpu_seconds([sys.executable, "-m", "emu.cli", *arguments]) for _ in range(3))


def _cpu_seconds(command: Sequence[str]) -> float:
    before = os.times()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tools/bench", description=__doc__.partition("\n")[0])
    parser.add_argument("--milliseconds", type=positive, default=2000, metavar="N", help="for each; default 2000")
    options = parser.parse_args(arguments)
    print(report([measure(subject, options.milliseconds / 1000) for subject in SUBJECTS]))
    print(f"\n{starts()}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
