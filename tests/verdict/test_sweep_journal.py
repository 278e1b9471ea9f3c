"""The journal of a sweep: believed only as far as it can be checked, and never a reason to lose what is counted."""

import errno
import hashlib
import json
import os
import re
import stat

import pytest

from emu.errors import UsageError, WorkerError
from emu.verdict.sweep_journal import ChunkResult, Journal, Shape

SHAPE = Shape("this job", {0: 100, 1: 100, 2: 50}, {"a", "b"})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal"


@pytest.fixture
def written(path):
    """A journal with two of three chunks."""
    journal = Journal.open(path, SHAPE)
    journal.add(ChunkResult(0, {"a": 60, "b": 40}, 7))
    journal.add(ChunkResult(2, {"a": 50, "b": 0}, 0))
    return path


def signed(content):
    """As somebody would write it who knows the format: the checksum is right."""
    content = {key: value for key, value in content.items() if key != "checksum"}
    return {**content, "checksum": hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()}


def test_what_was_kept_is_there_again(written):
    journal = Journal.open(written, SHAPE)
    assert journal.words == 150
    assert journal.done == {0: ChunkResult(0, {"a": 60, "b": 40}, 7), 2: ChunkResult(2, {"a": 50, "b": 0}, 0)}
    assert json.loads(written.read_text()) == signed(json.loads(written.read_text()))


ALTERED = {
    "a digit": lambda text: text.replace('"differing": 7', '"differing": 8'),
    "from one row to another": lambda text: text.replace('"a": 60, "b": 40', '"a": 61, "b": 39'),
    "another chunk": lambda text: text.replace('"2": {', '"1": {'),
    "no checksum": lambda text: text.replace('"checksum"', '"checksom"'),
    "a list for a checksum": lambda text: re.sub(r'"checksum": "\w+"', '"checksum": []', text),
    "a chunk less": lambda text: re.sub(r', "2": \{.*?\}, "differing": 0\}', "", text),
}


@pytest.mark.parametrize("alter", ALTERED.values(), ids=ALTERED)
def test_an_altered_journal_is_refused(written, alter):
    text = written.read_text()
    assert alter(text) != text
    written.write_text(alter(text))
    with pytest.raises(UsageError, match=f"^{written}: damaged: its .*: expected the journal of this sweep"):
        Journal.open(written, SHAPE)


FORGED = {
    "a float": ({"0": {"counts": {"a": 60.0, "b": 40}, "differing": 7}}, "chunk 0: a: 60.0: expected a whole number"),
    "true": ({"0": {"counts": {"a": True, "b": 99}, "differing": 7}}, "chunk 0: a: True: expected a whole number"),
    "negative": ({"0": {"counts": {"a": 140, "b": -40}, "differing": 7}}, "chunk 0: b: -40: expected a whole number"),
    "a text": ({"0": {"counts": {"a": "60", "b": 40}, "differing": 7}}, "chunk 0: a: '60': expected a whole number"),
    "negative differing": ({"0": {"counts": {"a": 100}, "differing": -1}}, "chunk 0: differing: -1: expected"),
    "more than there are": ({"0": {"counts": {"a": 100}, "differing": 101}}, "101 words differ: expected at most 100"),
    "an unknown row": ({"0": {"counts": {"c": 100}, "differing": 0}}, "chunk 0: 'c': expected a row of the table"),
    "too few": ({"0": {"counts": {"a": 99}, "differing": 0}}, "chunk 0: 99 words: expected 100"),
    "an unknown chunk": ({"3": {"counts": {"a": 100}, "differing": 0}}, "chunk 3: expected one of 3"),
    "no number": ({"x": {"counts": {"a": 100}, "differing": 0}}, "chunk x: no number of a chunk"),
    "two spellings": ({"00": {"counts": {"a": 100}, "differing": 0}}, "chunk 00: no number of a chunk"),
    "another digit": ({"\u0660": {"counts": {"a": 100}, "differing": 0}}, "no number of a chunk"),
    "a list": ({"0": [1, 2]}, "chunk 0: its parts are not counts and differing"),
    "no counts": ({"0": {"differing": 7}}, "chunk 0: its parts are not counts and differing"),
    "more": ({"0": {"counts": {"a": 100}, "differing": 0, "x": 1}}, "chunk 0: its parts are not counts and differing"),
    "no chunks": ([], "its parts are not schema, job, done and checksum"),
}


@pytest.mark.parametrize(("done", "complaint"), FORGED.values(), ids=FORGED)
def test_numbers_that_cannot_be_are_refused_though_the_checksum_is_right(path, done, complaint):
    path.write_text(json.dumps(signed({"schema": "trapline.sweep-journal/2", "job": "this job", "done": done})))
    with pytest.raises(UsageError, match=f"^{path}: damaged: .*{re.escape(complaint)}"):
        Journal.open(path, SHAPE)


