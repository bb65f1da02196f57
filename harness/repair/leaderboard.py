"""Rows of a repair competition: means over seeds with their intervals, as CSV and as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from harness import store
from harness.repair.scores import interval
from harness.text import cell

FIGURES = (
    "precision_at_k",
    "average_precision",
    "roc_area",
    "forgotten",
    "held_out_before",
    "held_out_after",
    "test_before",
    "test_after",
    "retain_before",
    "retain_after",
    "identify_fraction",
    "treat_fraction",
)
COLUMNS = (
    "identifier",
    "treatment",
    *(name for figure in FIGURES for name in (figure, f"{figure}_low", f"{figure}_high")),
    "seeds",
    "status",
    "message",
)
PRINTED = {
    "identifier": "identifier",
    "treatment": "treatment",
    "precision_at_k": "P@K",
    "roc_area": "ROC",
    "held_out_after": "held out",
    "test_after": "test",
    "time": "time",
    "status": "status",
}
Row = dict[str, object]


def scored(identifier: str, treatment: str, figures: Sequence[Mapping[str, float]]) -> Row:
    """The row of figures, given one mapping per seed."""
    row: Row = {"identifier": identifier, "treatment": treatment}
    for name in FIGURES:
        if name in figures[0]:
            ends = interval(np.array([own[name] for own in figures]))
            row |= dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))
    return row | {"seeds": len(figures), "status": "scored"}


def failed(identifier: str, treatment: str, status: str, message: str) -> Row:
    """The row of a file that got a verdict."""
    return {
        "identifier": identifier,
        "treatment": treatment,
        "status": status,
        "message": message.strip(),
    }


def write(path: Path, rows: Sequence[Row]) -> pd.DataFrame:
    """Rank the rows by what they repair, write them as CSV, return them."""
    frame = pd.DataFrame(rows, columns=list(COLUMNS)).map(cell)
    frame = frame.sort_values(
        ["held_out_after", "identifier", "treatment"], ascending=[False, True, True]
    )
    store.write(path, frame.to_csv(index=False, float_format="%.6g"))
    return frame


def table(frame: pd.DataFrame) -> str:
    """The rows as text."""
    time = frame["identify_fraction"].fillna(0) + frame["treat_fraction"]
    shown = frame.assign(time=time)[list(PRINTED)].rename(columns=PRINTED)
    return shown.to_string(
        index=False, na_rep="", float_format="{:.3f}".format, formatters={"time": "{:.0%}".format}
    )
