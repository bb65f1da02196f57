"""Control groups (cgroup v2), where one can be had: then the kernel itself caps each run's memory.

The host makes a group for the zygote, whose servers make one beside it for each run
(`guest.groups`). Where none can be had, the watchdog of `guest.server` is alone.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from harness.sandbox.walls import policy

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
    procs = str(group / "zygote/cgroup.procs")
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


def _ours() -> Iterator[Path]:
    """The groups that this process is in, the innermost first."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    for path in (line.removeprefix("0::/") for line in lines if line.startswith("0::/")):
        folder = _ROOT / path
        yield from (place for place in (folder, *folder.parents) if place.is_relative_to(_ROOT))


def _set_up(group: Path) -> None:
    group.mkdir()
    (group / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in _CONTROLLERS))
    (group / "zygote").mkdir()
    if os.geteuid() == 0:
        for path in (group, group / "cgroup.procs", group / "zygote/cgroup.procs"):
            os.chown(path, policy.UID, policy.UID)
    subprocess.run([*command(group), "true"], check=True, capture_output=True)


def _remove_stale(above: Path) -> None:
    """Groups of evaluators that were killed."""
    for group in above.glob("unlearning-*"):
        if not Path("/proc", group.name.split("-")[1]).exists():
            remove(group)
