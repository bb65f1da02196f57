"""The host's side of the warm parent: started once, it serves one submission after another."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.sandbox import cgroup, levels, policy, walls
from harness.sandbox.errors import SandboxError
from harness.sandbox.streams import clean

PATIENCE = 10.0  # seconds that a guest has to end by itself


class WarmParent:
    """A process within walls that has torch and a competition's data loaded.

    It is trusted and never executes submitted code: each submission gets a fork of it, and each
    run a fork of that. It starts when the first submission comes, and again if it has died.

    Parameters
    ----------
    inputs : Path
        A folder with `competition.json` (`architecture`, `arguments`, `batch_size`), and
        `original`, `retain`, `forget` and `validation` as `.safetensors`.
    require : str
        The lowest isolation level that will do.

    """

    def __init__(self, inputs: Path, *, require: str = "none") -> None:
        self.inputs = inputs
        self.require = require
        self._process: subprocess.Popen | None = None
        self._group: Path | None = None
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
            if self._process is None or self._process.poll() is not None:
                self.close()
                self._start()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, walls.in_memory(setup) as file:
            try:
                fds = [theirs.fileno(), file.fileno(), complaints, *inputs]
                socket.send_fds(self._control, [b"submission"], fds)
            except OSError as error:
                ours.close()
                raise SandboxError(f"the sandbox is gone ({error}): {self.why()}") from None
        return ours

    def close(self) -> None:
        """End the guest and everything that it started."""
        if self._process is None:
            return
        # Not only close(): a process forked from this one may hold the socket too.
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
        self._control.close()
        self._complaints.close()
        if self._group:
            cgroup.remove(self._group)
        self._process = None

    def kill(self) -> None:
        """End a guest that does not do so by itself."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def why(self) -> str:
        """What the guest complained of last."""
        if self._process is None:
            return "it was closed"
        try:
            self._complaints.seek(0)
            text = self._complaints.read().decode(errors="replace")
        except ValueError:  # closed, perhaps by another thread just now
            return "it was closed"
        return clean(text[-4000:]).strip() or "it was killed; is the machine out of memory?"

    def _start(self) -> None:
        level, _ = self.isolation
        full = level == "full"
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # Kept in memory, so that nothing is left on disk whatever happens.
        self._complaints = os.fdopen(os.memfd_create("complaints"), "rb")
        with contextlib.ExitStack() as stack:
            stack.enter_context(theirs)
            files = {}
            group = self._make_group(stack)
            if full:
                copies = {f"/inputs/{name}": self.inputs / name for name in policy.INPUT_FILES}
                files = walls.open_files(stack, walls.guest_files() | copies)
            setup = stack.enter_context(
                walls.in_memory(
                    {
                        "level": level,
                        "visible": walls.visible(),
                        "group": group,
                        "inputs": "/inputs" if full else str(self.inputs.resolve()),
                    }
                )
            )
            line, environment = walls.command(
                level,
                "harness.sandbox.guest",
                [str(theirs.fileno()), str(setup.fileno())],
                files,
            )
            passed = [theirs.fileno(), setup.fileno(), *files.values()]
            if self._group and group:
                line = cgroup.command(self._group) + line
                passed.append(group)
            self._process = subprocess.Popen(
                line,
                env=environment,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=self._complaints,
                stderr=self._complaints,
                pass_fds=passed,
                # Ctrl-C in a terminal is for the host, which then ends the guest.
                start_new_session=True,
            )

    def _make_group(self, stack: contextlib.ExitStack) -> int | None:
        """A descriptor of the control group that the guest shall be in, if one can be had."""
        self._group = cgroup.make()
        if self._group is None:
            return None
        folder = os.open(self._group, os.O_RDONLY | os.O_DIRECTORY)
        stack.callback(os.close, folder)
        return folder
