"""A submission's log: what the harness notes, and what the runs printed while there is room."""

from __future__ import annotations

from pathlib import Path

from harness import store
from harness.submission import Verdict
from harness.text import quoted

BYTES = 1 << 18  # for what was printed; what the harness notes comes on top
_FULL = "the log is full: what was printed from here on is left out\n"


def note(folder: Path, text: str) -> None:
    """Add what the harness says."""
    store.append(folder / "log.txt", text)


def verdict(folder: Path, found: Verdict) -> None:
    """Add why a submission was stopped, and what it had printed."""
    printed(folder, quoted(found.output))
    note(folder, f"{found.status}\n{quoted(found.message)}")


def printed(folder: Path, text: str) -> None:
    """Add what a run printed, through `harness.text.quoted`: as many whole lines as fit."""
    path = folder / "log.txt"
    room = BYTES - (path.stat().st_size if path.exists() else 0)
    content = text.encode()
    if len(content) <= room:
        note(folder, text)
    elif room > 0:
        note(folder, content[: content.rfind(b"\n", 0, room) + 1].decode() + _FULL)
