"""The zygote's process as the host sees it: started, given a competition's data, ended."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from harness.sandbox.host import cgroup, levels
from harness.sandbox.host.errors import SandboxError
from harness.sandbox.walls import Walls, files, gpu, policy
from harness.text import clean

PATIENCE = 10.0  # seconds that zygote and server have to end by itself


class Process:
    """A zygote: a process that imports torch behind walls, then waits for a competition's data.

    It starts at once, and nobody waits for it: what starts it first thing has the seconds that
    it takes for its own imports.

    Parameters
    ----------
    walls : type of Walls, optional
        The best that hold on this machine if None.
    """

    def __init__(self, walls: type[Walls] | None = None) -> None:
        self.walls = walls = walls or levels.best().walls
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # Kept in memory, so that nothing is left on disk whatever happens.
        self._complaints = os.fdopen(os.memfd_create("complaints"), "rb")
        self._inputs: Path | None = None
        self._gpus = gpu.devices()
        with contextlib.ExitStack() as stack:
            stack.enter_context(theirs)
            group = self._make_group(stack)
            visible = files.visible()
            setup = stack.enter_context(
                files.in_memory({"walls": walls.name, "visible": visible, "group": group})
            )
            line, environment, descriptors = walls.command(
                "harness.sandbox.guest.zygote",
                [str(theirs.fileno()), str(setup.fileno())],
                visible,
                stack,
            )
            passed = [theirs.fileno(), setup.fileno(), *descriptors]
            if self._group and group:
                line = self._group.command() + line
                passed += group[1]
            self._process = subprocess.Popen(
                line,
                env=environment,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=self._complaints,
                stderr=self._complaints,
                pass_fds=passed,
                # Ctrl-C in a terminal is for the host, which then ends the zygote.
                start_new_session=True,
            )

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        """Whether it can be sent anything."""
        return not self._complaints.closed and self._process.poll() is None

    def suits(self, inputs: Path, walls: type[Walls]) -> bool:
        """Whether it can serve a competition with this data, behind these walls."""
        # A driver may make a GPU's device files only when the host first uses it.
        fits = self._inputs == inputs if self._inputs else self._gpus == gpu.devices()
        return self.alive and fits and self.walls is walls

    def load(self, inputs: Path) -> None:
        """Send it a competition's data, once; `Zygote` says what is in the folder."""
        if self._inputs:
            return
        with contextlib.ExitStack() as stack:
            opened = files.opened(stack, {n: inputs / n for n in policy.INPUT_FILES})
            self.send(b"inputs", [*opened.values()])
        self._inputs = inputs

    def send(self, message: bytes, descriptors: Sequence[int]) -> None:
        """Send a message that brings open files.

        Raises
        ------
        SandboxError
            If the process is gone.
        """
        try:
            socket.send_fds(self._control, [message], descriptors)
        except OSError as error:
            raise SandboxError(f"the sandbox is gone ({error}): {self.why()}") from None

    def close(self) -> None:
        """End it and everything that it started."""
        if self._complaints.closed:
            return
        # Not only close(): a process forked from this one may hold the socket too.
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        try:
            # As long as it has served nobody there is nothing for it to clean up.
            self._process.wait(PATIENCE if self._inputs else 0)
        except subprocess.TimeoutExpired:
            self.kill()
        self._control.close()
        self._complaints.close()
        if self._group:
            cgroup.remove(self._group)

    def kill(self) -> None:
        """End it if it does not do so by itself."""
        if self._process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def why(self) -> str:
        """What it complained of last."""
        try:
            self._complaints.seek(0)
            text = self._complaints.read().decode(errors="replace")
        except ValueError:  # closed, perhaps by another thread just now
            return "it was closed"
        return clean(text[-4000:]).strip() or "it was killed; is the machine out of memory?"

    def _make_group(self, stack: contextlib.ExitStack) -> tuple[int, list[int]] | None:
        """Version and descriptors of the control group that it shall be in, if one can be had."""
        self._group = cgroup.make()
        if self._group is None:
            return None
        folders = [os.open(f, os.O_RDONLY | os.O_DIRECTORY) for f in self._group.folders]
        for folder in folders:
            stack.callback(os.close, folder)
        return self._group.version, folders
