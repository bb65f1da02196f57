"""The last steps into a run, the same behind all walls: nothing open, no rights, limits, filter."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from harness.sandbox.walls import kernel, seccomp


def let_go(keep: Sequence[int]) -> None:
    """Leave the server's files, but 0, 1, 2 and `keep`, and its session; end when it ends."""
    kernel.die_with_parent(signal.SIGKILL)
    os.setsid()  # no terminal; and Linux shares processors out by session
    for before, after in pairwise([2, *sorted(keep), 1 << 20]):
        os.closerange(before + 1, after)


def restrict(limits: Mapping[int, int], filter_: bytes) -> None:
    """Drop all capabilities, set limits as far as the hard ones allow, and filter system calls."""
    kernel.drop_capabilities()
    for kind, limit in limits.items():
        _, hard = resource.getrlimit(kind)
        if hard != resource.RLIM_INFINITY:
            limit = min(limit, hard)
        resource.setrlimit(kind, (limit, limit))
    kernel.no_new_privileges()
    if filter_:
        seccomp.install(filter_)


def threads_of_this_user() -> int:
    """Threads of this user, in all processes: those of runs, and of what forks them."""
    count = 0
    for status in Path("/proc").glob("[0-9]*/task"):
        try:
            if status.stat().st_uid == os.getuid():
                count += len(list(status.iterdir()))
        except OSError:
            continue  # gone meanwhile
    return count
