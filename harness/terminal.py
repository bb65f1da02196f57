"""The leaderboard in a terminal: whole names, and lines no wider than it is where that can be."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from harness.columns import TERMINAL, Column, shown

WIDE = 1000  # characters: of what is no terminal
_READABLE = 100
# What a narrow terminal can do without, in this order; leaderboard.csv has it all.
_SPARED = ("strict_score", "rank_group", "test_accuracy", "score_low")
_LEGEND = (
    "A score of 1 is as good as retraining. A method below head_noise has shown nothing; at "
    "(floor) all its models are recognised. Rows of one group are not significantly different."
)


def table(frame: pd.DataFrame, width: int = WIDE) -> str:
    """The leaderboard as text, each number of runs under its own heading.

    Parameters
    ----------
    frame : DataFrame
        As `harness.leaderboard.read` gives it.
    width : int
        Of the terminal, in characters. In a narrow one flags stand below their rows, and some
        columns are left out.
    """
    if frame.empty:
        return "The leaderboard is empty."
    known = frame.astype(object).where(frame.notna(), None)
    parts: list[str] = []
    for runs, part in known.groupby("runs", sort=False):
        apart = ", which cannot be compared with those above" if parts else ""
        rows: list[dict[str, Any]] = part.to_dict("records")  # type: ignore[assignment]
        parts.append(f"N = {runs} runs{apart}\n{_table(rows, width)}")
    return "\n\n".join([*parts, textwrap.fill(_LEGEND, min(width, _READABLE))])


def _table(rows: Sequence[Mapping[str, Any]], width: int) -> str:
    *columns, flags = shown(TERMINAL)
    spared: list[Column] = []
    while len((lines := _lines(columns, rows))[0]) > width and len(spared) < len(_SPARED):
        spared.append(next(c for c in columns if c.key == _SPARED[len(spared)]))
        columns.remove(spared[-1])
    under = lines[0].index("submission")
    raised = [flags.text(row).replace(" ", ", ") for row in rows]
    beside = [f"{line}  {names}" for line, names in zip(lines, ["flags", *raised], strict=True)]
    if max(map(len, beside)) > width:
        below = [textwrap.wrap(names, max(width - under, 1)) for names in ["", *raised]]
        beside = [
            "\n".join([line.rstrip(), *(" " * under + names for names in own)])
            for line, own in zip(lines, below, strict=True)
        ]
    if spared:
        titles = ", ".join(column.title for column in spared)
        beside.append(f"left out, as the terminal is narrow: {titles}")
    return "\n".join(line.rstrip() for line in beside)


def _lines(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The titles, then the rows: names to the left, numbers to the right, all of one length."""
    texts = [[column.title, *(column.text(row) for row in rows)] for column in columns]
    widths = [max(map(len, own)) for own in texts]
    return [
        " ".join(
            text.rjust(size) if column.form else text.ljust(size)
            for column, text, size in zip(columns, line, widths, strict=True)
        )
        for line in zip(*texts, strict=True)
    ]
