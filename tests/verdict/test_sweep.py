"""The sweep over all words: nothing lost, nothing counted twice, whatever happens to the workers."""

import json
import multiprocessing
from dataclasses import replace

import pytest

from emu.errors import TraplineError, UsageError, WorkerError
from emu.parallel.pool import Death
from emu.verdict import sweep as module
from emu.verdict.rules import RuleTable
from emu.verdict.sweep import SweepJob, processes, sweep, sweep_chunk, sweep_halfwords

TABLE = RuleTable.parse(
    """
a      ff000000  12000000  reject    all    -   2^24 words
b      f000000f  10000005  simulate  ..6.2  go  2^24 words, less 2^20 that are a's
c      ffffffff  00000000  reject    6.2..  -   one
d      00000003  00000003  simulate  6.3..  go  a quarter of what is left
other  00000000  00000000  step      all    -   the rest
""",
    "t",
)
WORDS = 2**29  # of an eighth of the space; the whole of it is in test_sweep_exhaustive
JOB = SweepJob(TABLE, ((6, 1), None), chunks=64, space=range(0x2000))
D = 2**27 - 2**22
COUNTS = {"a": 2**24, "c": 1, "d": D, "other": WORDS - 2**24 - 1 - D}  # by hand; d less a quarter of a's
B = 2**24 - 2**20  # less a's
DIFFERING = 1 + D + B  # c, d that no release had before, and b which now steps: no word is two of these


@pytest.fixture
def quick(monkeypatch):
    """Chunks whose words are not looked at one by one: what is tested is who gets which."""
    seen = []

    def fake(job, chunk):
        seen.append(chunk)
        return module.ChunkResult(chunk, {"other": len(job.blocks(chunk)) * 65536}, 1)

    monkeypatch.setattr(module, "sweep_chunk", fake)
    return seen


class Losing:
    """A crew of this process that loses some workers, those of odd chunks when the work was done. `times` has how many
    each of the unlucky chunks costs."""

    def __init__(self, function, times):
        self._function, self._times, self._begun = function, dict(times), []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def free(self):
        return len(self._begun) < 3

    def busy(self):
        return bool(self._begun)

    def begin(self, number, piece):
        self._begun.append((number, piece))

    def wait(self):
        pass

    def take(self):
        number, chunk = self._begun.pop()
        if self._times.get(chunk, 0):
            self._times[chunk] -= 1
            if chunk % 2:
                self._function(chunk)
            return [(number, Death("SIGKILL"))]
        return [(number, self._function(chunk))]

    def stop(self):
        self._begun = []
        return []


def losing(**times):
    return lambda function: Losing(function, {int(chunk[1:]): number for chunk, number in times.items()})


def test_every_word_once():
    report = sweep(JOB)
    assert report.counts == COUNTS
    assert sum(report.counts.values()) == WORDS == JOB.words
    assert report.differing == DIFFERING == sum(d.count for d in JOB.differences())
    assert (report.resumed, report.lost) == (0, None)
    assert report.words_per_second == pytest.approx(WORDS / report.seconds)


@pytest.mark.parametrize("space", [range(65536), range(0x1234, 0x2345)], ids=str)
@pytest.mark.parametrize("chunks", [1, 3, 64, 1000])
def test_chunks_are_all_blocks_once(chunks, space):
    job = replace(JOB, chunks=chunks, space=space)
    assert [upper for chunk in range(chunks) for upper in job.blocks(chunk)] == list(space)
    assert job.words == len(space) * 65536


def test_without_a_limit_it_is_every_word():
    assert SweepJob(TABLE).words == 2**32


@pytest.mark.parametrize("chunks", [0, -1, 8193])
def test_numbers_of_chunks_that_make_no_sense(chunks):
    with pytest.raises(UsageError, match=f"{chunks} chunks: expected 1 to 8192"):
        replace(JOB, chunks=chunks)


@pytest.mark.parametrize("space", [range(0), range(5, 5), range(0, 8, 2), range(-1, 5), range(65537)], ids=str)
def test_spaces_that_are_none(space):
    with pytest.raises(UsageError, match="expected upper halves from 0 to 0xffff"):
        replace(JOB, space=space, chunks=1)


def test_a_chunk_is_what_its_words_are():
    job = replace(JOB, chunks=512)
    result = sweep_chunk(job, 0x120)
    assert result.counts == {"a": 2**20, "c": 0, "d": 0, "other": 0}
    assert sweep_chunk(job, 0).differing == 1 + 2**18  # c, and one word in four


def test_one_release_compares_with_nothing():
    job = replace(JOB, releases=((6, 1),), chunks=512)
    assert sweep_chunk(job, 0x100).differing == 0
    assert list(job.differences()) == []


def test_actions_count_when_asked_for():
    table = RuleTable.parse("b  f0000000  10000000  simulate  ..6.2  go  why\n" + LATER, "t")
    job = SweepJob(table, ((6, 1), None))
    assert list(job.differences()) == []
    assert sum(d.count for d in replace(job, actions=True).differences()) == 2**28


LATER = "b  f0000000  10000000  simulate  6.2..  went  why\nother  00000000  00000000  step  all  -  why"


