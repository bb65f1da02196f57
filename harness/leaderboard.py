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
from harness.names import is_name
from harness.sources import PACKAGED
from harness.text import cell

COLUMNS = (
    "rank",
    "rank_group",
    "submission",
    "score",
    "score_low",
    "score_high",
    "strict_score",
    "forgetting_quality",
    "utility",
    "retain_accuracy",
    "test_accuracy",
    "forget_accuracy",
    "epsilon_median",
    "epsilon_p90",
    "neurips2023_score",
    "klom",
    "runs",
    "seconds_per_run",
    "retrain_fraction",
    "status",
    "flags",
    "isolation",
    "memory",
    "device",
    "metric_version",
    "reference",
    "sha256",
    "evaluated_at",
)
PRINTED = {
    "rank": "rank",
    "rank_group": "group",
    "submission": "method",
    "score": "score",
    "interval": "95 % interval",
    "strict_score": "strict",
    "forget_accuracy": "forget",
    "test_accuracy": "test",
    "retrain_fraction": "time",
    "status": "status",
    "flags": "flags",
}
DIGITS = {"score": 4, "strict_score": 4, "forget_accuracy": 3, "test_accuracy": 3}
Row = dict[str, Any]
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
    store.write(_file(folder, row["runs"]), json.dumps(row, indent=1))


def update(results: Path, key: str) -> pd.DataFrame:
    """Rank the rows that were scored under `key`, write `leaderboard.csv`, return it.

    Scores of different numbers of runs are not comparable: each number is ranked by itself.
    Rows that are slow, where the competition sets those apart, stand below the others in a group
    of their own, and have no rank. Baselines, and rows of shipped methods that were not evaluated
    here, stand among the others by their scores, and have no rank either.
    """
    rows = [row for row in _rows(results) if row["key"] == key]
    for runs in {row["runs"] for row in rows}:
        _rank([row for row in rows if row["runs"] == runs and row["status"] == "scored"])
    evaluated = {(row["runs"], row["submission"]) for row in rows}
    rows += [
        row
        for row in _shipped(results.name, key)
        if row["runs"] in {runs for runs, _ in evaluated}
        and (row["runs"], row["submission"]) not in evaluated
    ]
    rows.sort(key=_place)
    frame = pd.DataFrame(rows, columns=list(COLUMNS)).assign(reference=key).map(cell)
    for column in ("rank", "rank_group"):
        frame[column] = frame[column].astype("Int64")
    store.write(results / "leaderboard.csv", frame.to_csv(index=False, float_format="%.6g"))
    return frame


def read(path: Path) -> pd.DataFrame:
    """The leaderboard that `update` wrote; made again from the rows if a spreadsheet saved it."""
    with contextlib.suppress(ValueError):  # whatever it is that makes it no such table
        frame = _read_csv(path)
        if list(frame.columns) == list(COLUMNS):
            return frame
    newest = max(_rows(path.parent), key=lambda row: row.get("evaluated_at", ""), default={})
    update(path.parent, newest.get("key", ""))
    return read(path)


def table(frame: pd.DataFrame) -> str:
    """The leaderboard as text, each number of runs under its own heading."""
    if frame.empty:
        return "The leaderboard is empty."
    parts = frame.groupby("runs", sort=False)
    return "\n\n".join(f"N = {runs} runs\n{_table(part)}" for runs, part in parts)


def _table(frame: pd.DataFrame) -> str:
    shown = frame.assign(
        interval=[
            f"{low:.4f}-{high:.4f}" if pd.notna(low) else ""
            for low, high in zip(frame["score_low"], frame["score_high"], strict=True)
        ],
        flags=frame["flags"].astype("string").fillna("").str.replace(" ", ", "),
        **{name: frame[name].astype("string").fillna("") for name in ("rank", "rank_group")},
    )[list(PRINTED)].rename(columns=PRINTED)
    numbers = {PRINTED[name]: f"{{:.{digits}f}}".format for name, digits in DIGITS.items()}
    text = shown.to_string(index=False, na_rep="", formatters={**numbers, "time": "{:.0%}".format})
    return "\n".join(line.rstrip() for line in text.splitlines())


def _place(row: Row) -> tuple:
    """By which rows are sorted: the scored, then those apart, then the failed."""
    score = row.get("score", -np.inf)
    return (-row["runs"], "score" not in row, _is_apart(row), -score, row["submission"])


def _is_apart(row: Row) -> bool:
    return row.get("over_limit") == "apart" and "slow" in row.get("flags", "").split()


def _rank(scored: list[Row]) -> None:
    rows = sorted((row for row in scored if not _is_apart(row)), key=lambda row: -row["score"])
    groups = scoring.rank_groups(
        [row["score"] for row in rows],
        [np.array(row["draws"]) for row in rows],
        [row["at_floor"] for row in rows],
    )
    for rank, (row, group) in enumerate(zip(rows, groups, strict=True), start=1):
        row |= {"rank": rank, "rank_group": group}
    for row in filter(_is_apart, scored):
        row["rank_group"] = max(groups, default=0) + 1


def _read_csv(path: Path) -> pd.DataFrame:
    # Nothing but an empty figure is missing: a submission may be called "null", or "007".
    types: dict[str, Any] = {"rank": "Int64", "rank_group": "Int64", "submission": str}
    missing = {name: [""] for name in COLUMNS if name != "submission"}
    return pd.read_csv(path, dtype=types, keep_default_na=False, na_values=missing)


def _shipped(competition: str, key: str) -> list[Row]:
    """Rows of the shipped methods on this reference, from a leaderboard that ships with it."""
    path = PACKAGED / f"{competition}.csv"
    if not path.is_file():
        return []
    frame = _read_csv(path)
    frame = frame[(frame["reference"] == key) & (frame["status"] == "scored")]
    rows = frame.drop(columns=["rank", "rank_group"]).assign(status="shipped").to_dict("records")
    return [{str(name): value for name, value in row.items() if pd.notna(value)} for row in rows]


def _rows(results: Path) -> list[Row]:
    """All rows that are kept, of whatever reference and attackers."""
    folders = ("submissions", "baselines")
    paths = [p for folder in folders for p in sorted(results.glob(f"{folder}/*/row-*.json"))]
    return [row for path in paths if (row := _read(path)) is not None]


def _read(path: Path) -> Row | None:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _file(folder: Path, runs: int) -> Path:
    return folder / f"row-{runs}.json"
