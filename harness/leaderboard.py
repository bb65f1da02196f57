"""Rows, one file each, and the table that everyone reads."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness import scoring, store
from harness.columns import CSV, Row, shown
from harness.names import is_name
from harness.sources import PACKAGED
from harness.text import cell

KEYS = [column.key for column in shown(CSV)]
RESULTS = Path("results")


def results_folder(competition: str) -> Path:
    """Where a competition's results are kept."""
    return RESULTS / Path(competition).stem


def submission_folder(results: Path, name: str) -> Path:
    """Where a submission's results are kept: a folder of its own, whatever its row is called."""
    if not is_name(name):  # begins as no name does
        name = "_" + hashlib.sha256(name.encode()).hexdigest()[:16]
    return results / "submissions" / name


def read_row(folder: Path, runs: int) -> Row | None:
    """The row of a submission's folder, or None where there is none that can be read."""
    return _read(_file(folder, runs))


def write_row(folder: Path, row: Row) -> None:
    """Keep a row in its submission's folder."""
    store.write(_file(folder, row.runs), json.dumps(row.known(), indent=1))


def drop_versions(folder: Path, sha256: str) -> None:
    """Take rows of other versions of a file off the board, however many runs they had.

    Their outputs stay for now, so a file that comes back is scored without being run.
    """
    for path in folder.glob("row-*.json"):
        row = _read(path)
        if row is None or row.sha256 != sha256:
            for own in folder.glob(f"*{path.stem.removeprefix('row')}.*"):
                own.unlink()


def update(results: Path, reference: str) -> pd.DataFrame:
    """Rank the rows that were scored against `reference`, write `leaderboard.csv`, return it.

    Scores of different numbers of runs are not comparable: each number is ranked by itself.
    Rows that are slow, where the competition sets those apart, stand below the others in a group
    of their own, and have no rank. Baselines, and rows of shipped methods that were not evaluated
    here, stand among the others by their scores, and have no rank either.
    """
    rows = [row for row in stored(results) if row.reference == reference]
    for runs in {row.runs for row in rows}:
        _rank([row for row in rows if row.runs == runs and row.status == "scored"])
    evaluated = {(row.runs, row.submission) for row in rows}
    rows += [
        row
        for row in _shipped(results.name, reference)
        if row.runs in {runs for runs, _ in evaluated}
        and (row.runs, row.submission) not in evaluated
    ]
    rows.sort(key=_place)
    frame = pd.DataFrame([row.known() for row in rows], columns=KEYS).map(cell)
    for column in ("rank", "rank_group"):
        frame[column] = frame[column].astype("Int64")
    store.write(results / "leaderboard.csv", frame.to_csv(index=False, float_format="%.6g"))
    return frame


def comparable(results: Path, reference: str, runs: int) -> list[Row]:
    """The rows of so many runs that have a score against `reference`: shipped, or made here."""
    known = [*_shipped(results.name, reference)]
    known += [row for row in stored(results) if row.reference == reference]
    scored = (row for row in known if row.runs == runs and row.score is not None)
    return [*{row.submission: row for row in scored}.values()]


def read(path: Path) -> pd.DataFrame:
    """The leaderboard that `update` wrote; made again from the rows if a spreadsheet saved it."""
    with contextlib.suppress(ValueError):  # whatever it is that makes it no such table
        frame = _read_csv(path)
        if list(frame.columns) == KEYS:
            return frame
    newest = max(stored(path.parent), key=lambda row: row.evaluated_at or "", default=None)
    update(path.parent, newest.reference or "" if newest else "")
    return read(path)


def _place(row: Row) -> tuple:
    """By which rows are sorted: the scored, then those apart, then the failed."""
    score = -np.inf if row.score is None else row.score
    return (-row.runs, row.score is None, _is_apart(row), -score, row.submission)


def _is_apart(row: Row) -> bool:
    is_slow = row.status == "scored" and "slow" in (row.flags or "").split()
    return is_slow and row.over_limit == "apart"


def _rank(scored: list[Row]) -> None:
    rows = sorted((row for row in scored if not _is_apart(row)), key=_place)
    groups = scoring.rank_groups(
        [row.score or 0.0 for row in rows],
        [np.array(row.draws) for row in rows],
        [row.at_floor for row in rows],
    )
    for rank, (row, group) in enumerate(zip(rows, groups, strict=True), start=1):
        row.rank, row.rank_group = rank, group
    for row in filter(_is_apart, scored):
        row.rank_group = max(groups, default=0) + 1


def _read_csv(path: Path) -> pd.DataFrame:
    # Nothing but an empty figure is missing: a submission may be called "null", or "007".
    types: dict[str, Any] = {"rank": "Int64", "rank_group": "Int64", "submission": str}
    missing = {name: [""] for name in KEYS if name != "submission"}
    return pd.read_csv(path, dtype=types, keep_default_na=False, na_values=missing)


def _shipped(competition: str, reference: str) -> list[Row]:
    """Rows of the shipped methods on this reference, from a leaderboard that ships with it."""
    path = PACKAGED / f"{competition}.csv"
    if not path.is_file():
        return []
    frame = _read_csv(path)
    frame = frame[(frame["reference"] == reference) & frame["score"].notna()]
    rows = frame.drop(columns=["rank", "rank_group"]).assign(status="shipped").to_dict("records")
    return [
        Row.read({str(name): value for name, value in row.items() if pd.notna(value)})
        for row in rows
    ]


def stored(results: Path) -> list[Row]:
    """All rows that are kept, of whatever reference and attackers."""
    folders = ("submissions", "baselines")
    paths = [p for folder in folders for p in sorted(results.glob(f"{folder}/*/row-*.json"))]
    return [row for path in paths if (row := _read(path)) is not None]


def _read(path: Path) -> Row | None:
    try:
        return Row.read(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _file(folder: Path, runs: int) -> Path:
    return folder / f"row-{runs}.json"


def metrics_file(folder: Path, runs: int) -> Path:
    """Where every figure of a row is kept, in its submission's folder."""
    return folder / f"metrics-{runs}.json"


def examples_file(folder: Path, runs: int) -> Path:
    """Where the figures of each forget example are kept."""
    return folder / f"examples-{runs}.csv"
