"""The host's side of the zygote: loaded once, it serves one submission after another."""

from __future__ import annotations

import functools
import socket
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.sandbox.host import levels
from harness.sandbox.host.errors import SandboxError
from harness.sandbox.host.process import Process
from harness.sandbox.walls import files


class Zygote:
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
    process : Process, optional
        Where it was started ahead; it is closed with this.
    """

    def __init__(
        self, inputs: Path, *, require: str = "none", process: Process | None = None
    ) -> None:
        self.inputs = inputs
        self.require = require
        self._process = process
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

    def __enter__(self) -> Zygote:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @functools.cached_property
    def isolation(self) -> levels.Isolation:
        """The walls that the runs are behind.

        Raises
        ------
        SandboxError
            If the level is lower than required.
        """
        return levels.best(self.require)

    def serve(
        self, setup: dict[str, Any], complaints: int, inputs: Sequence[int] = ()
    ) -> socket.socket:
        """Fork a server for a submission's runs.

        Parameters
        ----------
        setup : dict
            What `harness.sandbox.guest.zygote.serve` wants to know.
        complaints : int
            A descriptor for what it prints.
        inputs : sequence of int
            Descriptors of the `policy.OWN_INPUTS` that take the place of the zygote's, if any.

        Returns
        -------
        socket
            Its end of life is the server's too; its first message says that the server stands.
        """
        with self._starting:
            process = self._loaded()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, files.in_memory(setup) as file:
            try:
                process.send(b"submission", [theirs.fileno(), file.fileno(), complaints, *inputs])
            except SandboxError:
                ours.close()
                raise
        return ours

    def close(self) -> None:
        """End the process and everything that it started."""
        if self._process is not None:
            self._process.close()

    def kill(self) -> None:
        """End a process that does not do so by itself."""
        if self._process is not None:
            self._process.kill()

    def why(self) -> str:
        """What the process complained of last."""
        return "it was closed" if self._process is None else self._process.why()

    def _loaded(self) -> Process:
        """The process, or another if it has died; the inputs are on their way to it."""
        walls = self.isolation.walls
        if self._process is None or not self._process.suits(self.inputs, walls):
            self.close()
            self._process = Process(walls)
        self._process.load(self.inputs)
        return self._process
