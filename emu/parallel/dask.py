"""Workers of a Dask cluster for a sweep. The only file that imports `distributed` (extra `trapline[cluster]`)."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from importlib import import_module

from emu.errors import UsageError
from emu.verdict.sweep import Executors

CONNECT_SECONDS = 10


@contextmanager
def cluster(address: str) -> Iterator[Executors]:
    """Executors on the cluster whose scheduler is at an address such as `tcp://host:8786`.

    UsageError where Dask is not installed or no scheduler answers. Dask itself gives the work of a worker that died to
    the others; what it gives up is tried again by the sweep.
    """
    try:
        distributed = import_module("distributed")
    except ImportError:
        raise UsageError("a cluster needs Dask: expected the extra trapline[cluster] to be installed") from None
    try:
        client = distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UsageError(f"cluster {address!r}: {error}: expected a Dask scheduler such as tcp://host:8786") from None

    def executor() -> Executor:
        workers: Executor = client.get_executor(pure=False)  # a chunk that is tried again is not the same task
        return workers

    with client:
        yield executor
