"""What is already known of a sweep, chunk by chunk, in memory and in a file that survives the sweep.

The file is JSON, `{"schema", "job", "done": {chunk: {"counts", "differing"}}, "checksum"}`, and is replaced as a whole
after every chunk, so that at any moment it is either the old state or the new one. It is believed only as far as it can
be checked: the checksum is of all that is in it, and every number must be one that this job can have.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emu.errors import UsageError, WorkerError
from emu.parallel.interrupts import interrupts_held

SCHEMA = "trapline.sweep-journal/2"
EXPECTED = "expected the journal of this sweep, as it was written (remove it to start anew)"


@dataclass(frozen=True)
class ChunkResult:
    """What one chunk came to: words by the name of the row that decides, and how many differ."""

    chunk: int
    counts: Mapping[str, int]
    differing: int


@dataclass(frozen=True)
class Shape:
    """What a job's journal can hold: its name, the number of words in each chunk, the names of its rows."""

    job: str
    sizes: Mapping[int, int]
    rows: Collection[str]


@dataclass
class Journal:
    """The finished chunks of a job. `path` None keeps no file. `warn` is told once that the file cannot be kept up."""

    path: Path | None
    shape: Shape
    warn: Callable[[str], None] = lambda message: None
    done: dict[int, ChunkResult] = field(default_factory=dict)
    _warned: bool = False

    @classmethod
    def open(cls, path: Path | None, shape: Shape, warn: Callable[[str], None] = lambda message: None) -> Journal:
        """The journal in a file, empty where there is none. UsageError for one that is broken or another job's, and
        where none can be written."""
        journal = cls(path, shape, warn)
        if path is not None:
            journal.done = _load(path, shape)
            if len(journal.done) < len(shape.sizes):
                journal._try_to_write(path)
        return journal

    @property
    def words(self) -> int:
        """How many words are done."""
        return sum(self.shape.sizes[chunk] for chunk in self.done)

    def add(self, result: ChunkResult) -> None:
        """Keep a chunk's result, once. WorkerError if it does not account for every word of the chunk."""
        wrong = _what_is_wrong(result, self.shape)
        if wrong is not None:
            raise WorkerError(wrong)
        if result.chunk not in self.done:
            self.done[result.chunk] = result
            self._save()

    def _save(self) -> None:
        """A file that cannot be written (a full disk) is no reason to lose the counts: they go on without it."""
        if self.path is None:
            return
        try:
            _replace(self.path, self._text())
        except OSError as error:
            if not self._warned:
                self._warned = True
                self.warn(
                    f"{self.path}: {error.strerror}: the sweep goes on, but the file lacks what it counts from here"
                )

    def _text(self) -> str:
        done = {str(r.chunk): {"counts": dict(r.counts), "differing": r.differing} for r in self.done.values()}
        content = {"schema": SCHEMA, "job": self.shape.job, "done": done}
        return json.dumps({**content, "checksum": _checksum(content)})

    @staticmethod
    def _try_to_write(path: Path) -> None:
        """A folder that is missing or cannot be written to is better noticed before the work."""
        try:
            number, beside = _beside(path)
            os.close(number)
            os.unlink(beside)
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}: expected a file that can be written") from None


def _beside(path: Path) -> tuple[int, str]:
    """A new file in the same folder, of a name that nobody can know before."""
    return tempfile.mkstemp(prefix=".trapline-", suffix=".new", dir=path.parent)


def _replace(path: Path, text: str) -> None:
    """All of it or nothing; nothing half-written stays."""
    with interrupts_held():
        number, beside = _beside(path)
        try:
            with os.fdopen(number, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(beside, path)
        except OSError:
            with suppress(OSError):
                os.unlink(beside)
            raise


def _checksum(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


# Reading


def _load(path: Path, shape: Shape) -> dict[int, ChunkResult]:
    try:
        path.lstat()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}: expected a file that can be written") from None
    try:
        if not path.is_file():  # a FIFO would wait for ever, and a device may have no end
            raise UsageError(f"{path}: expected a regular file")
        return _checked(path.read_bytes(), shape)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}: expected the journal of a sweep") from None
    except _NoJournalError as error:
        raise UsageError(f"{path}: {error}: {EXPECTED}") from None


class _NoJournalError(Exception):
    """What is wrong with it."""


def _checked(data: bytes, shape: Shape) -> dict[int, ChunkResult]:
    content = _parsed(data)
    if content.get("schema") != SCHEMA:
        raise _NoJournalError(f"no journal: its schema is not {SCHEMA}")
    if set(content) != {"schema", "job", "done", "checksum"} or not isinstance(content["done"], dict):
        raise _NoJournalError("damaged: its parts are not schema, job, done and checksum")
    if content.pop("checksum") != _checksum(content):
        raise _NoJournalError("damaged: its checksum is of something else")
    if content["job"] != shape.job:
        raise _NoJournalError("the journal of another sweep")
    results = [_result(chunk, said) for chunk, said in content["done"].items()]
    for result in results:
        if (wrong := _what_is_wrong(result, shape)) is not None:
            raise _NoJournalError(f"damaged: {wrong}")
    return {result.chunk: result for result in results}


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        content = json.loads(data, object_pairs_hook=_once, parse_constant=_no_number)
    except RecursionError:
        raise _NoJournalError("no journal: lists in lists in lists") from None
    except ValueError as error:  # also of the encoding
        raise _NoJournalError(f"no journal: {error}") from None
    if not isinstance(content, dict):
        raise _NoJournalError("no journal: no JSON object")
    return content


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _NoJournalError("damaged: a key is there twice")
    return found


def _no_number(text: str) -> None:
    raise _NoJournalError(f"damaged: {text} is no number")


def _result(chunk: str, said: Any) -> ChunkResult:
    if not isinstance(said, dict) or set(said) != {"counts", "differing"} or not isinstance(said["counts"], dict):
        raise _NoJournalError(f"damaged: chunk {chunk:.20}: its parts are not counts and differing")
    if not chunk.isascii() or not chunk.isdigit() or str(int(chunk)) != chunk:
        raise _NoJournalError(f"damaged: chunk {chunk:.20}: no number of a chunk")
    return ChunkResult(int(chunk), said["counts"], said["differing"])


def _what_is_wrong(result: ChunkResult, shape: Shape) -> str | None:
    """With a chunk's result, wherever it comes from; None if it can be right."""
    where, size = f"chunk {result.chunk}", shape.sizes.get(result.chunk)
    if size is None:
        return f"{where}: expected one of {len(shape.sizes)}"
    for what, number in (*result.counts.items(), ("differing", result.differing)):
        if type(number) is not int or number < 0:
            return f"{where}: {what:.40}: {number!r:.40}: expected a whole number, at least 0"
    unknown = next((row for row in result.counts if row not in shape.rows), None)
    if unknown is not None:
        return f"{where}: {unknown!r:.40}: expected a row of the table"
    if sum(result.counts.values()) != size:
        return f"{where}: {sum(result.counts.values())} words: expected {size}"
    return f"{where}: {result.differing} words differ: expected at most {size}" if result.differing > size else None
