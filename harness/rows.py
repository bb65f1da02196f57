"""From the runs of a submission to the figures of its row, and the files beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness import diagnostics, leaderboard, log, metrics, scoring, store
from harness.epsilon import ForgettingQuality
from harness.reference.pools import Reference
from harness.runs import Runs
from harness.yardstick import fraction_low, refuse_slow

BASELINE = "baseline"
LINES = ("retraining", "floor")


def scored(
    folder: Path,
    runs: Runs,
    retrainings: np.ndarray,
    reference: Reference,
    ceiling: ForgettingQuality,
    is_baseline: bool = False,
    notes: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Score runs, and write what the leaderboard has no column for to `folder`.

    Parameters
    ----------
    folder : Path
        The submission's.
    runs : Runs
    retrainings : ndarray
        Seconds of retrainings measured beside the runs; may be empty.
    reference : Reference
    ceiling : ForgettingQuality
        Forgetting quality of as many retrained models.
    is_baseline : bool
        Whether it is a line to compare with: it has no rank, and may take as long as it does.
    notes : mapping of str to str, optional
        What was seen in the file, by the flag that says so.

    Returns
    -------
    dict
        Fields of `harness.columns.Row`.

    Raises
    ------
    Verdict
        `timeout`, if a run takes longer than the competition scores.
    """
    settings, labels = reference.competition.evaluation, reference.data.forget["label"]
    fraction = fraction_low(runs.seconds, retrainings)
    if not is_baseline:
        refuse_slow(fraction, settings.limits)
    pools = runs.pool, reference.retrained
    score = scoring.score(*pools, ceiling, labels, settings.attackers, settings.delta)
    figures: dict[str, Any] = metrics.figures(
        *pools,
        labels,
        score.quality.epsilons,
        settings.delta,
        *(float(times.mean()) if times.size else None for times in (runs.seconds, retrainings)),
    )
    figures["retrain_fraction_low"] = fraction
    flags = diagnostics.flags(
        *pools,
        labels,
        score.value,
        figures["neurips2023_score"],
        score.utility,
        None if is_baseline else fraction,
        settings.limits.retrain_fraction,
        notes=notes,
    )
    figures = score.figures() | figures
    store.write(leaderboard.metrics_file(folder, settings.runs), json.dumps(figures, indent=1))
    examples = {k: v for k, v in reference.data.forget.items() if k not in ("image", "label")}
    examples |= metrics.per_example(*pools, labels, score.quality)
    table = pd.DataFrame(examples).to_csv(index=False, float_format="%.6g")
    store.write(leaderboard.examples_file(folder, settings.runs), table)
    for name in ("metrics.json", "examples.csv"):  # as they were called at first, of whatever N
        (folder / name).unlink(missing_ok=True)
    for flag in flags:
        log.note(folder, f"flag {flag.name}: {flag.explanation}\n")
    return figures | {
        "status": BASELINE if is_baseline else "scored",
        "flags": " ".join(flag.name for flag in flags),
        "explanations": {flag.name: flag.explanation for flag in flags},
        "isolation": runs.isolation,
        "memory": runs.memory,
        "device": runs.device,
        "at_floor": score.at_floor,
        "draws": score.draws.tolist(),
    }


def baselines(reference: Reference, ceiling: ForgettingQuality) -> dict[str, dict[str, Any]]:
    """What any score stands between: retraining, and every model told apart.

    Returns
    -------
    dict of str to dict
        Fields of `harness.columns.Row`, by the names of `LINES`.
    """
    settings, labels = reference.competition.evaluation, reference.data.forget["label"]
    figures = metrics.figures(
        reference.second, reference.retrained, labels, ceiling.epsilons, settings.delta
    )
    largest = ceiling.largest_epsilon
    least = float(np.exp2(-2 * largest))
    retraining: dict[str, Any] = figures | {
        "score": 1.0,
        "forgetting_quality": ceiling.value,
        "utility": 1.0,
        "retrain_fraction": 1.0,
        "status": BASELINE,
    }
    floor: dict[str, Any] = {
        "score": least / ceiling.value,
        "forgetting_quality": least,
        "epsilon_median": largest,
        "epsilon_p90": largest,
        "status": BASELINE,
    }
    if ceiling.strict:
        retraining["strict_score"] = 1.0
        floor["strict_score"] = least / ceiling.strict.value
    return {"retraining": retraining, "floor": floor}
