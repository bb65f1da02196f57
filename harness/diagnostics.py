"""Validity flags: what a reader should know about a row before believing its score."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist

from harness.epsilon import confidences
from harness.epsilon.blocks import blocks
from harness.epsilon.validation import check_pair
from harness.pool import Pool

# Nearer than this, in retrained standard deviations, two runs are as good as one.
_SAME = 0.01
_SAME_FRACTION = 0.05
_GAP = 4.0
_OFFICIAL_HIGH = 0.05
_OVER_FORGETTING = 0.1


@dataclass(frozen=True)
class Facts:
    """What the flags of a row depend on; see `flags` for what is not measured here.

    Attributes
    ----------
    same : float
        The fraction of the runs that have the same confidences as another run.
    gap : float
        The widest gap in the ordered scales of the runs' logits, in standard deviations.
    forget, forget_retrained : float
        Mean forget accuracies.
    notes : mapping of str to str
        What was seen in the file, by the flag that says so.
    """

    same: float
    gap: float
    score: float
    official: float
    utility: float
    utility_floor: float
    forget: float
    forget_retrained: float
    fraction: float
    limit: float
    notes: Mapping[str, str]


@dataclass(frozen=True)
class Rule:
    """When a flag is raised, what it means on any row, and what is said of one, with its facts."""

    is_raised: Callable[[Facts], bool]
    caption: str
    explanation: str


FLAGS = {
    "identical_runs": Rule(
        lambda row: row.same > _SAME_FRACTION,
        "Many runs give the same outputs, as a fixed seed does.",
        "{same:.0%} of the runs give the same outputs as another run, as a fixed seed does; "
        "retrained models differ from run to run, and attackers see that these do not.",
    ),
    "spike_or_mixture": Rule(
        lambda row: row.gap > _GAP,
        "The scale of the logits falls into groups of runs, as when two methods take turns.",
        "The scale of the logits falls into groups of runs {gap:.1f} standard deviations "
        "apart, as when a few runs are blown up or two methods take turns.",
    ),
    "official_high_score_low": Rule(
        lambda row: row.official > max(row.score, _OFFICIAL_HIGH),
        "The 2023 rule gives more than the score, as it does to those who game it.",
        "The 2023 competition's rule gives {official:.3f}, more than the score of "
        "{score:.3f}, which honest submissions never show; that rule can be gamed.",
    ),
    "utility_below_floor": Rule(
        lambda row: row.utility < row.utility_floor,
        "The models have lost what they were trained for.",
        "Utility is {utility:.3f}, below {utility_floor:g}: the models have lost what they "
        "were trained for.",
    ),
    "over_forgetting": Rule(
        lambda row: row.forget < row.forget_retrained - _OVER_FORGETTING,
        "Forget accuracy is far below that of retrained models.",
        "Forget accuracy is {forget:.3f}, but {forget_retrained:.3f} for retrained models: "
        "the forget set is not forgotten but avoided.",
    ),
    "slow": Rule(
        lambda row: row.fraction > row.limit,
        "A run takes a larger part of a retraining than the competition's limit.",
        "A run takes at least {fraction:.0%} of the time of retraining; the limit is {limit:.0%}.",
    ),
    "driver_settings": Rule(
        lambda row: "driver_settings" in row.notes,
        "The file's own driver passes settings to `unlearning` that are not passed here.",
        "{notes[driver_settings]}",
    ),
    "argument_order": Rule(
        lambda row: "argument_order" in row.notes,
        "The parameters of `unlearning` are named after other sets than they get.",
        "{notes[argument_order]}",
    ),
}


class Flag(NamedTuple):
    """A name for the row, and one sentence for the log."""

    name: str
    explanation: str


def flags(
    unlearned: Pool,
    retrained: Pool,
    labels: np.ndarray,
    score: float,
    neurips2023_score: float,
    utility: float,
    retrain_fraction: float | None = None,
    retrain_limit: float = 0.2,
    utility_floor: float = 0.5,
    notes: Mapping[str, str] | None = None,
) -> list[Flag]:
    """Everything about a submission that should make a reader look twice.

    Parameters
    ----------
    unlearned, retrained : Pool
    labels : array [F] of int
        Classes of the forget examples.
    score, neurips2023_score, utility : float
        As scored.
    retrain_fraction : float, optional
        Seconds of a run over those of one retraining: the lower end of the interval, so that a
        busy machine does not raise a flag.
    retrain_limit : float
        The fraction above which a submission is slow.
    utility_floor : float
        The utility below which a model is useless, however much it forgot.
    notes : mapping of str to str, optional
        What was seen in the file, by the flag that says so.

    Returns
    -------
    list of Flag

    Raises
    ------
    ValueError
        If logits are NaN or infinite, or the pools do not fit each other.
    """
    check_pair(unlearned.forget_logits, retrained.forget_logits, ndim=(3,))
    row = Facts(
        same=_same_runs(unlearned, retrained, labels),
        gap=_scale_gap(_log_scales(unlearned), _log_scales(retrained)),
        score=score,
        official=neurips2023_score,
        utility=utility,
        utility_floor=utility_floor,
        forget=float(unlearned.forget_accuracy.mean()),
        forget_retrained=float(retrained.forget_accuracy.mean()),
        fraction=retrain_fraction or 0.0,
        limit=retrain_limit,
        notes=notes or {},
    )
    return [
        Flag(name, rule.explanation.format(**vars(row)))
        for name, rule in FLAGS.items()
        if rule.is_raised(row)
    ]


def _same_runs(unlearned: Pool, retrained: Pool, labels: np.ndarray) -> float:
    """Fraction of the runs that have the same confidences as another run."""
    phi_u, phi_r = (confidences(pool.forget_logits, labels) for pool in (unlearned, retrained))
    spread = phi_r.std(axis=0)
    scaled = phi_u / np.where(spread > 0, spread, 1.0)
    distances = cdist(scaled, scaled) / np.sqrt(scaled.shape[1])
    np.fill_diagonal(distances, np.inf)
    return float(np.mean(distances.min(axis=1) < _SAME))


def _log_scales(pool: Pool) -> np.ndarray:
    """Log of the standard deviation of each model's logits around each example's mean."""
    parts = (part.astype(np.float64).std(axis=2) for part in blocks(pool.forget_logits))
    scales = np.concatenate([np.median(each, axis=1) for each in parts])
    return np.log(np.maximum(scales, np.finfo(float).tiny))


def _scale_gap(unlearned: np.ndarray, retrained: np.ndarray) -> float:
    """Widest gap in the ordered scales, in standard deviations within the two sides.

    The deviation is at least that of the retrained models, so that rounding in nearly identical
    runs does not count as a gap.
    """
    ordered = np.sort(unlearned)
    steps = np.diff(ordered)
    cut = int(steps.argmax()) + 1
    within = np.concatenate([part - part.mean() for part in (ordered[:cut], ordered[cut:])])
    unit = max(float(within.std()), float(retrained.std()), 1e-6)
    return float(steps.max()) / unit
