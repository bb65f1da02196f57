"""Which isolation this machine can give."""

from __future__ import annotations

import shutil

from harness.competition import LEVELS
from harness.sandbox.errors import SandboxError


def isolation_level() -> tuple[str, str]:
    """The best level that holds here, and why it is not better: one line, empty for full."""
    if shutil.which("bwrap"):
        return "full", ""
    return "none", "bubblewrap is not installed (Debian: apt-get install bubblewrap)"


def at_least(require: str) -> tuple[str, str]:
    """As `isolation_level`, but refuses a level below `require`."""
    level, missing = isolation_level()
    if LEVELS.index(level) < LEVELS.index(require):
        raise SandboxError(f"isolation {require!r} is required, {level!r} is what holds: {missing}")
    return level, missing
