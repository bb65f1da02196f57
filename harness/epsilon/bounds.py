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


def error_bounds(models: int, drawn: int | None = None) -> np.ndarray:
    """Upper confidence bound of an error rate by number of errors.

    Parameters
    ----------
    models : int
        Models that could err.
    drawn : int, optional
        Count the errors among this many of them, drawn at random, and read each count as the
        rate that it is; all of them if None.

    Returns
    -------
    ndarray [drawn + 1]
        One-sided 95 % Clopper-Pearson bounds, increasing to 1.

    References
    ----------
    Clopper and Pearson, Biometrika 26, 1934; as Eq. 2 of the metric report of the NeurIPS 2023
    Machine Unlearning Challenge.
    """
    drawn = models if drawn is None else drawn
    errors = np.arange(drawn) * (models / drawn)
    return np.append(beta.ppf(_CONFIDENCE, errors + 1, models - errors), 1.0)


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


def cut_tables(
    n_unlearned: int, n_retrained: int, delta: float, drawn: tuple[int, int] | None = None
) -> CutTables:
    """Epsilon of every possible cut between ordered models.

    Parameters
    ----------
    n_unlearned, n_retrained : int
        Models of each pool.
    delta : float
        Failure probability of the (epsilon, delta) guarantee.
    drawn : (int, int), optional
        Models of each pool that counts are taken among; see `error_bounds`.
    """
    drawn_unlearned, drawn_retrained = drawn or (n_unlearned, n_retrained)
    missed = error_bounds(n_unlearned, drawn_unlearned)[:, None]
    alarms = error_bounds(n_retrained, drawn_retrained)[None, :]
    return CutTables(
        above=epsilon(alarms[:, ::-1], missed, delta),
        below=epsilon(alarms, missed[::-1], delta),
    )
