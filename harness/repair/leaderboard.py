"""Rows of a repair competition: means over seeds with their intervals, as CSV and as text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from harness import store
from harness.repair.scores import interval
from harness.repair.trials import Figures
from harness.submission import Verdict
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


def row(identifier: str, treatment: str, found: Figures | Verdict, seconds: float) -> Row:
    """The row of what was found; `seconds` are those of a retraining."""
    own: Row = {"identifier": identifier, "treatment": treatment}
    if isinstance(found, Verdict):
        return own | {"status": found.status, "message": found.message.strip()}
    for name in ("treat", "identify"):
        if (spent := found.get(f"{name}_seconds")) is not None:
            found = found | {f"{name}_fraction": spent / seconds}
    for name in FIGURES:
        if name in found:
            ends = interval(found[name])
            own |= dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))
    return own | {"seeds": len(found["forgotten"]), "status": "scored"}


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
