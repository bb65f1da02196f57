"""The rule of the NeurIPS 2023 Machine Unlearning Challenge, as its organisers published it."""

from __future__ import annotations

import functools

import numpy as np

from harness.epsilon.validation import check_pair

_LARGEST = 50.0
_SPREAD_RATIO = 0.01
_PER_LOGIT = 100
_BUFFER = 2.0
_LEFT_ENDS = 400
_BIN = 0.5


def epsilons(unlearned: np.ndarray, retrained: np.ndarray, delta: float = 1e-5) -> np.ndarray:
    """Epsilon of each forget example under the competition's threshold attacks.

    An attack predicts one pool above a threshold, or the narrower pool within an interval, on
    grids of 0.01 logits. An attack whose false positive or false negative rate alone is zero is
    discarded. Where both rates are zero the epsilon is 50, as it is where one pool is a hundred
    times narrower than the other. This can be gamed (one outlier among identical runs defeats
    every attack), so no ranking should rest on it.

    Parameters
    ----------
    unlearned : array [N_u, F], float32 or float64
        Confidences of the unlearned models.
    retrained : array [N_r, F], float32 or float64
        Confidences of the retrained models.
    delta : float
        Failure probability of the (epsilon, delta) guarantee.

    Returns
    -------
    ndarray [F], float64
        In nats, from 0 to 50.

    Raises
    ------
    ValueError
        If a pool is empty, not finite, of one model or example, or unlike the other.

    Notes
    -----
    Where all attacks are discarded, thresholds between the order statistics are tried; the
    published scorer leaves that case open. No threshold is compared with every model, and most
    intervals of the grid are never formed: which models they hold bounds what they can give.

    References
    ----------
    Triantafillou et al., "Are we making progress in unlearning? Findings from the first NeurIPS
    unlearning competition", 2024, section 4 and the competition's metric report.
    """
    unlearned, retrained = np.asarray(unlearned), np.asarray(retrained)
    check_pair(unlearned, retrained)
    tables = _epsilon_tables(len(retrained), len(unlearned), delta)
    pools = (np.sort(pool.astype(np.float32), axis=0) for pool in (unlearned, retrained))
    columns = zip(*(np.ascontiguousarray(pool.T) for pool in pools), strict=True)
    return np.array([_epsilon(u, r, tables) for u, r in columns])


def forgetting_quality(epsilons: np.ndarray, n_models: int) -> float:
    """Mean points of the examples: half for each further half nat of epsilon.

    An epsilon in the b-th bin of width 0.5 earns ``2^−b``, and nothing once the bin's end lies
    beyond ``ceil(log(n_models − 1))``, about the largest that so many models can show.

    Parameters
    ----------
    epsilons : array [F]
        Of each forget example, in nats.
    n_models : int
        Models in a pool, at least 2.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    ValueError
        If there is no epsilon, one is negative or NaN, or there are fewer than two models.
    """
    epsilons = np.asarray(epsilons, dtype=np.float64)
    if epsilons.ndim != 1 or not epsilons.size or not (epsilons >= 0).all():
        raise ValueError(
            f"epsilons, shape {list(epsilons.shape)}: pass [F], one number from 0 up an example"
        )
    if n_models < 2:
        raise ValueError(f"n_models = {n_models}: pass the models of a pool, at least 2")
    bins = np.floor(epsilons / _BIN)
    counted = (bins + 1) * _BIN <= np.ceil(np.log(n_models - 1))
    return float(np.mean(np.where(counted, np.exp2(-bins), 0.0)))


@functools.lru_cache(maxsize=2)
def _epsilon_tables(n_retrained: int, n_unlearned: int, delta: float) -> dict[bool, np.ndarray]:
    """Epsilon by number of false positives (rows) and of false negatives; −inf is discarded.

    Keyed by whether the rule predicts unlearned, as the errors swap their meaning with it.
    """
    fpr = np.arange(n_retrained + 1)[:, None] / n_retrained
    fnr = np.arange(n_unlearned + 1) / n_unlearned
    with np.errstate(divide="ignore", invalid="ignore"):
        table = np.maximum(
            np.log(np.maximum(1 - delta - fpr, 0)) - np.log(fnr),
            np.log(np.maximum(1 - delta - fnr, 0)) - np.log(fpr),
        )
    table[0, :] = table[:, 0] = -np.inf
    table[0, 0] = np.inf
    table = table.astype(np.float32)
    return {True: table, False: np.ascontiguousarray(table.T)}


