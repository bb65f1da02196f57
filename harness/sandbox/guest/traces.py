"""Inside a run: an error's traceback as its author needs it: their own lines, the others folded."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from traceback import FrameSummary, StackSummary, TracebackException
from typing import Any

from harness.notebook import place

_OURS = "harness/sandbox/"


def shown(error: BaseException, filename: str) -> str:
    """As Python prints it, with each run of library lines as one, and no path of this machine.

    Parameters
    ----------
    error : BaseException
    filename : str
        What the participant's file is called. Lines of a notebook are given by cell.
    """
    try:
        whole = TracebackException(type(error), error, error.__traceback__)
        for link in _links(whole):
            link.stack = _Stack(_theirs(link.stack, filename), filename)
        text = "".join(whole.format()).rstrip()
    except Exception:  # its own __str__ may raise
        return type(error).__name__
    for root in _roots():
        text = text.replace(root, "")
    return text


class _Stack(StackSummary):
    """Frames of a traceback, of which only the participant's are shown line by line."""

    def __init__(self, frames: Sequence[FrameSummary], filename: str) -> None:
        super().__init__(frames)
        self._filename = filename
        self._folded = {}
        for own, group in groupby(frames, lambda frame: frame.filename == filename):
            if not own:
                passed = list(group)
                self._folded[id(passed[-1])] = _folded(passed)

    def format_frame_summary(self, frame_summary: FrameSummary, **options: Any) -> str:
        """The text of one frame; of folded ones, only the last has any."""
        frame = frame_summary
        if frame.filename != self._filename:
            return self._folded.get(id(frame))  # type: ignore[return-value]  # None skips it
        text = super().format_frame_summary(frame, **options)
        where = place(linecache.getlines(frame.filename), frame.lineno or 0)
        suffix = ".ipynb" if where.startswith("cell") else ".py"
        return text.replace(f'.py", line {frame.lineno}', f'{suffix}", {where}', 1)


def _folded(frames: list[FrameSummary]) -> str:
    last, many = frames[-1], f"{len(frames)} lines of libraries, the last in "
    return f"  ... {many * (len(frames) > 1)}{last.filename}, line {last.lineno}, in {last.name}\n"


def _theirs(frames: Sequence[FrameSummary], filename: str) -> list[FrameSummary]:
    """From the participant's first line on; if there is none, all lines that are not ours."""
    own = [i for i, frame in enumerate(frames) if frame.filename == filename]
    if own:
        return list(frames[own[0] :])
    return [frame for frame in frames if _OURS not in frame.filename]


def _links(error: TracebackException) -> Iterator[TracebackException]:
    """The error, what caused it, what it was raised while handling, and what it groups."""
    todo: list[TracebackException | None] = [error]
    while todo:
        if link := todo.pop():
            yield link
            todo += [link.__cause__, link.__context__, *(link.exceptions or ())]


def _roots() -> list[str]:
    """Folders of modules, the longest first."""
    return sorted({f"{folder}/" for folder in sys.path if len(folder) > 1}, key=len, reverse=True)
