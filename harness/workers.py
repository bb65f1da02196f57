"""Where work is done: on the cores of this machine, or on a dask.distributed cluster."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import CancelledError
from dataclasses import dataclass

from joblib import cpu_count, parallel_config

from harness.competition import CompetitionError

PATIENCE = 10  # seconds for a scheduler to answer, and for a first worker to be there


@dataclass(frozen=True)
class Workers:
    """Who works.

    Attributes
    ----------
    count : int, optional
        How much is done at a time on this machine; as many as it has cores if None.
    cluster : str, optional
        The address of a scheduler, whose workers then do everything, as many tasks at a time as
        they have threads.
    """

    count: int | None = None
    cluster: str | None = None

    def __post_init__(self) -> None:
        if self.count is not None and self.count < 1:
            raise CompetitionError(f"workers = {self.count} has to be positive")

    @property
    def here(self) -> int:
        """How much is done at a time on this machine."""
        return self.count or cpu_count()

    @contextlib.contextmanager
    def joined(self, *shared: object) -> Iterator[int]:
        """Whatever `joblib.Parallel` is given in this context is done by these workers.

        What a worker that dies had begun is done again by the others.

        Parameters
        ----------
        *shared
            Arguments of many tasks, which each worker of a cluster is sent only once.

        Yields
        ------
        int
            How many tasks are done at a time.

        Raises
        ------
        CompetitionError
            If the cluster cannot be reached, has no worker, or loses too many.
        """
        if self.cluster is None:
            with parallel_config(backend="loky", n_jobs=self.here):
                yield self.here
            return
        try:
            from distributed import Client
            from distributed.comm import CommClosedError
            from distributed.scheduler import KilledWorker
        except ImportError:
            raise CompetitionError(
                "a cluster needs dask.distributed: pip install 'unlearning-harness[cluster]'"
            ) from None
        with contextlib.ExitStack() as stack:
            try:
                client = stack.enter_context(Client(self.cluster, timeout=PATIENCE))
                client.wait_for_workers(1, timeout=PATIENCE)
            except (OSError, ValueError) as error:  # a TimeoutError is an OSError
                raise CompetitionError(
                    f"no cluster at {self.cluster}: start `dask scheduler`, and at least one "
                    f"`dask worker {self.cluster}` ({error})"
                ) from None
            stack.enter_context(
                parallel_config(backend="dask", client=client, scatter=list(shared))
            )
            try:
                yield sum(client.nthreads().values())
            except (KilledWorker, CancelledError, CommClosedError) as error:
                raise CompetitionError(
                    f"the cluster at {self.cluster} failed: {error}. What was finished is kept; "
                    "the same command goes on from there"
                ) from error


HERE = Workers()
