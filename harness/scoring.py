"""The leaderboard's score: forgetting quality over its ceiling, times utility, with an interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import studentized_range

from harness.epsilon import ForgettingQuality, forgetting_quality
from harness.epsilon.attackers import Attacker
from harness.epsilon.estimation import ByAttacker
from harness.epsilon.resampling import halves, interval, replicate
from harness.pool import Pool

CONFIDENCE = 0.97  # that a field of equals is one rank group


@dataclass(frozen=True)
class Score:
    """A submission's score and what it is made of.

    Attributes
    ----------
    value : float
        ``forgetting_quality / ceiling * utility``; 1.0 is as good as retraining, as far as the
        attackers can tell. Chance can lift it a little above.
    low, high : float
        95 % interval of the value.
    forgetting_quality, ceiling : float
        Of the unlearned models, and of a second pool of retrained ones, against the retrained.
    utility : float
        Retain and test accuracy over the retrained models', each capped at 1, multiplied.
    retain_accuracy, forget_accuracy, validation_accuracy, test_accuracy : float
        Mean fractions over the unlearned models.
    epsilons : ndarray [F]
        Of each forget example, in nats.
    by_attacker : ByAttacker
    draws : ndarray [200]
        Replicates of the value from random halves of all three pools; their standard deviation
        is its standard error. Scores of the same reference share its halves, so that their draws
        can be subtracted.
    """

    value: float
    low: float
    high: float
    forgetting_quality: float
    ceiling: float
    utility: float
    retain_accuracy: float
    forget_accuracy: float
    validation_accuracy: float
    test_accuracy: float
    epsilons: np.ndarray
    by_attacker: ByAttacker
    draws: np.ndarray


def score(
    unlearned: Pool,
    retrained: Pool,
    ceiling: ForgettingQuality,
    labels: np.ndarray,
    attackers: Sequence[str] | Mapping[str, Mapping[str, Any] | Attacker] | None = None,
    delta: float = 1e-5,
) -> Score:
    """Score a pool of unlearned models.

    Parameters
    ----------
    unlearned, retrained : Pool
        Of N_u unlearned and N_r retrained models.
    ceiling : ForgettingQuality
        Of N_u other retrained models against `retrained`, by the same attackers and delta.
    labels : array [F] of int
        Classes of the forget examples.
    attackers, delta
        As in `harness.epsilon.forgetting_quality`.

    Returns
    -------
    Score

    Raises
    ------
    ValueError
        If a pool has fewer than 10 models or is not finite, or if the ceiling was measured with
        other numbers of models, attackers or delta, as such scores are not comparable.
    """
    quality = forgetting_quality(
        unlearned.forget_logits, retrained.forget_logits, labels, attackers, delta
    )
    _check_ceiling(ceiling, quality)
    utility = _utility(unlearned, retrained)
    value = quality.value / ceiling.value * utility
    utility_draws = [
        _utility(unlearned[kept], retrained[kept_retrained])
        for kept, kept_retrained in zip(*halves(len(unlearned), len(retrained)), strict=True)
    ]
    draws = replicate(value, quality.draws / ceiling.draws * np.array(utility_draws))
    low, high = interval(value, draws)
    return Score(
        value=value,
        low=low,
        high=high,
        forgetting_quality=quality.value,
        ceiling=ceiling.value,
        utility=utility,
        retain_accuracy=float(unlearned.retain_accuracy.mean()),
        forget_accuracy=float(unlearned.forget_accuracy.mean()),
        validation_accuracy=float(unlearned.validation_accuracy.mean()),
        test_accuracy=float(unlearned.test_accuracy.mean()),
        epsilons=quality.epsilons,
        by_attacker=quality.by_attacker,
        draws=draws,
    )


def rank_groups(scores: Sequence[float], draws: Sequence[np.ndarray]) -> list[int]:
    """Groups of rows that no significant difference tells apart.

    From the best score down, a row joins the group as long as its difference from the group's
    best is not significant; the first that is opens the next group. The standard error of a
    difference comes from the paired draws. Its critical value is that of the range of all the
    rows' scores (Tukey and Kramer), so that a field of equals, however large, is split in fewer
    than one leaderboard of twenty, although its best and its worst are compared: at 97 %, as
    standard errors are estimates themselves, and at 95 % up to 7 % of the pairs of equals were
    split in `tests/benchmarks/interval_coverage.py`.

    Parameters
    ----------
    scores : sequence of float
        In any order, measured against the same reference.
    draws : sequence of array [200]
        Each score's draws.

    Returns
    -------
    list of int
        The group of each row, 1 for the best.

    References
    ----------
    Kramer, "Extension of multiple range tests to group means with unequal numbers of
    replications", Biometrics 12, 1956.
    """
    if len(scores) < 2:
        return [1] * len(scores)
    critical = studentized_range.ppf(CONFIDENCE, len(scores), np.inf) / np.sqrt(2)
    groups = [0] * len(scores)
    group, best = 0, -1
    for row in sorted(range(len(scores)), key=lambda row: -scores[row]):
        if best < 0 or scores[best] - scores[row] > critical * np.std(draws[best] - draws[row]):
            group, best = group + 1, row
        groups[row] = group
    return groups


def _utility(unlearned: Pool, retrained: Pool) -> float:
    """Product of the accuracies' ratios, neither above 1: better than retrained earns nothing."""
    ratios = (
        min(1.0, float(ours.mean()) / float(theirs.mean())) if theirs.any() else 1.0
        for ours, theirs in (
            (unlearned.retain_accuracy, retrained.retain_accuracy),
            (unlearned.test_accuracy, retrained.test_accuracy),
        )
    )
    return float(np.prod(list(ratios)))


def _check_ceiling(ceiling: ForgettingQuality, quality: ForgettingQuality) -> None:
    """Refuse to divide by what was measured otherwise."""
    for name in ("n_unlearned", "n_retrained", "delta"):
        theirs, ours = getattr(ceiling, name), getattr(quality, name)
        if theirs != ours:
            raise ValueError(
                f"ceiling was measured with {name} = {theirs}, the submission with {ours}; "
                "measure the ceiling again with as many models and the same delta"
            )
    if list(ceiling.by_attacker.epsilons) != list(quality.by_attacker.epsilons):
        raise ValueError(
            f"ceiling was measured by attackers {list(ceiling.by_attacker.epsilons)}, the "
            f"submission by {list(quality.by_attacker.epsilons)}; measure it again by the same"
        )
