"""Where work is done: on the cores of this machine, or on a dask.distributed cluster."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from typing import Any

from joblib import Parallel, cpu_count

from harness.competition import CompetitionError
from harness.orphans import end_with


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
    def at_once(self) -> int:
        """How much is done at a time; of a cluster, while it is joined."""
        if self.cluster is None:
            return self.count or cpu_count()
        from harness import cluster

        return cluster.threads(self.cluster)

    @contextlib.contextmanager
    def joined(self, *shared: object) -> Iterator[None]:
        """In this context `results` can be had of a cluster's workers; this machine needs none.

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
            return _here(self.at_once, calls)
        from harness import cluster

        return cluster.results(self.cluster, calls)


def _here(at_once: int, calls: Iterable[Any]) -> Generator[Any]:
    """`results` of this machine."""
    parallel = Parallel(
        n_jobs=at_once,
        return_as="generator",
        mmap_mode="c",
        initializer=end_with,
        initargs=(os.getpid(),),
    )
    try:
        yield from parallel(calls)
    except BrokenExecutor:
        raise CompetitionError(
            "a process that trained the reference was killed; is the machine out of memory? What "
            "was trained is kept: the same command goes on from there."
        ) from None


HERE = Workers()
