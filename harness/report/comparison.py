"""The page that compares competitions: methods against competitions, their ranks and scores."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import pandas as pd
from scipy.stats import kendalltau

from harness import leaderboard, store
from harness.competition import CompetitionError
from harness.report import BOARD, PAGE
from harness.report.templates import environment

_LEAST = 3  # methods that two competitions share, for a correlation to mean anything


@dataclass(frozen=True)
class Method:
    """A submission's name, its row of each competition that ranks it, and the mean of its ranks."""

    name: str
    rows: Mapping[str, Mapping]
    mean_rank: float
    is_one_file: bool


@dataclass(frozen=True)
class Agreement:
    """How alike two competitions rank the methods that both have."""

    competitions: tuple[str, str]
    methods: int
    tau: float


def compare(results: Path) -> Path:
    """Draw `report.html` in the folder of all results.

    A competition's rows are those of its largest number of runs. Boards that are no competition's,
    such as the repair track's, are left out.

    Raises
    ------
    CompetitionError
        If there is no leaderboard.
    """
    boards = {path.parent.name: _ranked(path) for path in sorted(results.glob(f"*/{BOARD}"))}
    boards = {name: board for name, board in boards.items() if len(board)}
    if not boards:
        raise CompetitionError(f"there is no leaderboard in {results}/ yet: evaluate something")
    page = results / PAGE
    store.write(
        page,
        environment()
        .get_template("comparison.html")
        .render(
            boards={name: board["runs"].max() for name, board in boards.items()},
            counts={name: len(board) for name, board in boards.items()},
            linked={name for name in boards if (results / name / PAGE).is_file()},
            methods=_methods(boards),
            agreements=_agreements(boards),
        ),
    )
    return page


def _ranked(path: Path) -> pd.DataFrame:
    """The ranked rows of a leaderboard, of its largest number of runs, by submission."""
    with contextlib.suppress(ValueError):
        header = pd.read_csv(path, nrows=0).columns
        if {"submission", "rank", "score", "runs"} <= set(header):
            board = leaderboard.read(path)
            board = board[board["rank"].notna()]
            return board[board["runs"] == board["runs"].max()].set_index("submission")
    return pd.DataFrame()


def _methods(boards: Mapping[str, pd.DataFrame]) -> list[Method]:
    """Those in most competitions first, then by the mean of their ranks."""
    names = sorted({name for board in boards.values() for name in board.index})
    found = []
    for name in names:
        rows = {
            competition: board.loc[name].to_dict()
            for competition, board in boards.items()
            if name in board.index
        }
        ranks = [row["rank"] for row in rows.values()]
        files = {row["sha256"] for row in rows.values()}
        found.append(Method(name, rows, sum(ranks) / len(ranks), len(files) == 1))
    return sorted(found, key=lambda method: (-len(method.rows), method.mean_rank, method.name))


def _agreements(boards: Mapping[str, pd.DataFrame]) -> list[Agreement]:
    found = []
    for pair in combinations(boards, 2):
        one, other = (boards[name]["score"] for name in pair)
        both = one.index.intersection(other.index)
        if len(both) >= _LEAST:
            tau = kendalltau(one[both].to_numpy(), other[both].to_numpy()).statistic
            found.append(Agreement(pair, len(both), float(tau)))
    return found
