"""What the report shows of one row: gathered from its folder, and said where it is missing."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
from markupsafe import Markup

from harness import runs
from harness.epsilon import ForgettingQuality, confidences
from harness.evaluation import runs_folder
from harness.leaderboard import Row
from harness.pool import Pool
from harness.report import figures
from reference.ceiling import file as ceiling_file
from reference.pools import Reference

HARDEST = 6
LOG_BYTES = 6000
NO_REFERENCE = (
    "The reference of this competition is not in the cache, so nothing is shown beside retrained "
    "models; `make reference` trains it, and `make report` then draws the rest."
)
NO_OUTPUTS = (
    "The outputs of its {runs} runs are not all there, so its distributions cannot be drawn; "
    "evaluate it again to have them."
)
NO_EXAMPLES = (
    "Its examples.csv is missing or of an evaluation with another number of runs, so single "
    "examples cannot be shown; evaluate it again with {runs} runs to have them."
)


@dataclass(frozen=True)
class Plot:
    """A plot, what it is of, and how to read it."""

    title: str
    caption: str
    svg: Markup


@dataclass(frozen=True)
class Example:
    """A forget example: its line of `examples.csv`, its picture, its plot."""

    facts: dict[str, Any]
    picture: str = ""
    svg: str = ""


@dataclass
class Section:
    """What is shown of a row.

    Attributes
    ----------
    row : Row
    id : str
        Its address in the page.
    notes : list of str
        What is missing, and how to have it.
    interval : Markup
        The score on the leaderboard's axis.
    plots : list of Plot
    hardest : list of Example
    seconds : dict of str to float
        Of a run, `median` and `most`; None if unknown.
    log : str
        The end of it.
    """

    row: Row
    id: str
    notes: list[str] = field(default_factory=list)
    interval: str = ""
    plots: list[Plot] = field(default_factory=list)
    hardest: list[Example] = field(default_factory=list)
    seconds: dict[str, float | None] = field(
        default_factory=lambda: dict.fromkeys(("median", "most"))
    )
    log: str = ""


def section(
    row: Row, folder: Path, reference: Reference | None, limits: tuple[float, float]
) -> Section:
    """Gather and draw what there is.

    Parameters
    ----------
    row : Row
        With its rank.
    folder : Path
        The submission's own in the results.
    reference : Reference, optional
        What the row was scored against, with as many models; None if it is not cached.
    limits : (float, float)
        Ends of the leaderboard's axis.
    """
    # Quoted, a name can be any, and two are never the same.
    made = Section(row, f"{quote(row['submission'], safe='')}-{row['runs']}", log=_log(folder))
    if row["status"] != "scored":
        return made
    name = f"{row['submission']}, {row['runs']} runs"
    made.interval = figures.interval(
        row["score"],
        row["score_low"],
        row["score_high"],
        limits,
        f"{name}: score {row['score']:.3f}, "
        f"95 % interval {row['score_low']:.3f} to {row['score_high']:.3f}",
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
        made.plots += _pool_plots(name, done.pool, reference)
    if table is not None:
        made.plots += _table_plots(name, table, row, reference)
        made.hardest += _hardest(name, table, done.pool if done else None, reference)
    return made


def _pool_plots(name: str, pool: Pool, reference: Reference) -> list[Plot]:
    labels = reference.data.forget["label"]
    phi, phi_retrained, phi_original = (
        confidences(p.forget_logits, labels)
        for p in (pool, reference.retrained, reference.original)
    )
    medians = f"medians {np.median(phi):.2f} and {np.median(phi_retrained):.2f}"
    accuracies = (
        f"{pool.forget_accuracy.mean():.3f} and {reference.retrained.forget_accuracy.mean():.3f}"
    )
    return [
        Plot(
            "Confidence in the forgotten labels",
            "All forget examples and all models together. The closer the filled shape is to the "
            "outline, the more the models look retrained; values far out share the outermost bars.",
            figures.distributions(
                phi,
                phi_retrained,
                f"{name}: histogram of forget confidences, unlearned against retrained; {medians}",
            ),
        ),
        Plot(
            "One point a model",
            "Dots should lie where the rings lie. A dot far off is a spike, several clouds are a "
            "mixture, and a short dash is many equal runs, since points of the same accuracy are "
            "spread sideways.",
            figures.per_run(
                (pool.forget_accuracy, phi.mean(axis=1)),
                (reference.retrained.forget_accuracy, phi_retrained.mean(axis=1)),
                (reference.original.forget_accuracy, phi_original.mean(axis=1)),
                f"{name}: forget accuracy and mean confidence of each model, unlearned against "
                f"retrained; mean accuracies {accuracies}",
            ),
        ),
    ]


def _table_plots(
    name: str, table: pd.DataFrame, row: Row, reference: Reference | None
) -> list[Plot]:
    epsilons = table["epsilon"].to_numpy()
    told = table["attacker"].where(epsilons > 0, "nothing told")
    wins = {str(attacker): int(count) for attacker, count in told.value_counts().items()}
    return [
        Plot(
            "Epsilon of each forget example",
            "How surely the best attacker tells unlearned from retrained models: 0 is not at all. "
            "The outline is what a second pool of retrained models gets.",
            figures.epsilons(
                epsilons,
                _ceiling(row, reference),
                f"{name}: histogram of epsilons; median {np.median(epsilons):.2f}, "
                f"largest {epsilons.max():.2f}",
            ),
        ),
        Plot(
            "Which attacker tells most",
            "The number of forget examples on which each attacker finds the largest epsilon.",
            figures.attackers(
                wins,
                f"{name}: examples by winning attacker; "
                + ", ".join(f"{attacker} {count}" for attacker, count in wins.items()),
            ),
        ),
    ]


def _hardest(
    name: str, table: pd.DataFrame, pool: Pool | None, reference: Reference | None
) -> list[Example]:
    """The examples that are told apart most surely; of equal ones, those that differ most."""
    hardest = table.sort_values(["epsilon", "ks_distance"], ascending=False)[:HARDEST]
    facts: list[dict[str, Any]] = hardest.to_dict("records")  # type: ignore[assignment]
    if pool is None or reference is None:
        return [Example(fact) for fact in facts]
    forget = reference.data.forget
    phi, phi_retrained, phi_original = (
        confidences(p.forget_logits, forget["label"])
        for p in (pool, reference.retrained, reference.original)
    )
    return [
        Example(
            fact,
            figures.picture(forget["image"][at]),
            figures.example(
                phi[:, at],
                phi_retrained[:, at],
                float(phi_original[0, at]),
                f"{name}: confidences of image {fact['image_id']}, unlearned against retrained; "
                f"medians {fact['unlearned_median']:.2f} and {fact['retrained_median']:.2f}",
            ),
        )
        for at, fact in zip(hardest.index, facts, strict=True)
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


def _ceiling(row: Row, reference: Reference | None) -> np.ndarray | None:
    """The epsilons of a second retrained pool, as they were measured for the row."""
    if reference is None:
        return None
    try:
        path = ceiling_file(reference, row["runs"], row["key"])
        return ForgettingQuality.from_dict(json.loads(path.read_text(encoding="utf-8"))).epsilons
    except (OSError, ValueError, KeyError):
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
