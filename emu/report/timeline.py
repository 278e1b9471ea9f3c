"""Timelines: what each task did in one execution, a column for each, time going down.

An instruction of a guest that no other task can influence or observe tells nothing about an interleaving. A run of them
is one line, unless all are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from emu.kernel.state import Event

WIDTH = 80  # of a terminal
GAP = 2  # blanks between columns


def timeline(events: Sequence[Event], tasks: Sequence[str], *, every: bool = False) -> str:
    """One column per task, and one event a line."""
    shown = list(events) if every else list(folded(events))
    texts = {task: [task, *(event.text for event in shown if event.task == task)] for task in tasks}
    starts = columns([max(map(len, texts[task])) for task in tasks], [len(task) for task in tasks])
    heading = "".join(task.ljust(end - start) for task, start, end in zip(tasks, starts, [*starts[1:], 0], strict=True))
    lines = [" " * starts[tasks.index(event.task)] + event.text for event in shown]
    return "\n".join(line.rstrip() for line in [heading, *lines])


def columns(widths: Sequence[int], names: Sequence[int]) -> list[int]:
    """Where each column starts: side by side, or closer together if that does not fit.

    Columns may overlap, as no two events share a line, but the names above them may not.
    """
    if sum(widths) + GAP * (len(widths) - 1) <= WIDTH:
        steps = [width + GAP for width in widths[:-1]]
    else:
        even = (WIDTH - widths[-1]) // max(1, len(widths) - 1)
        steps = [max(name + GAP, even) for name in names[:-1]]
    return [sum(steps[:number]) for number in range(len(widths))]


def folded(events: Sequence[Event]) -> Iterator[Event]:
    """The events, with one line for each run of instructions that nobody else can see.

    The last one before something else than an instruction (a trap, a fault) is that something's cause, so it stays.
    """
    done = 0
    for (task, unseen), group in groupby(events, lambda event: (event.task, event.unseen)):
        run = list(group)
        done += len(run)
        after = next((event for event in events[done:] if event.task == task), None)
        causes = unseen and after is not None and not after.place
        hidden, shown = (run[:-1], run[-1:]) if causes else (run, [])
        if unseen and len(hidden) > 1:
            to = f"to {shown[0].place if shown else after.place}" if after is not None else f"up to {run[-1].place}"
            yield Event(task, f"... {len(hidden)} instructions {to}", unseen=True)
            yield from shown
        else:
            yield from run
