"""The report: a competition's results as pages that need no network and no server.

`report.html` has the leaderboard. A page for each row lies in `report/` beside it, and is drawn
again only if something in it changed.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pandas as pd
from joblib import Parallel, delayed

from harness import columns, leaderboard, store
from harness.columns import Row
from harness.competition import Competition, CompetitionError
from harness.diagnostics import FLAGS
from harness.reference.pools import cached
from harness.report import board, overview
from harness.report.details import NO_REFERENCE
from harness.report.pages import Pages, has_page
from harness.report.standard import Standard
from harness.report.templates import environment, version

__all__ = ["PAGE", "environment", "is_current", "write"]
PAGE, BOARD = "report.html", "leaderboard.csv"


def is_current(results: Path) -> bool:
    """Whether the page shows the leaderboard's content; file times mean nothing after a copy."""
    page = results / PAGE
    return page.is_file() and _digest(results) in page.read_text(encoding="utf-8")


def _digest(results: Path) -> str:
    content = (results / BOARD).read_bytes()
    return hashlib.sha256(content + version().encode()).hexdigest()


def write(competition: Competition, results: Path) -> Path:
    """Draw the results as they stand; nothing is run, trained or scored.

    Parameters
    ----------
    competition : Competition
    results : Path
        The competition's folder, with its `leaderboard.csv`.

    Returns
    -------
    Path
        The path of `report.html` in that folder.

    Raises
    ------
    CompetitionError
        If nothing was evaluated yet, or if the competition's data cannot be read.
    StoreError
        If a page cannot be written.
    """
    if not (results / BOARD).exists():
        raise CompetitionError(f"there is no {results / BOARD} yet: evaluate something first")
    digest = _digest(results)
    rows = _rows(results)
    counts = sorted({row.runs for row in rows}, reverse=True)
    standards = {count: _standard(competition, count) for count in counts}
    pages = Pages(competition, results, standards)
    work = (delayed(pages.write)(row) for row in rows if has_page(row))
    Parallel(n_jobs=-1, backend="threading")(work)  # numpy shares the cores
    pages.remove_others()
    boards = [
        board.make([row for row in rows if row.runs == count], results, standard)
        for count, standard in standards.items()
    ]
    largest = next(iter(standards.values()), None)
    page = results / PAGE
    store.write(
        page,
        environment()
        .get_template("page.html")
        .render(
            competition=competition,
            boards=boards,
            # Each number of runs has a heading of its own.
            columns=[column for column in columns.shown(columns.PAGE) if column.key != "runs"],
            facts=overview.facts(competition, largest, rows),
            pictures=overview.pictures(largest) if largest else [],
            flags=sorted({flag for row in rows for flag in (row.flags or "").split()}),
            captions={name: rule.caption for name, rule in FLAGS.items()},
            note=NO_REFERENCE if None in standards.values() else "",
            last=max((row.evaluated_at or "" for row in rows), default=""),
            digest=digest,
        ),
    )
    return page


def _standard(competition: Competition, runs: int) -> Standard | None:
    """What rows of so many runs are compared with; None if that is not cached."""
    settings = replace(competition.evaluation, runs=runs)
    reference = cached(replace(competition, evaluation=settings))
    return None if reference is None else Standard(reference)


def _rows(results: Path) -> list[Row]:
    """The leaderboard's rows in its order, with what the table has no column for."""
    board = leaderboard.read(results / BOARD)
    rows = []
    for line in board.to_dict("records"):
        shown = {str(name): value for name, value in line.items() if pd.notna(value)}
        folder = leaderboard.submission_folder(results, shown["submission"])
        stored = leaderboard.read_row(folder, shown["runs"])
        rows.append(Row.read(shown | (stored.known() if stored else {})))
    return rows
