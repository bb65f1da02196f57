"""Computes stored rows again from the outputs of their runs, without running anything."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

from harness import board as boards
from harness import competition as competitions
from harness import leaderboard, names, runs, store
from harness.board import Board
from harness.columns import Row
from harness.competition import Competition, CompetitionError
from harness.reference import pools
from harness.submission import Verdict
from harness.yardstick import retrainings

Each = Callable[[Row], None]


def rescore(
    competition: str = "digits",
    count: int | None = None,
    paths: Collection[Path] = (),
    each: Each = lambda row: None,
) -> list[Row]:
    """Compute rows again from the outputs of their runs. Nothing is run, nothing is trained.

    Parameters
    ----------
    competition : str
        A name in `reference/`, or the path of a TOML file.
    count : int, optional
        Only the rows of so many runs.
    paths : collection of Path
        Only the rows of these files.
    each : callable
        Called with each row as soon as it stands on the leaderboard.

    Raises
    ------
    CompetitionError
        If no row has the outputs that it takes.
    """
    settings = competitions.load(competition)
    results = leaderboard.results_folder(settings.name)
    only = {names.row_name(path) for path in paths}

    def is_wanted(row: Row) -> bool:
        return (not only or row.submission in only) and count in (None, row.runs)

    with store.lock(results):
        made = again(settings, results, is_wanted, each)
    if not made:
        raise CompetitionError(
            f"{results} has no such row with the outputs of all its runs, or the reference is not "
            "in the cache; evaluate again"
        )
    return made


def again(
    settings: Competition,
    results: Path,
    is_wanted: Callable[[Row], bool],
    each: Each = lambda row: None,
) -> list[Row]:
    """The wanted rows that could be computed again, each by a reference of as many models."""
    wanted = [row for row in leaderboard.stored(results) if row.sha256 and is_wanted(row)]
    made = []
    for count in sorted({row.runs for row in wanted}, reverse=True):
        evaluation = replace(settings.evaluation, runs=count)
        reference = pools.cached(replace(settings, evaluation=evaluation))
        if reference is None:
            continue
        board = boards.measure(reference, results)
        for row in wanted:
            if row.runs == count and (scored := _scored(row, board)):
                made.append(scored)
                leaderboard.update(results, board.key)
                each(scored)
    return made


def _scored(row: Row, board: Board) -> Row | None:
    """The row, computed again; None where its outputs are not all there."""
    name, sha256 = row.submission, row.sha256 or ""
    folder = board.runs_folder(name, sha256)
    outputs = runs.read(folder, row.runs)
    if outputs is None:
        return None
    try:
        spent = retrainings(folder, row.runs)
        return boards.score(name, sha256, outputs, spent, board, row.explanations)
    except Verdict as verdict:
        return boards.failed(name, sha256, verdict, board)
