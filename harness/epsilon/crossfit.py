"""One number a model from each attacker, never from a fit that has seen the model."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import rankdata
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold

from harness.epsilon.attackers import Attacker

FOLDS = 5


def scores(attacker: Attacker, unlearned: np.ndarray, retrained: np.ndarray) -> np.ndarray:
    """Score of each model, the larger the more like an unlearned one.

    A learned attacker is fitted to four fifths of both pools and scores the last fifth, five
    times over. Since a fold's fit has its own scale, each fold's scores are replaced by their
    ranks within the fold; the folds hold both pools in the same proportions, so that ranks of
    different folds mean the same.

    Parameters
    ----------
    attacker : Attacker
    unlearned : array [N_u, columns]
    retrained : array [N_r, columns]
        What the attacker sees of each model.

    Returns
    -------
    ndarray [N_u + N_r], float64
        The unlearned models first.
    """
    # Folds and fits depend on the values alone: not on the order of the models, and not on which
    # pool is called unlearned. So the models are sorted, and so are the pools.
    order_u, order_r = (np.lexsort(pool.T[::-1]) for pool in (unlearned, retrained))
    sorted_u, sorted_r = unlearned[order_u], retrained[order_r]
    if sorted_u.tolist() < sorted_r.tolist():
        low, high = _scores(attacker, sorted_u, sorted_r)
        found_u, found_r = -low, -high
    else:
        found_r, found_u = _scores(attacker, sorted_r, sorted_u)
    out = np.empty(len(unlearned) + len(retrained))
    out[order_u], out[order_r + len(unlearned)] = found_u, found_r
    return out


def _scores(
    attacker: Attacker, first: np.ndarray, second: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of both pools' models, the larger the more like the second pool's."""
    X = np.concatenate([first, second])
    is_second = np.arange(len(X)) >= len(first)
    if not attacker.learned:
        found = _decision(clone(attacker.estimator).fit(X, is_second), X)
        return found[: len(first)], found[len(first) :]
    found = np.empty(len(X))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    for seen, held_out in folds.split(X, is_second):
        fitted = clone(attacker.estimator).fit(X[seen], is_second[seen])
        found[held_out] = rankdata(_decision(fitted, X[held_out])) / len(held_out)
    return found[: len(first)], found[len(first) :]


def _decision(fitted: Any, X: np.ndarray) -> np.ndarray:
    if hasattr(fitted, "decision_function"):
        return fitted.decision_function(X)
    return fitted.predict_proba(X)[:, 1]
