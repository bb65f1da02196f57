"""A lower bound on epsilon that may be quoted: no maximum over rules stands behind it."""

from __future__ import annotations

import numpy as np
from sklearn.base import clone

from harness.epsilon.attackers import ATTACKERS
from harness.epsilon.bounds import CutTables, cut_tables, epsilon, error_bounds
from harness.epsilon.validation import check_pair

_RULES_ON = ("confidence", "gaussian")


def epsilon_lower_bound(
    unlearned: np.ndarray, retrained: np.ndarray, delta: float = 1e-5
) -> np.ndarray:
    """Epsilon that an attack is shown to reach, example by example, at 95 % confidence.

    The rule, a threshold on the confidence or on a Gaussian likelihood ratio, is fitted and
    chosen on a random half of the models; its error rates are bounded on the other half, each at
    97.5 %. So an example's true epsilon is at least this in 95 % of evaluations. Which models are
    in which half depends on their numbers alone, not on their values: only then do the errors on
    the second half follow a binomial distribution.

    Parameters
    ----------
    unlearned : array [N_u, F], float32 or float64
    retrained : array [N_r, F], float32 or float64
        Confidences, of at least 4 models each.
    delta : float
        Failure probability of the (epsilon, delta) guarantee.

    Returns
    -------
    ndarray [F]
        In nats, at least 0. The bounds hold one by one, not all at once.

    Raises
    ------
    ValueError
        If a pool is not finite, too small, or unlike the other.

    References
    ----------
    Jagielski, Ullman and Oprea, "Auditing differentially private machine learning", NeurIPS
    2020, section 3; Clopper and Pearson, Biometrika 26, 1934.
    """
    unlearned, retrained = np.asarray(unlearned), np.asarray(retrained)
    check_pair(unlearned, retrained, models=4)
    u_first, u_second = _halves(unlearned)
    r_first, r_second = _halves(retrained)
    tables = cut_tables(len(u_first), len(r_first), delta)
    missed = error_bounds(len(u_second), confidence=0.975)
    alarms = error_bounds(len(r_second), confidence=0.975)
    bounds = np.zeros(unlearned.shape[1])
    for example in range(len(bounds)):
        column = np.s_[:, example, None]
        first, second = (u_first[column], r_first[column]), (u_second[column], r_second[column])
        false_alarms, misses = _errors(first, second, tables)
        bounds[example] = epsilon(alarms[false_alarms], missed[misses], delta)
    return np.maximum(bounds, 0.0)


def _halves(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    places = np.random.default_rng(0).permutation(len(values))
    middle = len(values) // 2
    return values[places[:middle]], values[places[middle:]]


def _errors(
    first: tuple[np.ndarray, np.ndarray],
    second: tuple[np.ndarray, np.ndarray],
    tables: CutTables,
) -> tuple[int, int]:
    """False positives and negatives in both pools' second halves of the first halves' best rule."""
    X = np.concatenate(first)
    is_unlearned = np.arange(len(X)) < len(first[0])
    best, errors = -np.inf, (0, 0)
    for name in _RULES_ON:
        decide = clone(ATTACKERS[name].estimator).fit(X, is_unlearned).decision_function
        u, r = (np.sort(decide(half)) for half in first)
        thresholds = np.concatenate([u, r])
        below = np.searchsorted(u, thresholds), np.searchsorted(r, thresholds)
        u_below, r_below = (decide(half)[:, None] < thresholds for half in second)
        for table, false_positives, false_negatives in (
            (tables.above, ~r_below, u_below),
            (tables.below, r_below, ~u_below),
        ):
            found = table[below]
            if found.max() > best:
                rule = found.argmax()
                best = found[rule]
                errors = int(false_positives[:, rule].sum()), int(false_negatives[:, rule].sum())
    return errors
