"""Forgetting quality: the panel of attackers, every threshold counted, at 95 % confidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from typing import Any, Literal

import numpy as np
from joblib import Parallel, delayed
from sklearn import config_context

from harness.epsilon.attackers import Attacker, panel
from harness.epsilon.bounds import CutTables, cut_tables
from harness.epsilon.confidences import confidences
from harness.epsilon.crossfit import scores
from harness.epsilon.resampling import Orders, interval, replicate, resample
from harness.epsilon.validation import check_pair

# Five folds need two models each, of both pools.
MIN_MODELS = 10


@dataclass(frozen=True)
class Rule:
    """The rule that tells most about an example: "unlearned" where `score direction threshold`.

    Attributes
    ----------
    attacker : str
    direction : {">=", "<"}
    threshold : float
        On the attacker's score, of which nothing but the order means anything.
    false_positive_rate, false_negative_rate : float
        Fraction of the retrained (unlearned) models that the rule gets wrong, as counted.
    """

    attacker: str
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


@dataclass(frozen=True)
class ByAttacker:
    """What each attacker found.

    Attributes
    ----------
    epsilons : dict of str to ndarray [F]
        Each attacker's epsilons, in nats.
    rules : list of Rule
        The winning attacker's best rule, for each example.
    """

    epsilons: dict[str, np.ndarray]
    rules: list[Rule]


@dataclass(frozen=True)
class ForgettingQuality:
    """How close unlearned models come to retrained ones, as far as the attackers can tell.

    Attributes
    ----------
    value : float
        Mean of ``2^(−2 epsilon)`` over the examples, in (0, 1].
    epsilons : ndarray [F]
        Largest over the attackers, in nats.
    by_attacker : ByAttacker
    n_unlearned, n_retrained : int
        Models of each pool. Values of different sizes are not comparable.
    delta : float
    draws : ndarray [200]
        The value over random halves of the models; computed when first asked for.
    interval : (float, float)
        95 % interval of the value, from the draws.
    """

    value: float
    epsilons: np.ndarray
    by_attacker: ByAttacker
    n_unlearned: int
    n_retrained: int
    delta: float
    _draw: Callable[[], np.ndarray] = field(repr=False)

    @cached_property
    def draws(self) -> np.ndarray:
        return self._draw()

    @property
    def interval(self) -> tuple[float, float]:
        return interval(self.value, replicate(self.value, self.draws))

    def to_dict(self) -> dict[str, Any]:
        """Everything, draws included, as JSON knows it."""
        return {
            "value": self.value,
            "epsilons": self.epsilons.tolist(),
            "epsilons_by_attacker": {
                name: epsilons.tolist() for name, epsilons in self.by_attacker.epsilons.items()
            },
            "rules": [asdict(rule) for rule in self.by_attacker.rules],
            "n_unlearned": self.n_unlearned,
            "n_retrained": self.n_retrained,
            "delta": self.delta,
            "draws": self.draws.tolist(),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> ForgettingQuality:
        """What `to_dict` described."""
        return cls(
            value=content["value"],
            epsilons=np.array(content["epsilons"]),
            by_attacker=ByAttacker(
                {
                    name: np.array(epsilons)
                    for name, epsilons in content["epsilons_by_attacker"].items()
                },
                [Rule(**rule) for rule in content["rules"]],
            ),
            n_unlearned=content["n_unlearned"],
            n_retrained=content["n_retrained"],
            delta=content["delta"],
            _draw=partial(np.array, content["draws"]),
        )


def forgetting_quality(
    unlearned: np.ndarray,
    retrained: np.ndarray,
    labels: np.ndarray | None = None,
    attackers: Sequence[str] | Mapping[str, Mapping[str, Any] | Attacker] | None = None,
    delta: float = 1e-5,
) -> ForgettingQuality:
    """Let attackers tell unlearned from retrained models, example by example.

    Each attacker gives each model one number, a learned one out of fold. Every threshold on it,
    in both directions, is a decision rule; its false positive and false negative rates are taken
    at their one-sided 95 % Clopper-Pearson bounds. The largest epsilon over rules and attackers
    is the example's, and earns ``2^(−2 epsilon)`` points.

    Parameters
    ----------
    unlearned : array [N_u, F] or [N_u, F, C], float32 or float64
        Confidences (see `confidences`) or logits of the unlearned models on F forget examples.
    retrained : array [N_r, F] or [N_r, F, C], float32 or float64
        The same of models that never saw the examples.
    labels : array [F] of int, optional
        Class of each example; needed with logits.
    attackers : sequence of str, or mapping of str to parameters or Attacker, optional
        Names in `ATTACKERS`; a mapping can give each one parameters, or add one of your own. The
        default panel if None or empty. With confidences alone, attackers that see logits are
        left out.
    delta : float
        Failure probability of the (epsilon, delta) guarantee.

    Returns
    -------
    ForgettingQuality

    Raises
    ------
    ValueError
        If an argument is not finite, float16, of fewer than 10 models or 2 examples, or does not
        fit the others; or if an attacker is unknown.

    Notes
    -----
    Examples are spread over as many processes as `joblib.parallel_config` says around the call;
    one if it says nothing. The result does not depend on it.

    References
    ----------
    Triantafillou et al., "Are we making progress in unlearning?", 2024, section 4, for epsilons
    of examples turned into points; Carlini et al., IEEE S&P 2022, for the attacks.
    """
    unlearned, retrained = np.asarray(unlearned), np.asarray(retrained)
    check_pair(unlearned, retrained, ndim=(2, 3), models=MIN_MODELS)
    if not 0 < delta < 1:
        raise ValueError(f"delta = {delta}: pass a probability between 0 and 1")
    logits = unlearned.ndim == 3
    if logits and labels is None:
        raise ValueError(
            f"labels is None, but unlearned, shape {list(unlearned.shape)}, are logits; pass the "
            f"classes of the {unlearned.shape[1]} examples, or confidences [N, F]"
        )
    chosen = panel(attackers, logits)
    views = [_views(pool, labels if logits else None) for pool in (unlearned, retrained)]
    n_unlearned, n_retrained = len(unlearned), len(retrained)
    found = np.stack(
        Parallel()(
            delayed(_scores)(
                list(chosen.values()),
                *({sees: view[sees][:, example] for sees in view} for view in views),
            )
            for example in range(unlearned.shape[1])
        ),
        axis=1,
    )
    tables = cut_tables(n_unlearned, n_retrained, delta)
    orders = _order(found, n_unlearned)
    epsilons, best_cuts = _best_cuts(orders, tables)
    rules = [
        _rule(list(chosen)[a], found[a, e], best_cuts[a, e], n_unlearned, tables)
        for e, a in enumerate(epsilons.argmax(axis=0))
    ]
    epsilons = np.maximum(epsilons, 0.0)
    return ForgettingQuality(
        value=float(np.mean(np.exp2(-2 * epsilons.max(axis=0)))),
        epsilons=epsilons.max(axis=0),
        by_attacker=ByAttacker(dict(zip(chosen, epsilons, strict=True)), rules),
        n_unlearned=n_unlearned,
        n_retrained=n_retrained,
        delta=delta,
        _draw=partial(resample, orders, delta),
    )


def _views(pool: np.ndarray, labels: np.ndarray | None) -> dict[str, np.ndarray]:
    """What attackers see of a pool, each [N, F, columns]."""
    if labels is None:
        return {"confidence": pool.astype(np.float64)[..., None]}
    centred = pool.astype(np.float64)
    centred -= centred.mean(axis=-1, keepdims=True)
    return {"confidence": confidences(pool, labels)[..., None], "logits": centred}


def _scores(
    attackers: Sequence[Attacker],
    unlearned: Mapping[str, np.ndarray],
    retrained: Mapping[str, np.ndarray],
) -> np.ndarray:
    """Scores [A, N_u + N_r] of the models on one example, from what attackers see of it."""
    # The pools have been checked as a whole; doing it again for each fit would double the time.
    with config_context(assume_finite=True):
        return np.stack(
            [
                scores(attacker, unlearned[attacker.sees], retrained[attacker.sees])
                for attacker in attackers
            ]
        )


def _order(found: np.ndarray, n_unlearned: int) -> Orders:
    """Models by ascending score from scores [A, F, N_u + N_r]."""
    models = np.argsort(found, axis=-1, kind="stable").astype(np.int32)
    ascending = np.take_along_axis(found, models, axis=-1)
    starts = np.ones(found.shape, dtype=bool)
    starts[..., 1:] = ascending[..., 1:] > ascending[..., :-1]
    return Orders(models, starts, n_unlearned, found.shape[-1] - n_unlearned)


def _best_cuts(orders: Orders, tables: CutTables) -> tuple[np.ndarray, np.ndarray]:
    """Largest epsilon [A, F] over all cuts, and the place in the order where it cuts [A, F]."""
    is_unlearned = orders.models < orders.n_unlearned
    unlearned_below: np.ndarray = np.cumsum(is_unlearned, axis=-1) - is_unlearned
    retrained_below = np.arange(orders.models.shape[-1]) - unlearned_below
    epsilons = np.where(orders.starts, tables.best[unlearned_below, retrained_below], -np.inf)
    return epsilons.max(axis=-1), epsilons.argmax(axis=-1)


def _rule(attacker: str, found: np.ndarray, cut: int, n_unlearned: int, tables: CutTables) -> Rule:
    """The rule that cuts an example's ordered scores [N_u + N_r] at a place."""
    threshold = float(np.sort(found)[cut])
    unlearned, retrained = found[:n_unlearned] < threshold, found[n_unlearned:] < threshold
    below = int(unlearned.sum()), int(retrained.sum())
    if tables.above[below] >= tables.below[below]:
        return Rule(attacker, ">=", threshold, float((~retrained).mean()), float(unlearned.mean()))
    return Rule(attacker, "<", threshold, float(retrained.mean()), float((~unlearned).mean()))
