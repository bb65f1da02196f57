"""Rows, one file each, and the table that everyone reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness import scoring, store

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
    "metric_version",
    "sha256",
    "evaluated_at",
)
PRINTED = {
    "rank": "rank",
    "submission": "method",
    "score": "score",
    "interval": "95 % interval",
    "neurips2023_score": "2023",
    "forget_accuracy": "forget",
    "test_accuracy": "test",
    "retrain_fraction": "time",
    "status": "status",
}
NAME = 20  # characters of a submission's name in the printed table
Row = dict[str, Any]
RESULTS = Path("results")


def results_folder(competition: str) -> Path:
    """Where a competition's results are kept."""
    return RESULTS / Path(competition).stem


def read_row(folder: Path, runs: int) -> Row | None:
    """The row of a submission's folder, or None where there is none that can be read."""
    return _read(_file(folder, runs))


def write_row(folder: Path, row: Row) -> None:
    """Keep a row in its submission's folder."""
    store.write(_file(folder, row["runs"]), json.dumps(row, indent=1))


def update(results: Path, key: str) -> pd.DataFrame:
    """Rank the rows that were scored under `key`, write `leaderboard.csv`, return it.

    Scores of different numbers of runs are not comparable: each number is ranked by itself.
    """
    kept = [_read(path) for path in sorted(results.glob("*/row-*.json"))]
    rows = [row for row in kept if row is not None and row["key"] == key]
    for runs in {row["runs"] for row in rows}:
        _rank([row for row in rows if row["runs"] == runs and row["status"] == "scored"])
    rows.sort(key=lambda row: (-row["runs"], row.get("rank", np.inf), row["submission"]))
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    for column in ("rank", "rank_group"):
        frame[column] = frame[column].astype("Int64")
    path, text = results / "leaderboard.csv", frame.to_csv(index=False, float_format="%.6g")
    # Left alone where nothing is new, so that its time says whether a report is older.
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        store.write(path, text)
    return frame


def read(path: Path) -> pd.DataFrame:
    """The leaderboard that `update` wrote."""
    # Nothing but an empty figure is missing: a submission may be called "null", or "007".
    types: dict[str, Any] = {"rank": "Int64", "rank_group": "Int64", "submission": str}
    return pd.read_csv(
        path,
        dtype=types,
        keep_default_na=False,
        na_values={name: [""] for name in COLUMNS if name != "submission"},
    )


def table(frame: pd.DataFrame) -> str:
    """The leaderboard as text of at most 80 columns; names give way to what is long beside them."""
    if frame.empty:
        return "The leaderboard is empty."
    text = _table(frame, NAME)
    excess = max(map(len, text.splitlines())) - 80
    return _table(frame, NAME - excess) if excess > 0 else text


def _table(frame: pd.DataFrame, name: int) -> str:
    shown = frame.assign(
        interval=[
            f"{low:.4f}-{high:.4f}" if pd.notna(low) else ""
            for low, high in zip(frame["score_low"], frame["score_high"], strict=True)
        ],
        submission=frame["submission"].str.slice(0, name),
    )[list(PRINTED)].rename(columns=PRINTED)
    numbers = dict.fromkeys(["2023", "forget", "test"], "{:.3f}".format)
    return shown.to_string(
        index=False,
        na_rep="",
        formatters={**numbers, "score": "{:.4f}".format, "time": "{:.0%}".format},
    )


def _rank(rows: list[Row]) -> None:
    rows.sort(key=lambda row: -row["score"])
    groups = scoring.rank_groups(
        [row["score"] for row in rows],
        [np.array(row["draws"]) for row in rows],
        [row["at_floor"] for row in rows],
    )
    for rank, (row, group) in enumerate(zip(rows, groups, strict=True), start=1):
        row |= {"rank": rank, "rank_group": group}


def _read(path: Path) -> Row | None:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _file(folder: Path, runs: int) -> Path:
    return folder / f"row-{runs}.json"
