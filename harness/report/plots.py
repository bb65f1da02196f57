"""Chooses the plots that the report draws of a row, and says how to read each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from harness.epsilon import ForgettingQuality, confidences
from harness.pool import Pool, retain_sample
from harness.reference.ceiling import file as ceiling_file
from harness.reference.pools import Reference
from harness.report import figures


@dataclass(frozen=True)
class Plot:
    """A plot, its title, and how to read it."""

    title: str
    caption: str
    svg: Markup


def of_outputs(name: str, pool: Pool, reference: Reference) -> list[Plot]:
    """What the models answer, set by set, and each model as a point."""
    drawn = _distributions(
        name,
        "forget set",
        (pool.forget_logits, reference.retrained.forget_logits),
        reference.data.forget["label"],
    )
    if kept_retain(pool, reference):
        labels = reference.data.retain["label"]
        sample = retain_sample(len(labels))
        drawn += _distributions(
            name,
            f"{len(sample)} of the retain set",
            (pool.retain_logits, reference.retrained.retain_logits),  # type: ignore[arg-type]
            labels[sample],
        )
    return [*drawn, _per_run(name, pool, reference)]


def kept_retain(pool: Pool, reference: Reference) -> bool:
    """Whether both pools hold outputs of retain examples."""
    return pool.retain_logits is not None and reference.retrained.retain_logits is not None


def of_examples(
    name: str, table: pd.DataFrame, row: Mapping[str, Any], reference: Reference | None
) -> list[Plot]:
    """What the attackers found, from the row's `examples.csv`."""
    epsilons = table["epsilon"].to_numpy()
    told = table["attacker"].where(epsilons > 0, "nothing told")
    wins = {str(attacker): int(count) for attacker, count in told.value_counts().items()}
    found = by_attacker(table)
    medians = ", ".join(f"{attacker} {np.median(own):.2f}" for attacker, own in found.items())
    drawn = [
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
        drawn.append(
            Plot(
                "What each attacker finds",
                "One point per forget example; the thick bar holds the middle half of them, the "
                "thin line four fifths, and the stroke is the median.",
                figures.compared(found, f"{name}: epsilons by attacker; medians {medians}"),
            )
        )
    return drawn


def by_attacker(table: pd.DataFrame) -> dict[str, pd.Series]:
    """Epsilons by attacker and view, of those examples where it had to look."""
    columns = [str(column) for column in table.columns if str(column).startswith("epsilon_")]
    found = {column.removeprefix("epsilon_"): table[column].dropna() for column in columns}
    return {name: epsilons for name, epsilons in found.items() if len(epsilons)}


def _distributions(
    name: str, whose: str, logits: tuple[np.ndarray, np.ndarray], labels: np.ndarray
) -> list[Plot]:
    """Confidences, then logits of the label, of the unlearned and the retrained models."""
    own = np.arange(len(labels))
    drawn = []
    for title, axis, how, (unlearned, retrained) in (
        (
            "Confidence",
            "confidence in the label (logits)",
            "The closer the filled shape is to the outline, the more the models look retrained; "
            "values far out share the outermost bars.",
            [confidences(pool, labels) for pool in logits],
        ),
        (
            "Logit of the label",
            "logit of the label",
            "A difference here that the confidence does not show is a shift of all logits, which "
            "changes no probability.",
            [pool[:, own, labels] for pool in logits],
        ),
    ):
        label = (
            f"{name}: {title.lower()}, {whose}, unlearned against retrained; "
            f"medians {np.median(unlearned):.2f} and {np.median(retrained):.2f}"
        )
        svg = figures.distributions(unlearned, retrained, axis, label)
        drawn.append(Plot(f"{title}, {whose}", how, svg))
    return drawn


def _per_run(name: str, pool: Pool, reference: Reference) -> Plot:
    labels = reference.data.forget["label"]
    pools = (pool, reference.retrained, reference.original)
    ours, theirs, before = (
        (each.forget_accuracy, confidences(each.forget_logits, labels).mean(axis=1))
        for each in pools
    )
    return Plot(
        "One point per model",
        "Dots should lie where the rings lie. A dot far off is a spike, several clouds are a "
        "mixture, and a short dash is many equal runs, since points of the same accuracy are "
        "spread sideways.",
        figures.per_run(
            ours,
            theirs,
            before,
            f"{name}: forget accuracy and mean confidence of each model, unlearned against "
            f"retrained; mean accuracies {ours[0].mean():.3f} and {theirs[0].mean():.3f}",
        ),
    )


def _ceiling(row: Mapping[str, Any], reference: Reference | None) -> np.ndarray | None:
    """The epsilons of a second retrained pool, as they were measured for the row."""
    if reference is None:
        return None
    try:
        path = ceiling_file(reference, row["runs"], row["reference"])
        return ForgettingQuality.from_dict(json.loads(path.read_text(encoding="utf-8"))).epsilons
    except (OSError, ValueError, KeyError):
        return None
