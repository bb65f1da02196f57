"""Inside: a control group for each run, where the host could make one for the zygote."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Sequence

from harness.sandbox.walls.policy import MIB


class RunGroups:
    """The runs' groups; each has a name that does not tell how many there were.

    Parameters
    ----------
    version : int
        Of the kernel's control groups, as in `host.cgroup.Group`.
    folders : sequence of int
        Descriptors of its folders.
    memory_mb, scratch_mb, processes : int
        Limits of a run, as in `harness.competition.Limits`.
    """

    def __init__(
        self,
        version: int,
        folders: Sequence[int],
        memory_mb: int,
        scratch_mb: int,
        processes: int,
    ) -> None:
        self._folders = folders
        self._memory = folders[0]
        # Files in /tmp and /dev/shm count here too, and are limited in size each.
        most = (memory_mb + 2 * scratch_mb) * MIB
        both = {
            "memory.max": most,
            "memory.swap.max": 0,
            "memory.oom.group": 1,  # one process short of memory ends the run
            "pids.max": processes,
        }
        # The second with swap; it cannot be below the first, so it comes after it.
        first = {"memory.limit_in_bytes": most, "memory.memsw.limit_in_bytes": most}
        self._limits = [both] if version == 2 else [first, {"pids.max": processes}]
        self._events, self._peak = (
            ("memory.events", "memory.peak")
            if version == 2
            else ("memory.oom_control", "memory.max_usage_in_bytes")
        )

    def make(self) -> str:
        """A group for a run: its name."""
        name = f"run-{secrets.token_hex(8)}"
        for folder, limits in zip(self._folders, self._limits, strict=True):
            os.mkdir(name, dir_fd=folder)
            for file, value in limits.items():
                with contextlib.suppress(FileNotFoundError):  # a kernel without swap
                    self._write(folder, f"{name}/{file}", value)
        return name

    def enter(self, name: str, pid: int) -> None:
        """Move a process there."""
        for folder in self._folders:
            self._write(folder, f"{name}/cgroup.procs", pid)

    def killed(self, name: str) -> bool:
        """Whether the kernel has ended a process of it for its memory."""
        return "\noom_kill 0\n" not in f"\n{self._read(f'{name}/{self._events}')}"

    def leave(self, name: str) -> float:
        """Remove a run's group; gives its peak in MiB."""
        peak = 0.0
        with contextlib.suppress(FileNotFoundError):  # before Linux 5.19
            peak = int(self._read(f"{name}/{self._peak}")) / MIB
        for folder in self._folders:
            with contextlib.suppress(OSError):  # without a pid namespace, a daemon may linger
                os.rmdir(name, dir_fd=folder)
        return peak

    def _write(self, folder: int, file: str, value: int) -> None:
        with os.fdopen(os.open(file, os.O_WRONLY, dir_fd=folder), "w") as opened:
            opened.write(str(value))

    def _read(self, file: str) -> str:
        with os.fdopen(os.open(file, os.O_RDONLY, dir_fd=self._memory)) as opened:
            return opened.read()