NO_JOURNALS = {
    "nothing": (b"", "no journal: Expecting value"),
    "half": (b'{"schema": "trapline.sweep-journal/2", "job"', "no journal: "),
    "a list": (b"[]", "no journal: no JSON object"),
    "another object": (b"{}", "no journal: its schema is not trapline.sweep-journal/2"),
    "the first format": (
        b'{"schema": "trapline.sweep-journal/1", "job": "this job", "done": {}}',
        "no journal: its schema is not",
    ),
    "bytes": (b"\xff\x00\xfe", "no journal: "),
    "lists in lists": (b"[" * 100_000, "no journal: lists in lists"),
    "an infinity": (b'{"a": Infinity}', "damaged: Infinity is no number"),
    "twice": (b'{"job": 1, "job": 1}', "damaged: a key is there twice"),
    "a long number": (b'{"a": ' + b"9" * 5000 + b"}", "no journal: "),
}


@pytest.mark.parametrize(("data", "complaint"), NO_JOURNALS.values(), ids=NO_JOURNALS)
def test_what_is_no_journal_is_refused_and_left_as_it_is(path, data, complaint):
    path.write_bytes(data)
    with pytest.raises(UsageError, match=f"^{path}: {re.escape(complaint)}") as caught:
        Journal.open(path, SHAPE)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == data


def test_the_journal_of_another_sweep_is_named_so(written):
    with pytest.raises(UsageError, match="the journal of another sweep"):
        Journal.open(written, Shape("another job", SHAPE.sizes, SHAPE.rows))


# Files


def test_a_fifo_is_refused_at_once(path):
    os.mkfifo(path)
    with pytest.raises(UsageError, match=f"^{path}: expected a regular file"):
        Journal.open(path, SHAPE)


@pytest.mark.parametrize("name", ["/dev/full", "/dev/zero", "/"])
def test_devices_and_directories_are_refused(name, path):
    with pytest.raises(UsageError, match=f"^{name}: expected a regular file"):
        Journal.open(type(path)(name), SHAPE)


@pytest.mark.parametrize("name", ["no such folder/journal", "file/journal", "x" * 6000])
def test_where_none_can_be_written_is_said_before_the_work(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="expected a file that can be written"):
        Journal.open(tmp_path / name, SHAPE)


def test_a_folder_that_cannot_be_written_to_is_said_before_the_work(path, monkeypatch):
    monkeypatch.setattr("tempfile.mkstemp", full(errno.EROFS))
    with pytest.raises(UsageError, match="Read-only file system: expected a file that can be written"):
        Journal.open(path, SHAPE)


def test_a_journal_that_is_complete_need_not_be_writable(written, monkeypatch):
    Journal.open(written, SHAPE).add(ChunkResult(1, {"a": 100}, 0))
    monkeypatch.setattr("tempfile.mkstemp", full(errno.EROFS))
    assert Journal.open(written, SHAPE).words == 250


def full(number):
    def refused(*_, **__):
        raise OSError(number, os.strerror(number))

    return refused


def test_a_full_disk_is_said_once_and_loses_nothing(written, monkeypatch):
    said = []
    journal, before = Journal.open(written, SHAPE, said.append), written.read_text()
    monkeypatch.setattr("os.replace", full(errno.ENOSPC))
    journal.add(ChunkResult(1, {"a": 100}, 0))
    journal.add(ChunkResult(1, {"a": 100}, 0))
    assert journal.words == 250
    assert len(said) == 1
    assert said[0].startswith(f"{written}: No space left on device: the sweep goes on")
    assert written.read_text() == before
    assert os.listdir(written.parent) == [written.name]


def test_nobody_can_know_the_name_of_the_new_file_before(written, monkeypatch):
    """It is made anew (O_EXCL), with a name that is another one each time."""
    made, real = [], os.open

    def opened(name, flags, *rest, **more):
        made.append((name, flags))
        return real(name, flags, *rest, **more)

    monkeypatch.setattr("os.open", opened)
    journal = Journal.open(written, SHAPE)
    journal.add(ChunkResult(1, {"a": 100}, 0))
    assert len({name for name, _ in made}) == 2
    assert all(flags & os.O_EXCL and flags & os.O_CREAT for _, flags in made)
    assert {os.path.dirname(name) for name, _ in made} == {str(written.parent)}
    assert stat.S_ISREG(written.lstat().st_mode)


def test_a_result_that_cannot_be_right_is_not_kept(path):
    journal = Journal.open(path, SHAPE)
    with pytest.raises(WorkerError, match="chunk 0: 5 words: expected 100"):
        journal.add(ChunkResult(0, {"a": 5}, 0))
    assert journal.done == {}
