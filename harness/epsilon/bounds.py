"""Epsilon of a decision rule from its integer error counts, at 95 % confidence."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import beta

_CONFIDENCE = 0.95


class CutTables(NamedTuple):
    """Epsilon of cutting models, ordered by score, in two: by what lies below the cut.

    Attributes
    ----------
    above, below : ndarray [n_unlearned + 1, n_retrained + 1]
        Epsilon of predicting "unlearned" above (below) the cut, by how many unlearned models
        (rows) and retrained ones (columns) lie below it.
    """

    above: np.ndarray
    below: np.ndarray

    @property
    def best(self) -> np.ndarray:
        """The larger of the two directions."""
        return np.maximum(self.above, self.below)


def error_bounds(models: int, confidence: float = _CONFIDENCE) -> np.ndarray:
    """Upper confidence bound of an error rate by number of errors.

    Parameters
    ----------
    models : int
        Models that could err.
    confidence : float
        That the bound holds.

    Returns
    -------
    ndarray [models + 1]
        One-sided Clopper-Pearson bounds, increasing to 1.

    References
    ----------
    Clopper and Pearson, Biometrika 26, 1934; as Eq. 2 of the metric report of the NeurIPS 2023
    Machine Unlearning Challenge.
    """
    errors = np.arange(models)
    return np.append(beta.ppf(confidence, errors + 1, models - errors), 1.0)


def epsilon(fpr: np.ndarray, fnr: np.ndarray, delta: float) -> np.ndarray:
    """Largest epsilon, in nats, that an attack of these error rates refutes; −inf if none.

    References
    ----------
    Kairouz, Oh and Viswanath, "The composition theorem for differential privacy", ICML 2015.
    """
    with np.errstate(divide="ignore"):
        return np.maximum(
            np.log(np.maximum(1 - delta - fpr, 0)) - np.log(fnr),
            np.log(np.maximum(1 - delta - fnr, 0)) - np.log(fpr),
        )


def cut_tables(n_unlearned: int, n_retrained: int, delta: float) -> CutTables:
    """Epsilon of every possible cut between ordered models.

    Parameters
    ----------
    n_unlearned, n_retrained : int
        Models of each pool.
    delta : float
        Failure probability of the (epsilon, delta) guarantee.
    """
    missed = error_bounds(n_unlearned)[:, None]
    alarms = error_bounds(n_retrained)[None, :]
    return CutTables(
        above=epsilon(alarms[:, ::-1], missed, delta),
        below=epsilon(alarms, missed[::-1], delta),
    )
