"""Inside: a control group for each run, where the host could make one for the zygote."""

from __future__ import annotations

import contextlib
import os
import secrets

from harness.sandbox.walls import policy


class RunGroups:
    """The runs' groups.

    Parameters
    ----------
    folder : int
        A descriptor of what `host.cgroup` made.
    memory_mb, scratch_mb, processes : int
        Limits of a run, as in `harness.competition.Limits`.
    """

    def __init__(self, folder: int, memory_mb: int, scratch_mb: int, processes: int) -> None:
        self._folder = folder
        self._limits = {
            # Files in /tmp and /dev/shm count here too, and are limited in size each.
            "memory.max": (memory_mb + 2 * scratch_mb) * policy.MIB,
            "memory.swap.max": 0,
            "memory.oom.group": 1,  # one process short of memory ends the run
            "pids.max": processes,
        }

    def make(self) -> str:
        """A group for a run, under a name that does not tell how many there were."""
        name = f"run-{secrets.token_hex(8)}"
        os.mkdir(name, dir_fd=self._folder)
        for file, value in self._limits.items():
            with contextlib.suppress(FileNotFoundError):  # a kernel without swap
                self._write(f"{name}/{file}", value)
        return name

    def enter(self, name: str) -> None:
        """Move this process there."""
        self._write(f"{name}/cgroup.procs", 0)

    def leave(self, name: str) -> tuple[bool, float]:
        """Remove a run's group: whether the kernel ended it for its memory, and its peak in MiB."""
        killed = "\noom_kill 0\n" not in f"\n{self._read(f'{name}/memory.events')}"
        peak = 0.0
        with contextlib.suppress(FileNotFoundError):  # before Linux 5.19
            peak = int(self._read(f"{name}/memory.peak")) / policy.MIB
        with contextlib.suppress(OSError):  # without a pid namespace, a daemon may linger
            os.rmdir(name, dir_fd=self._folder)
        return killed, peak

    def _write(self, file: str, value: int) -> None:
        with os.fdopen(os.open(file, os.O_WRONLY, dir_fd=self._folder), "w") as opened:
            opened.write(str(value))

    def _read(self, file: str) -> str:
        with os.fdopen(os.open(file, os.O_RDONLY, dir_fd=self._folder)) as opened:
            return opened.read()
