"""Where work is done: on the cores of this machine, or on a dask.distributed cluster."""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joblib import Parallel, cpu_count

from harness.competition import CompetitionError
from harness.orphans import end_with

EVERY = 0.5  # seconds between two reports of a call, and between two checks for reports
Hear = Callable[[float], None]


class Report:
    """How a call reports, while it works, how much more is done.

    Parameters
    ----------
    send : callable, optional
        Sends a number to where the call came from; nobody listens if None.
    """

    def __init__(self, send: Hear | None = None) -> None:
        self._send = send
        self._unsaid = 0.0
        self._said = -math.inf  # no time yet: the clock may be another machine's

    def __call__(self, amount: float) -> None:
        self._unsaid += amount
        if self._send is not None and time.monotonic() - self._said >= EVERY:
            self._send(self._unsaid)
            self._unsaid, self._said = 0.0, time.monotonic()


SILENT = Report()


@dataclass(frozen=True)
class Workers:
    """Who works.

    Attributes
    ----------
    count : int, optional
        How many calls at a time on this machine; as many as it has cores if None.
    cluster : str, optional
        The address of a scheduler. Its workers then do everything, with as many tasks at a time
        as they have threads.
    """

    count: int | None = None
    cluster: str | None = None

    def __post_init__(self) -> None:
        if self.count is not None and self.count < 1:
            raise CompetitionError(f"workers = {self.count} must be positive")

    @property
    def at_once(self) -> int:
        """How many calls at a time; for a cluster, only while it is joined."""
        if self.cluster is None:
            return self.count or cpu_count()
        from harness import cluster

        return cluster.threads(self.cluster)

    @contextlib.contextmanager
    def joined(self, *shared: object, hear: Hear | None = None) -> Iterator[Report]:
        """In this context `results` can use a cluster's workers; this machine needs no context.

        If a worker of a cluster dies, the others repeat what it had begun.

        Parameters
        ----------
        *shared
            Arguments of many calls; each worker of a cluster gets them only once.
        hear : callable, optional
            Called in a thread of its own with each amount that a call reports.

        Yields
        ------
        Report
            An argument for calls that report while they work.

        Raises
        ------
        CompetitionError
            If the cluster cannot be reached, has no worker, or loses too many.
        """
        if self.cluster is None:
            with _heard(hear) as report:
                yield report
            return
        try:
            from harness import cluster
        except ImportError:
            raise CompetitionError(
                "a cluster needs dask.distributed: pip install 'unlearning-harness[cluster]'"
            ) from None
        with cluster.joined(self.cluster, shared), cluster.heard(self.cluster, hear) as send:
            yield Report(send)

    def results(self, calls: Iterable[Any]) -> Generator[Any]:
        """The results of calls made by joblib's `delayed`, in order, as they are ready."""
        if self.cluster is None:
            return _here(self.at_once, calls)
        from harness import cluster

        return cluster.results(self.cluster, calls)


def _here(at_once: int, calls: Iterable[Any]) -> Generator[Any]:
    """`results` on this machine."""
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
            "was trained is kept; the same command continues from there."
        ) from None


@contextlib.contextmanager
def _heard(hear: Hear | None) -> Iterator[Report]:
    """A report for calls in any process of this machine: they write into a file."""
    if hear is None:
        yield SILENT
        return
    over = threading.Event()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "reports")
        path.touch()
        listener = threading.Thread(target=_listen, args=(path, hear, over), daemon=True)
        listener.start()
        try:
            yield Report(_Written(path))
        finally:
            over.set()
            listener.join()


@dataclass(frozen=True)
class _Written:
    """Sends a number by adding a line to a file."""

    path: Path

    def __call__(self, amount: float) -> None:
        # If the evaluator was killed nobody reads, and this process will soon notice that.
        with contextlib.suppress(OSError), self.path.open("a") as file:
            file.write(f"{amount}\n")


def _listen(path: Path, hear: Hear, over: threading.Event) -> None:
    """Read what is written into a file until the work is over."""
    with path.open() as file:
        while not over.wait(EVERY):
            for line in file:
                hear(float(line))


HERE = Workers()
