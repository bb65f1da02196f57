"""Chooses the plots that the report draws of a row, and says how to read each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from harness.columns import Row
from harness.pool import Pool
from harness.report import figures
from harness.report.standard import Standard, Views
from harness.report.svg import Plot

SPLITS = ("retain", "forget", "validation", "test")
_HOW = {
    "raw": "The closer the filled shape is to the outline, the more the models look retrained. "
    "Values far out share the outermost bars.",
    "calibrated": "The same, once what differs between models on validation images is taken off: "
    "an offset or a temperature drawn for each run hides nothing here.",
}


@dataclass(frozen=True)
class Figure:
    """A plot, its title, and how to read it."""

    title: str
    caption: str
    svg: Plot


def of_outputs(name: str, pool: Pool, views: Views, standard: Standard) -> list[Figure]:
    """What the models answer, set by set, and each model as a point."""
    drawn = [
        _distribution(
            name, f"Confidence in forget examples, {view}", _HOW[view],
            {
                "unlearned": values,
                "retrained": standard.retrained[view],
                "original": standard.original[view],
            },
        )
        for view, values in views.items()
    ]  # fmt: skip
    retain = standard.retain_confidences(pool)
    if retain is not None and standard.retrained_retain is not None:
        drawn.append(
            _distribution(
                name, f"Confidence in {retain.shape[1]} retain examples",
                "What the models should have kept.",
                {"unlearned": retain, "retrained": standard.retrained_retain},
            )
        )  # fmt: skip
    return [*drawn, _per_run(name, pool, views, standard), _accuracies(name, pool, standard)]


def of_examples(
    name: str, table: pd.DataFrame, row: Row, standard: Standard | None
) -> list[Figure]:
    """What the attackers found, from the row's table of examples."""
    epsilons = table["epsilon"].to_numpy()
    told = table["attacker"].where(epsilons > 0, "nothing told")
    wins = {_words(attacker): int(count) for attacker, count in told.value_counts().items()}
    found = {_words(attacker): own.to_numpy() for attacker, own in by_attacker(table).items()}
    ceiling = standard.ceiling(row.runs, row.reference or "") if standard else None
    drawn = [
        Figure(
            "Epsilon of each forget example",
            "How surely the best attacker tells unlearned from retrained models: 0 is not at all. "
            "The outline is what a second pool of retrained models gets.",
            figures.epsilons(
                epsilons,
                ceiling,
                f"{name}: histogram of epsilons; median {np.median(epsilons):.2f}, "
                f"largest {epsilons.max():.2f}",
            ),
        ),
        Figure(
            "Best attacker",
            "The number of forget examples on which each attacker finds the largest epsilon.",
            figures.attackers(
                wins,
                f"{name}: examples by winning attacker; "
                + ", ".join(f"{attacker} {count}" for attacker, count in wins.items()),
            ),
        ),
    ]
    if found:
        medians = ", ".join(f"{attacker} {np.median(own):.2f}" for attacker, own in found.items())
        drawn.append(
            Figure(
                "Epsilons by attacker and view",
                "One point per forget example; the thick bar holds the middle half of them, the "
                "thin line four fifths, and the stroke is the median. Attackers of the logits "
                "count for the strict score only.",
                figures.strips(
                    found, "epsilon (nats)", f"{name}: epsilons by attacker; medians {medians}"
                ),
            )
        )
    return drawn


def by_attacker(table: pd.DataFrame) -> dict[str, pd.Series]:
    """Epsilons by attacker and view, of those examples where it had to look."""
    columns = [str(column) for column in table.columns if str(column).startswith("epsilon_")]
    found = {column.removeprefix("epsilon_"): table[column].dropna() for column in columns}
    return {name: epsilons for name, epsilons in found.items() if len(epsilons)}


def _distribution(name: str, title: str, how: str, pools: figures.Pools) -> Figure:
    medians = " and ".join(f"{np.median(pools[kind]):.2f}" for kind in ("unlearned", "retrained"))
    label = f"{name}: {title.lower()}, unlearned against retrained; medians {medians}"
    return Figure(title, how, figures.distributions(pools, "confidence (logits)", label))


def _per_run(name: str, pool: Pool, views: Views, standard: Standard) -> Figure:
    reference = standard.reference
    pools = {
        "unlearned": (pool.forget_accuracy, views["raw"].mean(axis=1)),
        "retrained": (
            reference.retrained.forget_accuracy,
            standard.retrained["raw"].mean(axis=1),
        ),
        "original": (reference.original.forget_accuracy, standard.original["raw"].mean(axis=1)),
    }
    means = " and ".join(f"{pools[kind][0].mean():.3f}" for kind in ("unlearned", "retrained"))
    return Figure(
        "One point per model",
        "Dots should lie where the rings lie. A dot far off is a spike, several clouds are a "
        "mixture, and a short dash is many equal runs, since points of the same accuracy are "
        "spread sideways.",
        figures.per_run(
            pools,
            f"{name}: forget accuracy and mean confidence of each model, unlearned against "
            f"retrained; mean accuracies {means}",
        ),
    )


def _accuracies(name: str, pool: Pool, standard: Standard) -> Figure:
    reference = standard.reference
    pools = {
        "unlearned": pool,
        "retrained": reference.retrained,
        "original": reference.original,
    }
    return Figure(
        "Accuracy against retraining",
        "A bar holds four fifths of the models, and its stroke is their mean. The dotted stroke "
        "is the original model.",
        figures.accuracies(
            {
                split: {kind: getattr(own, f"{split}_accuracy") for kind, own in pools.items()}
                for split in SPLITS
            },
            f"{name}: accuracies by split, unlearned against retrained",
        ),
    )


def _words(attacker: object) -> str:
    """`kernel_calibrated` as `kernel calibrated`."""
    return str(attacker).replace("_", " ")
