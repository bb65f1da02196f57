"""What backends share that start the guest from the checkout: no other program, no other root."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.sandbox.walls import kernel, policy
from harness.sandbox.walls.files import PACKAGE
from harness.sandbox.walls.protocol import Command
from harness.sandbox.walls.restrict import threads_of_this_user
from harness.sandbox.walls.user import become_ordinary_user


class InCheckout:
    """The guest starts outside, and its server shuts itself in."""

    @staticmethod
    def lacking() -> str:
        return ""

    @staticmethod
    def command(
        module: str, arguments: Sequence[str], visible: Sequence[str], stack: contextlib.ExitStack
    ) -> Command:
        python = [sys.executable, "-P", "-m", module, *arguments]
        return Command(python, policy.environment(str(PACKAGE.parent)), [])

    @staticmethod
    def begin() -> None:
        """The host's end of its socket tells it when to end."""

    @staticmethod
    def show(files: Mapping[str, bytes]) -> None:
        """There is no place that only runs see."""


class InOneWorld(InCheckout):
    """Runs as ordinary processes, each with a folder of its own in one scratch directory."""

    contained = False

    def __init__(
        self, visible: Sequence[str], memory_mb: int, scratch_mb: int, processes: int
    ) -> None:
        become_ordinary_user(visible)
        kernel.adopt_orphans()
        self.scratch = tempfile.mkdtemp(prefix="unlearning-")
        self._visible = visible
        self._limits = policy.rlimits(memory_mb, scratch_mb, processes + threads_of_this_user())

    def fork(self) -> int:
        return os.fork()

    def clean(self, pid: int) -> None:
        shutil.rmtree(Path(self.scratch, str(pid)), ignore_errors=True)

    def tear_down(self) -> None:
        shutil.rmtree(self.scratch, ignore_errors=True)

    def _enter_own_folder(self) -> None:
        folder = Path(self.scratch, str(os.getpid()))
        folder.mkdir(mode=0o700)
        os.chdir(folder)
        os.environ["HOME"] = os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
