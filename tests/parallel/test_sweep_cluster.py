"""A sweep on a real Dask cluster of this machine, one worker of which is killed in the middle."""

import os
import signal

import pytest

from emu.errors import UsageError
from emu.parallel.dask import cluster
from emu.verdict.rules import RuleTable
from emu.verdict.sweep import SweepJob, sweep

distributed = pytest.importorskip("distributed", reason="Dask is not installed (extra trapline[cluster])")

TABLE = RuleTable.parse(
    """
a      ff000000  12000000  reject  6.2..  -  2^24 words
odd    00000001  00000001  reject  all    -  half of the rest
other  00000000  00000000  step    all    -  the other half
""",
    "t",
)
JOB = SweepJob(TABLE, ((6, 1), None), chunks=128, space=range(0x1000, 0x3000))
HALF = 2**28 - 2**23
pytestmark = pytest.mark.filterwarnings("default")  # Dask's own, when its workers go


@pytest.fixture
def local_cluster():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=60
    ) as running:
        yield running


def test_a_killed_worker_loses_nothing_and_nothing_counts_twice(local_cluster, tmp_path):
    first, second = (worker.pid for worker in local_cluster.workers.values())
    assert first != second
    killed = []

    def kill_one(done, total):
        if done > total // 8 and not killed:
            os.kill(first, signal.SIGKILL)
            killed.append(done)

    told = []
    with cluster(local_cluster.scheduler_address) as executors:
        report = sweep(
            JOB, executors, progress=lambda *now: (told.append(now), kill_one(*now)), journal=tmp_path / "journal"
        )
    assert killed
    assert killed[0] < JOB.words
    assert report.counts == {"a": 2**24, "odd": HALF, "other": HALF}
    assert report.differing == 2**23  # a's even words; its odd ones were refused before
    assert told == [(n * 2**22, 2**29) for n in range(129)]
    assert sweep(JOB, journal=tmp_path / "journal").resumed == 128


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense://", "tcp://"])
def test_no_scheduler_there(address, monkeypatch):
    monkeypatch.setattr("emu.parallel.dask.CONNECT_SECONDS", 1)
    with pytest.raises(UsageError, match="expected a Dask scheduler such as tcp://host:8786"), cluster(address):
        pass
