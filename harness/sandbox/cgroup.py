"""Control groups (cgroup v2), where one can be had: then the kernel itself caps each run's memory.

The host makes a group for the warm parent, which makes one beside its own for each run. Where
none can be had, the watchdog of `guest_server` is alone.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from harness.sandbox import policy

_ROOT = Path("/sys/fs/cgroup")
_CONTROLLERS = ("memory", "pids")


def make() -> Path | None:
    """A group below the nearest of ours that hands memory and processes down, and that lets us.

    Root has one wherever systemd runs, an ordinary user within `systemd-run --user --scope`; in a
    container, as a rule, nobody has. It is tried, and None means that it did not work.
    """
    for above in _ours():
        group = above / f"unlearning-{os.getpid()}-{secrets.token_hex(4)}"
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            handed_down = (above / "cgroup.subtree_control").read_text().split()
            if set(_CONTROLLERS) <= set(handed_down):
                _remove_stale(above)
                _set_up(group)
                return group
        remove(group)
    return None


def command(group: Path) -> list[str]:
    """Words that run a command in it."""
    procs = str(group / "parent/cgroup.procs")
    return ["sh", "-c", 'echo 0 > "$0" && exec "$@"', procs]


def remove(group: Path) -> None:
    """End what is left in a group of ours, and the group."""
    with contextlib.suppress(OSError):  # nothing is left, or Linux is older than 5.14
        (group / "cgroup.kill").write_text("1")
    deadline = time.monotonic() + 2
    while group.is_dir() and time.monotonic() < deadline:
        for folder in (*group.glob("*/"), group):
            with contextlib.suppress(OSError):  # the last process is on its way out
                folder.rmdir()


class RunGroups:
    """Inside: the runs' groups.

    Parameters
    ----------
    folder : int
        A descriptor of what `make` made.
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


def _ours() -> Iterator[Path]:
    """The groups that this process is in, the innermost first."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    for path in (line.removeprefix("0::/") for line in lines if line.startswith("0::/")):
        folder = _ROOT / path
        yield from (place for place in (folder, *folder.parents) if place.is_relative_to(_ROOT))


def _set_up(group: Path) -> None:
    group.mkdir()
    (group / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in _CONTROLLERS))
    (group / "parent").mkdir()
    if os.geteuid() == 0:
        for path in (group, group / "cgroup.procs", group / "parent/cgroup.procs"):
            os.chown(path, policy.UID, policy.UID)
    subprocess.run([*command(group), "true"], check=True, capture_output=True)


def _remove_stale(above: Path) -> None:
    """Groups of evaluators that were killed."""
    for group in above.glob("unlearning-*"):
        if not Path("/proc", group.name.split("-")[1]).exists():
            remove(group)
