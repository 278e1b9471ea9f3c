"""A sweep on a real Dask cluster of this machine, one worker of which is killed in the middle."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from emu.errors import UsageError, WorkerError
from emu.parallel.dask import cluster
from emu.parallel.pool import answers
from emu.verdict.rules import RuleTable
from emu.verdict.sweep import SweepJob, sweep

distributed = pytest.importorskip("distributed", reason="Dask is not installed (extra trapline[cluster])")

ROOT = Path(__file__).parents[2]
TABLE = RuleTable.parse(
    """
a      ff000000  12000000  reject  6.2..  -  2^24 words
odd    00000001  00000001  reject  all    -  half of the rest
other  00000000  00000000  step    all    -  the other half
""",
    "t",
)
JOB = SweepJob(TABLE, ((6, 1), None), chunks=128, space=range(0x1100, 0x1300))  # 2^25 words
HALF = 2**23
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
    with cluster(local_cluster.scheduler_address) as crews:
        report = sweep(
            JOB, crews, progress=lambda *now: (told.append(now), kill_one(*now)), journal=tmp_path / "journal"
        )
    assert killed
    assert killed[0] < JOB.words
    assert report.counts == {"a": 2**24, "odd": HALF, "other": HALF}
    assert report.differing == 2**23  # a's even words; its odd ones were refused before
    assert told == [(n * 2**18, 2**25) for n in range(129)]
    assert sweep(JOB, journal=tmp_path / "journal").resumed == 128


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense://", "tcp://"])
def test_no_scheduler_there(address, monkeypatch):
    monkeypatch.setattr("emu.parallel.dask.CONNECT_SECONDS", 1)
    with pytest.raises(UsageError, match="expected a Dask scheduler such as tcp://host:8786"), cluster(address):
        pass


@pytest.fixture
def scheduler():
    """A scheduler of its own, which can be killed, without workers; its address."""
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
    with subprocess.Popen([*command, "--no-dashboard"], stderr=subprocess.PIPE, text=True) as process:
        address = next(m[0] for line in process.stderr if (m := re.search(r"tcp://127.0.0.1:[1-9]\d*", line)))
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield process, address
        process.kill()


def test_a_scheduler_without_workers_is_given_up(scheduler, monkeypatch):
    monkeypatch.setattr("emu.parallel.dask.SILENCE", 1.0)
    _, address = scheduler
    with cluster(address) as crews:
        report = sweep(JOB, crews)
    assert report.lost == f"cluster '{address}': no worker for 1 s: expected one at least"
    assert report.words == 0


def test_a_scheduler_that_dies_leaves_what_was_done(scheduler):
    process, address = scheduler
    command = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--no-dashboard", "--nworkers", "1"]
    found = []
    with subprocess.Popen([*command, "--no-nanny"], stderr=subprocess.DEVNULL, cwd=ROOT) as worker:
        with cluster(address) as crews, crews(abs) as crew, pytest.raises(WorkerError, match="its scheduler is gone"):
            for _, answer in answers(crew, range(-5000, 0)):
                found.append(answer)
                if len(found) == 5:
                    process.kill()
                    killed = time.monotonic()
        assert time.monotonic() - killed < 10
        worker.kill()
    assert 5 <= len(found) < 5000
    assert set(found) <= set(range(1, 5001))
