"""Servers of one submission, one for each GPU; each run goes to one that has room for it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from queue import SimpleQueue

from harness.sandbox.host.server import RunResult, Server


class Servers(contextlib.ExitStack):
    """A context of servers.

    Parameters
    ----------
    make : callable
        Makes the server for a GPU, from its name.
    gpus : sequence of str
        A name for each run at a time, as in `Server`.
    """

    def __init__(self, make: Callable[[str], Server], gpus: Sequence[str]) -> None:
        super().__init__()
        with contextlib.ExitStack() as made:
            servers = {gpu: made.enter_context(make(gpu)) for gpu in dict.fromkeys(gpus)}
            self.push(made.pop_all())
        self._free: SimpleQueue[Server] = SimpleQueue()
        for gpu in gpus:
            self._free.put(servers[gpu])
        first = servers[gpus[0]]
        self.level, self.memory, self.missing = first.level, first.memory, first.missing

    def run(self, seed: int) -> RunResult:
        """As `Server.run`; it waits while all have as many runs as they have room for."""
        server = self._free.get()
        try:
            return server.run(seed)
        finally:
            self._free.put(server)
