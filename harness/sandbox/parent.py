"""The host's side of the warm parent: loaded once, it serves one submission after another."""

from __future__ import annotations

import functools
import socket
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.sandbox import levels, walls
from harness.sandbox.errors import SandboxError
from harness.sandbox.process import Guest


class WarmParent:
    """A process within walls that has torch and a competition's data loaded.

    It is trusted and never executes submitted code: each submission gets a fork of it, and each
    run a fork of that. It loads when the first submission comes, and again if it has died.

    Parameters
    ----------
    inputs : Path
        A folder with the `policy.INPUT_FILES`, among them `competition.json` (`architecture`,
        `arguments`, `batch_size`), and `original`, `retain`, `forget` and `validation` as
        `.safetensors`.
    require : str
        The lowest isolation level that will do.
    guest : Guest, optional
        The process, where it was started ahead; it is closed with this.
    """

    def __init__(self, inputs: Path, *, require: str = "none", guest: Guest | None = None) -> None:
        self.inputs = inputs
        self.require = require
        self._guest = guest
        self._starting = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """Its inputs travel with it, so that a worker elsewhere needs no file of this machine."""
        files = {path.name: path.read_bytes() for path in self.inputs.iterdir() if path.is_file()}
        return {"require": self.require, "files": files}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._copy = tempfile.TemporaryDirectory(prefix="inputs-")  # goes when this object does
        inputs = Path(self._copy.name)
        for name, content in state["files"].items():
            (inputs / name).write_bytes(content)
        self.__init__(inputs, require=state["require"])  # type: ignore[misc]

    def __enter__(self) -> WarmParent:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @functools.cached_property
    def isolation(self) -> tuple[str, str]:
        """The level, and why it is not full and how to get it; empty when it is full.

        Raises
        ------
        SandboxError
            If the level is lower than required.
        """
        return levels.at_least(self.require)

    def serve(
        self, setup: dict[str, Any], complaints: int, inputs: Sequence[int] = ()
    ) -> socket.socket:
        """Fork a server for a submission's runs.

        Parameters
        ----------
        setup : dict
            What `harness.sandbox.guest.serve` wants to know.
        complaints : int
            A descriptor for what it prints.
        inputs : sequence of int
            Descriptors of the `policy.OWN_INPUTS` that take the place of the parent's, if any.

        Returns
        -------
        socket
            Its end of life is the server's too; its first message says that the server stands.
        """
        with self._starting:
            guest = self._loaded()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, walls.in_memory(setup) as file:
            try:
                guest.send(b"submission", [theirs.fileno(), file.fileno(), complaints, *inputs])
            except SandboxError:
                ours.close()
                raise
        return ours

    def close(self) -> None:
        """End the process and everything that it started."""
        if self._guest is not None:
            self._guest.close()

    def kill(self) -> None:
        """End a process that does not do so by itself."""
        if self._guest is not None:
            self._guest.kill()

    def why(self) -> str:
        """What the process complained of last."""
        return "it was closed" if self._guest is None else self._guest.why()

    def _loaded(self) -> Guest:
        """The process, or another if it has died; the inputs are on their way to it."""
        level, _ = self.isolation
        if self._guest is None or not self._guest.suits(self.inputs, level):
            self.close()
            self._guest = Guest(level)
        self._guest.load(self.inputs)
        return self._guest
