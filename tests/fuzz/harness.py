"""Inputs by the thousand: `emu.cli.main` in forked processes, a batch in each, and what must never come of any.

A process that dies or hangs is that input's fault; the next one continues behind it. Nothing here knows what an answer
should be: only that there is one, or one line that says what is wrong.
"""

from __future__ import annotations

import io
import json
import os
import select
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from emu.cli import main

BATCH = 50  # inputs in one process
SECONDS = 60  # for one input
LONGEST_MESSAGE = 1500
SAID = 4096  # bytes of standard error that are kept
STATUSES = (0, 1, 2, 3)  # see emu.cli.status; nobody interrupts here, and 70 is a mistake of trapline's own


@dataclass(frozen=True)
class Case:
    """A command line, standard input, and files; `{folder}` in an argument is where they are."""

    arguments: tuple[str, ...]
    stdin: bytes = b""
    files: Mapping[str, bytes] = field(default_factory=dict)

    def __str__(self) -> str:
        files = "".join(f" {name}={data[:4000]!r}" for name, data in self.files.items())
        return f"{' '.join(map(repr, self.arguments))} stdin={self.stdin[:400]!r}{files}"


Generator = Callable[[Random], Case]


@dataclass(frozen=True)
class Failure:
    number: int
    what: str
    case: Case


def cases(generator: Generator, count: int, seed: int) -> list[Case]:
    """The inputs of a seed; the first ones are the same whatever the count."""
    return [generator(Random(f"{seed}:{number}")) for number in range(count)]


def run(inputs: list[Case]) -> Iterator[Failure]:
    """What went wrong, as it is found."""
    first = 0
    with tempfile.TemporaryDirectory() as folder:
        while first < len(inputs):
            last = min(first + BATCH, len(inputs))
            done = first
            for number, what in _batch(inputs, first, last, Path(folder)):
                if what:
                    yield Failure(number, what, inputs[number])
                done = number + 1
            first = done


def _batch(inputs: list[Case], first: int, last: int, folder: Path) -> Iterator[tuple[int, str]]:
    """Numbers and what is wrong with each; it ends early behind an input that took the process with it."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.setsid()  # what it starts is ended with it
        _in_child(inputs[first:last], folder, writer)
    os.close(writer)
    number, pending, what = first, b"", "hangs"
    while number < last:
        ready, _, _ = select.select([reader], [], [], SECONDS)
        piece = os.read(reader, 1 << 16) if ready else b""
        if not piece:
            what = "hangs" if not ready else "the process is gone"
            break
        pending += piece
        *lines, pending = pending.split(b"\n")
        for line in lines:
            yield number, json.loads(line)
            number += 1
    os.close(reader)
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if number < last:
        yield number, f"{what} (wait status {status})"


def _in_child(inputs: list[Case], folder: Path, writer: int) -> None:
    """Never returns."""
    try:
        for case in inputs:
            os.write(writer, json.dumps(judged(case, folder)).encode() + b"\n")
    finally:
        os._exit(0)


def judged(case: Case, folder: Path) -> str:
    """What is wrong with the outcome of one input, "" if nothing is."""
    for name, data in case.files.items():
        (folder / name).write_bytes(data)
    arguments = [argument.replace("{folder}", str(folder)) for argument in case.arguments]
    status, out, err = _outcome(arguments, case.stdin)
    return complaint(status, out, err)


def _outcome(arguments: list[str], stdin: bytes) -> tuple[object, bytes, str]:
    before, saved = (sys.stdin, sys.stdout, sys.stderr), os.dup(2)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        os.dup2(err.fileno(), 2)
        sys.stdin = io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8")
        sys.stdout = io.TextIOWrapper(out, encoding="utf-8", write_through=True)
        sys.stderr = io.TextIOWrapper(err, encoding="utf-8", errors="backslashreplace", write_through=True)
        status: object
        try:
            status = main(arguments)
            sys.stdout.flush()
        except SystemExit as stopped:
            status = stopped.code
        except BaseException:
            traceback.print_exc()
            status = "an exception"
        sys.stderr.flush()
        out.seek(0)
        err.seek(0)
        said = out.read(), err.read(SAID).decode("utf-8", "backslashreplace")
        sys.stdout.detach()
        sys.stderr.detach()
    sys.stdin, sys.stdout, sys.stderr = before
    os.dup2(saved, 2)
    os.close(saved)
    return status, *said


def complaint(status: object, out: bytes, err: str) -> str:
    """What is wrong with an exit status and what was printed, "" if nothing is."""
    if "Traceback" in err:
        return f"traceback: {err.strip().splitlines()[-1][:300]}"
    if status not in STATUSES:
        return f"exit status {status}: {err[:300]!r}"
    if status == 2 and not (err.startswith("trapline") and err.endswith("\n") and err[:-1].isprintable()):
        return f"not one line: {err[:300]!r}"
    if status == 2 and len(err) > LONGEST_MESSAGE:
        return f"a message of {len(err)} characters: {err[:100]!r}"
    if any((byte < 32 and byte not in b"\n\t") or byte == 127 for byte in out):
        return f"control characters: {out[:200]!r}"
    return ""


def report(kind: str, generator: Generator, count: int, seed: int) -> list[Failure]:
    """Run them, print what goes wrong and a line of counts."""
    begun, found = time.monotonic(), []
    kinds: Counter[str] = Counter()
    for start in range(0, count, 1000):
        part = [generator(Random(f"{seed}:{number}")) for number in range(start, min(start + 1000, count))]
        for failure in run(part):
            found.append(failure)
            kinds[failure.what[:60]] += 1
            print(f"{kind} {start + failure.number}: {failure.what}\n  {failure.case}", flush=True)
        done = min(start + 1000, count)
        print(f"{kind}: {done} inputs, {len(found)} failures, {time.monotonic() - begun:.0f} s", flush=True)
    for what, number in kinds.most_common():
        print(f"{number:6} {what}")
    return found
