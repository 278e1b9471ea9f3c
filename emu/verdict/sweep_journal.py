"""What is already known of a sweep, chunk by chunk, in memory and in a file that survives the sweep.

The file is JSON, `{"schema", "job", "done": {chunk: {"counts", "differing"}}}`, and is replaced as a whole after every
chunk, so that at any moment it is either the old state or the new one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emu.errors import UsageError, WorkerError

SCHEMA = "trapline.sweep-journal/1"


@dataclass(frozen=True)
class ChunkResult:
    """What one chunk came to: words by the name of the row that decides, and how many differ."""

    chunk: int
    counts: Mapping[str, int]
    differing: int


@dataclass
class Journal:
    """The finished chunks of a job. `sizes` is the number of words in each chunk; `path` None keeps no file."""

    path: Path | None
    job: str
    sizes: Mapping[int, int]
    done: dict[int, ChunkResult] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path | None, job: str, sizes: Mapping[int, int]) -> Journal:
        """The journal in a file, empty where there is none. UsageError for one that is broken or another job's."""
        journal = cls(path, job, sizes)
        if path is not None and path.exists():
            journal._load(path)
        return journal

    @property
    def words(self) -> int:
        """How many words are done."""
        return sum(self.sizes[chunk] for chunk in self.done)

    def add(self, result: ChunkResult) -> None:
        """Keep a chunk's result, once. WorkerError if it does not account for every word of the chunk."""
        if sum(result.counts.values()) != self.sizes[result.chunk]:
            raise WorkerError(
                f"chunk {result.chunk}: {sum(result.counts.values())} words: expected {self.sizes[result.chunk]}"
            )
        if result.chunk not in self.done:
            self.done[result.chunk] = result
            self._save()

    def _save(self) -> None:
        if self.path is None:
            return
        done = {str(r.chunk): {"counts": dict(r.counts), "differing": r.differing} for r in self.done.values()}
        text = json.dumps({"schema": SCHEMA, "job": self.job, "done": done})
        beside = self.path.with_name(f"{self.path.name}.{os.getpid()}.new")
        try:
            beside.write_text(text, encoding="utf-8")
            os.replace(beside, self.path)
        except OSError as error:
            raise UsageError(f"{self.path}: {error.strerror}: expected a file that can be written") from None

    def _load(self, path: Path) -> None:
        data = _read(path)
        if data.get("schema") != SCHEMA or data.get("job") != self.job:
            raise UsageError(f"{path}: the journal of another sweep: expected this job's (remove it to start anew)")
        try:
            results = [ChunkResult(int(n), dict(r["counts"]), int(r["differing"])) for n, r in data["done"].items()]
            whole = all(sum(r.counts.values()) == self.sizes[r.chunk] for r in results)
        except (KeyError, TypeError, ValueError, AttributeError):
            whole = False
        if not whole:
            raise UsageError(f"{path}: damaged: expected every chunk's counts to sum up to its words")
        self.done = {result.chunk: result for result in results}


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: {error}: expected the journal of a sweep") from None
    if not isinstance(data, dict):
        raise UsageError(f"{path}: expected the journal of a sweep, a JSON object")
    return data
