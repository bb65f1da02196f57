"""Control groups, where they can be had: then the kernel itself caps each run's memory.

The host makes a group for the zygote, whose servers make one beside it for each run
(`guest.groups`). Where none can be had, the watchdog of `guest.server` is alone.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.sandbox.walls import policy

_ROOT = Path("/sys/fs/cgroup")
_CONTROLLERS = ("memory", "pids")
# Runs a command when it has moved itself into the groups named before "--".
_ENTER = 'while [ "$1" != -- ]; do echo 0 > "$1" || exit 1; shift; done; shift; exec "$@"'


@dataclass(frozen=True)
class Group:
    """A group of our own.

    Attributes
    ----------
    version : int
        2, or 1 where the kernel has memory and processes in hierarchies of the first kind.
    folders : tuple of Path
        One for both (version 2), or one each for memory and processes (version 1).
    """

    version: int
    folders: tuple[Path, ...]

    def command(self) -> list[str]:
        """Words that run a command in it."""
        procs = [str(folder / "zygote/cgroup.procs") for folder in self.folders]
        return ["sh", "-c", _ENTER, "sh", *procs, "--"]


def make() -> Group | None:
    """A group below the nearest of ours that hands memory and processes down, and that lets us.

    Root has one wherever systemd runs, an ordinary user within `systemd-run --user --scope`; in a
    container, as a rule, nobody has. It is tried, and None means that it did not work.
    """
    name = f"unlearning-{os.getpid()}-{secrets.token_hex(4)}"
    for version, places in _ours():
        group = Group(version, tuple(place / name for place in places))
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            if version == 1 or _hands_down(places[0]):
                _remove_stale(version, places)
                _set_up(group)
                return group
        remove(group)
    return None


def remove(group: Group) -> None:
    """End what is left in a group of ours, and the group."""
    for folder in group.folders:
        with contextlib.suppress(OSError):  # nothing is left, or Linux is older than 5.14
            (folder / "cgroup.kill").write_text("1")
    deadline = time.monotonic() + 2
    while any(folder.is_dir() for folder in group.folders) and time.monotonic() < deadline:
        for top in group.folders:
            for folder in (*top.glob("*/"), top):
                with contextlib.suppress(OSError):  # the last process is on its way out
                    folder.rmdir()
                if group.version == 1:
                    _kill(folder)


def _ours() -> Iterator[tuple[int, tuple[Path, ...]]]:
    """The groups that this process is in, the innermost first, with their version."""
    mine = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        mine[controllers] = path.lstrip("/")
    if "" in mine:
        yield from ((2, (place,)) for place in _upwards(_ROOT, mine[""]))
    if set(_CONTROLLERS) <= set(mine):
        yield 1, tuple(_ROOT / name / mine[name] for name in _CONTROLLERS)


def _upwards(root: Path, path: str) -> Iterator[Path]:
    folder = root / path
    yield from (place for place in (folder, *folder.parents) if place.is_relative_to(root))


def _hands_down(place: Path) -> bool:
    return set(_CONTROLLERS) <= set((place / "cgroup.subtree_control").read_text().split())


def _set_up(group: Group) -> None:
    for folder in group.folders:
        folder.mkdir()
        if group.version == 2:
            handed_down = " ".join(f"+{name}" for name in _CONTROLLERS)
            (folder / "cgroup.subtree_control").write_text(handed_down)
        (folder / "zygote").mkdir()
        if os.geteuid() == 0:
            for path in (folder, folder / "cgroup.procs", folder / "zygote/cgroup.procs"):
                os.chown(path, policy.UID, policy.UID)
    subprocess.run([*group.command(), "true"], check=True, capture_output=True)


def _kill(folder: Path) -> None:
    with contextlib.suppress(OSError):
        for pid in map(int, (folder / "cgroup.procs").read_text().split()):
            if pid:  # 0 is of another pid namespace, and to kill() our own group
                os.kill(pid, signal.SIGKILL)


def _remove_stale(version: int, places: tuple[Path, ...]) -> None:
    """Groups of evaluators that were killed."""
    for place in places:
        for folder in place.glob("unlearning-*"):
            if not Path("/proc", folder.name.split("-")[1]).exists():
                remove(Group(version, (folder,)))