def test_halfwords():
    counts, differing = sweep_halfwords(JOB, [half for half in range(0x1_0000) if half & 3 != 3])
    assert counts == {"a": 0, "c": 1, "d": 0, "other": 49151}
    assert differing == [(0, "other", "c")]
    assert sweep_halfwords(replace(JOB, releases=(None,)), [0])[1] == []


def test_lost_chunks_are_tried_again_and_count_once(quick):
    report = sweep(JOB, losing(c0=1, c3=1, c6=1, c63=1))
    assert report.counts == {"a": 0, "c": 0, "d": 0, "other": WORDS}
    assert (report.differing, report.lost) == (64, None)
    assert sorted(quick) == sorted([*range(64), 3, 63])  # done and lost, then done and kept


def test_progress_is_told_of_every_chunk_and_never_goes_back(quick):
    told = []
    sweep(JOB, losing(c3=1), progress=lambda done, total: told.append((done, total)))
    assert told == [(n * WORDS // 64, WORDS) for n in range(65)]


def test_a_chunk_that_never_comes_back_is_named_and_the_others_are_counted(quick, tmp_path):
    report = sweep(JOB, losing(c5=2), journal=tmp_path / "journal")
    assert report.lost == "chunk 5 ended its worker twice (SIGKILL)"
    assert report.words == report.counts["other"] == 63 * WORDS // 64
    again = sweep(JOB, journal=tmp_path / "journal")
    assert (again.lost, again.words, again.resumed) == (None, WORDS, 63)


def test_of_many_lost_chunks_one_is_named(quick):
    report = sweep(JOB, losing(**{f"c{chunk}": 2 for chunk in range(10)}))
    assert report.lost.endswith("ended its worker twice (SIGKILL), and 9 more did")
    assert report.words == 54 * WORDS // 64


def test_workers_that_cannot_be_had_any_more_leave_what_is_counted(quick):
    class Gone(Losing):
        def take(self):
            if len(quick) == 7:
                raise WorkerError("the scheduler is gone")
            return super().take()

    report = sweep(JOB, lambda function: Gone(function, {}))
    assert (report.lost, report.words) == ("the scheduler is gone", 7 * WORDS // 64)


def test_an_error_in_the_input_is_not_tried_again(monkeypatch):
    def fake(_job, chunk):
        raise TraplineError(f"chunk {chunk}")

    monkeypatch.setattr(module, "sweep_chunk", fake)
    with pytest.raises(TraplineError, match="chunk"):
        sweep(JOB, processes(1))


def test_a_result_that_does_not_add_up_is_not_counted(monkeypatch):
    monkeypatch.setattr(module, "sweep_chunk", lambda _job, chunk: module.ChunkResult(chunk, {"other": 5}, 0))
    report = sweep(JOB)
    assert (report.lost, report.words) == ("chunk 0: 5 words: expected 8388608", 0)


def test_a_sweep_goes_on_where_it_was_stopped(quick, tmp_path):
    journal = tmp_path / "journal.json"

    def interrupt(done, total):
        if done == 7 * total // 64:
            raise KeyboardInterrupt

    first = sweep(JOB, losing(), progress=interrupt, journal=journal)
    assert (first.words, sum(first.counts.values())) == (7 * WORDS // 64, 7 * WORDS // 64)
    done = {int(chunk) for chunk in json.loads(journal.read_text())["done"]}
    assert len(done) == 7
    quick.clear()
    told = []
    report = sweep(JOB, journal=journal, progress=lambda words, _: told.append(words))
    assert set(quick) == set(range(64)) - done
    assert len(quick) == 64 - len(done)
    assert (report.counts["other"], report.differing, report.resumed) == (WORDS, 64, len(done))
    assert told[0] == len(done) * WORDS // 64
    quick.clear()
    again = sweep(JOB, journal=journal)
    assert (again.counts, again.differing, again.resumed, quick) == (report.counts, report.differing, 64, [])
    assert list(tmp_path.iterdir()) == [journal]


OTHER_JOBS = [
    replace(JOB, chunks=32),
    replace(JOB, releases=((6, 2), None)),
    replace(JOB, releases=(None,)),
    replace(JOB, actions=True),
    replace(JOB, space=range(0x1000)),
    replace(JOB, features=frozenset({"r6"})),
    replace(JOB, table=RuleTable.parse("other  00000000  00000000  step  all  -  why", "t")),
]


@pytest.mark.parametrize("other", OTHER_JOBS, ids=range(len(OTHER_JOBS)))
def test_the_journal_of_another_sweep_is_refused(quick, tmp_path, other):
    journal = tmp_path / "journal.json"
    sweep(JOB, journal=journal)
    with pytest.raises(UsageError, match="the journal of another sweep"):
        sweep(other, journal=journal)


def test_a_killed_process_loses_nothing():
    """A worker process is killed in the middle: another one does its chunk."""
    killed = []

    def kill_one(done, _total):
        if done and not killed:
            victim = multiprocessing.active_children()[0]
            victim.kill()
            killed.append(victim.pid)

    report = sweep(replace(JOB, chunks=128), processes(2), progress=kill_one)
    assert killed
    assert report.lost is None
    assert (report.counts, report.differing) == (COUNTS, DIFFERING)
