"""How well scores find wrong labels, and means over seeds with their intervals."""

from __future__ import annotations

import numpy as np
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score


def blamed(scores: np.ndarray, count: int, signed: bool) -> np.ndarray:
    """The examples that become the forget set, the most to blame first.

    Parameters
    ----------
    scores : ndarray [n]
        A higher score is more to blame; equal ones keep the examples' order.
    count : int
        How many to take.
    signed : bool
        Take those with a score above zero instead, but at most half of all.

    Returns
    -------
    ndarray of int
        Places in `scores`; empty if signed and no score is above zero.
    """
    order = np.argsort(-scores, kind="stable")
    if not signed:
        return order[:count]
    return order[: min(int((scores > 0).sum()), len(scores) // 2)]


def detection(scores: np.ndarray, flipped: np.ndarray, count: int) -> dict[str, float]:
    """Precision at `count`, average precision and ROC area of scores [n] for flips [n]."""
    return {
        "precision_at_k": float(flipped[blamed(scores, count, False)].mean()),
        "average_precision": float(average_precision_score(flipped, scores)),
        "roc_area": float(roc_auc_score(flipped, scores)),
    }


def interval(values: np.ndarray) -> tuple[float, float, float]:
    """Mean over seeds [S] and the ends of its 95 % interval (Student's t)."""
    mean = float(np.mean(values))
    half = float(stats.sem(values) * stats.t.ppf(0.975, len(values) - 1))
    return mean, mean - half, mean + half
