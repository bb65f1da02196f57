"""The panel at work on one example: views, scores, the best cut of each attacker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from sklearn import config_context

from harness.epsilon.attackers import Attacker
from harness.epsilon.bounds import CutTables, cut_tables
from harness.epsilon.calibration import Calibration, calibrated
from harness.epsilon.confidences import confidences
from harness.epsilon.crossfit import Models
from harness.epsilon.resampling import resample

View = Literal["raw", "calibrated", "logits"]
Sight = tuple[str, View]  # an attacker, and what it looks at


class Rule(NamedTuple):
    """A decision rule: "unlearned" where `score direction threshold`.

    Attributes
    ----------
    attacker : str
    view : {"raw", "calibrated", "logits"}
        What the attacker looks at: the confidence, the calibrated confidence, or all logits.
    direction : {">=", "<"}
    threshold : float
        On the attacker's score, of which nothing but the order means anything.
    false_positive_rate, false_negative_rate : float
        Fraction of the retrained (unlearned) models that the rule gets wrong, as counted.
    """

    attacker: str
    view: View
    direction: Literal[">=", "<"]
    threshold: float
    false_positive_rate: float
    false_negative_rate: float

    def __str__(self) -> str:
        return (
            f"{self.attacker} {self.direction} {self.threshold:.4g} "
            f"(false positives {self.false_positive_rate:.3f}, "
            f"false negatives {self.false_negative_rate:.3f})"
        )


class Example(NamedTuple):
    """What each attacker found about one example, with each view that it looks at.

    Attributes
    ----------
    epsilons : ndarray [S]
        In nats, at least 0. NaN where an attacker was not asked, because another had told all
        the models apart.
    rules : list of S Rule
        The best of each.
    draws : ndarray [S, DRAWS]
        Epsilons over random halves of the models.
    """

    epsilons: np.ndarray
    rules: list[Rule]
    draws: np.ndarray


class _Order(NamedTuple):
    """Models by ascending score, where a rule can cut them, and the best cut."""

    models: np.ndarray
    starts: np.ndarray
    epsilon: float
    rule: Rule


def sights(panel: Mapping[str, Attacker], calibrated: bool) -> list[Sight]:
    """All pairs of an attacker and a view; those of the confidence first, then those of logits."""
    views: tuple[View, ...] = ("raw", "calibrated") if calibrated else ("raw",)
    of_confidence = [
        (name, view) for name, a in panel.items() if a.sees == "confidence" for view in views
    ]
    of_logits: list[Sight] = [(name, "logits") for name, a in panel.items() if a.sees == "logits"]
    return [*of_confidence, *of_logits]


def look(
    panel: Mapping[str, Attacker],
    pairs: Sequence[Sight],
    pools: tuple[np.ndarray, np.ndarray],
    label: int | None,
    calibrations: tuple[Calibration, Calibration] | None,
    delta: float,
) -> Example:
    """Let every attacker tell the models apart by one example.

    Parameters
    ----------
    panel : mapping of str to Attacker
    pairs : sequence of (attacker, view)
        As `sights` orders them.
    pools : two arrays [N] or [N, C]
        Confidences or logits of the unlearned and of the retrained models.
    label : int, optional
        Class of the example, where the pools are logits.
    calibrations : two Calibration, optional
    delta : float

    Returns
    -------
    Example
    """
    sizes = len(pools[0]), len(pools[1])
    tables = cut_tables(*sizes, delta)
    unlearned, retrained = (
        _views(pool, label, calibrations[role] if calibrations else None)
        for role, pool in enumerate(pools)
    )
    models = {view: Models(unlearned[view], retrained[view]) for view in unlearned}
    orders: list[_Order] = []
    told_apart: _Order | None = None
    for attacker, view in pairs:
        if told_apart and view == "logits":  # no rule is better, in any half of the models
            orders.append(told_apart._replace(epsilon=np.nan))
            continue
        # The pools have been checked as a whole; again for each fit would double the time.
        with config_context(assume_finite=True, skip_parameter_validation=True):
            found = models[view].scores(panel[attacker])
        orders.append(best_cut((attacker, view), found, sizes[0], tables))
        if orders[-1].epsilon >= tables.best.max():
            told_apart = told_apart or orders[-1]
    draws = resample(
        [order.models for order in orders], [order.starts for order in orders], *sizes, delta
    )
    return Example(
        np.array([order.epsilon for order in orders]), [order.rule for order in orders], draws
    )


def _views(
    pool: np.ndarray, label: int | None, calibration: Calibration | None
) -> dict[View, np.ndarray]:
    """What attackers see of a pool [N] or [N, C] of outputs on an example, each [N, columns]."""
    if label is None:
        return {"raw": pool.astype(np.float64)[:, None]}
    logits = pool.astype(np.float64)

    def confidence(logits: np.ndarray) -> np.ndarray:
        return confidences(logits[:, None], np.array([label]))

    views: dict[View, np.ndarray] = {
        "raw": confidence(logits),
        "logits": logits - logits.mean(axis=1, keepdims=True),
    }
    if calibration is not None:
        views["calibrated"] = confidence(calibrated(logits, calibration))
    return views


def best_cut(sight: Sight, found: np.ndarray, n_unlearned: int, tables: CutTables) -> _Order:
    """Models [N_u + N_r] ordered by score, and the cut of the largest epsilon."""
    models = np.argsort(found, kind="stable").astype(np.int32)
    ascending = found[models]
    starts = np.append(True, np.diff(ascending) > 0)
    is_unlearned = models < n_unlearned
    unlearned_below: np.ndarray = np.cumsum(is_unlearned) - is_unlearned
    retrained_below = np.arange(len(models)) - unlearned_below
    epsilons = np.where(starts, tables.best[unlearned_below, retrained_below], -np.inf)
    cut = int(epsilons.argmax())
    below = int(unlearned_below[cut]), int(retrained_below[cut])
    share_u = below[0] / n_unlearned
    share_r = below[1] / (len(models) - n_unlearned)
    is_above = tables.above[below] >= tables.below[below]
    rule = Rule(
        *sight,
        ">=" if is_above else "<",
        float(ascending[cut]),
        false_positive_rate=1 - share_r if is_above else share_r,
        false_negative_rate=share_u if is_above else 1 - share_u,
    )
    return _Order(models, starts, max(0.0, float(epsilons[cut])), rule)
