"""Uncertainty of forgetting quality: the same figure over random halves of the models."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from harness.epsilon.bounds import cut_tables

DRAWS = 200
Z95 = float(norm.ppf(0.975))
# Streams of the two roles, kept apart so that a pool of a role always meets the same draws.
_UNLEARNED, _RETRAINED = 0, 1


@dataclass(frozen=True)
class Orders:
    """Models ordered by attackers' scores.

    Attributes
    ----------
    models : ndarray [A, F, N_u + N_r], int32
        For each attacker and example the models by ascending score; those below `n_unlearned`
        are unlearned ones.
    starts : ndarray [A, F, N_u + N_r], bool
        Whether a model's score is larger than the one before, so that a rule can cut there.
    n_unlearned, n_retrained : int
    """

    models: np.ndarray
    starts: np.ndarray
    n_unlearned: int
    n_retrained: int


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


def resample(orders: Orders, delta: float) -> np.ndarray:
    """Mean points of the examples in each random half of the models.

    The attackers keep the scores of their one fit; only the error rates are counted again. A
    half's counts are read as the rates they are in a pool of full size, so that its value stands
    for the full one.

    Returns
    -------
    ndarray [DRAWS], float64
    """
    n_unlearned, n_retrained = orders.n_unlearned, orders.n_retrained
    drawn = n_unlearned // 2, n_retrained // 2
    table = cut_tables(n_unlearned, n_retrained, delta, drawn).best.astype(np.float32)
    keep = np.concatenate(halves(n_unlearned, n_retrained), axis=1)
    # What a model that is kept adds to the flat index of the table, for each cut above it.
    weights = np.repeat([table.shape[1], 1], [n_unlearned, n_retrained])
    steps = np.ascontiguousarray((keep * weights).T.astype(np.int32))
    total = np.zeros(DRAWS)
    for example in range(orders.models.shape[1]):
        best = np.zeros(DRAWS, dtype=np.float32)
        for models, starts in zip(
            orders.models[:, example], orders.starts[:, example], strict=True
        ):
            ordered = steps[models]
            below = np.cumsum(ordered, axis=0, dtype=np.int32) - ordered
            best = np.maximum(best, table.ravel().take(below[starts]).max(axis=0))
        total += np.exp2(-2.0 * best)
    return total / orders.models.shape[1]


def interval(value: float, draws: np.ndarray) -> tuple[float, float]:
    """95 % interval around a value from its draws over random halves of the models.

    A half drawn without replacement deviates from the whole as much as the whole does from the
    population: both variances are sigma²/n. The ordinary bootstrap fails here, since a model
    that is drawn twice looks like one that the attackers can tell.

    References
    ----------
    Politis, Romano and Wolf, "Subsampling", 1999; Shao and Wu, "A general theory for jackknife
    variance estimation", Annals of Statistics 17, 1989 (the delete-d jackknife with d = n/2).
    """
    reach = Z95 * float(np.std(draws))
    return max(0.0, value - reach), value + reach
