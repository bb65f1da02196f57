"""Where work is done: on the cores of this machine, or on a dask.distributed cluster."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from joblib import Parallel, cpu_count, parallel_config

from harness.competition import CompetitionError


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
    def joined(self, *shared: object) -> Iterator[None]:
        """In this context, `results` are these workers'.

        What a worker of a cluster that dies had begun is done again by the others.

        Parameters
        ----------
        *shared
            Arguments of many calls, which each worker of a cluster is sent only once.

        Raises
        ------
        CompetitionError
            If the cluster cannot be reached, has no worker, or loses too many.
        """
        if self.cluster is None:
            with parallel_config(backend="loky", n_jobs=self.here):
                yield
            return
        try:
            from harness import cluster
        except ImportError:
            raise CompetitionError(
                "a cluster needs dask.distributed: pip install 'unlearning-harness[cluster]'"
            ) from None
        with cluster.joined(self.cluster, shared):
            yield

    def results(self, calls: Iterable[Any]) -> Generator[Any]:
        """What calls made by joblib's `delayed` return, in order, as they are ready."""
        if self.cluster is None:
            return Parallel(return_as="generator", mmap_mode="c")(calls)
        from harness import cluster

        # One at a time: joblib would send quick ones together, to be lost together.
        return Parallel(return_as="generator", batch_size=1)(map(cluster.light, calls))


HERE = Workers()