def _epsilon(u: np.ndarray, r: np.ndarray, tables: dict[bool, np.ndarray]) -> float:
    """Epsilon of one example from its sorted confidences."""
    range_u, range_r = u[-1] - u[0], r[-1] - r[0]
    if range_u == range_r == 0:
        return 0.0 if u[0] == r[0] else _LARGEST
    if min(range_u, range_r) < _SPREAD_RATIO * max(range_u, range_r):
        return _LARGEST
    u_is_positive = bool(_median(u) >= _median(r))
    positive, negative = (u, r) if u_is_positive else (r, u)
    u_is_peakiest = u_is_positive != bool(positive[-1] - positive[0] >= negative[-1] - negative[0])
    peakiest, other = (u, r) if u_is_peakiest else (r, u)
    best = max(
        _single_threshold(positive, negative, _grid(positive, negative), tables[u_is_positive]),
        _double_threshold(peakiest, other, tables[u_is_peakiest]),
    )
    if best == -np.inf:
        between = np.unique(np.concatenate([u, r]))
        best = _single_threshold(positive, negative, between, tables[u_is_positive])
    return float(np.clip(best, 0.0, _LARGEST))


def _median(ordered: np.ndarray) -> np.floating:
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


def _grid(positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    low, high = min(positive[0], negative[0]), max(positive[-1], negative[-1])
    return np.linspace(low, high, int(np.ceil((high - low) * _PER_LOGIT)), dtype=np.float32)


def _single_threshold(
    positive: np.ndarray, negative: np.ndarray, thresholds: np.ndarray, table: np.ndarray
) -> float:
    """Best epsilon of predicting positive at or above a threshold."""
    false_positives = len(negative) - np.searchsorted(negative, thresholds)
    false_negatives = np.searchsorted(positive, thresholds)
    return table[false_positives, false_negatives].max()


def _double_threshold(peakiest: np.ndarray, other: np.ndarray, table: np.ndarray) -> float:
    """Best epsilon of predicting the narrower pool within an interval."""
    width = peakiest[-1] - peakiest[0]
    low, high = peakiest[0] + width - _BUFFER, peakiest[-1] + _BUFFER
    right = np.linspace(low, high, int(np.ceil((high - low) * _PER_LOGIT)), dtype=np.float32)
    offsets = np.linspace(-_BUFFER, _BUFFER, _LEFT_ENDS, dtype=np.float32)
    # One search serves both pools: a place in the pooled order stands for the two counts below
    # it, and those for a place in the flat table, of which an interval's is the difference.
    pooled = np.concatenate([peakiest, other])
    order = np.argsort(pooled, kind="stable")
    pooled = pooled[order]
    places = np.zeros(len(pooled) + 1, dtype=np.intp)
    np.cumsum(np.where(order < len(peakiest), -1, table.shape[1]), out=places[1:])
    # Right ends between the same two confidences have the same models below them.
    ends = np.searchsorted(pooled, right, side="right")
    firsts = np.flatnonzero(np.diff(ends, prepend=-1))
    lasts = np.append(firsts[1:], len(right)) - 1
    ends = ends[firsts]
    # Whichever of their starts the grid can reach, none is better than the best of them all.
    lowest = np.minimum(np.searchsorted(pooled, right[firsts] - width + offsets[0]), ends)
    highest = np.minimum(np.searchsorted(pooled, right[lasts] - width + offsets[-1]), ends)
    starts = np.arange(lowest[0], highest[-1] + 1)
    inside = len(peakiest) + places[ends]
    reached = table.ravel().take(inside[:, None] - places[starts], mode="clip")
    reached[(starts < lowest[:, None]) | (starts > highest[:, None])] = -np.inf
    best = reached.max(axis=1)
    # So the grid is searched for the most promising ends only, until none promises more.
    is_exact = np.zeros(len(ends), dtype=bool)
    while not is_exact[i := best.argmax()]:
        left = (right[firsts[i] : lasts[i] + 1] - width)[:, None] + offsets
        found = np.minimum(np.searchsorted(pooled, left.ravel()), ends[i])
        best[i], is_exact[i] = table.ravel().take(inside[i] - places[found]).max(), True
    return best[i]
