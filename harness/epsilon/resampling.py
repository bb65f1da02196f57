"""Uncertainty of forgetting quality: the same figure over random halves of the models."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from scipy.stats import norm

from harness.epsilon.bounds import cut_tables

DRAWS = 200
Z95 = float(norm.ppf(0.975))
_WIDENING, _FEW = 1.25, 20
# Streams of the two roles, kept apart so that a pool of a role always meets the same draws.
_UNLEARNED, _RETRAINED = 0, 1


def halves(n_unlearned: int, n_retrained: int) -> tuple[np.ndarray, np.ndarray]:
    """Random halves of both pools, drawn without replacement, the same at every call.

    A pool's halves depend on its size and role alone. So two submissions are compared on the
    same halves of the reference, and what the reference adds to both cancels in the difference.

    Returns
    -------
    ndarray [DRAWS, n_unlearned], ndarray [DRAWS, n_retrained], bool
        Whether a draw keeps a model.
    """

    def keep(role: int, models: int) -> np.ndarray:
        rng = np.random.default_rng([role, models])
        places = rng.permuted(np.tile(np.arange(models), (DRAWS, 1)), axis=1)
        return places < models // 2

    return keep(_UNLEARNED, n_unlearned), keep(_RETRAINED, n_retrained)


def resample(
    models: Sequence[np.ndarray],
    starts: Sequence[np.ndarray],
    n_unlearned: int,
    n_retrained: int,
    delta: float,
) -> np.ndarray:
    """Epsilon of one example in each random half of the models.

    The attackers keep the scores of their one fit; only the errors are counted again. Fewer
    models have looser error bounds, so that halves have other values than the whole; it is how
    they vary that counts.

    Parameters
    ----------
    models : A arrays [N_u + N_r] of int
        For each attacker the models by ascending score; those below `n_unlearned` are unlearned.
    starts : A arrays [N_u + N_r] of bool
        Whether a model's score is larger than the one before, so that a rule can cut there.
    n_unlearned, n_retrained : int
    delta : float

    Returns
    -------
    ndarray [A, DRAWS], float64
        In nats, at least 0.
    """
    steps, table = _steps(n_unlearned, n_retrained, delta)
    found = np.empty((len(models), DRAWS))
    for attacker, (order, cuts) in enumerate(zip(models, starts, strict=True)):
        ordered = steps[order]
        below = np.cumsum(ordered, axis=0, dtype=np.int32) - ordered
        found[attacker] = table.take(below[cuts]).max(axis=0)
    return np.maximum(found, 0)


@cache
def _steps(n_unlearned: int, n_retrained: int, delta: float) -> tuple[np.ndarray, np.ndarray]:
    """What a model adds to the flat index of a half's table, for each cut above it; the table."""
    table = cut_tables(n_unlearned // 2, n_retrained // 2, delta).best.astype(np.float32)
    keep = np.concatenate(halves(n_unlearned, n_retrained), axis=1)
    weights = np.repeat([table.shape[1], 1], [n_unlearned, n_retrained])
    return np.ascontiguousarray((keep * weights).T.astype(np.int32)), table.ravel()


def replicate(value: float, draws: np.ndarray, models: int) -> np.ndarray:
    """Replicates of a value, whose standard deviation is its standard error.

    A half drawn without replacement deviates from the whole as much as the whole does from the
    population: both variances are sigma²/n. So the draws' deviations, relative to their mean,
    are carried over to the value; and widened by a quarter, as a half's looser error bounds
    answer less to a change of the rates than the whole's do. With few models they answer less
    still: the factor is 1.25 (1 + 20 / N), which is 1.3 at N = 512, 1.6 at 64 and 2.0 at 32.

    Parameters
    ----------
    value : float
        The value of all the models.
    draws : array [DRAWS]
        Values of random halves.
    models : int
        Of the smaller pool.

    Returns
    -------
    ndarray [DRAWS]

    Notes
    -----
    Chosen by the coverage in `tests/benchmarks/interval_coverage.py`. The ordinary bootstrap
    fails: a model drawn twice looks like one that the attackers can tell. Reading a half's rates
    as those of a pool of full size makes intervals near 1 twice as wide as they should be, since
    the noise of a half then passes for leakage. Without the widening, coverage falls to 87 %.

    References
    ----------
    Politis, Romano and Wolf, "Subsampling", 1999; Shao and Wu, "A general theory for jackknife
    variance estimation", Annals of Statistics 17, 1989 (the delete-d jackknife with d = n/2).
    """
    if not draws.any():  # useless models, whatever the half
        return draws
    return value * (1 + _WIDENING * (1 + _FEW / models) * (draws / draws.mean() - 1))


def interval(value: float, replicates: np.ndarray) -> tuple[float, float]:
    """95 % interval around a value from the deviation of its replicates, as a factor both ways.

    A score is a mean of powers of two, whose deviations are proportional to it; and with few
    models it varies upwards by more than downwards, so that an interval of equal arms misses more.
    """
    if not value:
        return 0.0, 0.0
    factor = float(np.exp(Z95 * np.std(replicates) / value))
    return value / factor, value * factor
