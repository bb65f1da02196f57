"""The leaderboard on the page: its lines, their targets, and the axes that they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from harness import leaderboard
from harness.columns import Row
from harness.report import figures
from harness.report.details import source
from harness.report.methods import Method, describe
from harness.report.pages import address, has_page
from harness.report.plots import SPLITS
from harness.report.standard import Standard

RETRAINING = "(retraining)"
LINES = {RETRAINING: "retraining", "head_noise": "noise", "(floor)": "floor"}


@dataclass(frozen=True)
class Line:
    """A row, what is known of it by name, and where its own page is."""

    row: Row
    id: str
    known: dict[str, Any]
    method: Method
    page: str = ""
    interval: Markup | str = ""


@dataclass(frozen=True)
class Board:
    """The rows of one number of runs, and what they are compared with.

    Attributes
    ----------
    runs : int
    lines : list of Line
    targets : list of dict
        What retrained models and the original have, by the names of columns.
    axis : Markup
        The axes of the intervals.
    ceiling : float, optional
    """

    runs: int
    lines: list[Line]
    targets: list[dict[str, Any]]
    axis: Markup
    ceiling: float | None


def make(rows: Sequence[Row], results: Path, standard: Standard | None) -> Board:
    """The board of these rows, all of one number of runs."""
    scores = {
        LINES[row.submission]: row.score
        for row in rows
        if row.submission in LINES and row.status == "baseline" and row.score is not None
    }
    known = [row.score for row in rows if row.score is not None]
    limits = figures.score_limits(known, scores.get("floor"))
    retraining = [row for row in rows if row.submission == RETRAINING]
    targets = [row.known() | {"submission": "retrained models"} for row in retraining]
    if standard is not None:
        pool = standard.reference.original
        means = {f"{k}_accuracy": float(getattr(pool, f"{k}_accuracy").mean()) for k in SPLITS}
        targets.append(means | {"submission": "original model"})
    return Board(
        rows[0].runs,
        [_line(row, results, limits, scores) for row in rows if row not in retraining],
        targets,
        figures.interval_axis(limits, scores),
        next((row.ceiling for row in rows if row.ceiling is not None), None),
    )


def _line(
    row: Row, results: Path, limits: tuple[float, float], scores: Mapping[str, float]
) -> Line:
    folder = leaderboard.submission_folder(results, row.submission)
    interval: Markup | str = ""
    if row.score is not None:
        low, high, told = row.score, row.score, ""
        if row.score_low is not None and row.score_high is not None:
            low, high = row.score_low, row.score_high
            told = f", 95 % interval {low:.4f} to {high:.4f}"
        label = f"{row.submission}, {row.runs} runs: score {row.score:.4f}{told}"
        interval = figures.interval(low, row.score, high, limits, scores, label)
    return Line(
        row,
        # Quoted, a name can be any, and two are never the same.
        f"{quote(row.submission, safe='')}-{row.runs}",
        row.known(),
        describe(source(row, folder)),
        address(row) if has_page(row) else "",
        interval,
    )
