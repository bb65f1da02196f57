"""Servers of one submission: one for each GPU, or one for each run that has its own inputs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import SimpleQueue

from harness.sandbox.host.server import RunResult, Server

Inputs = Callable[[int], contextlib.AbstractContextManager[Path]]


class Servers(contextlib.ExitStack):
    """A context of servers.

    Parameters
    ----------
    make : callable
        Makes a server for a GPU, from its name and the folder of its own inputs, if any.
    gpus : sequence of str
        A name for each run at a time, as in `Server`.
    inputs : callable, optional
        Makes the folder of a run's own inputs, from its number; None if no run has any.
    """

    def __init__(
        self,
        make: Callable[[str, Path | None], Server],
        gpus: Sequence[str],
        inputs: Inputs | None = None,
    ) -> None:
        super().__init__()
        self._make, self._inputs = make, inputs
        with contextlib.ExitStack() as made:
            names = [] if inputs else dict.fromkeys(gpus)
            self._shared = {gpu: made.enter_context(make(gpu, None)) for gpu in names}
            self.push(made.pop_all())
        self._free: SimpleQueue[str] = SimpleQueue()
        for gpu in gpus:
            self._free.put(gpu)

    def run(self, run: int, seed: int) -> RunResult:
        """As `Server.run`; it waits while all have as many runs as they have room for."""
        gpu = self._free.get()
        try:
            if self._inputs is None:
                return self._shared[gpu].run(seed)
            with self._inputs(run) as folder, self._make(gpu, folder) as server:
                return server.run(seed)
        finally:
            self._free.put(gpu)
