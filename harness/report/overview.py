"""Says what a competition is: its task, data, forget set, model and evaluation, in a few lines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.columns import Row
from harness.competition import Competition, Splits
from harness.epsilon.attackers import panel
from harness.report import figures
from harness.report.standard import Standard

SHOWN = 12  # pictures of the forget set
_LARGEST = 48  # pixels of such a picture's side
Picture = tuple[str, str]  # its data URL, and what it is


def facts(
    competition: Competition, standard: Standard | None, rows: Sequence[Row]
) -> dict[str, str]:
    """What there is to say before anyone reads the board, by title."""
    training, evaluation = competition.training, competition.evaluation
    limits = evaluation.limits
    recipe = (
        f"{training.epochs} epochs of {training.optimizer} at {training.learning_rate:g}, in "
        f"batches of {training.batch_size}"
    )
    model = competition.model.architecture
    told = {"data": competition.dataset, "forget set": _forgotten(competition.splits, standard)}
    if standard is not None:
        data, reference = standard.reference.data, standard.reference
        shape = "×".join(map(str, data.forget["image"].shape[1:]))
        sizes = [
            f"{len(getattr(data, split)['label']):,} {split}"
            for split in ("retain", "forget", "validation", "test")
        ]
        told["data"] += f", {data.classes} classes, images of {shape}"
        told["splits"] = ", ".join(sizes)
        if standard.parameters:
            model += f", {standard.parameters:,} parameters"
        recipe += f"; a retraining takes {reference.retrain_seconds:.3g} s on one core"
    counts = sorted({row.runs for row in rows}, reverse=True)
    versions = sorted({str(row.metric_version) for row in rows if row.metric_version})
    levels = {row.isolation for row in rows if row.isolation}
    told |= {
        "model": model,
        "training": recipe,
        "evaluation": "N = " + " and ".join(map(str, counts)) + " runs of each submission, "
        "compared with as many retrained models; metric version " + ", ".join(versions),
        "attackers": ", ".join(panel(evaluation.attackers, logits=True)).replace("_", " "),
        "limits": f"{limits.seconds:g} s and {limits.memory_mb:,} MiB for a run, "
        f"{limits.total_seconds:,.0f} s for all of them; slow is a run of more than "
        f"{limits.retrain_fraction:.0%} of a retraining",
        "isolation": ", ".join(sorted(levels)) or "unknown",
    }
    return told


def pictures(standard: Standard) -> list[Picture]:
    """A few examples of the forget set, evenly spread."""
    forget = standard.reference.data.forget
    count = len(forget["label"])
    chosen = np.linspace(0, count - 1, min(SHOWN, count)).round().astype(int)
    return [
        (figures.picture(forget["image"][at], _LARGEST), f"class {forget['label'][at]}")
        for at in chosen
    ]


def _forgotten(splits: Splits, standard: Standard | None) -> str:
    """Which examples the forget set has, in words."""
    forget = splits.forget
    of = {
        "block": f"a block of consecutive images, from number {forget.start} on",
        "random": "drawn at random",
        "class": f"of class {forget.label}",
        "identities": "all images of some identities",
        "memorised": "those that models memorise most",
        "indices": "chosen one by one",
    }[forget.kind]
    if standard is None:
        return of
    data = standard.reference.data
    count, trained = len(data.forget["label"]), len(data.retain["label"])
    people = data.forget.get("person_id")
    if forget.kind == "identities" and people is not None:
        of = f"all images of {len(np.unique(people))} identities"
    share = count / (count + trained)
    return f"{count:,} images, {share:.1%} of what the original was trained on: {of}"
