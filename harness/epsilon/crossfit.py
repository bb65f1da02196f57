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
    X = np.concatenate([unlearned, retrained])
    is_unlearned = np.arange(len(X)) < len(unlearned)
    if not attacker.learned:
        return _decision(clone(attacker.estimator).fit(X, is_unlearned), X)
    # Folds are drawn in an order that the values alone decide, not the order of the models.
    order = np.lexsort((*X.T[::-1], is_unlearned))
    X, is_unlearned = X[order], is_unlearned[order]
    out = np.empty(len(X))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    for seen, held_out in folds.split(X, is_unlearned):
        fitted = clone(attacker.estimator).fit(X[seen], is_unlearned[seen])
        out[order[held_out]] = rankdata(_decision(fitted, X[held_out])) / len(held_out)
    return out


def _decision(fitted: Any, X: np.ndarray) -> np.ndarray:
    if hasattr(fitted, "decision_function"):
        return fitted.decision_function(X)
    return fitted.predict_proba(X)[:, 1]
