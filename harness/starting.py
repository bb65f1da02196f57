"""Starts a submission: a copy of a shipped method, under a participant's own name."""

from __future__ import annotations

from pathlib import Path

from harness.competition import CompetitionError
from harness.sources import SHIPPED


def start(name: str, method: str, folder: Path) -> Path:
    """Copy a shipped method into `folder`; the file's path.

    Raises
    ------
    CompetitionError
        If no such method ships, or the file exists already.
    """
    methods = {file.stem: file for file in sorted((SHIPPED / "submissions").glob("*.py"))}
    if method not in methods:
        raise CompetitionError(f"no method {method!r} ships; there are: {', '.join(methods)}")
    path = folder / f"{name}.py"
    if path.exists():
        raise CompetitionError(f"{path} exists already; take another name")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(methods[method].read_bytes())
    return path
