"""The leaderboard's score: forgetting quality over its ceiling, times utility, with an interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import studentized_range

from harness.epsilon import ForgettingQuality, forgetting_quality
from harness.epsilon.attackers import Attacker
from harness.epsilon.resampling import halves, interval, replicate
from harness.pool import Pool

CONFIDENCE = 0.97  # that a field of equals is one rank group
FLOOR = 0.05  # nats below the largest epsilon that count as told apart


@dataclass(frozen=True)
class Score:
    """A submission's score and what it is made of.

    Attributes
    ----------
    value : float
        ``forgetting_quality / ceiling * utility``; 1.0 is as good as retraining, as far as an
        adversary can tell who sees the confidence in the label, and may query the model on
        images of their own. Chance can lift it a little above.
    low, high : float
        95 % interval of the value.
    quality, ceiling : ForgettingQuality
        Of the unlearned models, and of a second pool of retrained ones, against the retrained.
    utility : float
        Retain and test accuracy over the retrained models', each capped at 1, multiplied.
    draws : ndarray [200]
        Replicates of the value from random halves of all three pools; their standard deviation
        is its standard error. Scores of the same reference share its halves, so that their draws
        can be subtracted.
    at_floor : bool
        Whether half the examples or more tell (nearly) all models apart: the median epsilon lies
        within 0.05 of the largest that so many models can show.
    strict : Score or None
        The same for an adversary who sees all logits; None where no attacker looks at them.
    """

    value: float
    low: float
    high: float
    quality: ForgettingQuality
    ceiling: ForgettingQuality
    utility: float
    draws: np.ndarray
    strict: Score | None = None

    @property
    def at_floor(self) -> bool:
        return bool(np.median(self.quality.epsilons) > self.quality.largest_epsilon - FLOOR)

    def figures(self) -> dict[str, Any]:
        """The score and what it is made of, by the names of the leaderboard."""
        figures = {
            "score": self.value,
            "score_low": self.low,
            "score_high": self.high,
            "forgetting_quality": self.quality.value,
            "ceiling": self.ceiling.value,
            "utility": self.utility,
        }
        if self.strict:
            figures |= {
                "strict_score": self.strict.value,
                "strict_score_low": self.strict.low,
                "strict_score_high": self.strict.high,
                "strict_ceiling": self.strict.ceiling.value,
                "strict_epsilon_median": float(np.median(self.strict.quality.epsilons)),
            }
        return figures


def score(
    unlearned: Pool,
    retrained: Pool,
    ceiling: ForgettingQuality,
    labels: np.ndarray,
    attackers: Sequence[Any] | Mapping[str, Mapping[str, Any] | Attacker] | None = None,
    delta: float = 1e-5,
    n_jobs: int | None = None,
) -> Score:
    """Score a pool of unlearned models.

    Parameters
    ----------
    unlearned, retrained : Pool
        Of N_u unlearned and N_r retrained models.
    ceiling : ForgettingQuality
        Of N_u other retrained models against `retrained`, by the same attackers and delta: what
        `quality` makes of them.
    labels : array [F] of int
        Classes of the forget examples.
    attackers, delta, n_jobs
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
    found = quality(unlearned, retrained, labels, attackers, delta, n_jobs)
    _check_ceiling(ceiling, found)
    utilities = np.array(
        [
            _utility(unlearned, retrained, *kept)
            for kept in zip(*halves(len(unlearned), len(retrained)), strict=True)
        ]
    )
    return _score(found, ceiling, _utility(unlearned, retrained), utilities)


def quality(
    unlearned: Pool,
    retrained: Pool,
    labels: np.ndarray,
    attackers: Sequence[Any] | Mapping[str, Mapping[str, Any] | Attacker] | None = None,
    delta: float = 1e-5,
    n_jobs: int | None = None,
) -> ForgettingQuality:
    """Forgetting quality of one pool against another, seen raw and calibrated; see `score`."""
    return forgetting_quality(
        unlearned.forget_logits,
        retrained.forget_logits,
        labels,
        attackers,
        delta,
        calibrations=(unlearned.calibration, retrained.calibration),
        n_jobs=n_jobs,
    )


def _score(
    found: ForgettingQuality, ceiling: ForgettingQuality, utility: float, utilities: np.ndarray
) -> Score:
    value = found.value / ceiling.value * utility
    models = min(found.n_unlearned, found.n_retrained)
    draws = replicate(value, found.draws / ceiling.draws * utilities, models)
    strict = None
    if found.strict and ceiling.strict:
        strict = _score(found.strict, ceiling.strict, utility, utilities)
    return Score(value, *interval(value, draws), found, ceiling, utility, draws, strict)


def rank_groups(
    scores: Sequence[float], draws: Sequence[np.ndarray], at_floor: Sequence[bool]
) -> list[int]:
    """Groups of rows that no significant difference tells apart.

    From the best score down, a row joins the group as long as its difference from the group's
    best is not significant; the first that is opens the next group. The standard error of a
    difference comes from the paired draws. Its critical value is that of the range of all the
    rows' scores (Tukey and Kramer), so that a field of equals, however large, is split in fewer
    than one leaderboard of twenty, although its best and its worst are compared: at 97 %, as
    standard errors are estimates themselves, and at 95 % up to 7 % of the pairs of equals were
    split in `tests/benchmarks/interval_coverage.py`.

    All rows at the floor are one group, which counts where the first of them stands: every one
    of their models is told from retraining, and what is left of their scores is utility.

    Parameters
    ----------
    scores : sequence of float
        In any order, measured against the same reference.
    draws : sequence of array [200]
        Each score's draws.
    at_floor : sequence of bool
        See `Score.at_floor`.

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
    group, best, floor = 0, -1, 0
    for row in sorted(range(len(scores)), key=lambda row: -scores[row]):
        if at_floor[row] and floor:
            groups[row] = floor
            continue
        opens = best < 0 or at_floor[row] or at_floor[best]
        if opens or scores[best] - scores[row] > critical * np.std(draws[best] - draws[row]):
            group, best = group + 1, row
        groups[row] = group
        floor = floor or at_floor[row] * group
    return groups


def _utility(
    unlearned: Pool,
    retrained: Pool,
    of_unlearned: slice | np.ndarray = np.s_[:],
    of_retrained: slice | np.ndarray = np.s_[:],
) -> float:
    """Product of the accuracies' ratios, neither above 1: better than retrained earns nothing."""
    value = 1.0
    for split in ("retain_accuracy", "test_accuracy"):
        ours = getattr(unlearned, split)[of_unlearned]
        theirs = getattr(retrained, split)[of_retrained]
        value *= min(1.0, float(ours.mean()) / float(theirs.mean())) if theirs.any() else 1.0
    return value


def _check_ceiling(ceiling: ForgettingQuality, quality: ForgettingQuality) -> None:
    """Refuse to divide by what was measured otherwise."""
    for name in ("n_unlearned", "n_retrained", "delta"):
        theirs, ours = getattr(ceiling, name), getattr(quality, name)
        if theirs != ours:
            raise ValueError(
                f"ceiling was measured with {name} = {theirs}, the submission with {ours}; "
                "measure the ceiling again with as many models and the same delta"
            )
    theirs, ours = ([*(q.strict or q).by_attacker.epsilons] for q in (ceiling, quality))
    if theirs != ours:
        raise ValueError(
            f"ceiling was measured by attackers {theirs}, the submission by {ours}; measure it "
            "again by the same"
        )
