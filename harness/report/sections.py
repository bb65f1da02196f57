"""Gathers what the report shows of one row from its folder, and says what is missing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from harness import runs
from harness.epsilon import confidences
from harness.evaluation import runs_folder
from harness.pool import Pool
from harness.reference.pools import Reference
from harness.report import figures, plots
from harness.report.plots import Plot

Row = dict[str, Any]  # a `harness.columns.Row`, without what is unknown
HARDEST = 6
LOG_BYTES = 6000
NO_REFERENCE = (
    "The reference of this competition is not in the cache, so there are no retrained models to "
    "compare with; `make reference` trains it, and `make report` then draws the rest."
)
NO_OUTPUTS = (
    "The outputs of its {runs} runs are not all there, so its distributions cannot be drawn; "
    "evaluate it again to have them."
)
NO_RETAIN = (
    "Its runs or the reference were made before outputs of retain examples were kept, so these "
    "are not shown; remove `{folder}` and the reference's cache, and evaluate again to have them."
)
NO_EXAMPLES = (
    "Its examples.csv is missing or of an evaluation with another number of runs, so single "
    "examples cannot be shown; evaluate it again with {runs} runs to have them."
)


@dataclass(frozen=True)
class Example:
    """A forget example: its line of `examples.csv`, epsilons by attacker, its picture, its plot."""

    facts: dict[str, Any]
    by_attacker: dict[str, float]
    picture: str = ""
    svg: str = ""


@dataclass
class Section:
    """What is shown of a row.

    Attributes
    ----------
    row : Row
    id : str
        Its anchor in the page.
    is_line : bool
        Whether it is one of the board's lines and not a submission.
    notes : list of str
        What is missing, and how to get it.
    interval : Markup
        The score on the leaderboard's axis.
    plots : list of Plot
    hardest : list of Example
    seconds : dict of str to float
        Median and maximum of a run's seconds (`median`, `most`); None if unknown.
    log : str
        The end of the log.
    """

    row: Row
    id: str
    is_line: bool = False
    notes: list[str] = field(default_factory=list)
    interval: str = ""
    plots: list[Plot] = field(default_factory=list)
    hardest: list[Example] = field(default_factory=list)
    seconds: dict[str, float | None] = field(
        default_factory=lambda: dict.fromkeys(("median", "most"))
    )
    log: str = ""


def section(
    row: Row,
    folder: Path,
    reference: Reference | None,
    limits: tuple[float, float],
    lines: Sequence[float],
) -> Section:
    """Gather and draw what there is to show.

    Parameters
    ----------
    row : Row
        With its rank.
    folder : Path
        The submission's own folder in the results.
    reference : Reference, optional
        What the row was scored against, with the same number of models; None if not cached.
    limits : (float, float)
        Ends of the leaderboard's axis.
    lines : sequence of float
        Scores of the baselines of as many runs.
    """
    # Quoted, a name can be any, and two are never the same.
    made = Section(row, f"{quote(row['submission'], safe='')}-{row['runs']}", log=_log(folder))
    if "score_low" not in row:
        made.is_line = "score" in row
        return made
    name = f"{row['submission']}, {row['runs']} runs"
    made.interval = figures.interval(
        row["score"],
        row["score_low"],
        row["score_high"],
        limits,
        lines,
        f"{name}: score {row['score']:.4f}, "
        f"95 % interval {row['score_low']:.4f} to {row['score_high']:.4f}",
    )
    table = _examples(row, folder)
    if table is None:
        made.notes.append(NO_EXAMPLES.format(**row))
    done = None
    if reference is not None:
        done = runs.read(runs_folder(folder, reference.fingerprint, row["sha256"]), row["runs"])
        if done is None:
            made.notes.append(NO_OUTPUTS.format(**row))
    if reference is not None and done is not None:
        made.seconds = {"median": float(np.median(done.seconds)), "most": done.seconds.max()}
        made.plots += plots.of_outputs(name, done.pool, reference)
        if not plots.kept_retain(done.pool, reference):
            made.notes.append(NO_RETAIN.format(folder=folder))
    if table is not None:
        made.plots += plots.of_examples(name, table, row, reference)
        made.hardest += _hardest(name, table, done.pool if done else None, reference)
    return made


def _hardest(
    name: str, table: pd.DataFrame, pool: Pool | None, reference: Reference | None
) -> list[Example]:
    """The examples with the largest epsilons; among equal ones, those that differ most."""
    hardest = table.sort_values(["epsilon", "ks_distance"], ascending=False)[:HARDEST]
    by_attacker = plots.by_attacker(table)
    facts: list[dict[str, Any]] = hardest.to_dict("records")  # type: ignore[assignment]
    found = [
        {name: float(epsilons[at]) for name, epsilons in by_attacker.items() if at in epsilons}
        for at in hardest.index
    ]
    if pool is None or reference is None:
        return [Example(fact, own) for fact, own in zip(facts, found, strict=True)]
    forget = reference.data.forget
    phi, phi_retrained, phi_original = (
        confidences(p.forget_logits, forget["label"])
        for p in (pool, reference.retrained, reference.original)
    )
    return [
        Example(
            fact,
            own,
            figures.picture(forget["image"][at]),
            figures.example(
                phi[:, at],
                phi_retrained[:, at],
                float(phi_original[0, at]),
                f"{name}: confidences of image {fact['image_id']}, unlearned against retrained; "
                f"medians {fact['unlearned_median']:.2f} and {fact['retrained_median']:.2f}",
            ),
        )
        for at, fact, own in zip(hardest.index, facts, found, strict=True)
    ]


def _examples(row: Row, folder: Path) -> pd.DataFrame | None:
    """The row's `examples.csv`, if that is not another row's of the same submission."""
    try:
        written = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        if any(row.get(name) != value for name, value in written.items()):
            return None
        return pd.read_csv(folder / "examples.csv")
    except (OSError, ValueError):
        return None


def _log(folder: Path) -> str:
    try:
        with (folder / "log.txt").open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - LOG_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return text if size <= LOG_BYTES else "…\n" + text.partition("\n")[2]
