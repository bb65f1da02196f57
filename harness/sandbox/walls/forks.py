"""Forks that try something, or that leave something behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from harness.sandbox.walls import kernel


def go_on_in_child() -> None:
    """Fork; the child returns, the parent waits for it and ends as it ended."""
    if pid := os.fork():
        os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) & 0xFF)
    kernel.die_with_parent(signal.SIGKILL)


def succeeds(attempt: Callable[[], None]) -> bool:
    """Whether `attempt` works, tried in a child, because there would be no way back."""
    pid = os.fork()
    if pid == 0:
        try:
            attempt()
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1] == 0
