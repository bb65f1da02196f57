"""One number a model from each attacker, never from a fit that has seen the model."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold

from harness.epsilon.attackers import Attacker

FOLDS = 5
TRIM = 32  # one model in so many is too far out to learn from
CLIP = 6.0  # standard deviations of the retrained models, beyond which all values are one
_IQR_OF_GAUSSIAN = 1.349


class Fold(NamedTuple):
    """What an attacker learns from, and the models that it then scores."""

    X: np.ndarray
    is_unlearned: np.ndarray
    held_out: np.ndarray
    held_out_X: np.ndarray


class Models:
    """What attackers see of the models, in one view of one example.

    Parameters
    ----------
    unlearned : array [N_u, columns]
    retrained : array [N_r, columns]
    """

    def __init__(self, unlearned: np.ndarray, retrained: np.ndarray) -> None:
        # Sorted, so that the order of the models does not matter.
        of_u, of_r = (np.lexsort(pool.T[::-1]) for pool in (unlearned, retrained))
        self._order = np.concatenate([of_u, of_r + len(unlearned)])
        self._X = np.concatenate([unlearned[of_u], retrained[of_r]])
        self._is_unlearned = np.arange(len(self._X)) < len(unlearned)

    def scores(self, attacker: Attacker) -> np.ndarray:
        """Score of each model, the larger the more like an unlearned one.

        A learned attacker is fitted to four fifths of both pools and scores the last fifth, five
        times over. Since a fold's fit has its own scale, a score is replaced by its place among
        the fold's models of both pools.

        Returns
        -------
        ndarray [N_u + N_r], float64
            The unlearned models first.
        """
        found = np.empty(len(self._X))
        if attacker.learned:
            for X, y, held_out, held_out_X in self._folds:
                decided = _decision(clone(attacker.estimator).fit(X, y), held_out_X)
                found[held_out] = _places(decided, self._is_unlearned[held_out])
        else:
            fitted = clone(attacker.estimator).fit(self._X, self._is_unlearned)
            found = _decision(fitted, self._X)
        scores = np.empty(len(found))
        scores[self._order] = found
        return scores

    @cached_property
    def _folds(self) -> list[Fold]:
        """Each fold, made robust, so that a few wild models cannot blind who learns from them.

        Columns are centred at the median of the retrained models to learn from, divided by their
        interquartile range, and clipped; and of each pool the models farthest out are not
        learned from. All models are scored.
        """
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=self._secret())
        return [self._fold(*split) for split in folds.split(self._X, self._is_unlearned)]

    def _fold(self, seen: np.ndarray, held_out: np.ndarray) -> Fold:
        pools = seen[self._is_unlearned[seen]], seen[~self._is_unlearned[seen]]
        robust = np.clip(_standardised(self._X, by=self._X[pools[1]]), -CLIP, CLIP)
        learnt = np.concatenate([pool[_core(robust[pool])] for pool in pools])
        return Fold(robust[learnt], self._is_unlearned[learnt], held_out, robust[held_out])

    def _secret(self) -> int:
        """A seed that no submission can know, since it has not seen the retrained models."""
        retrained = self._X[~self._is_unlearned]
        return int.from_bytes(hashlib.sha256(retrained.tobytes()).digest()[:4], "big")


def _standardised(X: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Columns in the robust standard deviations of `by`, from its median.

    As scikit-learn's RobustScaler, which spends ten times as long on arrays as small as these.
    """
    low, median, high = np.sort(by, axis=0)[[len(by) // 4, len(by) // 2, 3 * len(by) // 4]]
    spread = (high - low) / _IQR_OF_GAUSSIAN
    return (X - median) / np.where(spread > 0, spread, 1.0)


def _core(pool: np.ndarray) -> np.ndarray:
    """The models [n, columns] of a pool without those that lie farthest out, by any column."""
    far = np.abs(_standardised(pool, by=pool)).max(axis=1)
    return np.sort(np.argsort(far, kind="stable")[: len(pool) - -(-len(pool) // TRIM)])


def _decision(fitted: Any, X: np.ndarray) -> np.ndarray:
    if hasattr(fitted, "decision_function"):
        return fitted.decision_function(X)
    return fitted.predict_proba(X)[:, 1]


def _places(decided: np.ndarray, is_unlearned: np.ndarray) -> np.ndarray:
    """Share of the unlearned models below each, plus that of the retrained; half of the equal.

    Shares, not ranks: one fold may hold a model more of a pool than another, and where a fit
    tells the pools apart, the cut between them lies at 1 in every fold.
    """
    places = np.zeros(len(decided))
    for pool in (decided[is_unlearned], decided[~is_unlearned]):
        ordered = np.sort(pool)
        below = np.searchsorted(ordered, decided) + np.searchsorted(ordered, decided, "right")
        places += below / (2 * len(pool))
    return places
